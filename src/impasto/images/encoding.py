"""Pictures to the bytes of a file, one entry per format that can be written."""

import dataclasses
import io
from typing import Any

from PIL import Image, PngImagePlugin

from impasto.errors import PictureError, PictureFileError
from impasto.images.colour_profile import srgb_profile
from impasto.images.picture import Picture, picture_to_pil
from impasto.images.reading import one_line

_JPEG_MARKER_BYTES = 65_000
FULL_CHROMA_QUALITY = 90
_XMP_TAG = 700


@dataclasses.dataclass(frozen=True, slots=True)
class FileFormat:
    """A format that pictures can be written in.

    Attributes:
        name: Pillow's name of it.
        suffixes: the file suffixes that choose it, lower case, with the dot.
        has_alpha: whether it holds alpha; otherwise pictures are laid on white.
        longest_side: the most pixels along a side that it can hold.
    """

    name: str
    suffixes: tuple[str, ...]
    has_alpha: bool = True
    longest_side: int = 1_000_000


FILE_FORMATS = (
    FileFormat("JPEG", (".jpg", ".jpeg", ".jfif"), has_alpha=False, longest_side=65_500),
    FileFormat("PNG", (".png",)),
    FileFormat("WEBP", (".webp",), longest_side=16_383),
    FileFormat("TIFF", (".tif", ".tiff")),
    FileFormat("BMP", (".bmp",), has_alpha=False),
    FileFormat("GIF", (".gif",), longest_side=65_535),
)
"""What can be written. Every one of these can be read as well."""

WRITABLE_SUFFIXES = tuple(suffix for known in FILE_FORMATS for suffix in known.suffixes)
"""The suffixes that choose a format, lower case, with the dot."""


def encode(picture: Picture, file_format: FileFormat, *, quality: int) -> bytes:
    """The bytes of a file that holds a picture at 8 bits per channel.

    The sRGB profile is embedded (BMP and GIF have no place for it), EXIF, resolution and XMP
    are kept where the format has a place for them.

    Args:
        picture: of any size the format can hold.
        file_format: one of `FILE_FORMATS`.
        quality: 1 to 100, for JPEG and WebP; JPEG keeps full chroma resolution from 90.

    Raises:
        PictureError: a quality outside 1 to 100.
        PictureFileError: the picture is too large for the format, or the encoder failed.
    """
    if not 1 <= quality <= 100:
        raise PictureError(f"quality is {quality}; expected 1 (smallest file) to 100 (best)")
    if max(picture.width, picture.height) > file_format.longest_side:
        raise PictureFileError(
            f"a {file_format.name} file holds at most {file_format.longest_side:,} pixels along a "
            f"side and the picture is {picture.width}×{picture.height}; save it as PNG or TIFF"
        )
    image = picture_to_pil(picture)
    if picture.alpha is not None and not file_format.has_alpha:
        image = flatten_on_white(image)
    buffer = io.BytesIO()
    try:
        image.save(buffer, file_format.name, **_options(picture, file_format.name, quality))
    except Exception as error:  # a senseless EXIF block makes encoders raise nearly anything
        raise PictureFileError(
            f"a {picture.width}×{picture.height} picture cannot be written as "
            f"{file_format.name} ({one_line(error)})"
        ) from error
    return buffer.getvalue()


def flatten_on_white(image: Image.Image) -> Image.Image:
    """An RGBA image laid on white paper, as mode RGB."""
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return white


def _options(picture: Picture, name: str, quality: int) -> dict[str, Any]:
    match name:
        case "JPEG":
            subsampling = "4:4:4" if quality >= FULL_CHROMA_QUALITY else "4:2:0"
            short = _blocks(picture, limit=_JPEG_MARKER_BYTES)
            own: dict[str, Any] = {"quality": quality, "subsampling": subsampling, **short}
        case "PNG":
            own = _png_blocks(picture)
        case "WEBP":
            own = {"quality": quality, **_blocks(picture)}
        case "TIFF":
            own = _tiff_blocks(picture)  # uncompressed: libtiff cannot write camera EXIF
        case _:
            own = {}
    if picture.dpi is not None and name in ("JPEG", "PNG", "TIFF", "BMP"):
        own["dpi"] = picture.dpi
    if name in ("JPEG", "PNG", "WEBP", "TIFF"):
        own["icc_profile"] = srgb_profile()
    return own


def _blocks(picture: Picture, *, limit: int | None = None) -> dict[str, Any]:
    blocks = {"exif": picture.exif, "xmp": picture.xmp}
    return {
        key: block
        for key, block in blocks.items()
        if block is not None and (limit is None or len(block) <= limit)
    }


def _png_blocks(picture: Picture) -> dict[str, Any]:
    blocks = _blocks(picture)
    xmp = blocks.pop("xmp", None)
    if xmp is not None:
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", errors="replace"))
        blocks["pnginfo"] = texts
    return blocks


def _tiff_blocks(picture: Picture) -> dict[str, Any]:
    if picture.exif is None and picture.xmp is None:
        return {}
    tags = Image.Exif()
    if picture.exif is not None:
        tags.load(picture.exif)
    if picture.xmp is not None:
        tags[_XMP_TAG] = picture.xmp
    return {"exif": tags}
