"""Pictures of 8 bits decoded from top to bottom, a strip at a time, as Pillow has whole ones.

libvips decodes without ever having the whole picture. What it is known to read otherwise than
Pillow, Pillow decodes here too, at once, at 8 bits: what a picture looks like must not depend on
how it was read.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin

from impasto.images.metadata import upright
from impasto.images.pixel_modes import mode_of_pixels
from impasto.images.vips_loaders import open_with_libvips

_STRIP_PIXELS = 2**20
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _CMYK = 0, 1, 2, 5
_BITS, _UNSIGNED, _UNASSOCIATED_ALPHA, _HIGH_BIT_FIRST = 8, 1, 2, 1
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
    if image.mode == "CMYK" and image.format in ("JPEG", "MPO"):
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


def byte_strips(path: Path, image: Image.Image, turn: int) -> tuple[Iterator[Image.Image], int]:
    """Strips of a picture from the top, in one of Pillow's modes, with alpha if it has one.

    Args:
        path: of the file.
        image: the same, opened.
        turn: its orientation in the file, as EXIF numbers them.

    Returns:
        The strips, and the orientation that these have.

    Raises:
        Exception: of libvips or Pillow, where the file is damaged.
    """
    if not is_decoded_alike(image):
        return _cut(upright(image)), 1
    decoded, mode = decoded_by_libvips(path), mode_of_pixels(image)
    num_channels = len(Image.new(mode, (1, 1)).getbands())
    if decoded.format != "uchar" or decoded.bands != num_channels:
        return _cut(upright(image)), 1
    return _fetched(decoded, mode), turn


def decoded_by_libvips(path: Path) -> Any:
    """The libvips image of a file, to be read once from top to bottom."""
    return open_with_libvips(path, access="sequential", fail_on="error")


def _fetched(decoded: Any, mode: str) -> Iterator[Image.Image]:
    import pyvips

    region = pyvips.Region.new(decoded)
    for top, height in _strips(decoded.width, decoded.height):
        data = region.fetch(0, top, decoded.width, height)
        pixels = np.frombuffer(data, np.uint8).reshape(height, decoded.width, -1)
        yield Image.frombuffer(mode, (decoded.width, height), pixels.tobytes(), "raw", mode, 0, 1)


def _cut(image: Image.Image) -> Iterator[Image.Image]:
    for top, height in _strips(image.width, image.height):
        yield image.crop((0, top, image.width, top + height))


def _strips(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Top and height of each strip."""
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        yield top, min(rows, height - top)
