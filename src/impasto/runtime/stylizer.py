"""Photographs repainted in a learned style: what the command line and `impasto.Stylizer` use.

Resize, fill what is transparent, transform, give the photograph its colours or a share back.
"""

import os
from pathlib import Path
from typing import Any, overload

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from impasto.errors import PictureError
from impasto.images import colour
from impasto.images.io import (
    Picture,
    load_picture,
    picture_from_pil,
    picture_to_pil,
    resize_longer_side,
)
from impasto.networks.architecture import MINIMUM_SIZE
from impasto.runtime.backends import Precision
from impasto.runtime.predictor import Predictor
from impasto.zoo.card import ModelCard
from impasto.zoo.registry import resolve_model

MAXIMUM_SIZE = 16_384
"""The largest longer side, in pixels, that can be asked for; memory ends long before."""

FAINT_ALPHA = 0.1
"""Below this opacity colours fade into the fill: they count little and are often rounded away."""


class Stylizer:
    """A style, ready to repaint photographs.

    Args:
        name_or_file: the name of a model, or the path of a model file.
        precision: `auto` is bf16 where the processor computes in it, else f32.
        num_threads: at most so many; None leaves it to the backend.

    Raises:
        UnknownModelError: no model of that name.
        ModelFileError: the file cannot be used, or is no style-transfer model, or cannot be run
            in this precision.
        ValueError: an unknown precision or fewer than one thread.
    """

    def __init__(
        self,
        name_or_file: str | os.PathLike[str],
        *,
        precision: Precision = "auto",
        num_threads: int | None = None,
    ) -> None:
        model = resolve_model(name_or_file, task="style-transfer")
        self._predictor = Predictor(model, precision=precision, num_threads=num_threads)

    @property
    def card(self) -> ModelCard:
        """What the model says about itself."""
        return self._predictor.card

    @property
    def precision(self) -> str:
        """The precision in use, `f32` or `bf16`."""
        return self._predictor.backend.precision

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
                or an array H×W×3, uint8 answered in uint8, floats in [0, 1] in float32.
            size: as for `stylize`.
            strength: as for `stylize`.
            keep_colors: as for `stylize`.

        Raises:
            PictureFileError: the file cannot be read.
            PictureError: the array is no picture, or a setting is out of range.
            ModelFileError: the model cannot be run.
        """
        picture = self.stylize(
            _as_picture(photo), size=size, strength=strength, keep_colors=keep_colors
        )
        if isinstance(photo, np.ndarray) and photo.dtype != np.uint8:
            return picture.rgb
        image = picture_to_pil(picture)
        return np.asarray(image) if isinstance(photo, np.ndarray) else image

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
        stylized = self._predictor(fill_transparent(photograph))
        if keep_colors:
            stylized = colour.keep_colors(stylized, photograph.rgb)
        if strength < 1:
            stylized = colour.blend(photograph.rgb, stylized, strength)
        return photograph.with_rgb(stylized)


def fill_transparent(picture: Picture) -> NDArray[np.float32]:
    """The colours H×W×3 with the mean visible colour where the picture is transparent.

    Whatever colours lie under alpha 0 would show through the network: its kernels reach across
    the edge, and instance normalisation mixes in the whole picture. The mean visible colour moves
    no channel's mean and makes the weakest edges; white would brighten every pixel.
    """
    if picture.alpha is None:
        return picture.rgb
    rgb, alpha = picture.rgb, picture.alpha[..., np.newaxis]
    visible = float(alpha.sum(dtype=np.float64))
    if visible == 0:
        return np.full_like(rgb, 0.5)
    mean = (rgb * alpha).sum(axis=(0, 1), dtype=np.float64) / visible
    share = np.minimum(alpha / np.float32(FAINT_ALPHA), np.float32(1.0))
    filled: NDArray[np.float32] = rgb * share + mean.astype(np.float32) * (1 - share)
    return filled.clip(0.0, 1.0)


def _as_picture(photo: str | os.PathLike[str] | PIL.Image.Image | NDArray[Any]) -> Picture:
    if isinstance(photo, PIL.Image.Image):
        return picture_from_pil(photo)
    if not isinstance(photo, np.ndarray):
        return load_picture(Path(photo))
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.size == 0:
        raise PictureError(
            f"given an array of the shape {photo.shape}, expected H×W×3 (red, green, blue); "
            f"give pictures with alpha or in grey as PIL pictures or files"
        )
    if photo.dtype == np.uint8:
        return picture_from_pil(PIL.Image.fromarray(np.ascontiguousarray(photo)))
    if not np.issubdtype(photo.dtype, np.floating):
        raise PictureError(f"given an array of {photo.dtype}, expected uint8 or floats in [0, 1]")
    return Picture(rgb=np.array(photo, dtype=np.float32))


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
