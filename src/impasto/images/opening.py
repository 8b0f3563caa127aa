"""The one way in which Pillow opens a file: with all that the file says before it is decoded.

What Pillow leaves out or hides goes into the image's `info`: colour that is stated without a
profile, and the EXIF of a TIFF as it lies in the file.
"""

import contextlib
from collections.abc import Collection
from typing import BinaryIO

from PIL import Image

from impasto.images.exif_block import TIFF_EXIF, block_of_tiff
from impasto.images.isobmff import nclx_of_file
from impasto.images.png_chunks import SIGNATURE, shown_png
from impasto.images.stated_colour import CICP

_NO_TEXTS = frozenset(
    {"chromaticity", "dpi", "duration", "exif", "gamma", "icc_profile", "loop", "srgb", "xmp"}
    | {"aspect", "bbox", "blend", "default_image", "disposal", "interlace", "transparency", CICP}
)
"""What Pillow keeps under the names that texts have as well."""

_RAW_PROFILE = "Raw profile type exif"
_TIFF_BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_image(
    stream: BinaryIO, formats: Collection[str], *, any_size: bool = False
) -> Image.Image:
    """Open a file that holds a picture, without decoding it.

    Args:
        stream: the file, seekable; it stays the caller's, and open until the image is decoded.
        formats: Pillow's names of the decoders that may run.
        any_size: also a picture that is too large for Pillow, whose header is all that is wanted.

    Raises:
        PIL.UnidentifiedImageError: none of these formats.
        Exception: nearly any other, of a damaged file; see `reading.reading`.
    """
    stream.seek(0)
    head = stream.read(12)
    stream.seek(0)
    if head.startswith(SIGNATURE):
        return _open_png(stream, formats, any_size=any_size)
    image = _open(stream, formats, head, any_size=any_size)
    if head[4:8] == b"ftyp":
        with contextlib.suppress(Exception):  # boxes of a damaged file; its pixels may be good
            _tell(image, nclx_of_file(stream))
    elif head[:4] in _TIFF_BEGINNINGS:
        place = stream.tell()
        block = block_of_tiff(stream)
        stream.seek(place)
        if block is not None:
            image.info[TIFF_EXIF] = block
    return image


def _open_png(stream: BinaryIO, formats: Collection[str], *, any_size: bool) -> Image.Image:
    shown = shown_png(stream)
    image = _open(shown.stream, formats, SIGNATURE, any_size=any_size)
    _tell(image, shown.cicp)
    if shown.profile is not None:
        image.info["icc_profile"] = shown.profile
    for key in _NO_TEXTS & image.info.keys():
        if isinstance(image.info[key], str):  # a text of that name
            del image.info[key]
    if "exif" not in image.info and _RAW_PROFILE in image.info:
        with contextlib.suppress(ValueError):
            hexadecimal = str(image.info[_RAW_PROFILE]).split("\n")[3:]
            image.info["exif"] = bytes.fromhex("".join(hexadecimal))
    return image


def _open(
    stream: BinaryIO, formats: Collection[str], head: bytes, *, any_size: bool
) -> Image.Image:
    try:
        return Image.open(stream, formats=tuple(formats))
    except Image.DecompressionBombError:
        if not any_size:
            raise
    for name in formats:  # only `Image.open` looks at the size
        factory, accepts = Image.OPEN[name]
        stream.seek(0)
        with contextlib.suppress(SyntaxError, IndexError, TypeError, KeyError, EOFError):
            if not accepts or accepts(head) is True:
                return factory(stream, "")
    raise Image.DecompressionBombError("the picture is too large for Pillow")


def _tell(image: Image.Image, cicp: tuple[int, int, int, int] | None) -> None:
    if cicp is not None:
        image.info[CICP] = cicp
