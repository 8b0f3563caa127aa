"""Pictures enlarged by super-resolution: what the command line and `impasto.Upscaler` use."""

import os
from typing import Any, overload

import PIL.Image
from numpy.typing import NDArray

from impasto.errors import ModelFileError, UnknownModelError
from impasto.images.histogram import match_histogram
from impasto.images.io import Picture
from impasto.runtime.backend_choice import BackendName
from impasto.runtime.backends import Precision
from impasto.runtime.given_pictures import as_picture, fill_transparent, in_the_form_of
from impasto.runtime.predictor import Predictor
from impasto.zoo.card import ModelCard
from impasto.zoo.model_file import ModelFile
from impasto.zoo.registry import resolve_model

USUAL_SCALE = 4


class Upscaler:
    """A super-resolution model, ready to enlarge pictures.

    Args:
        name_or_file: `sharp` (perceptual), `faithful` (nearest to the truth by pixels), the name
            of a model, or the path of a model file.
        scale: how many times larger; None is the model's own, and 4 for those that exist for
            several scales.
        precision: `auto` is bf16 where the processor computes in it, else f32; and f32 for
            pictures of 16 bits per channel. `int8` takes the model's quantized form
            (`impasto models quantize`).
        backend: what runs it; `auto` is OpenVINO.
        num_threads: at most so many; None leaves it to the backend.
        match_histogram: give each channel the distribution of values that it has in the
            low-resolution picture, as the paper does afterwards; see `images.histogram`.

    Raises:
        UnknownModelError: no model of that name and scale.
        ModelFileError: the file cannot be used, or is for another task or scale, or cannot be run
            in this precision.
        MissingExtraError: the backend is not installed.
        ValueError: an unknown precision or fewer than one thread.
    """

    def __init__(
        self,
        name_or_file: str | os.PathLike[str] = "sharp",
        *,
        scale: int | None = None,
        precision: Precision = "auto",
        backend: BackendName = "auto",
        num_threads: int | None = None,
        match_histogram: bool = False,
    ) -> None:
        model = resolve_upscaling_model(name_or_file, scale, quantized=precision == "int8")
        self._predictor = Predictor(
            model, precision=precision, backend=backend, num_threads=num_threads
        )
        self._match_histogram = match_histogram

    @property
    def card(self) -> ModelCard:
        """What the model says about itself."""
        return self._predictor.card

    @property
    def scale(self) -> int:
        """How many times larger pictures become."""
        return self.card.scale

    @property
    def precision(self) -> str:
        """The precision in use, `f32`, `bf16` or `int8`."""
        return self._predictor.backend.precision

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
        """The enlarged picture, in the form it was given.

        Args:
            photo: a file's path or a PIL picture, answered by a PIL picture, alpha enlarged too;
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
        low_resolution = fill_transparent(picture)
        enlarged = self._predictor(low_resolution, bits=picture.bits)
        if self._match_histogram:
            enlarged = match_histogram(enlarged, low_resolution)
        return picture.with_rgb(enlarged)


def resolve_upscaling_model(
    name_or_file: str | os.PathLike[str], scale: int | None = None, *, quantized: bool = False
) -> ModelFile:
    """The model of a name that exists for several scales, or else of the name or file itself.

    Args:
        name_or_file: `sharp` with the scale 4 is first looked for as `sharp_x4`.
        scale: how many times larger; None is the model's own, and 4 for those that exist for
            several scales.
        quantized: its second form, see `zoo.registry`.

    Raises:
        UnknownModelError: no model of that name and scale.
        ModelFileError: the file cannot be used, or is for another task or scale.
    """
    if isinstance(name_or_file, str) and name_or_file.isidentifier():
        try:
            name = f"{name_or_file}_x{scale or USUAL_SCALE}"
            return resolve_model(name, task="super-resolution", quantized=quantized)
        except UnknownModelError:
            pass
    model = resolve_model(name_or_file, task="super-resolution", quantized=quantized)
    if scale is not None and model.card.scale != scale:
        raise ModelFileError(
            f"{name_or_file} enlarges {model.card.scale} times, {scale} times was asked for; "
            f"leave the scale out, or give another model"
        )
    return model
