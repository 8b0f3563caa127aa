"""Artefacts: spots, border frames and checkerboards in pictures without structure of their own.

    python benchmarks/style_probe.py

Black, white, grey, gradient, noise and night pictures of 256² go through every shipped style, or
the models named; the sheet beside the table is for the eye. Measured in luminance, 0 to 1:

- spots: connected spots of at least 12 pixels that differ from the median of the 31×31 pixels
  around them by more than 0.25. Brush strokes are such spots too, so the painting itself has a row;
- border: the mean of the outermost 8 pixels less that of the rest;
- peaks: energy of the spectrum at periods of 2 and 4 pixels along rows and columns, over that of
  the bins around it; without a grid it is near 1.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure import RESULTS, publish
from numpy.typing import NDArray
from scipy import ndimage

from impasto.evaluation.photographs import Pixels, square, stylized
from impasto.images.contact_sheet import contact_sheet
from impasto.images.files.io import Picture, save_picture
from impasto.metrics.artefacts import GRID_PERIODS, border_step, grid_peak, style_luminance
from impasto.runtime.predictor import Predictor
from impasto.zoo.registry import list_models, resolve_model

SIZE = 256
SPOT_CONTRAST, SPOT_PIXELS, SPOT_WINDOW = 0.25, 12, 31
ROOT = Path(__file__).parents[1]
NIGHT_PHOTOGRAPH = ROOT / "examples" / "photos" / "china.jpg"


@dataclass(frozen=True)
class Artefacts:
    spots: int
    largest_spot: int
    border: float
    peaks: tuple[float, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="default: every shipped style")
    models = parser.parse_args().models
    models = models or [e.name for e in list_models(task="style-transfer") if e.released]
    pictures = probe_pictures()
    lines = [
        "| style | picture | spots (largest, pixels) | border − interior | peak at 2 | peak at 4 |",
        "|---|---|---|---|---|---|",
    ]
    sheet, content = [list(pictures.values())], {}
    for model in models:
        predictor = Predictor(resolve_model(model))
        name = Path(model).stem
        results = {kind: stylized(predictor, picture) for kind, picture in pictures.items()}
        measured = {kind: examine(result) for kind, result in results.items()}
        measured["the painting itself"] = examine(square(painting_of(name), SIZE))
        lines += [row(name, kind, artefacts) for kind, artefacts in measured.items()]
        content[name] = {kind: vars(artefacts) for kind, artefacts in measured.items()}
        sheet.append(list(results.values()))
    labels = ["as given", *(Path(model).stem for model in models)]
    drawn = contact_sheet(sheet, cell_size=SIZE, row_labels=labels, column_labels=list(pictures))
    save_picture(Picture(rgb=drawn), RESULTS / "style_probe.jpg", quality=70, overwrite=True)
    publish(
        "style_probe",
        command="python benchmarks/style_probe.py",
        table="\n".join(lines),
        content={"findings": content},
    )


def painting_of(name: str) -> Path:
    """The painting of a style; a run of it is named after it, such as `starry_night_24`."""
    paintings = sorted((ROOT / "examples" / "paintings").iterdir(), key=lambda file: file.stem)
    return next(file for file in paintings if name.startswith(file.stem))


def row(name: str, kind: str, artefacts: Artefacts) -> str:
    peaks = " | ".join(f"{peak:.2f}" for peak in artefacts.peaks)
    spots = f"{artefacts.spots} ({artefacts.largest_spot})" if artefacts.spots else "0"
    return f"| {name} | {kind} | {spots} | {artefacts.border:+.3f} | {peaks} |"


def probe_pictures() -> dict[str, Pixels]:
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 1, SIZE, dtype=np.float32)[:, None]
    sky = np.array([0.35, 0.55, 0.85], np.float32) * (1 - ramp[..., None]) + ramp[..., None] * 0.95
    night = square(NIGHT_PHOTOGRAPH, SIZE) * 0.12
    flat: Callable[[float], Pixels] = lambda value: np.full((SIZE, SIZE, 3), value, np.float32)  # noqa: E731
    return {
        "black": flat(0.0),
        "white": flat(1.0),
        "grey": flat(0.5),
        "gradient": np.broadcast_to(sky, (SIZE, SIZE, 3)).astype(np.float32),
        "noise": rng.uniform(0, 1, (SIZE, SIZE, 3)).astype(np.float32),
        "night": np.round(night * 255).astype(np.float32) / 255,
    }


def examine(picture: Pixels) -> Artefacts:
    luminance = style_luminance(picture)
    spots = spot_sizes(luminance)
    return Artefacts(
        spots=len(spots),
        largest_spot=max(spots, default=0),
        border=border_step(luminance),
        peaks=tuple(grid_peak(luminance, period=period) for period in GRID_PERIODS),
    )


def spot_sizes(luminance: NDArray[np.float32]) -> list[int]:
    median = ndimage.median_filter(luminance, size=SPOT_WINDOW, mode="reflect")
    labels, count = ndimage.label(np.abs(luminance - median) > SPOT_CONTRAST)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return [int(size) for size in sizes if size >= SPOT_PIXELS]


if __name__ == "__main__":
    main()
