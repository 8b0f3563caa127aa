"""EXIF, resolution, XMP and texts: what of a file's metadata goes with its pixels.

Kept: what describes the photograph (camera, date, place, author, rights). Left out: what
describes the old file (its layout, previews, and the maker's notes, whose offsets a new file
breaks). The pixel size is written anew, by `encoding`. Broken metadata is left out, never an error.
"""

import math
import re

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

_KEPT_TAGS = (
    *(ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model),
    *(ExifTags.Base.Software, ExifTags.Base.DateTime, ExifTags.Base.Artist),
    *(ExifTags.Base.HostComputer, ExifTags.Base.Copyright, ExifTags.Base.Rating),
    *(ExifTags.Base.XPTitle, ExifTags.Base.XPComment, ExifTags.Base.XPAuthor),
    *(ExifTags.Base.XPKeywords, ExifTags.Base.XPSubject),
)
_STALE_CAMERA_TAGS = (
    *(ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight),
    *(ExifTags.Base.ExifInteroperabilityOffset, ExifTags.Base.ColorSpace),
    *(ExifTags.Base.MakerNote, ExifTags.Base.RelatedImageWidth),
)
_SRGB_COLOR_SPACE = 1
_INCH = 2
_CENTIMETRES_PER_INCH = 2.54


def _xmp_field(names: bytes, value: bytes) -> re.Pattern[bytes]:
    """A simple field of an XMP packet, as an attribute or an element."""
    return re.compile(rb"((?<!/)(?:" + names + rb""")(?:\s*=\s*["']|>\s*))(""" + value + rb")")


_XMP_ORIENTATION = _xmp_field(rb"tiff:Orientation", rb"[0-9]")
_XMP_WIDTH = _xmp_field(rb"tiff:ImageWidth|exif:PixelXDimension", rb"[0-9]+")
_XMP_HEIGHT = _xmp_field(rb"tiff:ImageLength|exif:PixelYDimension", rb"[0-9]+")
_XMP_COLOR_SPACE = _xmp_field(rb"exif:ColorSpace", rb"[0-9]+")
_XMP_PROFILE = _xmp_field(rb"photoshop:ICCProfile", rb"""[^"'<]*""")
_XMP_PREVIEWS = re.compile(rb"<(xmp|xap):Thumbnails\b.*?</\1:Thumbnails\s*>", re.DOTALL)
_XMP_CONTINUED = re.compile(rb"""\s?xmpNote:HasExtendedXMP\s*=\s*(["'])\w*\1""")

_TEXT_CHARACTERS = 65_000
_STALE_TEXTS = re.compile(r"XML:com\.adobe\.xmp|Raw profile type .*|Thumb::.*", re.IGNORECASE)

SIDEWAYS = (5, 6, 7, 8)
"""The orientations whose width becomes the height."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(image: Image.Image) -> int:
    """The orientation, 1 (upright) to 8, by EXIF or else by XMP; 1 where neither has one."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damaged EXIF raises nearly anything, and the pixels may still be good
        value = None
    if value is None and (found := _XMP_ORIENTATION.search(_xmp(image))):
        value = int(found[2])
    return value if value in _TURNS else 1


def upright(image: Image.Image) -> Image.Image:
    """The image turned and mirrored as its EXIF orientation says; decodes it."""
    image.load()  # some decoders turn while they load, and take the orientation away
    turn = _TURNS.get(orientation(image))
    return image if turn is None else image.transpose(turn)


def turned(array: NDArray[np.generic], orientation: int) -> NDArray[np.generic]:
    """An array H×W×… turned and mirrored as an EXIF orientation, 1 to 8, says."""
    if orientation in (3, 4, 6, 7):
        array = array[::-1]
    if orientation in (2, 3, 7, 8):
        array = array[:, ::-1]
    return array.swapaxes(0, 1) if orientation in SIDEWAYS else array


def kept_exif(image: Image.Image) -> bytes | None:
    """The EXIF block for a new file: orientation 1, colour space sRGB, no preview.

    Args:
        image: as it came from its file.

    Returns:
        Bytes that begin with `Exif`, or None where there is nothing to keep.
    """
    try:
        source = image.getexif()
        kept = Image.Exif()
        for tag in _KEPT_TAGS:
            if tag in source:
                kept[tag] = source[tag]
        camera = dict(source.get_ifd(ExifTags.IFD.Exif))
        if camera:
            for tag in _STALE_CAMERA_TAGS:
                camera.pop(tag, None)
            kept[ExifTags.IFD.Exif] = camera | {ExifTags.Base.ColorSpace: _SRGB_COLOR_SPACE}
        place = source.get_ifd(ExifTags.IFD.GPSInfo)
        if place:
            kept[ExifTags.IFD.GPSInfo] = dict(place)
        if not kept:
            return None
        kept[ExifTags.Base.Orientation] = 1
        return kept.tobytes()
    except Exception:  # damaged EXIF raises nearly anything, and the pixels may still be good
        return None


def exif_for_file(
    exif: bytes | None, *, width: int, height: int, dpi: tuple[float, float] | None = None
) -> bytes | None:
    """An EXIF block with the pixel size of the picture that it goes into a file with.

    Args:
        exif: as `kept_exif` gives it; any other is returned as it is.
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        dpi: dots per inch, for formats that have no other place for them; makes a block.
    """
    if exif is None and dpi is None:
        return None
    try:
        block = Image.Exif()
        if exif is not None:
            block.load(exif)
        camera = dict(block.get_ifd(ExifTags.IFD.Exif))
        if camera:
            size = {ExifTags.Base.ExifImageWidth: width, ExifTags.Base.ExifImageHeight: height}
            block[ExifTags.IFD.Exif] = camera | size
        if dpi is not None:
            block[ExifTags.Base.XResolution], block[ExifTags.Base.YResolution] = dpi
            block[ExifTags.Base.ResolutionUnit] = _INCH
        return block.tobytes()
    except Exception:  # a block that somebody else made may hold anything
        return exif


def kept_dpi(image: Image.Image, *, sideways: bool) -> tuple[float, float] | None:
    """Dots per inch along the width and the height of the upright picture, if known.

    Args:
        image: as it came from its file.
        sideways: whether turning it upright made its width its height.
    """
    dpi = image.info.get("dpi") or _exif_dpi(image)
    if not isinstance(dpi, tuple) or len(dpi) != 2:
        return None
    try:
        across, down = float(dpi[0]), float(dpi[1])
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not (math.isfinite(across) and math.isfinite(down) and across > 0 and down > 0):
        return None
    return (down, across) if sideways else (across, down)


def kept_xmp(image: Image.Image) -> bytes | None:
    """The XMP packet for a new file, if there is one: orientation 1, sRGB, no previews.

    Args:
        image: as it came from its file.
    """
    packet = _XMP_ORIENTATION.sub(rb"\g<1>1", _xmp(image))
    packet = _XMP_COLOR_SPACE.sub(rb"\g<1>1", packet)
    packet = _XMP_PROFILE.sub(rb"\g<1>sRGB IEC61966-2.1", packet)
    return _XMP_CONTINUED.sub(b"", _XMP_PREVIEWS.sub(b"", packet)) or None


def xmp_for_file(xmp: bytes | None, *, width: int, height: int) -> bytes | None:
    """An XMP packet with the pixel size of the picture that it goes into a file with."""
    if xmp is None:
        return None
    packet = _XMP_WIDTH.sub(rb"\g<1>%d" % width, xmp)
    return _XMP_HEIGHT.sub(rb"\g<1>%d" % height, packet)


def kept_texts(image: Image.Image) -> tuple[tuple[str, str], ...]:
    """Keyword and text of a PNG's text chunks, or the `Comment` of a JPEG or GIF.

    Args:
        image: decoded; texts may come after the pixels.
    """
    texts = dict(getattr(image, "text", {}))
    comment = image.info.get("comment")
    if isinstance(comment, bytes):
        texts["Comment"] = comment.decode("utf-8", errors="replace")
    return tuple(
        (str(keyword), str(text))
        for keyword, text in texts.items()
        if text and len(text) <= _TEXT_CHARACTERS and not _STALE_TEXTS.fullmatch(keyword)
    )


def _exif_dpi(image: Image.Image) -> tuple[float, float] | None:
    """Where no other place says the resolution, EXIF may."""
    try:
        exif = image.getexif()
        across, down = (
            float(exif[tag]) for tag in (ExifTags.Base.XResolution, ExifTags.Base.YResolution)
        )
        per_inch = _CENTIMETRES_PER_INCH if exif.get(ExifTags.Base.ResolutionUnit) == 3 else 1.0
    except Exception:  # damaged EXIF raises nearly anything, and the pixels may still be good
        return None
    return across * per_inch, down * per_inch


def _xmp(image: Image.Image) -> bytes:
    packet = image.info.get("xmp")
    return packet if isinstance(packet, bytes) else b""
