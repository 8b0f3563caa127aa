"""Figures 3 and 4: what the losses keep of a picture, layer by layer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.evaluation.photographs import Pixels, at_8_bits, square
from impasto.images.contact_sheet import contact_sheet
from impasto.images.files.io import Picture, load_picture, save_picture
from impasto.metrics.fidelity import rgb_to_luminance, ssim
from impasto.optimization.inversion import (
    PAPER_FEATURE_LAYERS,
    PAPER_STYLE_SETS,
    invert_features,
    invert_style,
)
from impasto.optimization.picture_optimizer import OptimizationProgress, OptimizationSettings
from impasto.reproduction.claim import Effort, Result, Settings, first, with_note
from impasto.reproduction.journal import Journal, Key, digest_of
from impasto.reproduction.trained_style import first_style
from impasto.tensors import to_array, to_tensor

STATEMENT = (
    "Figures 3 and 4: features of early layers keep a picture as good as whole, those of higher "
    "layers its content and layout but not colour, texture and exact shape; Gram matrices keep "
    "the style, and not where things are."
)


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is measured.

    Attributes:
        size: of the pictures, which are square.
        num_iterations: for each column.
        num_photographs: for the features.
        num_columns: at most so many layers, or sets of them.
    """

    size: int
    num_iterations: int
    num_photographs: int
    num_columns: int = 5


AMOUNTS: Mapping[Effort, Amount] = {
    "tiny": Amount(32, 2, 1, 2),
    "quick": Amount(128, 100, 1),
    "full": Amount(256, 500, 3),
}


def run(settings: Settings, journal: Journal) -> Result:
    """Search for pictures by features, and by Gram matrices."""
    amount = AMOUNTS[settings.effort]
    photos = first(settings.shown, amount.num_photographs)
    style = first_style(settings)
    layers = [(layer,) for layer in PAPER_FEATURE_LAYERS[: amount.num_columns]]
    rows = [_row("feature", photo, layers, amount, journal) for photo in photos]
    rows.append(
        _row("style", style.painting, PAPER_STYLE_SETS[: amount.num_columns], amount, journal)
    )
    all_units = [unit for units, _ in rows for unit in units]
    sheets = [
        contact_sheet(
            [pictures],
            cell_size=amount.size,
            column_labels=["", *(" + ".join(unit["layers"]) for unit in units)],
        )
        for units, pictures in rows
    ]
    # A row has as many columns as layers: the shorter ones end in white.
    width = max(sheet.shape[1] for sheet in sheets)
    padded = [
        np.pad(s, ((0, 0), (0, width - s.shape[1]), (0, 0)), constant_values=1.0) for s in sheets
    ]
    stacked: Pixels = np.concatenate(padded).astype(np.float32)
    return Result(_text(all_units, amount), {"units": all_units}, {"": stacked})


def _row(
    loss: str,
    file: Path,
    columns: Sequence[tuple[str, ...]],
    amount: Amount,
    journal: Journal,
) -> tuple[list[dict[str, Any]], list[Pixels]]:
    """The numbers and pictures of the columns that there was time for; the target first."""
    target = square(file, amount.size)
    units, pictures = [], [target]
    for layers in columns:
        key = {
            "loss": loss,
            "layers": list(layers),
            "picture": file.name,
            "size": amount.size,
            "iterations": amount.num_iterations,
            "content": digest_of(file),
        }
        unit = journal.unit(
            key, _search(loss, target, layers, amount=amount, journal=journal, key=key)
        )
        if unit is not None:
            units.append({**key, **unit})
            pictures.append(load_picture(journal.path(key, ".png")).rgb)
    return units, pictures


def _search(
    loss: str,
    target: Pixels,
    layers: tuple[str, ...],
    *,
    amount: Amount,
    journal: Journal,
    key: Key,
) -> Callable[[], dict[str, float]]:
    def compute() -> dict[str, float]:
        lowest = 1.0  # the distance is relative to that of the start

        def note(progress: OptimizationProgress) -> None:
            nonlocal lowest
            # The newest evaluation can be one that a line search did not accept.
            lowest = min(lowest, progress.terms["distance"])

        settings = OptimizationSettings(num_iterations=amount.num_iterations)
        if loss == "style":
            inversion = invert_style(to_tensor(target), layers, settings, on_progress=note)
        else:
            inversion = invert_features(to_tensor(target), layers[0], settings, on_progress=note)
        picture = at_8_bits(to_array(inversion))
        save_picture(Picture(rgb=picture), journal.path(key, ".png"), overwrite=True)
        return {"loss_left": lowest, **likeness(picture, target)}

    return compute


def likeness(picture: Pixels, target: Pixels) -> dict[str, float]:
    """Return how alike two pictures of one size are: in structure, in colour, in pixels.

    Returns:
        `ssim` of the luminance; `colour`, the correlation of what is left of the channels without
        the luminance; `levels`, the root mean square difference of 8-bit values.
    """
    # Each sees what the others miss: structure without colour, colour without brightness, and both.
    similarity = ssim(rgb_to_luminance(picture), rgb_to_luminance(target))
    chroma = [p - p.mean(axis=2, keepdims=True) for p in (picture, target)]
    difference = float(np.sqrt(np.mean((picture - target) ** 2))) * 255
    return {"ssim": similarity, "colour": correlation(*chroma), "levels": difference}


def correlation(first_values: NDArray[Any], second_values: NDArray[Any]) -> float:
    """Return the correlation of two arrays of one shape; 0 where one of them does not vary."""
    both = (first_values, second_values)
    a, b = (v.astype(np.float64).ravel() - v.mean(dtype=np.float64) for v in both)
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale else 0.0


def _text(units: list[dict[str, Any]], amount: Amount) -> str:
    columns = ["loss", "picture", "layers", "loss left", "SSIM", "colour", "difference"]
    cells = [
        [
            unit["loss"],
            unit["picture"],
            " + ".join(unit["layers"]),
            f"{100 * unit['loss_left']:.2g} %",
            f"{unit['ssim']:.2f}",
            f"{unit['colour']:.2f}",
            f"{unit['levels']:.0f}",
        ]
        for unit in units
    ]
    note = (
        f"{amount.size}², {amount.num_iterations} iterations of L-BFGS from white noise. *Loss "
        "left*: of what the noise had. *SSIM*: of the luminance, with the picture searched for. "
        "*Colour*: correlation of the chroma. *Difference*: root mean square, in 8-bit levels."
    )
    return with_note(columns, cells, note)
