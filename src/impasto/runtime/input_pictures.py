"""Pictures from paths, Pillow images and arrays, and back; transparent pixels filled for a network.

Files are read by the images room.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from impasto.errors import PictureError
from impasto.images.colour import to_floats
from impasto.images.files.io import Picture, load_picture, picture_from_pil, picture_to_pil
from impasto.images.formats.conversion import picture_to_sixteen_bits
from impasto.images.formats.header import header_of
from impasto.images.picture import resize_picture
from impasto.images.resize import fit_longer_side

FAINT_ALPHA = 0.1
"""Below this opacity colours fade into the fill: they count little and are often rounded away."""

InputPicture = str | os.PathLike[str] | PIL.Image.Image | NDArray[Any]


def as_picture(photo: InputPicture, *, longer_side: int | None = None) -> Picture:
    """The picture of a path, a Pillow image or an array H×W×3.

    Args:
        photo: the input.
        longer_side: resize files and Pillow images to this longer side, in little memory.

    Raises:
        PictureFileError: the file cannot be read.
        PictureError: the array is no picture.
    """
    if isinstance(photo, PIL.Image.Image):
        picture = picture_from_pil(photo, longer_side=longer_side)
        if longer_side is None:
            return picture
        # A JPEG's draft comes only near the size asked for; the exact one follows from its header.
        header = header_of(photo)
        width, height = fit_longer_side(header.width, header.height, longer_side)
        return resize_picture(picture, width=width, height=height)
    if not isinstance(photo, np.ndarray):
        return load_picture(Path(photo), longer_side=longer_side)
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.size == 0:
        raise PictureError(
            f"given an array of the shape {photo.shape}, expected H×W×3 (red, green, blue); "
            f"give pictures with alpha or in grey as PIL pictures or files"
        )
    if photo.dtype == np.uint8:
        return Picture(rgb=to_floats(photo))
    if photo.dtype == np.uint16:
        return Picture(rgb=to_floats(photo), bits=16)
    if not np.issubdtype(photo.dtype, np.floating):
        raise PictureError(
            f"given an array of {photo.dtype}, expected uint8, uint16 or floats in [0, 1]"
        )
    return Picture(rgb=np.array(photo, dtype=np.float32))


def in_the_form_of(photo: InputPicture, picture: Picture) -> PIL.Image.Image | NDArray[Any]:
    """A result in the form of its input: an array of its type, or a Pillow image."""
    if not isinstance(photo, np.ndarray):
        return picture_to_pil(picture)
    if photo.dtype == np.uint8:
        return np.asarray(picture_to_pil(picture))
    return picture_to_sixteen_bits(picture) if photo.dtype == np.uint16 else picture.rgb


def fill_transparent(picture: Picture) -> NDArray[np.float32]:
    """The colours H×W×3 with the mean visible colour where the picture is transparent.

    Colours under alpha 0 would show through the network: its receptive field crosses the edge, and
    instance normalisation mixes in the whole picture. The mean visible colour moves
    no channel's mean and makes the weakest edges; white would brighten every pixel.
    """
    if picture.alpha is None:
        return picture.rgb
    rgb, alpha = picture.rgb, picture.alpha[..., np.newaxis]
    return filled(rgb, alpha, mean_visible_colour([(rgb, alpha)]))


def mean_visible_colour(
    parts: Iterable[tuple[NDArray[np.float32], NDArray[np.float32]]],
) -> NDArray[np.float32] | None:
    """The mean colour of a picture in parts, weighted by alpha; None where all is invisible.

    Args:
        parts: colours h×w×3 and alpha h×w×1 of each.
    """
    # In float64: float32 sums over millions of pixels lose digits.
    weighted, visible = np.zeros(3), 0.0
    for rgb, alpha in parts:
        weighted += (rgb * alpha).sum(axis=(0, 1), dtype=np.float64)
        visible += float(alpha.sum(dtype=np.float64))
    return None if visible == 0 else (weighted / visible).astype(np.float32)


def filled(
    rgb: NDArray[np.float32], alpha: NDArray[np.float32], mean: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Colours h×w×3 that fade into a mean where alpha h×w×1 is faint; grey where there is none."""
    if mean is None:
        return np.full_like(rgb, 0.5)
    share = np.minimum(alpha / np.float32(FAINT_ALPHA), np.float32(1.0))
    mixed: NDArray[np.float32] = rgb * share + mean * (1 - share)
    return mixed.clip(0.0, 1.0)
