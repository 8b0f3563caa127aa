"""Evaluate super-resolution: upscale every test picture with every method, and apply every measure.

Results are plain data; `report` formats them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from impasto.errors import PictureError
from impasto.evaluation.measures import Column, Measure
from impasto.evaluation.picture_sets import PictureSet, TestPicture, load_test_picture
from impasto.evaluation.upscaling_methods import UpscalingMethod
from impasto.images.degradation_kind import DEGRADATIONS, Degradation
from impasto.metrics.fidelity import Protocol

GIVEN_FILES = "files"
"""The value of `Protocol.degradation` for low resolutions that come from files."""

OnPicture = Callable[[str, TestPicture, Mapping[str, NDArray[np.float32]]], None]
"""Called after each picture with the set's name, the picture, and the upscaled ones by method."""


@dataclass(frozen=True, slots=True)
class PictureScores:
    """The scores of one picture, by the columns' keys."""

    name: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ModelScores:
    """The scores of one method on one set.

    Attributes:
        name: of the row.
        degradation: that the model was trained to undo; None where nothing was trained.
        precision: arithmetic of the model; None for other methods.
        matches_histogram: each channel's histogram was matched to the low resolution.
        pictures: in the order of the set.
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
    """The scores of one set; bicubic upscaling comes first."""

    name: str
    num_pictures: int
    models: tuple[ModelScores, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of all sets, and how they were measured.

    Attributes:
        protocol: of the low resolutions.
        columns: with the protocol of each.
        sets: in the order given.
        warnings: reasons why scores are not comparable.
    """

    protocol: Protocol
    columns: tuple[Column, ...]
    sets: tuple[SetScores, ...]
    warnings: tuple[str, ...]


def evaluate(
    sets: Sequence[PictureSet],
    methods: Sequence[UpscalingMethod],
    measures: Sequence[Measure],
    *,
    protocol: Protocol,
    on_picture: OnPicture | None = None,
) -> Evaluation:
    """Score every method on every picture of every set.

    Args:
        sets: for the protocol's scale.
        methods: of that scale.
        measures: of that protocol.
        protocol: how low resolutions are made where they are not given.
        on_picture: called after each picture.

    Raises:
        PictureError: a picture is too small; raised before anything is measured.
        PictureFileError: a file cannot be read.
        ModelFileError: a model cannot be run.
    """
    scale = protocol.scale
    minimum = max([measure.minimum_size for measure in measures], default=1)
    # Of all sets before the first is measured: an hour's work should not end at the last picture.
    for files in (files for tested in sets for files in tested.pictures):
        sides = (side // scale * scale - 2 * protocol.shave for side in (files.width, files.height))
        if min(sides) < minimum:
            raise PictureError(
                f"{files.truth} is {files.width}×{files.height} pixels; {protocol.shave} are cut "
                f"from each border and {minimum}×{minimum} are needed of the rest: leave it out"
            )
    return Evaluation(
        protocol,
        tuple(column for measure in measures for column in measure.columns),
        tuple(_evaluate_set(s, methods, measures, protocol, on_picture) for s in sets),
        tuple(mismatch_warnings(methods, protocol)),
    )


def mismatch_warnings(methods: Sequence[UpscalingMethod], protocol: Protocol) -> list[str]:
    """Return a warning for each model trained for another degradation than the protocol's."""
    if protocol.degradation == GIVEN_FILES:
        return []
    return [
        f"{method.name} learned from {method.degradation} low resolution and is given "
        f"{protocol.degradation} here: its scores are not comparable to published ones"
        for method in methods
        # A row with its histogram matched is a model again that was warned of already.
        if method.degradation not in (None, protocol.degradation) and not method.matches_histogram
    ]


def _evaluate_set(
    tested: PictureSet,
    methods: Sequence[UpscalingMethod],
    measures: Sequence[Measure],
    protocol: Protocol,
    on_picture: OnPicture | None,
) -> SetScores:
    scores: dict[str, list[PictureScores]] = {method.name: [] for method in methods}
    known: tuple[Degradation, ...] = get_args(Degradation)
    # A protocol of given files names no degradation, and none is used then.
    degradation = next((name for name in known if name == protocol.degradation), DEGRADATIONS[0])
    for files in tested.pictures:
        picture = load_test_picture(files, scale=protocol.scale, degradation=degradation)
        # The truth's own part, such as its features, is computed once for all methods.
        scorers = [(measure, measure.scorer_for(picture)) for measure in measures]
        # All before the first is scored: `on_picture` shows them side by side.
        upscaled = {e.name: e.upscale(picture.low_resolution) for e in methods}
        for name, rgb in upscaled.items():
            values: dict[str, float] = {}
            for measure, scorer in scorers:
                keys = (column.key for column in measure.columns)
                values |= dict(zip(keys, scorer(rgb), strict=True))
            scores[name].append(PictureScores(files.name, values))
        if on_picture is not None:
            on_picture(tested.name, picture, upscaled)
    columns = [column for measure in measures for column in measure.columns]
    models = tuple(_model_scores(e, scores[e.name], columns) for e in methods)
    return SetScores(tested.name, len(tested.pictures), models)


def _model_scores(
    method: UpscalingMethod, pictures: Sequence[PictureScores], columns: Sequence[Column]
) -> ModelScores:
    means = {
        column.key: _mean([picture.values[column.key] for picture in pictures], column)
        for column in columns
    }
    return ModelScores(
        method.name,
        method.degradation,
        method.precision,
        method.matches_histogram,
        tuple(pictures),
        means,
    )


def _mean(values: Sequence[float], column: Column) -> float:
    if column.mean == "geometric":  # twice as much and half as much are equally far from 1
        return math.exp(math.fsum(map(math.log, values)) / len(values))
    return sum(values) / len(values)  # PSNR of equal pictures is infinite, and so is its mean
