"""The metadata that go from a picture's file into a new one: EXIF, resolution, XMP and texts.

Metadata about the photograph are kept: camera, date, location, author, rights. Metadata about the
old file are dropped: its layout, previews, and the maker's notes, whose offsets a new file breaks.
`formats.encoding` writes the new pixel size. Broken metadata are dropped, never an error.
"""

import contextlib
import dataclasses
import math
import re

from PIL import ExifTags, Image

from impasto.images.metadata.exif_block import (
    BYTE,
    LONG,
    SHORT,
    TEXT_KINDS,
    TIFF_EXIF,
    UNDEFINED,
    ExifBlock,
    block_bytes,
    read_block,
)
from impasto.images.metadata.xmp_packet import as_new, of_size

_MAIN_KINDS: dict[int, tuple[int, ...]] = {
    **dict.fromkeys(
        (
            *(ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model),
            *(ExifTags.Base.Software, ExifTags.Base.DateTime, ExifTags.Base.Artist),
            *(ExifTags.Base.HostComputer, ExifTags.Base.Copyright),
        ),
        TEXT_KINDS,
    ),
    **dict.fromkeys(
        (
            *(ExifTags.Base.XPTitle, ExifTags.Base.XPComment, ExifTags.Base.XPAuthor),
            *(ExifTags.Base.XPKeywords, ExifTags.Base.XPSubject),
        ),
        (BYTE, UNDEFINED),
    ),
    ExifTags.Base.Rating: (SHORT,),
}
"""Tags of the main directory that are kept, and the types that their values may have."""

_STALE_CAMERA_TAGS = (
    *(ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight),
    *(ExifTags.Base.ExifInteroperabilityOffset, ExifTags.Base.ColorSpace),
    *(ExifTags.Base.MakerNote, ExifTags.Base.RelatedImageWidth),
)
_SRGB_COLOR_SPACE = 1
_INCH, _CENTIMETRE = 2, 3
_CENTIMETRES_PER_INCH = 2.54

_TEXT_CHARACTERS = 1_000_000
# XMP and raw profiles are kept as what they are, and thumbnails show the old picture.
_STALE_TEXTS = re.compile(r"XML:com\.adobe\.xmp|Raw profile type .*|Thumb::.*", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class Metadata:
    """The kept metadata of a picture.

    Attributes:
        exif: the EXIF block, orientation 1.
        dpi: dots per inch along the width and the height of the upright picture.
        xmp: the XMP packet.
        texts: keyword and text of each comment.
    """

    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    texts: tuple[tuple[str, str], ...] = ()


def kept_metadata(image: Image.Image, *, width: int, height: int, sideways: bool) -> Metadata:
    """Read the metadata of a picture that a new file keeps.

    Args:
        image: as it came from its file; decoded or not.
        width: of the upright picture, in pixels.
        height: likewise.
        sideways: whether turning it upright made its width its height.
    """
    return Metadata(
        exif=kept_exif(image),
        dpi=kept_dpi(image, sideways=sideways),
        xmp=kept_xmp(image, width=width, height=height),
        texts=kept_texts(image),
    )


def exif_at_hand(image: Image.Image) -> Image.Exif:
    """The EXIF of an image, if that can be had without decoding it.

    Raises:
        Exception: nearly any, where it is damaged.
    """
    if image.format == "PNG" and "exif" not in image.info:
        return Image.Exif()  # Pillow would decode the picture to look behind its pixels
    return image.getexif()


def kept_exif(image: Image.Image) -> bytes | None:
    """The EXIF block for a new file: orientation 1, colour space sRGB, no preview.

    Values are the bytes that they were; an odd one is left out, and the others stay.

    Args:
        image: as it came from its file.

    Returns:
        Bytes that begin with `Exif`, or None where there is nothing to keep.
    """
    info, block = image.info, None
    if TIFF_EXIF in info:
        block = dataclasses.replace(info[TIFF_EXIF])
    elif isinstance(info.get("exif"), bytes):
        block = read_block(info["exif"])
    else:
        with contextlib.suppress(Exception):  # of damaged EXIF; the pixels may still be good
            block = read_block(exif_at_hand(image).tobytes())
    if block is None:
        return None
    block.main = {
        tag: entry
        for tag, entry in block.main.items()
        if tag in _MAIN_KINDS and entry.kind in _MAIN_KINDS[tag]
    }
    for tag in _STALE_CAMERA_TAGS:
        block.camera.pop(tag, None)
    if not (block.main or block.camera or block.place):
        return None
    if block.camera:
        block.camera[ExifTags.Base.ColorSpace] = block.number(SHORT, _SRGB_COLOR_SPACE)
    block.main[ExifTags.Base.Orientation] = block.number(SHORT, 1)
    return block_bytes(block)


def exif_for_file(
    exif: bytes | None,
    *,
    width: int,
    height: int,
    dpi: tuple[float, float] | None = None,
    with_orientation: bool = True,
) -> bytes | None:
    """An EXIF block with the pixel size of the picture that it goes into a file with.

    Args:
        exif: as `kept_exif` gives it; what is no EXIF is returned as it is.
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        dpi: dots per inch, for formats that have no other place for them; makes a block.
        with_orientation: say that it is upright; what says nothing is upright too.
    """
    if exif is None and dpi is None:
        return None
    block = ExifBlock() if exif is None else read_block(exif)
    if block is None:
        return exif
    if block.camera:
        block.camera[ExifTags.Base.ExifImageWidth] = block.number(LONG, width)
        block.camera[ExifTags.Base.ExifImageHeight] = block.number(LONG, height)
    if not with_orientation:
        block.main.pop(ExifTags.Base.Orientation, None)
    if dpi is not None:
        block.main[ExifTags.Base.XResolution] = block.ratio(dpi[0])
        block.main[ExifTags.Base.YResolution] = block.ratio(dpi[1])
        block.main[ExifTags.Base.ResolutionUnit] = block.number(SHORT, _INCH)
    return block_bytes(block)


def kept_dpi(image: Image.Image, *, sideways: bool) -> tuple[float, float] | None:
    """Dots per inch along the width and the height of the upright picture, if known.

    Args:
        image: as it came from its file.
        sideways: whether turning it upright made its width its height.
    """
    stated = getattr(image, "tag_v2", {ExifTags.Base.XResolution: None})
    dpi = image.info.get("dpi") if ExifTags.Base.XResolution in stated else None  # or Pillow's 1
    if not dpi:
        with contextlib.suppress(Exception):  # of damaged EXIF; the pixels may still be good
            exif = exif_at_hand(image)
            is_metric = exif.get(ExifTags.Base.ResolutionUnit) == _CENTIMETRE
            per_inch = _CENTIMETRES_PER_INCH if is_metric else 1.0
            tags = (ExifTags.Base.XResolution, ExifTags.Base.YResolution)
            dpi = tuple(float(exif[tag]) * per_inch for tag in tags)
    if not isinstance(dpi, tuple) or len(dpi) != 2:
        return None
    try:
        across, down = float(dpi[0]), float(dpi[1])
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not (math.isfinite(across) and math.isfinite(down) and across > 0 and down > 0):
        return None
    return (down, across) if sideways else (across, down)


def kept_xmp(image: Image.Image, *, width: int, height: int) -> bytes | None:
    """The XMP packet for a new file, if there is one that can be read: see `xmp_packet.as_new`.

    Args:
        image: as it came from its file.
        width: of the picture, upright, in pixels.
        height: likewise.
    """
    packet = xmp_at_hand(image)
    return as_new(packet, width=width, height=height) if packet else None


def xmp_for_file(xmp: bytes | None, *, width: int, height: int) -> bytes | None:
    """An XMP packet with the pixel size of the picture that it goes into a file with."""
    return None if xmp is None else of_size(xmp, width=width, height=height)


def kept_texts(image: Image.Image) -> tuple[tuple[str, str], ...]:
    """Keyword and text of a PNG's text chunks, or the `Comment` of a JPEG or GIF.

    Args:
        image: opened by `opening`, or decoded: texts may come after the pixels.
    """
    chunks = getattr(image, "png", None)  # until it is decoded
    texts = dict(getattr(image, "text", {}) if chunks is None else chunks.im_text)
    comment = image.info.get("comment")
    if isinstance(comment, bytes):
        texts["Comment"] = comment.decode("utf-8", errors="replace")
    return tuple(
        (str(keyword), str(text))
        for keyword, text in texts.items()
        if text and len(text) <= _TEXT_CHARACTERS and not _STALE_TEXTS.fullmatch(keyword)
    )


def xmp_at_hand(image: Image.Image) -> bytes:
    """The XMP packet of an image, empty where it has none."""
    packet = image.info.get("xmp")
    return packet if isinstance(packet, bytes) else b""
