"""Encoding pictures and animations into the bytes of a file; the table of writable formats."""

import contextlib
import dataclasses
import io
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal

from PIL import Image, PngImagePlugin

from impasto.errors import PictureFileError, SettingError
from impasto.images.formats.animation import Animation, check_all_frames, with_alpha_flag
from impasto.images.formats.conversion import picture_to_pil, picture_to_sixteen_bits
from impasto.images.formats.heif import register_heif
from impasto.images.formats.sixteen_bit import encode_sixteen_bit_png, encode_sixteen_bit_tiff
from impasto.images.metadata.exif_block import ExifBlock, add_to_tiff, read_block
from impasto.images.metadata.selection import Metadata, exif_for_file, xmp_for_file
from impasto.images.picture import Bits, Picture
from impasto.images.profiles.colour_profile import srgb_profile
from impasto.system.visible_text import one_line

AskedBits = Literal["auto", 8, 16]
"""Bits per channel to write; `auto` is what the picture came with, if the format holds them."""

# A segment's length has 16 bits and counts itself; `Exif` or the name of XMP come off as well.
_JPEG_MARKER_BYTES = 65_000
# From here on chroma keeps its full resolution, as libvips too chooses for JPEG.
FULL_CHROMA_QUALITY = 90
_XMP_TAG = 700
_WITH_DPI = ("JPEG", "PNG", "TIFF", "BMP")
# Of 256: one index is left for transparency.
_GIF_COLOURS = 255


@dataclasses.dataclass(frozen=True, slots=True)
class FileFormat:
    """A format that pictures can be written in.

    Attributes:
        name: Pillow's name of it.
        suffixes: the file suffixes that choose it, lower case, with the dot.
        has_alpha: whether it holds alpha; otherwise pictures are laid on white.
        longest_side: the most pixels along a side that it can hold.
        most_bits: per channel that are written.
        is_animated: whether it holds animations.
        loses: whether it loses detail: always, unless asked not to, or never.
    """

    name: str
    suffixes: tuple[str, ...]
    has_alpha: bool = True
    longest_side: int = 1_000_000
    most_bits: Bits = 8
    is_animated: bool = False
    loses: Literal["always", "unless asked", "never"] = "never"


# 65,500 is libjpeg's limit, 32,768 libavif's. WebP stores a side in 14 bits, GIF in 16.
FILE_FORMATS = (
    FileFormat("JPEG", (".jpg", ".jpeg", ".jfif"), False, longest_side=65_500, loses="always"),
    FileFormat("PNG", (".png", ".apng"), most_bits=16, is_animated=True),
    FileFormat("WEBP", (".webp",), longest_side=16_383, is_animated=True, loses="unless asked"),
    FileFormat("TIFF", (".tif", ".tiff"), most_bits=16),
    FileFormat("BMP", (".bmp",), False),
    FileFormat("GIF", (".gif",), longest_side=65_535, is_animated=True, loses="always"),
    FileFormat("AVIF", (".avif",), longest_side=32_768, is_animated=True, loses="always"),
    FileFormat("HEIF", (".heic", ".heif", ".hif"), longest_side=16_384, loses="unless asked"),
)
"""The writable formats. Each can be read as well."""

WRITABLE_SUFFIXES = tuple(suffix for known in FILE_FORMATS for suffix in known.suffixes)
"""The suffixes that choose a format, lower case, with the dot."""


def check_encoding(
    file_format: FileFormat, *, quality: int = 92, lossless: bool = False, bits: AskedBits = "auto"
) -> None:
    """Refuse settings that a format cannot meet; worth asking before long work.

    Raises:
        SettingError: a quality outside 1 to 100, or what the format has not.
        MissingExtraError: HEIC without the extra `heif`.
    """
    if not 1 <= quality <= 100:
        raise SettingError(f"quality is {quality}; expected 1 (smallest file) to 100 (best)")
    if bits not in ("auto", 8, 16):
        raise SettingError(f"bits is {bits!r}; expected 'auto', 8 or 16")
    if bits == 16 and file_format.most_bits < 16:
        raise SettingError(
            f"a {file_format.name} file is written with 8 bits per channel and 16 are asked for; "
            "write PNG or TIFF, or leave the bits to 'auto'"
        )
    if lossless and file_format.loses == "always":
        raise SettingError(
            f"a {file_format.name} file cannot be lossless; write PNG, TIFF, WebP or HEIC"
        )
    if file_format.name == "HEIF":
        register_heif()


def encode(
    picture: Picture,
    file_format: FileFormat,
    *,
    quality: int,
    lossless: bool = False,
    bits: AskedBits = "auto",
) -> bytes:
    """The bytes of a file that holds a picture.

    The sRGB profile is embedded (BMP and GIF have no place for it); EXIF, resolution, XMP and
    texts are kept where the format has a place for them, with the new pixel size.

    Args:
        picture: of any size the format can hold.
        file_format: one of `FILE_FORMATS`.
        quality: 1 to 100, for JPEG, WebP, AVIF and HEIC; full chroma resolution from 90.
        lossless: for WebP and HEIC, which are not unless asked.
        bits: per channel; `auto` is 16 for pictures that came with them, in PNG and TIFF.

    Raises:
        SettingError: a setting that is out of range, or that the format has not.
        PictureFileError: the picture is too large for the format, or the encoder failed.
        MissingExtraError: HEIC without the extra `heif`.
    """
    check_encoding(file_format, quality=quality, lossless=lossless, bits=bits)
    _check_sides(picture, file_format)
    with _encoding(picture, file_format):
        options = _options_for(picture, file_format, quality, lossless=lossless)
        if (picture.bits if bits == "auto" else bits) == 16 and file_format.most_bits == 16:
            # Pillow cannot write these pixels: it writes the metadata, around a single pixel.
            shell = _saved(Image.new("RGB", (1, 1)), file_format, options)
            is_png = file_format.name == "PNG"
            encode_words = encode_sixteen_bit_png if is_png else encode_sixteen_bit_tiff
            data = encode_words(picture_to_sixteen_bits(picture), shell)
        else:
            data = _saved(_image_for(picture, file_format), file_format, options)
        if file_format.name != "TIFF":
            return data
        file = io.BytesIO(data)
        add_exif_to_tiff(file, picture.metadata, width=picture.width, height=picture.height)
        return file.getvalue()


def encode_animation(
    animation: Animation, file_format: FileFormat, *, quality: int, lossless: bool = False
) -> bytes:
    """The bytes of a file that holds an animation, with its timing; its frames are computed here.

    Metadata is that of the first frame. GIF shows frames for hundredths of a second; AVIF has no
    number of plays and is shown for ever. Frames that are alike may become one shown longer.

    Args:
        animation: of pictures of one size.
        file_format: one whose `is_animated` is true.
        quality: as for `encode`.
        lossless: as for `encode`.

    Raises:
        SettingError: a setting that is out of range, or that the format has not.
        PictureFileError: too many pixels for the format or in all, or the encoder failed.
    """
    check_encoding(file_format, quality=quality, lossless=lossless)
    images: list[Image.Image] = []
    durations_ms: list[float] = []
    for frame in animation.frames():
        picture = frame.picture
        if not images:
            _check_sides(picture, file_format)
            check_all_frames(picture.width, picture.height, animation.num_frames, "the result")
            first = picture
        # At 8 bits, not as floats: Pillow encodes when it has all frames, so all are held until
        # then.
        images.append(_image_for(picture, file_format))
        durations_ms.append(frame.duration_ms)
    has_alpha = any(image.has_transparency_data for image in images)
    timing = _timing(animation, file_format.name, durations_ms)
    if has_alpha and file_format.name == "GIF":
        timing["disposal"] = 2  # clear each frame, or it would show through the next one
    elif has_alpha:
        images = [image.convert("RGBA") for image in images]
    timing |= {"save_all": True, "append_images": images[1:]}
    with _encoding(first, file_format):
        options = _options_for(first, file_format, quality, lossless=lossless)
        data = _saved(images[0], file_format, options | timing)
    return with_alpha_flag(data) if file_format.name == "WEBP" and has_alpha else data


def flatten_on_white(image: Image.Image) -> Image.Image:
    """An RGBA image laid on white paper, as mode RGB."""
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return white


def _check_sides(picture: Picture, file_format: FileFormat) -> None:
    if max(picture.width, picture.height) > file_format.longest_side:
        raise PictureFileError(
            f"a {file_format.name} file holds at most {file_format.longest_side:,} pixels along a "
            f"side and the picture is {picture.width}×{picture.height}; save it as PNG or TIFF"
        )


@contextlib.contextmanager
def _encoding(picture: Picture, file_format: FileFormat) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # a senseless EXIF block makes encoders raise nearly anything
        raise PictureFileError(
            f"a {picture.width}×{picture.height} picture cannot be written as "
            f"{file_format.name} ({one_line(error)})"
        ) from error


def _saved(image: Image.Image, file_format: FileFormat, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format.name, **options)
    return buffer.getvalue()


def _image_for(picture: Picture, file_format: FileFormat) -> Image.Image:
    image = picture_to_pil(picture)
    if picture.alpha is None:
        return image
    if not file_format.has_alpha:
        return flatten_on_white(image)
    if file_format.name != "GIF":
        return image
    # 255 colours, and one more for what is mostly transparent. Quantised with its alpha, an image
    # would spend colours on what nobody sees.
    alpha = image.getchannel("A")
    few = flatten_on_white(image).quantize(_GIF_COLOURS)
    few.paste(_GIF_COLOURS, mask=alpha.point(lambda opacity: 255 * (opacity < 128)))
    few.info["transparency"] = _GIF_COLOURS
    return few


def _timing(animation: Animation, name: str, durations_ms: list[float]) -> dict[str, Any]:
    """Durations and number of plays, as each format's encoder wants them."""
    # Milliseconds. Viewers differ over a frame of 0 ms, so none is written.
    whole = [max(1, round(duration)) for duration in durations_ms]
    plays = animation.num_plays
    match name:
        case "GIF":
            # In hundredths of a second. GIF's loop counts repeats, so a single play has none.
            own: dict[str, Any] = {"duration": [max(10, round(d / 10) * 10) for d in durations_ms]}
            return own if plays == 1 else own | {"loop": max(0, plays - 1)}
        case "PNG":
            return {"duration": durations_ms, "loop": plays}
        case "WEBP":
            return {"duration": whole, "loop": plays}
        case _:
            return {"duration": whole}


def add_exif_to_tiff(file: BinaryIO, metadata: Metadata, *, width: int, height: int) -> None:
    """Append EXIF to a TIFF that is complete otherwise, open for reading and writing."""
    exif = exif_for_file(metadata.exif, width=width, height=height)
    block = None if exif is None else read_block(exif)
    add_to_tiff(file, block or ExifBlock(), has_resolution=metadata.dpi is not None)


def metadata_shell(
    metadata: Metadata, file_format: FileFormat, *, width: int, height: int
) -> bytes:
    """A file of a single pixel that says all that one of this size would say of its picture."""
    # Any quality will do: only the metadata of this file are used.
    options = _options(metadata, (width, height), file_format.name, 92, lossless=False)
    return _saved(Image.new("RGB", (1, 1)), file_format, options)


def _options_for(
    picture: Picture, file_format: FileFormat, quality: int, *, lossless: bool
) -> dict[str, Any]:
    size = picture.width, picture.height
    return _options(picture.metadata, size, file_format.name, quality, lossless=lossless)


def _options(
    metadata: Metadata, size: tuple[int, int], name: str, quality: int, *, lossless: bool
) -> dict[str, Any]:
    sampling = "4:4:4" if quality >= FULL_CHROMA_QUALITY else "4:2:0"
    blocks = _blocks(metadata, size, name)
    match name:
        case "JPEG":
            own: dict[str, Any] = {"quality": quality, "subsampling": sampling, **blocks}
        case "PNG":
            own = _png_blocks(metadata, blocks)
        case "WEBP":
            own = {"quality": quality, "lossless": lossless, **blocks}
        case "TIFF":
            # EXIF is appended by `add_exif_to_tiff`: Pillow would decode each value and encode it
            # anew.
            own = {"tiffinfo": {_XMP_TAG: blocks["xmp"]}} if "xmp" in blocks else {}
        case "AVIF":
            own = {"quality": quality, "subsampling": sampling, **blocks}
        case "HEIF" if lossless:
            # Lossless takes all three: the encoder's own mode, full chroma, and RGB as it is
            # (matrix 0 of H.273), because 8-bit YCbCr rounds.
            own = {"quality": -1, "chroma": 444, "matrix_coefficients": 0, **blocks}
        case "HEIF":
            own = {"quality": quality, "chroma": int(sampling.replace(":", "")), **blocks}
        case _:
            own = {}
    if metadata.dpi is not None and name in _WITH_DPI:
        own["dpi"] = metadata.dpi
    if name not in ("BMP", "GIF"):
        own["icc_profile"] = srgb_profile()
    comment = dict(metadata.texts).get("Comment")
    if comment and name in ("JPEG", "GIF") and len(comment.encode()) <= _JPEG_MARKER_BYTES:
        own["comment"] = comment.encode()
    return own


def _blocks(metadata: Metadata, size: tuple[int, int], name: str) -> dict[str, Any]:
    """EXIF and XMP as they go into a file of this picture; a JPEG holds short ones only."""
    width, height = size
    blocks = {
        "exif": exif_for_file(
            metadata.exif,
            width=width,
            height=height,
            dpi=None if name in _WITH_DPI else metadata.dpi,
            with_orientation=name != "AVIF",  # Pillow would write the block anew without it
        ),
        "xmp": xmp_for_file(metadata.xmp, width=width, height=height),
    }
    return {
        key: block
        for key, block in blocks.items()
        if block is not None and (name != "JPEG" or len(block) <= _JPEG_MARKER_BYTES)
    }


def _png_blocks(metadata: Metadata, blocks: dict[str, Any]) -> dict[str, Any]:
    texts = PngImagePlugin.PngInfo()
    for keyword, text in metadata.texts:
        with contextlib.suppress(UnicodeError, ValueError):  # a keyword no PNG may have
            texts.add_text(keyword, text)
    xmp = blocks.pop("xmp", None)
    if xmp is not None:
        texts.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", errors="replace"))
    return blocks | {"pnginfo": texts}
