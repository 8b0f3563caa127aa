"""An evaluation of styles as text: a table of medians in Markdown, or JSON, and a sheet."""

from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.evaluation.report import table
from impasto.evaluation.style_measures import UNSEEN_LAYERS, StyleScores
from impasto.evaluation.styles import StyleEvaluation, StyleRow
from impasto.images.contact_sheet import contact_sheet
from impasto.system.visible_text import visible

Column = tuple[str, Callable[[StyleScores], float], str]

COLUMNS: tuple[Column, ...] = (
    ("content", lambda s: s.content, ",.0f"),
    ("style", lambda s: s.style, ",.0f"),
    ("style, times lower", lambda s: s.style_fall, ".1f"),
    ("total variation", lambda s: s.total_variation / 1e6, ".1f"),
    ("features", lambda s: s.feature_distance, ".3f"),
    ("palette", lambda s: s.palette_distance, ".3f"),
    ("structure", lambda s: s.structure_distance, ".3f"),
    ("border", lambda s: s.border, "+.3f"),
    ("peak 2", lambda s: s.peak_2, ".2f"),
    ("peak 4", lambda s: s.peak_4, ".2f"),
)
"""Heading, measure and format; the table shows medians over photographs."""

LEGEND = (
    "Content and style: the losses of the default objective, unweighted; times lower: than the "
    "photograph's style loss. Total variation in millions, pixels from 0 to 255. Features: sliced "
    f"Wasserstein distance to the painting at {', '.join(UNSEEN_LAYERS)}, layers that no training "
    "uses, over the painting's spread; palette: the same in RGB. Structure: distance of the "
    "self-similarity of 16×16 patches to the photograph's. Border: luminance of the outermost 8 "
    "pixels minus the interior, minus the photograph's. Peaks: of the spectrum at 2 and 4 pixels, "
    "over the photograph's. Nearest: pictures whose nearest painting by style loss is their own."
)


def styles_to_markdown(evaluation: StyleEvaluation) -> str:
    """A table of medians, with what the columns mean below it."""
    rows = []
    for row in evaluation.rows:
        # Medians, because one photograph on which a style fails would decide a mean.
        medians = [format(float(median(map(of, row.scores))), f) for _, of, f in COLUMNS]
        hits = f"{_num_hits(row)} of {len(row.scores)}"
        rows.append([visible(row.name), *medians, hits])
    heading = f"## Styles at {evaluation.size}²"
    note = (
        f"Medians over {len(evaluation.photographs)} photographs, central squares of "
        f"{evaluation.size} pixels, against {len(evaluation.paintings)} paintings. {LEGEND}"
    )
    names = ["style", *(name for name, _, _ in COLUMNS), "nearest"]
    return "\n\n".join([heading, table(names, rows), note]) + "\n"


def styles_to_json(evaluation: StyleEvaluation) -> dict[str, Any]:
    """Everything, photograph by photograph, as plain data."""
    return {
        "size": evaluation.size,
        "photographs": evaluation.photographs,
        "paintings": evaluation.paintings,
        "protocol": LEGEND,
        "styles": [
            {
                "name": row.name,
                "painting": row.painting,
                "num_nearest": _num_hits(row),
                "medians": {
                    name: float(median(values)) for name, values in _numbers(row.scores).items()
                },
                "photographs": [
                    {"name": name, **scores.as_dict()}
                    for name, scores in zip(evaluation.photographs, row.scores, strict=True)
                ],
            }
            for row in evaluation.rows
        ],
    }


def style_sheet(evaluation: StyleEvaluation, *, cell_size: int = 256) -> NDArray[np.float32]:
    """The first photographs in the top row, and below it each style's pictures of them.

    Returns:
        H×W×3 float32 in [0, 1].
    """
    names = list(evaluation.shown)
    # The empty name stands for the photographs themselves.
    labels = ["photograph" if name == "" else visible(name) for name in names]
    pictures = [evaluation.shown[name] for name in names]
    return contact_sheet(pictures, cell_size=cell_size, row_labels=labels)


def _numbers(scores: list[StyleScores]) -> dict[str, list[float]]:
    """The values of every measure that is a number, by name."""
    columns: dict[str, list[float]] = {}
    for one in scores:
        for name, value in one.as_dict().items():
            if not isinstance(value, str):
                columns.setdefault(name, []).append(value)
    return columns


def _num_hits(row: StyleRow) -> int:
    return sum(scores.nearest == row.painting for scores in row.scores)
