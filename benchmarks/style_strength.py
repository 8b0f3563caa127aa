"""How near each style brings photographs to its painting, and to no other painting.

    python benchmarks/style_strength.py --photos DIR --paintings DIR

For every shipped style (or those named): content, style and total variation at 256² and 512²
beside the untouched photographs, and which of all paintings is nearest by style loss. A style's
own painting is the one of its name in `examples/paintings`, as it was trained on; `--paintings` are
the others, compared with it. With names, the rows of other styles stay as they were measured
before, if that was on as many photographs. See `style_terms.py` for the protocol.
"""

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from measure import RESULTS, publish
from numpy.typing import NDArray
from style_terms import SHORT_SIDE, StyleTerms, total_variation

from impasto.evaluation.photographs import square, stylized
from impasto.images.files.io import list_pictures
from impasto.runtime.predictor import Predictor
from impasto.tensors import to_tensor
from impasto.zoo.registry import list_models, resolve_model

SIZES = (256, 512)
TRAINED_ON = Path(__file__).parents[1] / "examples" / "paintings"
UNTOUCHED = "untouched"


@dataclass
class Row:
    """Losses of every photograph in one style at one size; styles: photographs × paintings."""

    content: list[float] = field(default_factory=list)
    variation: list[float] = field(default_factory=list)
    styles: list[NDArray[np.float64]] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="default: every shipped style")
    parser.add_argument("--paintings", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--limit", type=int, help="number of photographs to use")
    arguments = parser.parse_args()
    shipped = [entry.name for entry in list_models(task="style-transfer") if entry.released]
    models = arguments.models or shipped
    folders = (arguments.paintings, TRAINED_ON)
    terms = StyleTerms({path.stem: path for each in folders for path in list_pictures(each)})
    predictors = {name: Predictor(resolve_model(name)) for name in models}
    photos = list_pictures(arguments.photos)[: arguments.limit]
    rows = {size: rows_at(size, predictors, terms, photos) for size in SIZES}
    before = json.loads((RESULTS / "style_strength.json").read_text())
    if (before["num_photographs"], before["paintings"]) == (len(photos), terms.names):
        rows = {
            size: as_rows(before["rows"][str(size)]) | measured for size, measured in rows.items()
        }
    tables = [
        strength_table(rows, terms.names),
        *(confusion(rows[s], terms.names, s) for s in SIZES),
    ]
    note = f"{len(photos)} photographs; targets at short side {SHORT_SIDE}; medians."
    publish(
        "style_strength",
        command="python benchmarks/style_strength.py --photos DIR --paintings DIR",
        table="\n\n".join([*tables, note]),
        content={
            "num_photographs": len(photos),
            "paintings": terms.names,
            "rows": {str(size): as_lists(of_size) for size, of_size in rows.items()},
        },
    )


def rows_at(
    size: int, predictors: dict[str, Predictor], terms: StyleTerms, photos: list[Path]
) -> dict[str, Row]:
    rows = {name: Row() for name in (UNTOUCHED, *predictors)}
    for photo in photos:
        photograph = square(photo, size)
        original = terms.features(to_tensor(photograph))
        for name, row in rows.items():
            picture = photograph if name == UNTOUCHED else stylized(predictors[name], photograph)
            features = original if name == UNTOUCHED else terms.features(to_tensor(picture))
            row.content.append(terms.content(features, original))
            row.variation.append(total_variation(to_tensor(picture)))
            row.styles.append(terms.styles(features))
    return rows


def strength_table(rows: dict[int, dict[str, Row]], paintings: list[str]) -> str:
    lines = [
        "| style | size | content | style, untouched | style | times lower (min to max) "
        "| total variation, untouched | total variation | own painting nearest |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for size, of_size in rows.items():
        before = of_size[UNTOUCHED]
        for name, row in of_size.items():
            if name == UNTOUCHED:
                continue
            own = paintings.index(name)
            untouched, styles = np.array(before.styles), np.array(row.styles)
            factors = untouched[:, own] / styles[:, own]
            hits = int((styles.argmin(axis=1) == own).sum())
            spread = f"{np.median(factors):.1f} ({factors.min():.1f} to {factors.max():.1f})"
            lines.append(
                f"| {name} | {size}² | {np.median(row.content):,.0f} "
                f"| {np.median(untouched[:, own]):,.0f} | {np.median(styles[:, own]):,.0f} "
                f"| {spread} | {np.median(before.variation) / 1e6:.1f}M "
                f"| {np.median(row.variation) / 1e6:.1f}M | {hits} of {len(styles)} |"
            )
    return "\n".join(lines)


def confusion(rows: dict[str, Row], paintings: list[str], size: int) -> str:
    """How many photographs have each painting as their nearest."""
    lines = [
        f"Nearest of {len(paintings)} paintings by style loss at {size}², in photographs:",
        "",
        "| style | " + " | ".join(paintings) + " |",
        "|---|" + "---|" * len(paintings),
    ]
    for name, row in rows.items():
        nearest = np.array(row.styles).argmin(axis=1)
        counts = [int((nearest == index).sum()) for index in range(len(paintings))]
        lines.append(f"| {name} | " + " | ".join(str(count or "·") for count in counts) + " |")
    return "\n".join(lines)


def as_lists(rows: dict[str, Row]) -> dict[str, dict[str, list[Any]]]:
    return {
        name: {
            "content": [float(f"{value:.6g}") for value in row.content],
            "total_variation": [float(f"{value:.6g}") for value in row.variation],
            "styles": [[float(f"{v:.5g}") for v in styles] for styles in row.styles],
        }
        for name, row in rows.items()
    }


def as_rows(lists: dict[str, dict[str, list[Any]]]) -> dict[str, Row]:
    return {
        name: Row(row["content"], row["total_variation"], [np.array(s) for s in row["styles"]])
        for name, row in lists.items()
    }


if __name__ == "__main__":
    main()
