"""The methods that are compared: bicubic upscaling, and models, as functions of arrays."""

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
"""The name of the method that every model is compared with."""

Upscale = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class UpscalingMethod:
    """One row of a table.

    Attributes:
        name: in tables.
        upscale: H×W×3 float32 in [0, 1] to (H·scale)×(W·scale)×3 of the same range.
        degradation: that the model was trained to undo; None where nothing was trained.
        precision: arithmetic of the model; None for other methods.
        matches_histogram: each channel's histogram is matched to the low resolution afterwards.
    """

    name: str
    upscale: Upscale
    degradation: Degradation | None = None
    precision: str | None = None
    matches_histogram: bool = False


def bicubic_method(scale: int) -> UpscalingMethod:
    """Return bicubic upscaling, equal to MATLAB's and clipped."""

    def upscale(low_resolution: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = low_resolution.shape[:2]
        upscaled = imresize(low_resolution, width=width * scale, height=height * scale)
        return upscaled.clip(0, 1)  # bicubic overshoots at edges

    return UpscalingMethod(BICUBIC, upscale)


def model_method(
    name_or_file: str | os.PathLike[str], *, scale: int, precision: Precision = "f32"
) -> UpscalingMethod:
    """Return a model as a method.

    Args:
        name_or_file: as `Upscaler` takes it.
        scale: that it must have.
        precision: f32 gives nearly the same numbers on every machine.

    Raises:
        UnknownModelError: no model of that name and scale.
        ModelFileError: the file cannot be used, or is for another task or scale.
    """
    model = resolve_upscaling_model(name_or_file, scale)
    predictor = Predictor(model, precision=precision)
    name = model.card.name if model.path is None else model.path.stem
    return UpscalingMethod(name, predictor, model.card.degradation, predictor.backend.precision)


def with_matched_histogram(method: UpscalingMethod) -> UpscalingMethod:
    """Return a method followed by matching each channel's histogram to the low resolution."""

    def upscale(low_resolution: NDArray[np.float32]) -> NDArray[np.float32]:
        return match_histogram(method.upscale(low_resolution), low_resolution)

    return replace(method, name=f"{method.name}, matched", upscale=upscale, matches_histogram=True)


def open_methods(
    models: Iterable[str],
    *,
    scale: int,
    precision: Precision = "f32",
    matches_histogram: bool = False,
) -> list[UpscalingMethod]:
    """Return bicubic upscaling, then the models in their order, each under a unique name.

    Args:
        models: names and files; `bicubic` and repetitions are skipped.
        scale: that all must have.
        precision: of all.
        matches_histogram: add each model once more, with its histogram matched.

    Raises:
        UnknownModelError: no model of that name and scale.
        ModelFileError: a file cannot be used, or is for another task or scale.
    """
    methods = [bicubic_method(scale)]
    for name in dict.fromkeys(models):
        if name == BICUBIC:
            continue
        opened = model_method(name, scale=scale, precision=precision)
        # Scores are kept by name: two files of one name in different folders would mix theirs.
        if opened.name in {known.name for known in methods}:
            opened = replace(opened, name=str(Path(name).with_suffix("")))
        methods.append(opened)
        if matches_histogram:
            methods.append(with_matched_histogram(opened))
    return methods
