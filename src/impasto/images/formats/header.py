"""What a picture's file says before its pixels: size, orientation and kind; nothing is decoded."""

import dataclasses

from PIL import Image

from impasto.images.formats.pixel_modes import GREY_MODES
from impasto.images.metadata.orientation import SIDEWAYS, orientation_of


@dataclasses.dataclass(frozen=True, slots=True)
class PictureHeader:
    """What the beginning of a picture's file says.

    Attributes:
        width: in pixels, once upright.
        height: in pixels, once upright.
        is_grey: the file has one channel of colour.
    """

    width: int
    height: int
    is_grey: bool


def header_of(image: Image.Image) -> PictureHeader:
    """Size and kind of a picture, opened by `opening` or given; it is not decoded."""
    width, height = image.size
    is_turned = image.format == "TIFF"  # Pillow tells of these as they will be
    if not is_turned and orientation_of(image) in SIDEWAYS:
        width, height = height, width
    return PictureHeader(width, height, image.mode in GREY_MODES)
