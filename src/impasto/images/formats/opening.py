"""Opening a file with Pillow, with everything that its head says, before it is decoded.

Two things that Pillow leaves out go into the image's `info`: colours that are stated without a
profile, and the EXIF of a TIFF, byte for byte.
"""

import contextlib
from collections.abc import Collection
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from impasto.images.formats.pillow_errors import UnreadKindError
from impasto.images.metadata.exif_block import TIFF_EXIF, block_of_tiff
from impasto.images.metadata.isobmff import nclx_of_file
from impasto.images.metadata.png_chunks import SIGNATURE, shown_png
from impasto.images.profiles.stated_colour import CICP

_NO_TEXTS = frozenset(
    {"chromaticity", "dpi", "duration", "exif", "gamma", "icc_profile", "loop", "srgb", "xmp"}
    | {"aspect", "bbox", "blend", "default_image", "disposal", "interlace", "transparency", CICP}
)
"""Keys of `info` that Pillow uses itself, and that a text in a PNG can have as well."""

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_SAMPLE_FORMATS = {2: ", signed", 3: ", floating point", 5: ", complex", 6: ", complex"}
_PHOTOMETRICS = {
    **{0: "grey", 1: "grey", 2: "RGB", 3: "palette colours", 4: "a mask", 5: "CMYK", 6: "YCbCr"},
    **{8: "L*a*b*", 9: "L*a*b*", 10: "L*a*b*", 32_803: "raw sensor values"},
    **{32_844: "LogL", 32_845: "LogLuv", 34_892: "linear raw values"},
}
_HEAD_BYTES = 64
# ImageMagick writes EXIF as a text: its name, its length and hexadecimal lines.
_RAW_PROFILE = "Raw profile type exif"
_TIFF_BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_image(
    stream: BinaryIO, formats: Collection[str], *, any_size: bool = False
) -> Image.Image:
    """Open a file that holds a picture, without decoding it.

    Args:
        stream: the file, seekable; it stays the caller's, and open until the image is decoded.
        formats: Pillow's names of the decoders that may run.
        any_size: accept a picture that is too large for Pillow, to read its header.

    Raises:
        PIL.UnidentifiedImageError: none of these formats.
        Exception: nearly any other, of a damaged file; see `reading.reading`.
    """
    stream.seek(0)
    head = stream.read(_HEAD_BYTES)
    stream.seek(0)
    if head.startswith(SIGNATURE):
        return _open_png(stream, formats, any_size=any_size)
    try:
        image = _open(stream, formats, head, any_size=any_size)
    except UnidentifiedImageError:
        if head[:4] in _TIFF_BEGINNINGS and (kind := _kind_of_tiff(stream)) is not None:
            raise UnreadKindError(kind) from None
        raise
    if head[4:8] == b"ftyp":
        with contextlib.suppress(Exception):  # boxes of a damaged file; its pixels may be good
            _tell(image, nclx_of_file(stream))
    elif head[:4] in _TIFF_BEGINNINGS:
        position = stream.tell()
        block = block_of_tiff(stream)
        stream.seek(position)
        if block is not None:
            image.info[TIFF_EXIF] = block
    return image


def _open_png(stream: BinaryIO, formats: Collection[str], *, any_size: bool) -> Image.Image:
    png = shown_png(stream)
    image = _open(png.stream, formats, SIGNATURE, any_size=any_size)
    _tell(image, png.cicp)
    if png.profile is not None:
        image.info["icc_profile"] = png.profile
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
    for name in formats:  # the plugins themselves do not check the size, only `Image.open` does
        factory, accepts = Image.OPEN[name]
        stream.seek(0)
        # `Image.open` takes the same errors to mean: another format.
        with contextlib.suppress(SyntaxError, IndexError, TypeError, KeyError, EOFError):
            if not accepts or accepts(head) is True:
                return factory(stream, "")
    raise Image.DecompressionBombError("the picture is too large for Pillow")


def _kind_of_tiff(stream: BinaryIO) -> str | None:
    """What a TIFF holds that Pillow cannot make out, in words; None where it is none of those."""
    block = block_of_tiff(stream)
    if block is None or _BITS not in block.main:
        return None
    bits, photometric, kinds = (
        block.numbers(block.main.get(tag)) for tag in (_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT)
    )
    number = len(bits)
    depth = " and ".join(map(str, sorted(set(bits)))) + " bits"
    what = _SAMPLE_FORMATS.get(kinds[0] if kinds else 1, "")
    colours = _PHOTOMETRICS.get(photometric[0] if photometric else -1, "colours")
    return f"a TIFF of {colours} in {number} channel{'s' * (number > 1)} of {depth}{what}"


def _tell(image: Image.Image, cicp: tuple[int, int, int, int] | None) -> None:
    if cicp is not None:
        image.info[CICP] = cicp
