"""Photographs repainted in a learned style: what the command line and `impasto.Stylizer` use.

Resize, fill what is transparent, transform, give the photograph its colours or a share back.
"""

import os
from typing import Any, overload

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from impasto.errors import PictureError
from impasto.images import colour
from impasto.images.io import Picture, resize_longer_side
from impasto.networks.architecture import MINIMUM_SIZE
from impasto.runtime.backend_choice import BackendName
from impasto.runtime.backends import Precision
from impasto.runtime.given_pictures import as_picture, fill_transparent, in_the_form_of
from impasto.runtime.predictor import Predictor
from impasto.zoo.card import ModelCard
from impasto.zoo.registry import resolve_model

MAXIMUM_SIZE = 16_384
"""The largest longer side, in pixels, that can be asked for; memory ends long before."""


class Stylizer:
    """A style, ready to repaint photographs.

    Args:
        name_or_file: the name of a model, or the path of a model file.
        precision: `auto` is bf16 where the processor computes in it, else f32; and f32 for
            pictures of 16 bits per channel. `int8` takes the model's quantized form
            (`impasto models quantize`).
        backend: what runs it; `auto` is OpenVINO.
        num_threads: at most so many; None leaves it to the backend.

    Raises:
        UnknownModelError: no model of that name.
        ModelFileError: the file cannot be used, or is no style-transfer model, or cannot be run
            in this precision.
        MissingExtraError: the backend is not installed.
        ValueError: an unknown precision or fewer than one thread.
    """

    def __init__(
        self,
        name_or_file: str | os.PathLike[str],
        *,
        precision: Precision = "auto",
        backend: BackendName = "auto",
        num_threads: int | None = None,
    ) -> None:
        model = resolve_model(name_or_file, task="style-transfer", quantized=precision == "int8")
        self._predictor = Predictor(
            model, precision=precision, backend=backend, num_threads=num_threads
        )

    @property
    def card(self) -> ModelCard:
        """What the model says about itself."""
        return self._predictor.card

    @property
    def precision(self) -> str:
        """The precision in use, `f32`, `bf16` or `int8`."""
        return self._predictor.backend.precision

    def precision_for(self, picture: Picture) -> str:
        """The precision this picture is computed in: f32 under `auto` if it has 16 bits."""
        return self._predictor.precision_for(picture.bits)

    @overload
    def __call__(
        self,
        photo: str | os.PathLike[str] | PIL.Image.Image,
        *,
        size: int | None = None,
        strength: float = 1.0,
        keep_colors: bool = False,
    ) -> PIL.Image.Image: ...

    @overload
    def __call__(
        self,
        photo: NDArray[Any],
        *,
        size: int | None = None,
        strength: float = 1.0,
        keep_colors: bool = False,
    ) -> NDArray[Any]: ...

    def __call__(
        self,
        photo: str | os.PathLike[str] | PIL.Image.Image | NDArray[Any],
        *,
        size: int | None = None,
        strength: float = 1.0,
        keep_colors: bool = False,
    ) -> PIL.Image.Image | NDArray[Any]:
        """The repainted photograph, in the form it was given.

        Args:
            photo: a file's path or a PIL picture, answered by a PIL picture with the same alpha;
                or an array H×W×3, uint8 and uint16 answered in the same type, floats in [0, 1]
                in float32.
            size: as for `stylize`.
            strength: as for `stylize`.
            keep_colors: as for `stylize`.

        Raises:
            PictureFileError: the file cannot be read.
            PictureError: the array is no picture, or a setting is out of range.
            ModelFileError: the model cannot be run.
        """
        picture = self.stylize(
            as_picture(photo), size=size, strength=strength, keep_colors=keep_colors
        )
        return in_the_form_of(photo, picture)

    def stylize(
        self,
        picture: Picture,
        *,
        size: int | None = None,
        strength: float = 1.0,
        keep_colors: bool = False,
    ) -> Picture:
        """The repainted picture, with the same alpha and metadata.

        Args:
            picture: the photograph.
            size: pixels of the longer side it is resized to first, up or down; None keeps its own.
            strength: 1 is the style alone, 0 the (resized) photograph alone, between is a blend.
            keep_colors: take the brightness of the style and the chroma of the photograph.

        Raises:
            PictureError: a setting is out of range.
            ModelFileError: the model cannot be run.
        """
        _check_settings(size, strength)
        photograph = picture if size is None else resize_longer_side(picture, size)
        if strength == 0:
            return photograph
        stylized = self._predictor(fill_transparent(photograph), bits=photograph.bits)
        if keep_colors:
            stylized = colour.keep_colors(stylized, photograph.rgb)
        if strength < 1:
            stylized = colour.blend(photograph.rgb, stylized, strength)
        return photograph.with_rgb(stylized)


def _check_settings(size: int | None, strength: float) -> None:
    is_size = size is None or (
        isinstance(size, int | np.integer)
        and not isinstance(size, bool)
        and MINIMUM_SIZE <= size <= MAXIMUM_SIZE
    )
    if not is_size:
        raise PictureError(
            f"size is {size!r}, expected the longer side in whole pixels, "
            f"{MINIMUM_SIZE} to {MAXIMUM_SIZE}"
        )
    if not 0 <= strength <= 1:
        raise PictureError(f"strength is {strength!r}, expected a number from 0 to 1")
