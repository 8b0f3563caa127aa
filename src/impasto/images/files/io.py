"""Pictures in files: reading any usual format, writing without ever leaving half a file.

Everything that knows about uint8, alpha, EXIF and colour profiles is in this folder; what leaves
it is a `Picture`, whose arrays are float32 RGB in [0, 1].
"""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from impasto.errors import PictureFileError
from impasto.images.files.listing import READABLE_SUFFIXES, list_pictures
from impasto.images.files.output import check_target, format_named, write_file, write_stream
from impasto.images.files.small_reading import read_small
from impasto.images.formats.animation import Animation, animation_from_file, is_animated
from impasto.images.formats.bombs import check_bomb
from impasto.images.formats.conversion import (
    picture_from_pil,
    picture_from_sixteen_bits,
    picture_to_pil,
)
from impasto.images.formats.encoding import (
    WRITABLE_SUFFIXES,
    AskedBits,
    FileFormat,
    check_encoding,
    encode,
    encode_animation,
    flatten_on_white,
)
from impasto.images.formats.header import PictureHeader, header_of
from impasto.images.formats.heif import HEAD_BYTES, is_heif, register_heif
from impasto.images.formats.opening import open_image
from impasto.images.formats.pillow_errors import (
    MAX_PICTURE_BYTES,
    MAX_PIXELS,
    READABLE_FORMATS,
    check_size,
    reading,
)
from impasto.images.formats.pixel_modes import DEEP_GREY_MODES, byte_rgb_and_alpha
from impasto.images.formats.png_rows import check_rows
from impasto.images.formats.sixteen_bit import is_sixteen_bit
from impasto.images.metadata.orientation import upright
from impasto.images.picture import Picture, resize_longer_side, resize_picture
from impasto.images.profiles.stated_colour import stated_profile
from impasto.images.resize import fit_longer_side
from impasto.system.input_files import open_given_file, read_given_stream, special_kind
from impasto.system.visible_text import one_line, shown_path

__all__ = [
    "READABLE_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "Animation",
    "AskedBits",
    "Picture",
    "PictureHeader",
    "Source",
    "Target",
    "check_encoding",
    "check_target",
    "format_named",
    "list_pictures",
    "load_picture",
    "load_picture_or_animation",
    "load_training_rgb",
    "picture_from_pil",
    "picture_to_pil",
    "read_header",
    "resize_longer_side",
    "save_animation",
    "save_picture",
]

Source = str | os.PathLike[str] | bytes | BinaryIO
"""Where a picture is read from: a path, the bytes of a file, or a binary stream."""

Target = str | os.PathLike[str] | BinaryIO
"""Where a picture is written to: a path or a binary stream."""


def read_header(source: Source) -> PictureHeader:
    """Size and kind of a picture, without decoding it.

    Raises:
        PictureFileError: it is missing, unreadable, or no picture.
    """
    with _opened(source) as (image, _, name), reading(name):
        return header_of(image)


def load_picture(source: Source, *, longer_side: int | None = None) -> Picture:
    """Read a picture: JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, HEIC or PNM.

    Args:
        source: a path, the bytes of a file, or a binary stream, which is read to its end. A pipe
            may be named by its path.
        longer_side: resize so that the longer side is this; a large picture then takes little
            memory.

    Returns:
        The picture, upright, in sRGB; of an animation, its first frame.

    Raises:
        PictureFileError: it is missing, unreadable, damaged, too large, or no picture.
        SettingError: a longer side below 1.
        MissingExtraError: HEIC without the extra `heif`.
    """
    with _opened(source) as (image, stream, name):
        return _picture_in(image, stream, name, longer_side)


def load_picture_or_animation(
    source: Source, *, longer_side: int | None = None
) -> Picture | Animation:
    """Read a picture as `load_picture` does, or all of an animated GIF, PNG, WebP or AVIF.

    Args:
        source: as for `load_picture`.
        longer_side: as for `load_picture`; for pictures only.

    Returns:
        An animation where there are two frames or more. It keeps the file's bytes, and decodes
        each frame when it is asked for.

    Raises:
        PictureFileError: it is missing, unreadable, damaged, too large, or no picture.
        SettingError: a longer side below 1.
        MissingExtraError: HEIC without the extra `heif`.
    """
    with _opened(source) as (image, stream, name):
        with reading(name):
            animated = is_animated(image)
        if animated:
            animation = animation_from_file(_whole(stream, name), image, name=name)
            return animation if animation.num_frames > 1 else animation.first()
        return _picture_in(image, stream, name, longer_side)


def load_training_rgb(source: Source, *, short_side: int | None = None) -> Image.Image:
    """Read a photograph at 8 bits, for crops: upright, sRGB, alpha laid on white.

    Args:
        source: a file's path (no pipe's), its bytes, or a binary stream, read to its end.
        short_side: lets a JPEG be decoded at a half, a quarter or an eighth of its size (much
            faster) as long as its shorter side stays at least this many pixels.

    Returns:
        An image of mode RGB, decoded.

    Raises:
        PictureFileError: it is missing, unreadable, damaged, too large, or no picture.
    """
    with _opened(source, takes_pipes=False) as (image, stream, name), reading(name):
        check_size(image, name)
        if image.mode == "LA" and is_sixteen_bit(image):  # Pillow cannot decode it
            return _eight_bits_on_white(_picture_in(image, stream, name, None))
        if short_side is not None:
            # Before any call that decodes: the decoder takes its scale from the draft.
            image.draft(image.mode, (short_side, short_side))
        check_rows(image, stream)
        if image.mode in DEEP_GREY_MODES:
            return _eight_bits_on_white(picture_from_pil(image, name=name))
        profile = stated_profile(image)
        colour, alpha = byte_rgb_and_alpha(upright(image), profile)
        if alpha is not None:
            colour.putalpha(alpha)
            colour = flatten_on_white(colour)
        return colour


def save_picture(
    picture: Picture,
    target: Target,
    *,
    format: str | None = None,  # noqa: A002  (Pillow's own word for it)
    quality: int = 92,
    lossless: bool = False,
    bits: AskedBits = "auto",
    overwrite: bool = False,
) -> None:
    """Write a picture with the sRGB profile, EXIF, resolution, XMP and texts.

    A file appears complete or not at all: it is encoded first, written beside its place under
    another name, and then renamed. What was there before stays until that moment.

    Args:
        picture: what to write. Alpha is laid on white where the format has none (JPEG, BMP).
        target: a path, whose suffix decides the format, or a binary stream.
        format: the format whatever the suffix, such as `png`; a stream gets PNG unless told.
        quality: 1 to 100, for JPEG, WebP, AVIF and HEIC.
        lossless: of WebP and HEIC, which are not unless asked.
        bits: per channel; `auto` is the picture's own in PNG and TIFF, and 8 in all others.
        overwrite: replace a file that is there.

    Raises:
        OutputExistsError: a file is there and may not be overwritten.
        PictureFileError: an unknown suffix or format, a picture the format cannot hold, or a
            place that cannot be written to.
        SettingError: a setting that is out of range, or that the format has not.
        MissingExtraError: HEIC without the extra `heif`.
    """
    file_format = _format_for(target, format=format, overwrite=overwrite)
    data = encode(picture, file_format, quality=quality, lossless=lossless, bits=bits)
    _write(target, data, replace=overwrite)


def save_animation(
    animation: Animation,
    target: Target,
    *,
    format: str | None = None,  # noqa: A002  (as in save_picture)
    quality: int = 92,
    lossless: bool = False,
    overwrite: bool = False,
) -> None:
    """Write an animation as GIF, PNG, WebP or AVIF, 8 bits per channel; its frames are made now.

    Args:
        animation: what to write.
        target: as for `save_picture`.
        format: as for `save_picture`.
        quality: as for `save_picture`.
        lossless: as for `save_picture`.
        overwrite: as for `save_picture`.

    Raises:
        OutputExistsError: a file is there and may not be overwritten.
        PictureFileError: a format without animations, an unknown one, a damaged frame, too many
            pixels, or a place that cannot be written to.
        SettingError: a setting that is out of range, or that the format has not.
    """
    file_format = _format_for(target, format=format, overwrite=overwrite)
    if not file_format.is_animated:
        raise PictureFileError(
            f"a {file_format.name} file holds no animation; expected GIF, PNG, WebP or AVIF"
        )
    data = encode_animation(animation, file_format, quality=quality, lossless=lossless)
    _write(target, data, replace=overwrite)


def _picture_in(
    image: Image.Image, stream: BinaryIO, name: str, longer_side: int | None
) -> Picture:
    with reading(name):
        check_size(image, name)
        header = header_of(image)
    if longer_side is None:
        return _decoded(image, stream, name, None)
    width, height = fit_longer_side(header.width, header.height, longer_side)
    with reading(name):
        small = read_small(image, stream, name, longer_side=longer_side)
    picture = _decoded(image, stream, name, longer_side) if small is None else small
    return resize_picture(picture, width=width, height=height)


def _decoded(image: Image.Image, stream: BinaryIO, name: str, longer_side: int | None) -> Picture:
    with reading(name):
        # Of an APNG libvips reads the still in front, which need not be one of its frames.
        sixteen_bits = is_sixteen_bit(image) and not is_animated(image)
    if sixteen_bits:
        return picture_from_sixteen_bits(_whole(stream, name), image, name=name)
    with reading(name):
        check_rows(image, stream)
    return picture_from_pil(image, name=name, longer_side=longer_side)


def _eight_bits_on_white(picture: Picture) -> Image.Image:
    image = picture_to_pil(picture)
    return image if picture.alpha is None else flatten_on_white(image)


def _format_for(target: Target, *, format: str | None, overwrite: bool) -> FileFormat:  # noqa: A002
    if isinstance(target, (str, os.PathLike)):
        return check_target(target, format=format, overwrite=overwrite)
    return format_named(format or "png")


def _write(target: Target, data: bytes, *, replace: bool) -> None:
    if isinstance(target, (str, os.PathLike)):
        write_file(Path(target), data, replace=replace)
    else:
        write_stream(target, data)


@contextlib.contextmanager
def _opened(
    source: Source, *, takes_pipes: bool = True
) -> Iterator[tuple[Image.Image, BinaryIO, str]]:
    """The image in a source, not decoded yet, its file, and what messages call it."""
    with contextlib.ExitStack() as stack:
        stream, name = _stream_and_name(source, stack, takes_pipes=takes_pipes)
        with reading(name):
            head = stream.read(HEAD_BYTES)
            if not head:
                raise PictureFileError(f"{name} is empty; expected a picture")
            formats: tuple[str, ...] = READABLE_FORMATS
            if is_heif(head):
                register_heif()
                formats = ("HEIF",)
            image = stack.enter_context(open_image(stream, formats))
            if image.width * image.height <= MAX_PIXELS:  # more are refused for that
                check_bomb(image, stream, name)
        yield image, stream, name


def _whole(stream: BinaryIO, name: str) -> bytes:
    stream.seek(0)
    return _held(stream, name).getvalue()


def _held(stream: BinaryIO, name: str) -> io.BytesIO:
    try:
        return read_given_stream(stream, max_bytes=MAX_PICTURE_BYTES)
    except (OSError, TypeError, ValueError) as error:
        raise PictureFileError(f"{name} cannot be read ({one_line(error)})") from error


def _stream_and_name(
    source: Source, stack: contextlib.ExitStack, *, takes_pipes: bool
) -> tuple[BinaryIO, str]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source), "the picture data"
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        file = stack.enter_context(_open_file(path, takes_pipes=takes_pipes))
        is_file = special_kind(path) is None
        # Pillow seeks, which no pipe can.
        return (file if is_file else _held(file, shown_path(path))), shown_path(path)
    stream_name = getattr(source, "name", None)
    name = shown_path(stream_name) if isinstance(stream_name, str) else "the stream"
    return _held(source, name), name


def _open_file(path: Path, *, takes_pipes: bool) -> BinaryIO:
    try:
        if takes_pipes and special_kind(path) is not None:
            return path.open("rb")  # and wait for whoever writes
        return open_given_file(path)
    except FileNotFoundError as error:
        raise PictureFileError(
            f"{shown_path(path)} does not exist; expected a picture file"
        ) from error
    except IsADirectoryError as error:
        raise PictureFileError(
            f"{shown_path(path)} is a folder; expected a picture file"
        ) from error
    except PermissionError as error:
        raise PictureFileError(
            f"{shown_path(path)} may not be read; change its permissions"
        ) from error
    except (OSError, ValueError) as error:
        raise PictureFileError(
            f"{shown_path(path)} cannot be opened ({one_line(error)})"
        ) from error
