"""Test sets in, numbers out: every picture enlarged by every model and measured by every measure.

Results are plain data; `report` makes tables of them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from impasto.errors import PictureError
from impasto.evaluation.measures import Column, Measure
from impasto.evaluation.picture_sets import PicturePlace, PictureSet, TestPicture, load_test_picture
from impasto.evaluation.upscalers import Enlarger
from impasto.images.degradation_kind import DEGRADATIONS, Degradation
from impasto.metrics.fidelity import Protocol

GIVEN_FILES = "files"
"""What `Protocol.degradation` says of low resolutions that were given."""

OnPicture = Callable[[str, TestPicture, Mapping[str, NDArray[np.float32]]], None]
"""Told after each picture: the set's name, the picture, and its enlargements by name."""


@dataclass(frozen=True, slots=True)
class PictureScores:
    """The numbers of one picture, by the columns' keys."""

    name: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ModelScores:
    """The numbers of one model on one set.

    Attributes:
        name: of the row.
        degradation: the model learned to undo, where it learned anything.
        precision: its arithmetic, where it is a model.
        matches_histogram: its pictures were matched to the low resolution.
        pictures: one after the other.
        means: over pictures, by the columns' keys.
    """

    name: str
    degradation: Degradation | None
    precision: str | None
    matches_histogram: bool
    pictures: tuple[PictureScores, ...]
    means: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SetScores:
    """The numbers of one set; bicubic enlargement comes first."""

    name: str
    num_pictures: int
    models: tuple[ModelScores, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that was measured, and how.

    Attributes:
        protocol: of the low resolutions.
        columns: with the protocol of each.
        sets: in the order given.
        warnings: what a reader must know to compare the numbers.
    """

    protocol: Protocol
    columns: tuple[Column, ...]
    sets: tuple[SetScores, ...]
    warnings: tuple[str, ...]


def evaluate(
    sets: Sequence[PictureSet],
    enlargers: Sequence[Enlarger],
    measures: Sequence[Measure],
    *,
    protocol: Protocol,
    on_picture: OnPicture | None = None,
) -> Evaluation:
    """Measure every enlarger on every picture of every set.

    Args:
        sets: found for the protocol's scale.
        enlargers: of that scale.
        measures: of that protocol.
        protocol: how low resolutions are made where they are not given.
        on_picture: told after each picture.

    Raises:
        PictureError: a picture is too small to be measured; found before anything is.
        PictureFileError: a file cannot be read.
        ModelFileError: a model cannot be run.
    """
    for tested in sets:
        for place in tested.places:
            _check_large_enough(place, measures, protocol)
    return Evaluation(
        protocol,
        tuple(column for measure in measures for column in measure.columns),
        tuple(_evaluate_set(s, enlargers, measures, protocol, on_picture) for s in sets),
        tuple(mismatch_warnings(enlargers, protocol)),
    )


def mismatch_warnings(enlargers: Sequence[Enlarger], protocol: Protocol) -> list[str]:
    """What to say of models that learned to undo another degradation than they are given."""
    if protocol.degradation == GIVEN_FILES:
        return []
    return [
        f"{enlarger.name} learned from {enlarger.degradation} low resolution and is given "
        f"{protocol.degradation} here: its numbers say how it bears that, not how good it is"
        for enlarger in enlargers
        if enlarger.degradation not in (None, protocol.degradation)
        and not enlarger.matches_histogram
    ]


def _evaluate_set(
    tested: PictureSet,
    enlargers: Sequence[Enlarger],
    measures: Sequence[Measure],
    protocol: Protocol,
    on_picture: OnPicture | None,
) -> SetScores:
    scores: dict[str, list[PictureScores]] = {enlarger.name: [] for enlarger in enlargers}
    for place in tested.places:
        picture = load_test_picture(
            place, scale=protocol.scale, degradation=_degradation_of(protocol)
        )
        judges = [(measure, measure.against(picture)) for measure in measures]
        enlarged = {e.name: e.enlarge(picture.low_resolution) for e in enlargers}
        for name, rgb in enlarged.items():
            values: dict[str, float] = {}
            for measure, judge in judges:
                keys = (column.key for column in measure.columns)
                values |= dict(zip(keys, judge(rgb), strict=True))
            scores[name].append(PictureScores(place.name, values))
        if on_picture is not None:
            on_picture(tested.name, picture, enlarged)
    columns = [column for measure in measures for column in measure.columns]
    models = tuple(_model_scores(e, scores[e.name], columns) for e in enlargers)
    return SetScores(tested.name, len(tested.places), models)


def _model_scores(
    enlarger: Enlarger, pictures: Sequence[PictureScores], columns: Sequence[Column]
) -> ModelScores:
    means = {
        column.key: _mean([picture.values[column.key] for picture in pictures], column)
        for column in columns
    }
    return ModelScores(
        enlarger.name,
        enlarger.degradation,
        enlarger.precision,
        enlarger.matches_histogram,
        tuple(pictures),
        means,
    )


def _mean(values: Sequence[float], column: Column) -> float:
    if column.mean == "geometric":
        return math.exp(math.fsum(map(math.log, values)) / len(values))
    return sum(values) / len(values)  # PSNR of equal pictures is infinite, and so is its mean


def _degradation_of(protocol: Protocol) -> Degradation:
    """How to make low resolutions; of no account where all are given."""
    known: tuple[Degradation, ...] = get_args(Degradation)
    return next((name for name in known if name == protocol.degradation), DEGRADATIONS[0])


def _check_large_enough(
    place: PicturePlace, measures: Sequence[Measure], protocol: Protocol
) -> None:
    scale = protocol.scale
    inside = min(side // scale * scale - 2 * protocol.shave for side in (place.width, place.height))
    needed = max([measure.minimum_size for measure in measures], default=1)
    if inside < needed:
        raise PictureError(
            f"{place.truth} is {place.width}×{place.height} pixels; {protocol.shave} are cut from "
            f"each border and {needed}×{needed} are needed of the rest: leave it out"
        )
