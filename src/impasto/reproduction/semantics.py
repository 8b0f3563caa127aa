"""The report's claim that networks recognise people and animals: do these keep more content?

Boxes were drawn by hand around people and animals. The content kept inside is compared with that
in boxes of the same size elsewhere in the same picture: all of them, and those of nearest contrast,
because regions with edges score differently from flat ones. Blur and noise, which recognise
nothing, are measured the same way.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from impasto.errors import DataError
from impasto.evaluation.photographs import Pixels
from impasto.images.colour import LUMA_WEIGHTS
from impasto.images.files.io import load_picture
from impasto.losses.loss_network import LossNetwork
from impasto.reproduction.bootstrap import bootstrap_interval, in_words
from impasto.reproduction.claim import Effort, Result, Settings, with_note
from impasto.reproduction.inversions import correlation
from impasto.reproduction.journal import Journal, digest_of
from impasto.reproduction.plot import drawn
from impasto.reproduction.shift import blurred, noisy
from impasto.reproduction.trained_style import load_styles, released_styles
from impasto.tensors import to_tensor

STATEMENT = (
    "Section 3.5 of the report: networks are aware of what is in a picture; people and animals "
    "stay more distinguishable than the rest, because VGG-16 has features for them."
)
CONTENT_LAYER = "relu2_2"
STEP = 8
"""Pixels between neighbouring boxes elsewhere."""
NUM_NEAREST = 5
BLIND = {"blur": 1.5, "noise": 0.1}
"""Standard deviations of the transformations that recognise nothing: in pixels, in [0, 1]."""

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels."""

Plane = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Subjects:
    """People and animals on a photograph.

    Attributes:
        boxes: around those that are measured.
        others: around further ones, neither measured nor background.
    """

    boxes: tuple[Box, ...]
    others: tuple[Box, ...]


AMOUNTS: Mapping[Effort, int | None] = {"tiny": 1, "quick": None, "full": None}
"""Number of styles measured by default; None measures all that ship."""


def load_subjects(file: Path | None) -> dict[str, Subjects]:
    """Return the boxes by the names of their photographs; None reads those of the package.

    Raises:
        DataError: the file cannot be read, or holds something else.
    """
    try:
        if file is None:
            text = resources.files(__package__).joinpath("subjects.json").read_text("utf-8")
        else:
            text = file.read_text(encoding="utf-8")
        return {
            name: Subjects(
                tuple(_box(box) for box in entry["boxes"]),
                tuple(_box(box) for box in entry.get("others", ())),
            )
            for name, entry in json.loads(text)["photographs"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file} holds no boxes ({error}); expected JSON such as "
            '{"photographs": {"cat.jpg": {"boxes": [[left, top, right, bottom]]}}}'
        ) from error


def _box(numbers: list[int]) -> Box:
    left, top, right, bottom = map(int, numbers)
    if not (0 <= left < right and 0 <= top < bottom):
        raise ValueError(f"{numbers} is no box")
    return left, top, right, bottom


def run(settings: Settings, journal: Journal) -> Result:
    """Compare what is kept in boxes with what is kept elsewhere, for each style.

    Raises:
        DataError: no photograph has boxes.
    """
    subjects = load_subjects(settings.boxes)
    photos = [photo for photo in settings.photos if photo.name in subjects]
    if not photos:
        raise DataError(
            "none of the photographs with boxes around people and animals is here; give --photos "
            "with a folder that has them, or --boxes with boxes of your own"
        )
    names = settings.styles or released_styles()[: AMOUNTS[settings.effort]]
    rows = []
    units: dict[str, list[dict[str, Any]]] = {}
    for name, transform, digest in _transformations(names, settings):
        measured = []
        for photo in photos:
            boxes = subjects[photo.name]
            key = {
                "transformation": name,
                "photo": photo.name,
                "model": digest,
                "content": digest_of(photo),
                "boxes": [boxes.boxes, boxes.others],
            }
            unit = journal.unit(key, partial(_measure, photo, boxes, transform))
            if unit:
                measured.append({"photo": photo.name, "boxes": unit})
        if measured:
            units[name] = measured
            rows.append({"transformation": name, "model": digest, **_summary(measured)})
    pictures = {"": _plot(rows)} if rows else {}
    return Result(_text(rows), {"rows": rows, "units": units}, pictures)


Transform = Callable[[Pixels], Pixels]


def _transformations(
    names: tuple[str, ...], settings: Settings
) -> list[tuple[str, Transform, str]]:
    styles = load_styles(names, settings.paintings)
    transformations: list[tuple[str, Transform, str]] = [
        (style.name, style.stylized, f"{style.digest} {style.precision}") for style in styles
    ]
    # Controls: what they show for people as well is no knowledge of people.
    transformations += [
        ("blur", lambda p: blurred(p, BLIND["blur"]), str(BLIND["blur"])),
        ("noise", lambda p: noisy(p, BLIND["noise"]), str(BLIND["noise"])),
    ]
    return transformations


def _measure(photo: Path, subjects: Subjects, transform: Transform) -> list[dict[str, float]]:
    """Return the scores of each box with equal ones elsewhere: inside, elsewhere and nearest."""
    photograph = load_picture(photo).rgb
    maps = _Maps(photograph, transform(photograph))
    return [
        scores
        for box in subjects.boxes
        if (scores := maps.compare(box, elsewhere(box, subjects, photograph.shape[:2])))
    ]


def elsewhere(box: Box, subjects: Subjects, size: tuple[int, int]) -> list[Box]:
    """Return the boxes of one size, `STEP` pixels apart, that touch no person and no animal.

    Args:
        box: whose size they have.
        subjects: of the picture.
        size: its height and width.
    """
    width, height = box[2] - box[0], box[3] - box[1]
    candidates = (
        (left, top, left + width, top + height)
        for top in range(0, size[0] - height + 1, STEP)
        for left in range(0, size[1] - width + 1, STEP)
    )
    taken = (*subjects.boxes, *subjects.others)
    return [
        a
        for a in candidates
        if not any(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for b in taken)
    ]


class _Maps:
    """Maps of the content kept of a photograph, pixel by pixel, H×W.

    Squared differences of the content layer's features, the photograph's own energy there, and the
    edges of both pictures.
    """

    def __init__(self, photograph: Pixels, result: Pixels) -> None:
        with torch.no_grad():
            target, features = (
                _loss_network()(to_tensor(p))[CONTENT_LAYER] for p in (photograph, result)
            )
            maps = [
                (features - target).square().sum(1, keepdim=True),
                target.square().sum(1, keepdim=True),
            ]
            # Repeated, not smoothed: a box would take in content from beside it.
            planes = [F.interpolate(m, size=photograph.shape[:2], mode="nearest") for m in maps]
        self.difference, self.energy = (plane[0, 0].double().numpy() for plane in planes)
        self.edges, self.kept_edges = _edges(photograph), _edges(result)

    def compare(self, box: Box, others: list[Box]) -> dict[str, float]:
        if not others:  # as of a box that is nearly as large as the picture
            return {}
        contrast = self._contrast(box)
        # By ratio: twice and half the contrast are equally unlike.
        nearest = sorted(others, key=lambda other: abs(np.log(self._contrast(other) / contrast)))
        regions = {"inside": [box], "elsewhere": others, "nearest": nearest[:NUM_NEAREST]}
        scores: dict[str, float] = {}
        for name, boxes in regions.items():
            # Over the features' own energy, or busy regions would always differ most; and as a
            # logarithm, because a mean of ratios favours the large ones.
            distances = [
                np.log(
                    float(_inside(self.difference, region).sum())
                    / float(_inside(self.energy, region).sum())
                )
                for region in boxes
            ]
            edges = [
                correlation(_inside(self.edges, region), _inside(self.kept_edges, region))
                for region in boxes
            ]
            scores[f"distance_{name}"] = float(np.mean(distances))
            scores[f"edges_{name}"] = float(np.mean(edges))
        return scores

    def _contrast(self, box: Box) -> float:
        return float(_inside(self.edges, box).mean()) + 1e-6  # a flat box has no logarithm


def _inside(plane: Plane, box: Box) -> Plane:
    left, top, right, bottom = box
    return plane[top:bottom, left:right]


@cache  # once for all photographs, and not at all where the journal has them
def _loss_network() -> LossNetwork:
    return LossNetwork((CONTENT_LAYER,), padding="reflect")


def _edges(picture: Pixels) -> Plane:
    """The length of the gradient of the luminance."""
    luminance = picture.astype(np.float64) @ np.array(LUMA_WEIGHTS)
    down, across = np.gradient(luminance)
    edges: Plane = np.hypot(down, across)
    return edges


def _summary(units: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over photographs of inside less outside; of the distance as ratios."""
    summary: dict[str, Any] = {
        "num_photographs": len(units),
        "num_boxes": sum(len(unit["boxes"]) for unit in units),
    }
    for measure in ("distance", "edges"):
        for other in ("elsewhere", "nearest"):
            # By photograph first: the boxes of one picture are no independent draws.
            differences = [
                np.mean([b[f"{measure}_inside"] - b[f"{measure}_{other}"] for b in unit["boxes"]])
                for unit in units
            ]
            ends = [float(np.mean(differences)), *bootstrap_interval(differences)]
            if measure == "distance":
                ends = [float(np.exp(end)) for end in ends]
            summary[f"{measure}_{other}"] = {"mean": ends[0], "interval": ends[1:]}
    return summary


def _text(rows: list[dict[str, Any]]) -> str:
    columns = ["picture", "photographs", "boxes"]
    columns += [
        "feature distance, inside over elsewhere",
        "95 %",
        "… over nearest contrast",
        "95 %",
    ]
    columns += ["edges kept, inside less elsewhere", "95 %", "… less nearest contrast", "95 %"]
    cells = [
        [row["transformation"], str(row["num_photographs"]), str(row["num_boxes"])]
        + [
            cell
            for measure in ("distance", "edges")
            for other in ("elsewhere", "nearest")
            for cell in (
                f"{row[f'{measure}_{other}']['mean']:.3f}",
                in_words(row[f"{measure}_{other}"]["interval"]),
            )
        ]
        for row in rows
    ]
    note = (
        f"Boxes by hand around people and animals. Feature distance at {CONTENT_LAYER} over the "
        "features' own energy: below 1, more of the content is kept inside. Edges: correlation of "
        "the luminance's gradients with the photograph's: above 0, more is kept inside. "
        "*Elsewhere*: all boxes of the same size in the same picture that touch no person and no "
        f"animal; *nearest contrast*: the {NUM_NEAREST} of these with mean gradients nearest the "
        "box's own. Means over photographs; intervals from photographs drawn again. Blur and "
        "noise know nothing of people: a style that does must differ from them."
    )
    return with_note(columns, cells, note)


def _plot(rows: list[dict[str, Any]]) -> Pixels:
    titles = {
        "distance": "feature distance, inside over elsewhere",
        "edges": "edges kept, inside less elsewhere",
    }

    def draw(axes: Any) -> None:
        positions = np.arange(len(rows))
        for panel, (measure, title) in zip(axes[0], titles.items(), strict=True):
            for other, move in (("elsewhere", 0.12), ("nearest", -0.12)):
                summaries = [row[f"{measure}_{other}"] for row in rows]
                means = np.array([f["mean"] for f in summaries])
                ends = np.array([f["interval"] for f in summaries]).T
                label = "all equal boxes" if other == "elsewhere" else "nearest contrast"
                errors = np.abs(ends - means)
                panel.errorbar(means, positions + move, xerr=errors, fmt="o", label=label)
            panel.axvline(1.0 if measure == "distance" else 0.0, color="tab:gray", linewidth=0.8)
            panel.set_yticks(positions, [row["transformation"] for row in rows])
            panel.set(title=title, ylim=(-0.6, len(rows) + 0.3))
            panel.legend(fontsize=8, loc="upper center", ncols=2)

    return drawn(draw, num_columns=2, width=5.5, height=3.8)
