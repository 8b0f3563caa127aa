"""Models of one painting side by side: objective over photographs, milliseconds, file size.

    python benchmarks/style_objective.py --painting FILE --photos DIR --name NAME MODEL...

The objective is the default preset's, scaled as the first model's card has it, so that one
number compares all; photographs at 256² as `style_terms.py` says, times at 256² and 512². Peaks are
the spectrum's at 2 and 4 pixels, as in `style_probe.py`, the median over its pictures. The sheet
beside the table has a photograph of `examples/`, stylized by each model, and a crop at 4:1.
`runs/widths.sh` and `runs/time_and_photos.sh` train the models.
"""

import argparse
from pathlib import Path

import numpy as np
from measure import RESULTS, publish
from pictures import EXAMPLES, noise
from style_probe import examine, probe_pictures
from style_terms import PRESET, StyleTerms, total_variation

from impasto.evaluation.photographs import Pixels, square, stylized
from impasto.evaluation.timing import median_seconds
from impasto.images.contact_sheet import contact_sheet
from impasto.images.files.io import Picture, list_pictures, save_picture
from impasto.runtime.predictor import Predictor
from impasto.tensors import to_tensor
from impasto.zoo.registry import resolve_model

SIZE = 256
SPEED_SIZES = (256, 512)
SHEET_PHOTOGRAPH = EXAMPLES / "chelsea.png"
CROP, MAGNIFICATION = slice(96, 160), 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--painting", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--name", required=True, help="of the result")
    arguments = parser.parse_args()
    files = [resolve_model(model) for model in arguments.models]
    names = [Path(model).stem for model in arguments.models]
    predictors = dict(zip(names, map(Predictor, files), strict=True))
    photos = [square(path, SIZE) for path in list_pictures(arguments.photos)]
    terms = StyleTerms({arguments.painting.stem: arguments.painting})
    scales = files[0].card.training.scales
    weighted = weighted_terms(predictors, terms, photos, scales)
    seconds = {size: speed(predictors, size) for size in SPEED_SIZES}
    peaks = {name: median_peaks(predictor) for name, predictor in predictors.items()}
    lines = [
        "| model | channels | steps | minutes | photographs | objective | content | style "
        "| total variation | peaks at 2, 4 | ms, 256² | ms, 512² | file, MB |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, file in zip(names, files, strict=True):
        training, parts = file.card.training, weighted[name]
        channels = "-".join(map(str, file.card.architecture.channels))
        cells = [
            name,
            channels,
            training.steps,
            f"{training.minutes:g}",
            training.num_photographs,
            f"{sum(parts.values()):.3f}",
            *(f"{value:.3f}" for value in parts.values()),
            ", ".join(f"{peak:.1f}" for peak in peaks[name]),
            *(f"{1000 * seconds[size][name]:.0f}" for size in SPEED_SIZES),
            f"{len(file.data) / 1e6:.2f}",
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += [
        "",
        f"Means over {len(photos)} photographs at {SIZE}².",
        "",
        f"![A photograph, stylized by each, and a crop at {MAGNIFICATION}:1]({arguments.name}.jpg)",
    ]
    save_picture(sheet(predictors), RESULTS / f"{arguments.name}.jpg", quality=85, overwrite=True)
    publish(
        arguments.name,
        command="python benchmarks/style_objective.py --painting FILE --photos DIR MODEL...",
        table="\n".join(lines),
        content={
            "weighted": weighted,
            "peaks": peaks,
            "seconds": {str(size): medians for size, medians in seconds.items()},
        },
    )


def weighted_terms(
    predictors: dict[str, Predictor],
    terms: StyleTerms,
    photos: list[Pixels],
    scales: dict[str, float],
) -> dict[str, dict[str, float]]:
    """Each model's mean terms, weighted as in the objective."""
    weights = PRESET.weights.model_dump()
    rows: dict[str, list[list[float]]] = {name: [] for name in predictors}
    for photograph in photos:
        original = terms.features(to_tensor(photograph))
        for name, predictor in predictors.items():
            picture = to_tensor(stylized(predictor, photograph))
            features = terms.features(picture)
            content = terms.content(features, original)
            style = float(terms.styles(features)[0])
            rows[name].append([content, style, total_variation(picture)])
    kinds = ("content", "style", "total_variation")
    factors = [weights[kind] / scales[kind] for kind in kinds]
    means = {name: np.mean(values, axis=0) * factors for name, values in rows.items()}
    return {
        name: {kind: float(value) for kind, value in zip(kinds, mean, strict=True)}
        for name, mean in means.items()
    }


def median_peaks(predictor: Predictor) -> tuple[float, ...]:
    measured = [examine(stylized(predictor, picture)) for picture in probe_pictures().values()]
    return tuple(np.median([artefacts.peaks for artefacts in measured], axis=0).tolist())


def sheet(predictors: dict[str, Predictor]) -> Picture:
    photograph = square(SHEET_PHOTOGRAPH, SIZE)
    pictures = [photograph, *(stylized(each, photograph) for each in predictors.values())]
    crops = [
        picture[CROP, CROP].repeat(MAGNIFICATION, axis=0).repeat(MAGNIFICATION, axis=1)
        for picture in pictures
    ]
    labels = ["photograph", *predictors]
    return Picture(rgb=contact_sheet([pictures, crops], cell_size=SIZE, column_labels=labels))


def speed(predictors: dict[str, Predictor], size: int) -> dict[str, float]:
    picture = noise(size, size)
    runs = {name: (lambda p=predictor: p(picture)) for name, predictor in predictors.items()}
    return median_seconds(runs, num_rounds=9)


if __name__ == "__main__":
    main()
