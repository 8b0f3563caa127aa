"""What is compared: bicubic enlargement, and models, each as a function from array to array."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impasto.images.degradation_kind import Degradation
from impasto.images.histogram import match_histogram
from impasto.images.resize import imresize
from impasto.runtime.compute import Precision
from impasto.runtime.predictor import Predictor
from impasto.runtime.upscaler import resolve_upscaling_model

BICUBIC = "bicubic"
"""The name of what every model is compared with."""

Enlarge = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Enlarger:
    """One row of a table.

    Attributes:
        name: what tables call it.
        enlarge: H×W×3 float32 in [0, 1] to (H·scale)×(W·scale)×3 of the same range.
        degradation: it learned to undo, where it learned anything.
        precision: its arithmetic, where it is a model.
        matches_histogram: its pictures are matched to the low resolution afterwards.
    """

    name: str
    enlarge: Enlarge
    degradation: Degradation | None = None
    precision: str | None = None
    matches_histogram: bool = False


def bicubic_enlarger(scale: int) -> Enlarger:
    """MATLAB-equal bicubic enlargement, clipped."""

    def enlarge(low_resolution: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = low_resolution.shape[:2]
        enlarged = imresize(low_resolution, width=width * scale, height=height * scale)
        return enlarged.clip(0, 1)

    return Enlarger(BICUBIC, enlarge)


def model_enlarger(
    name_or_file: str | os.PathLike[str], *, scale: int, precision: Precision = "f32"
) -> Enlarger:
    """A model ready to enlarge.

    Args:
        name_or_file: as `Upscaler` takes it.
        scale: it must have.
        precision: f32 gives the same numbers on every machine, nearly.

    Raises:
        UnknownModelError: no model of that name and scale.
        ModelFileError: the file cannot be used, or is for another task or scale.
    """
    model = resolve_upscaling_model(name_or_file, scale)
    predictor = Predictor(model, precision=precision)
    name = model.card.name if model.path is None else model.path.stem
    return Enlarger(name, predictor, model.card.degradation, predictor.backend.precision)


def with_matched_histogram(enlarger: Enlarger) -> Enlarger:
    """The same, each channel's distribution of values made that of the low resolution."""

    def enlarge(low_resolution: NDArray[np.float32]) -> NDArray[np.float32]:
        return match_histogram(enlarger.enlarge(low_resolution), low_resolution)

    return replace(
        enlarger, name=f"{enlarger.name}, matched", enlarge=enlarge, matches_histogram=True
    )


def open_enlargers(
    models: Iterable[str],
    *,
    scale: int,
    precision: Precision = "f32",
    matches_histogram: bool = False,
) -> list[Enlarger]:
    """Bicubic first, then the models in the order given, each under a name of its own.

    Args:
        models: names and files; `bicubic` and repetitions are passed over.
        scale: all must have.
        precision: of all.
        matches_histogram: after each model, the same with its histogram matched.

    Raises:
        UnknownModelError: no model of that name and scale.
        ModelFileError: a file cannot be used, or is for another task or scale.
    """
    enlargers = [bicubic_enlarger(scale)]
    for given in dict.fromkeys(models):
        if given == BICUBIC:
            continue
        opened = model_enlarger(given, scale=scale, precision=precision)
        if opened.name in {known.name for known in enlargers}:
            opened = replace(opened, name=str(Path(given).with_suffix("")))
        enlargers.append(opened)
        if matches_histogram:
            enlargers.append(with_matched_histogram(opened))
    return enlargers
