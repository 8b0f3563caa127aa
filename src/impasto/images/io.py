"""Pictures in files: reading any usual format, writing without ever leaving half a file.

Everything that knows about uint8, alpha, EXIF and colour profiles is in this folder; what leaves
it is a `Picture`, whose arrays are float32 RGB in [0, 1].
"""

import contextlib
import io
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from impasto.errors import ImpastoError, OutputExistsError, PictureFileError
from impasto.images.encoding import FILE_FORMATS, FileFormat, encode, flatten_on_white
from impasto.images.metadata import upright
from impasto.images.picture import (
    Picture,
    picture_from_pil,
    picture_to_pil,
    resize_longer_side,
)
from impasto.images.pixel_modes import DEEP_GREY_MODES, byte_rgb_and_alpha
from impasto.images.reading import READABLE_FORMATS, check_size, one_line, reading

__all__ = [
    "READABLE_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "Picture",
    "Source",
    "Target",
    "check_target",
    "list_pictures",
    "load_picture",
    "load_training_rgb",
    "picture_from_pil",
    "picture_to_pil",
    "resize_longer_side",
    "save_picture",
]

Source = str | os.PathLike[str] | bytes | BinaryIO
"""Where a picture is read from: a path, the bytes of a file, or a binary stream."""

Target = str | os.PathLike[str] | BinaryIO
"""Where a picture is written to: a path or a binary stream."""

WRITABLE_SUFFIXES = tuple(suffix for known in FILE_FORMATS for suffix in known.suffixes)
"""Suffixes that `save_picture` knows, lower case, with the dot."""

READABLE_SUFFIXES = frozenset({*WRITABLE_SUFFIXES, ".jpe", ".dib", ".ppm", ".pgm", ".pbm"})
"""Suffixes that `list_pictures` lists. `load_picture` goes by content and takes any."""


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
        data = encode(picture, _format_named(format or "png"), quality=quality)
        _write_stream(target, data)
        return
    file_format = check_target(target, format=format, overwrite=overwrite)
    _write_atomically(Path(target), encode(picture, file_format, quality=quality))


def check_target(
    target: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002  (as in save_picture)
    overwrite: bool = False,
) -> FileFormat:
    """Refuse a path that `save_picture` would refuse; worth asking before long work.

    Args:
        target: the path.
        format: the format whatever the suffix.
        overwrite: a file that is there may be replaced.

    Returns:
        The format that will be written.

    Raises:
        OutputExistsError: a file is there and may not be overwritten.
        PictureFileError: a folder, a missing folder, an unknown suffix or format.
    """
    path = Path(target)
    file_format = _format_named(format) if format else None
    try:
        if path.is_dir():
            raise PictureFileError(f"{_shown(path)} is a folder; give the name of a file in it")
        file_format = file_format or _format_of(path)
        _check_place(path, overwrite=overwrite)
    except ImpastoError:
        raise
    except OSError as error:
        raise PictureFileError(f"cannot write {_shown(path)}: {_reason(error)}") from error
    return file_format


def list_pictures(folder: str | os.PathLike[str]) -> list[Path]:
    """The pictures in a folder and the folders in it, sorted by path, by suffix.

    Args:
        folder: where to look. Hidden files and folders, and links to folders, are left out.

    Returns:
        Paths that begin with `folder`; their content is not looked at.

    Raises:
        PictureFileError: the folder is missing, a file, or may not be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        problem = "is a file" if folder.exists() else "does not exist"
        raise PictureFileError(f"{_shown(folder)} {problem}; expected a folder of pictures")
    found: list[Path] = []
    try:
        for parent, folders, files in os.walk(folder, onerror=_raise):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [
                Path(parent, name)
                for name in files
                if not name.startswith(".") and Path(name).suffix.lower() in READABLE_SUFFIXES
            ]
    except OSError as error:
        raise PictureFileError(f"{_shown(folder)} cannot be listed ({_reason(error)})") from error
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
            return file, _shown(source)
        source = file  # a named pipe
    stream_name = getattr(source, "name", None)
    name = _shown(stream_name) if isinstance(stream_name, str) else "the stream"
    try:
        return io.BytesIO(source.read()), name
    except (OSError, TypeError, ValueError) as error:
        raise PictureFileError(f"{name} cannot be read ({_reason(error)})") from error


def _open_file(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise PictureFileError(f"{_shown(path)} does not exist; expected a picture file") from error
    except IsADirectoryError as error:
        raise PictureFileError(f"{_shown(path)} is a folder; expected a picture file") from error
    except PermissionError as error:
        raise PictureFileError(f"{_shown(path)} may not be read; change its permissions") from error
    except (OSError, ValueError) as error:
        raise PictureFileError(f"{_shown(path)} cannot be opened ({_reason(error)})") from error


def _format_of(path: Path) -> FileFormat:
    for known in FILE_FORMATS:
        if path.suffix.lower() in known.suffixes:
            return known
    ending = f"ends in {path.suffix}" if path.suffix else "has no suffix"
    raise PictureFileError(
        f"{_shown(path)} {ending}, which says no format that can be written; "
        f"expected one of {', '.join(WRITABLE_SUFFIXES)}"
    )


def _format_named(name: str) -> FileFormat:
    wanted = name.lower().removeprefix(".")
    for known in FILE_FORMATS:
        if wanted == known.name.lower() or f".{wanted}" in known.suffixes:
            return known
    names = ", ".join(known.name.lower() for known in FILE_FORMATS)
    raise PictureFileError(f"{name!r} is no format that can be written; expected one of {names}")


def _check_place(path: Path, *, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise PictureFileError(
            f"cannot write {_shown(path)}: there is no folder {_shown(path.parent)}; make it first"
        )
    if path.exists() and not overwrite:
        raise OutputExistsError(
            f"{_shown(path)} exists already; give another name, or allow overwriting"
        )


def _write_atomically(path: Path, data: bytes) -> None:
    place = Path(os.path.realpath(path))  # a link keeps pointing where it did
    temporary = place.with_name(f".impasto-{secrets.token_hex(8)}.tmp")
    try:
        try:
            with temporary.open("xb") as file:
                file.write(data)
            if place.exists():
                shutil.copymode(place, temporary)
            temporary.replace(place)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise PictureFileError(f"{_shown(path)} cannot be written ({_reason(error)})") from error


def _write_stream(stream: BinaryIO, data: bytes) -> None:
    try:
        stream.write(data)
        stream.flush()
    except (OSError, TypeError, ValueError) as error:
        raise PictureFileError(
            f"the picture cannot be written to the stream ({_reason(error)})"
        ) from error


def _raise(error: OSError) -> None:
    raise error


def _shown(path: str | os.PathLike[str]) -> str:
    """A path for a message: as it is, or quoted where it would break the line."""
    text = os.fspath(path)
    return text if text.isprintable() and text else repr(text)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return one_line(error)
