"""Decoding pictures of 8 bits from top to bottom, a strip at a time.

libvips decodes strip by strip and never holds the whole picture. Some files it reads differently
from Pillow. Pillow decodes those, whole: a picture must look the same however it was read.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, TiffImagePlugin

from impasto.images.formats.pixel_modes import mode_of_pixels
from impasto.images.formats.png_rows import check_rows
from impasto.images.formats.vips_loaders import open_with_libvips
from impasto.images.formats.vips_pixels import pixels_in
from impasto.images.metadata.orientation import upright

_STRIP_PIXELS = 2**20
_JPEGS = ("JPEG", "MPO")
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _CMYK = 0, 1, 2, 5
_BITS, _UNSIGNED, _UNASSOCIATED_ALPHA, _HIGH_BIT_FIRST = 8, 1, 2, 1
# Measured: of other TIFFs the two readers give other numbers, up to 255 levels in YCbCr.
_PIXEL_KINDS = (
    *((_MIN_IS_WHITE, ()), (_MIN_IS_BLACK, ()), (_MIN_IS_BLACK, (_UNASSOCIATED_ALPHA,))),
    *((_RGB, ()), (_RGB, (_UNASSOCIATED_ALPHA,)), (_CMYK, ())),
)
_COMPRESSIONS = frozenset({"raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate"})


def is_decoded_alike(image: Image.Image) -> bool:
    """Whether libvips reads the same numbers from a file as Pillow.

    Args:
        image: as it was opened, of 8 bits, still.
    """
    if image.mode == "CMYK" and image.format in _JPEGS:
        return "adobe" in image.info  # without, it is anybody's guess what 0 means
    if image.format != "TIFF":
        return True
    tags = getattr(image, "tag_v2", {})
    photometric = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION)
    extra = tuple(tags.get(TiffImagePlugin.EXTRASAMPLES, ()))
    return (
        image.info.get("compression") in _COMPRESSIONS
        and set(tags.get(TiffImagePlugin.BITSPERSAMPLE, ())) == {_BITS}
        and set(tags.get(TiffImagePlugin.SAMPLEFORMAT, (_UNSIGNED,))) == {_UNSIGNED}
        and tags.get(TiffImagePlugin.FILLORDER, _HIGH_BIT_FIRST) == _HIGH_BIT_FIRST
        and (photometric, extra) in _PIXEL_KINDS
        and len(image.getbands()) == tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1)
    )


def byte_strips(
    path: Path, image: Image.Image, stream: BinaryIO, *, times: int, orientation: int
) -> tuple[Iterator[Image.Image], int, int]:
    """Strips of a picture from the top, in one of Pillow's modes, with alpha if it has one.

    Args:
        path: of the file.
        image: the same, opened.
        stream: of the same.
        times: how many pixels in a row may become one; a JPEG comes out of its decoder smaller.
        orientation: of the pixels in the file, as EXIF numbers them.

    Returns:
        The strips, how many pixels in a row may still become one, and the orientation that the
        strips have. The height of all but the last is a multiple of the second.

    Raises:
        Exception: of libvips or Pillow, where the file is damaged.
    """
    shrink = next(by for by in (8, 4, 2, 1) if by <= times) if image.format in _JPEGS else 1
    remaining = times // shrink
    if is_decoded_alike(image):
        decoded = open_with_libvips(path, sequential=True, shrink=shrink)
        mode = mode_of_pixels(image)
        num_channels = len(Image.new(mode, (1, 1)).getbands())
        # Palettes and transparent colours are resolved by one reader and not by the other.
        if decoded.format == "uchar" and decoded.bands == num_channels:
            return _decoded_strips(decoded, mode, remaining), remaining, orientation
    if shrink > 1:
        image.draft(image.mode, (max(1, image.width // shrink), max(1, image.height // shrink)))
    check_rows(image, stream)
    return _cut(upright(image), remaining), remaining, 1


def _decoded_strips(decoded: Any, mode: str, times: int) -> Iterator[Image.Image]:
    import pyvips

    # One region for all strips: a sequential image can be read once only, from the top.
    region, columns = pyvips.Region.new(decoded), slice(0, decoded.width)
    for top, height in _strips(decoded.width, decoded.height, times):
        pixels = pixels_in(region, decoded, rows=slice(top, top + height), columns=columns)
        yield Image.frombuffer(mode, (decoded.width, height), pixels.tobytes(), "raw", mode, 0, 1)


def _cut(image: Image.Image, times: int) -> Iterator[Image.Image]:
    for top, height in _strips(image.width, image.height, times):
        yield image.crop((0, top, image.width, top + height))


def _strips(width: int, height: int, times: int) -> Iterator[tuple[int, int]]:
    """Top and height of each strip; all heights but the last are multiples of `times`."""
    # So no block that becomes one pixel crosses two strips.
    rows = max(1, _STRIP_PIXELS // width // times) * times
    for top in range(0, height, rows):
        yield top, min(rows, height - top)
