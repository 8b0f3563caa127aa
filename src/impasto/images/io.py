"""Pictures in files: reading any usual format, writing without ever leaving half a file.

Everything that knows about uint8, alpha, EXIF and colour profiles is in this folder; what leaves
it is a `Picture`, whose arrays are float32 RGB in [0, 1].
"""

import contextlib
import dataclasses
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from impasto.errors import PictureFileError
from impasto.images.encoding import WRITABLE_SUFFIXES, encode, flatten_on_white
from impasto.images.metadata import orientation, upright
from impasto.images.picture import (
    Picture,
    picture_from_pil,
    picture_to_pil,
    resize_longer_side,
)
from impasto.images.pixel_modes import DEEP_GREY_MODES, GREY_MODES, byte_rgb_and_alpha
from impasto.images.reading import READABLE_FORMATS, check_size, one_line, reading, shown
from impasto.images.target import check_target, format_named, write_file, write_stream

__all__ = [
    "READABLE_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "Picture",
    "PictureHeader",
    "Source",
    "Target",
    "check_target",
    "list_pictures",
    "load_picture",
    "load_training_rgb",
    "picture_from_pil",
    "picture_to_pil",
    "read_header",
    "resize_longer_side",
    "save_picture",
]

Source = str | os.PathLike[str] | bytes | BinaryIO
"""Where a picture is read from: a path, the bytes of a file, or a binary stream."""

Target = str | os.PathLike[str] | BinaryIO
"""Where a picture is written to: a path or a binary stream."""

READABLE_SUFFIXES = frozenset({*WRITABLE_SUFFIXES, ".jpe", ".dib", ".ppm", ".pgm", ".pbm"})
"""Suffixes that `list_pictures` lists. `load_picture` goes by content and takes any."""

_FIRST_SIDEWAYS = 5  # EXIF's orientations from here on exchange width and height


@dataclasses.dataclass(frozen=True, slots=True)
class PictureHeader:
    """What the beginning of a picture's file says.

    Attributes:
        width: in pixels, once upright.
        height: in pixels, once upright.
        is_grey: the file has one channel of colour.
    """

    width: int
    height: int
    is_grey: bool


def read_header(source: Source) -> PictureHeader:
    """Size and kind of a picture, without decoding it.

    Raises:
        PictureFileError: it is missing, unreadable, or no picture.
    """
    with _opened(source) as (image, name), reading(name):
        width, height = image.size
        if orientation(image) >= _FIRST_SIDEWAYS:
            width, height = height, width
        return PictureHeader(width, height, image.mode in GREY_MODES)


def load_picture(source: Source) -> Picture:
    """Read a picture: JPEG, PNG, WebP, TIFF, BMP, GIF (its first frame) or PNM, of any mode.

    Args:
        source: a path, the bytes of a file, or a binary stream, which is read to its end.

    Returns:
        The picture, upright, in sRGB.

    Raises:
        PictureFileError: it is missing, unreadable, damaged, too large, or no picture.
    """
    with _opened(source) as (image, name):
        return picture_from_pil(image, name=name)


def load_training_rgb(source: Source, *, short_side: int | None = None) -> Image.Image:
    """Read a photograph at 8 bits, for crops: upright, sRGB, alpha laid on white.

    Args:
        source: a path, the bytes of a file, or a binary stream, which is read to its end.
        short_side: lets a JPEG be decoded at a half, a quarter or an eighth of its size (much
            faster) as long as its shorter side stays at least this many pixels.

    Returns:
        An image of mode RGB, decoded.

    Raises:
        PictureFileError: it is missing, unreadable, damaged, too large, or no picture.
    """
    with _opened(source) as (image, name), reading(name):
        check_size(image, name)
        if short_side is not None:
            image.draft(image.mode, (short_side, short_side))
        if image.mode in DEEP_GREY_MODES:
            return picture_to_pil(picture_from_pil(image, name=name)).convert("RGB")
        colour, alpha = byte_rgb_and_alpha(upright(image))
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
    overwrite: bool = False,
) -> None:
    """Write a picture at 8 bits per channel, with the sRGB profile, EXIF, resolution and XMP.

    A file appears complete or not at all: it is encoded first, written beside its place under
    another name, and then renamed. What was there before stays until that moment.

    Args:
        picture: what to write. Alpha is laid on white where the format has none (JPEG, BMP).
        target: a path, whose suffix decides the format, or a binary stream.
        format: the format whatever the suffix, such as `png`; a stream gets PNG unless told.
        quality: 1 to 100, for JPEG and WebP.
        overwrite: replace a file that is there.

    Raises:
        OutputExistsError: a file is there and may not be overwritten.
        PictureFileError: an unknown suffix or format, a picture the format cannot hold, or a
            place that cannot be written to.
        PictureError: a quality outside 1 to 100.
    """
    if not isinstance(target, (str, os.PathLike)):
        write_stream(target, encode(picture, format_named(format or "png"), quality=quality))
        return
    file_format = check_target(target, format=format, overwrite=overwrite)
    write_file(Path(target), encode(picture, file_format, quality=quality))


def list_pictures(folder: str | os.PathLike[str]) -> list[Path]:
    """The pictures in a folder and the folders in it, sorted by path, by suffix.

    Args:
        folder: where to look. Hidden files and folders, and links to folders, are left out.

    Returns:
        Paths that begin with `folder`; their content is not looked at.

    Raises:
        PictureFileError: the folder is missing, a file, or may not be read.
    """
    found: list[Path] = []
    try:
        for parent, folders, files in os.walk(folder, onerror=_raise):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [
                Path(parent, name)
                for name in files
                if not name.startswith(".") and Path(name).suffix.lower() in READABLE_SUFFIXES
            ]
    except FileNotFoundError as error:
        raise PictureFileError(
            f"{shown(folder)} does not exist; expected a folder of pictures"
        ) from error
    except NotADirectoryError as error:
        raise PictureFileError(
            f"{shown(folder)} is a file; expected a folder of pictures"
        ) from error
    except (OSError, ValueError) as error:
        raise PictureFileError(f"{shown(folder)} cannot be listed ({one_line(error)})") from error
    return sorted(found)


@contextlib.contextmanager
def _opened(source: Source) -> Iterator[tuple[Image.Image, str]]:
    """The image in a source, not decoded yet, and what messages call it."""
    with contextlib.ExitStack() as stack:
        stream, name = _stream_and_name(source, stack)
        with reading(name):
            if not stream.read(1):
                raise PictureFileError(f"{name} is empty; expected a picture")
            stream.seek(0)
            image = stack.enter_context(Image.open(stream, formats=READABLE_FORMATS))
        yield image, name


def _stream_and_name(source: Source, stack: contextlib.ExitStack) -> tuple[BinaryIO, str]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source), "the picture data"
    if isinstance(source, (str, os.PathLike)):
        file = stack.enter_context(_open_file(Path(source)))
        if file.seekable():
            return file, shown(source)
        source = file  # a named pipe
    stream_name = getattr(source, "name", None)
    name = shown(stream_name) if isinstance(stream_name, str) else "the stream"
    try:
        return io.BytesIO(source.read()), name
    except (OSError, TypeError, ValueError) as error:
        raise PictureFileError(f"{name} cannot be read ({one_line(error)})") from error


def _open_file(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise PictureFileError(f"{shown(path)} does not exist; expected a picture file") from error
    except IsADirectoryError as error:
        raise PictureFileError(f"{shown(path)} is a folder; expected a picture file") from error
    except PermissionError as error:
        raise PictureFileError(f"{shown(path)} may not be read; change its permissions") from error
    except (OSError, ValueError) as error:
        raise PictureFileError(f"{shown(path)} cannot be opened ({one_line(error)})") from error


def _raise(error: OSError) -> None:
    raise error
