"""Pictures upscaled by super-resolution: `impasto.Upscaler`, and the model of a name and scale.

In memory. From file to file, and videos: `transformation`.
"""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any, Unpack, overload

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from impasto.errors import ModelFileError, UnknownModelError
from impasto.images.alpha import mix_upscaled_with_alpha
from impasto.images.files.io import Picture
from impasto.images.histogram import match_histogram
from impasto.runtime.compute import DEFAULT_COMPUTE, Compute, ComputeKeywords
from impasto.runtime.fitting_predictor import FittingPredictor
from impasto.runtime.input_pictures import as_picture, fill_transparent, in_the_form_of
from impasto.zoo.card import ModelCard
from impasto.zoo.model_file import ModelFile
from impasto.zoo.registry import list_models, resolve_model

USUAL_SCALE = 4


class Upscaler:
    """A super-resolution model, ready for pictures.

    Args:
        name_or_file: `sharp` (perceptual), `faithful` (highest PSNR), the name of a model, the path
            or URL of a model file, or a model that was read already.
        scale: factor to upscale by; None is the model's own, and 4 for models that exist for
            several scales.
        match_histogram: match the histogram of each channel to that of the low-resolution picture,
            as the paper does afterwards; see `images.histogram`.
        compute: how it is run.
        settings: fields of `Compute` that replace those of `compute`, such as `precision="f32"`.

    Raises:
        UnknownModelError: no model of that name and scale.
        ModelFileError: the file cannot be used, or is for another task or scale, or cannot be run
            in this precision.
        MissingExtraError: the backend is not installed.
        SettingError: a setting of `compute` is out of range.
    """

    def __init__(
        self,
        name_or_file: str | os.PathLike[str] | ModelFile = "sharp",
        compute: Compute = DEFAULT_COMPUTE,
        *,
        scale: int | None = None,
        match_histogram: bool = False,
        **settings: Unpack[ComputeKeywords],
    ) -> None:
        compute = dataclasses.replace(compute, **settings)
        model = resolve_upscaling_model(name_or_file, scale, quantized=compute.precision == "int8")
        self._predictor = FittingPredictor(model, compute)
        self._matches_histogram = match_histogram

    @property
    def predictor(self) -> FittingPredictor:
        """The model, for pictures of any size."""
        return self._predictor

    @property
    def matches_histogram(self) -> bool:
        """Whether the histogram of each channel is matched to that of the input."""
        return self._matches_histogram

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self._predictor.card

    @property
    def name(self) -> str:
        """The name of the model in results: see `zoo.registry.display_name`."""
        return self._predictor.name

    @property
    def scale(self) -> int:
        """The factor that pictures are upscaled by."""
        return self.card.scale

    @property
    def precision(self) -> str:
        """The precision in use, `f32`, `bf16` or `int8`."""
        return self._predictor.precision

    def precision_for(self, picture: Picture) -> str:
        """The precision this picture is computed in: f32 under `auto` if it has 16 bits."""
        return self._predictor.precision_for(picture.bits)

    @overload
    def __call__(self, photo: str | os.PathLike[str] | PIL.Image.Image) -> PIL.Image.Image: ...

    @overload
    def __call__(self, photo: NDArray[Any]) -> NDArray[Any]: ...

    def __call__(
        self, photo: str | os.PathLike[str] | PIL.Image.Image | NDArray[Any]
    ) -> PIL.Image.Image | NDArray[Any]:
        """The upscaled picture, in the form it was given.

        Args:
            photo: a file's path or a PIL picture, answered by a PIL picture, alpha upscaled too;
                or an array H×W×3, uint8 and uint16 answered in the same type, floats in [0, 1]
                in float32.

        Raises:
            PictureFileError: the file cannot be read.
            PictureError: the array is no picture.
            ModelFileError: the model cannot be run.
        """
        return in_the_form_of(photo, self.upscale(as_picture(photo)))

    def upscale(self, picture: Picture) -> Picture:
        """The picture `scale` times as large, alpha too, with the same metadata.

        Raises:
            ModelFileError: the model cannot be run.
        """
        (upscaled,) = self.upscale_all([picture])
        return upscaled

    def upscale_all(self, pictures: Sequence[Picture]) -> list[Picture]:
        """The upscaled pictures in their order, each as `upscale` makes it.

        Pictures of one size that follow each other go through the network together.

        Raises:
            ModelFileError: the model cannot be run.
        """
        inputs = [(fill_transparent(picture), picture.bits) for picture in pictures]
        upscaled = self._predictor.predict_all(inputs)
        if self._matches_histogram:
            upscaled = [
                match_histogram(rgb, low) for rgb, (low, _) in zip(upscaled, inputs, strict=True)
            ]
        results = []
        for picture, rgb in zip(pictures, upscaled, strict=True):
            if picture.alpha is None or picture.rgb.shape == rgb.shape:
                results.append(picture.with_rgb(rgb))
                continue
            channels = mix_upscaled_with_alpha(rgb, picture.rgb, picture.alpha)
            colours, alpha = np.ascontiguousarray(channels[..., :3]), channels[..., 3].copy()
            results.append(dataclasses.replace(picture, rgb=colours, alpha=alpha))
        return results


def resolve_upscaling_model(
    name_or_file: str | os.PathLike[str] | ModelFile,
    scale: int | None = None,
    *,
    quantized: bool = False,
) -> ModelFile:
    """The model of a name and scale, or else of the name or file itself.

    Args:
        name_or_file: as for `Upscaler`; `sharp` with the scale 4 is first looked up as `sharp_x4`.
        scale: as for `Upscaler`.
        quantized: look up the int8 model, see `zoo.registry`.

    Raises:
        UnknownModelError: no model of that name and scale.
        ModelFileError: the file cannot be used, or is for another task or scale.
    """
    if isinstance(name_or_file, str) and name_or_file.isidentifier():
        try:
            name = f"{name_or_file}_x{scale or USUAL_SCALE}"
            return resolve_model(name, task="super-resolution", quantized=quantized)
        except UnknownModelError as error:
            others = _models_in_place_of(name_or_file, scale or USUAL_SCALE)
            if others:
                raise UnknownModelError(f"there is no model {name!r}; {others}") from error
    model = resolve_model(name_or_file, task="super-resolution", quantized=quantized)
    if scale is not None and model.card.scale != scale:
        raise ModelFileError(
            f"{name_or_file} upscales by {model.card.scale}, expected {scale}; "
            f"leave the scale out, or give another model"
        )
    return model


def _models_in_place_of(name: str, scale: int) -> str:
    """Advice for a name that exists only for other scales; empty for any other name."""
    scales = {
        entry.name: entry.card.scale
        for entry in list_models(task="super-resolution")
        if entry.card is not None
    }
    same = sorted(each for each in scales if each.startswith(f"{name}_x"))
    if name in scales or not same:
        return ""
    fitting = sorted(each for each, of_model in scales.items() if of_model == scale)
    for_scale = f", or of that scale {', '.join(fitting)}" if fitting else ""
    return f"take {', '.join(same)}{for_scale}"
