"""The orientation of a picture's pixels in its file, and how they are turned upright.

EXIF numbers eight orientations: 1 is upright, 2 to 8 are rotated by quarters, mirrored, or both.
What else a file says of its picture: `selection`.
"""

import re
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from impasto.images.metadata.selection import exif_at_hand, xmp_at_hand

Kind = TypeVar("Kind", bound=np.generic)

SIDEWAYS = (5, 6, 7, 8)
"""The orientations whose width becomes the height."""

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# By a search, not by XML: a broken packet may still say how the pixels lie.
_XMP_ORIENTATION = re.compile(rb"""(?<!/)tiff:Orientation(?:\s*=\s*["']|>\s*)([0-9])""")


def orientation_of(image: Image.Image) -> int:
    """The orientation, 1 (upright) to 8, by EXIF or else by XMP; 1 where neither has one."""
    try:
        value = exif_at_hand(image).get(ExifTags.Base.Orientation)
    except Exception:  # damaged EXIF raises nearly anything, and the pixels may still be good
        value = None
    if value is None and (match := _XMP_ORIENTATION.search(xmp_at_hand(image))):
        value = int(match[1])
    return value if value in _TRANSPOSITIONS else 1


def upright(image: Image.Image) -> Image.Image:
    """The image rotated and mirrored as its orientation says; decodes it."""
    image.load()  # some decoders rotate while they load, and take the orientation away
    transposition = _TRANSPOSITIONS.get(orientation_of(image))
    return image if transposition is None else image.transpose(transposition)


def upright_array(array: NDArray[Kind], orientation: int) -> NDArray[Kind]:
    """An array H×W×… rotated and mirrored as an orientation, 1 to 8, says; a view."""
    if orientation in (3, 4, 6, 7):
        array = array[::-1]
    if orientation in (2, 3, 7, 8):
        array = array[:, ::-1]
    return array.swapaxes(0, 1) if orientation in SIDEWAYS else array
