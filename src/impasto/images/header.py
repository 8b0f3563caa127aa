"""What a picture's file says before its pixels: size, orientation and kind; nothing is decoded."""

import dataclasses
import io
from typing import BinaryIO

from PIL import Image

from impasto.images.metadata import SIDEWAYS, orientation
from impasto.images.pixel_modes import GREY_MODES
from impasto.images.png_chunks import without_pixels


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


def header_of(image: Image.Image, stream: BinaryIO) -> PictureHeader:
    """Size and kind of an opened picture.

    Args:
        image: opened, not decoded, and left so.
        stream: of its file; it is left where it was.
    """
    width, height = image.size
    is_turned = image.format == "TIFF"  # Pillow tells of these as they will be
    if not is_turned and orientation(said_by_file(image, stream)) in SIDEWAYS:
        width, height = height, width
    return PictureHeader(width, height, image.mode in GREY_MODES)


def said_by_file(image: Image.Image, stream: BinaryIO) -> Image.Image:
    """An image that says of itself what an opened one does, without its pixels if it is a PNG.

    Pillow decodes a PNG to say what may stand behind its pixels.

    Args:
        image: opened, not decoded, and left so.
        stream: of its file; it is left where it was.
    """
    if image.format != "PNG":
        return image
    try:
        return Image.open(io.BytesIO(without_pixels(stream)), formats=("PNG",))
    except Exception:  # of damaged chunks; the pixels may still be good
        return Image.new("L", (1, 1))
