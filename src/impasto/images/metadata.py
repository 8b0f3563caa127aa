"""EXIF, resolution and XMP: what of a file's metadata goes with its pixels.

Kept: what describes the photograph (camera, date, place, author, rights). Left out: what
describes the old file (its layout, preview and pixel size) and would be wrong in a new one.
Broken metadata is left out, never an error.
"""

import math
import re

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
)
_SRGB_COLOR_SPACE = 1
_XMP_ORIENTATION = re.compile(rb'(tiff:Orientation(?:="|>))([0-9])')

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


def kept_dpi(image: Image.Image, *, sideways: bool) -> tuple[float, float] | None:
    """Dots per inch along the width and the height of the upright picture, if known.

    Args:
        image: as it came from its file.
        sideways: whether turning it upright made its width its height.
    """
    dpi = image.info.get("dpi")
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
    """The XMP packet with its orientation set to 1, if there is one.

    Args:
        image: as it came from its file.
    """
    return _XMP_ORIENTATION.sub(rb"\g<1>1", _xmp(image)) or None


def _xmp(image: Image.Image) -> bytes:
    packet = image.info.get("xmp")
    return packet if isinstance(packet, bytes) else b""
