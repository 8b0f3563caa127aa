"""Outputs of pictures: checks before long work, the format by the suffix, whole files only."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from impasto.errors import OutputAppearedError, OutputExistsError, PictureFileError
from impasto.files import check_output, names_beside, reason_of, write_whole
from impasto.images.formats.encoding import (
    FILE_FORMATS,
    WRITABLE_SUFFIXES,
    FileFormat,
    check_encoding,
)
from impasto.system.visible_text import shown_path


def check_target(
    target: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002  (as in save_picture)
    overwrite: bool = False,
) -> FileFormat:
    """Refuse a path that `save_picture` would refuse; worth asking before long work.

    Args:
        target: the path.
        format: the format, instead of the one that the suffix chooses.
        overwrite: whether an existing file may be replaced.

    Returns:
        The format that will be written.

    Raises:
        OutputExistsError: a file is there and may not be overwritten.
        PictureFileError: a folder, a device, a missing folder, an unknown suffix or format.
        MissingExtraError: HEIC without the extra `heif`.
    """
    path = Path(target)
    check_output(path, overwrite=overwrite, error=PictureFileError)
    file_format = format_named(format) if format else format_of(path)
    check_encoding(file_format)
    return file_format


def format_named(name: str) -> FileFormat:
    """The format with this name or suffix, in either case, with or without a dot.

    Raises:
        PictureFileError: no such format; the message lists those there are.
    """
    lower_name = name.lower().removeprefix(".")
    for known in FILE_FORMATS:
        if lower_name == known.name.lower() or f".{lower_name}" in known.suffixes:
            return known
    names = ", ".join(known.name.lower() for known in FILE_FORMATS)
    raise PictureFileError(f"{name!r} is no format that can be written; expected one of {names}")


def format_of(path: Path) -> FileFormat:
    """The format that the suffix of a path chooses.

    Raises:
        PictureFileError: an unknown suffix, or none.
    """
    for known in FILE_FORMATS:
        if path.suffix.lower() in known.suffixes:
            return known
    ending = f"ends in {path.suffix}" if path.suffix else "has no suffix"
    raise PictureFileError(
        f"{shown_path(path)} {ending}, which says no format that can be written; "
        f"expected one of {', '.join(WRITABLE_SUFFIXES)}"
    )


def save_or_keep(save: Callable[[Path], None], target: Path) -> None:
    """Save the result of long work to a path that was free when the work began.

    Args:
        save: writes the result to a path, and raises where a file must not be replaced.
        target: the output.

    Raises:
        OutputAppearedError: a file appeared there meanwhile; the result was saved beside it.
        ImpastoError: as `save` does.
    """
    try:
        save(target)
    except OutputAppearedError:
        raise  # the writer has put the result beside the output already
    except OutputExistsError:
        saved_path = next(path for path in names_beside(target) if not path.exists())
        save(saved_path)
        raise OutputAppearedError(target, saved_path=saved_path) from None


def write_file(path: Path, data: bytes, *, replace: bool) -> None:
    """Write a file that appears complete or not at all; what was there stays until then.

    A link keeps pointing where it did, and a file that is replaced keeps its permissions.

    Raises:
        OutputAppearedError: a file is there and is not to be replaced.
        PictureFileError: the place cannot be written to. Nothing is left behind.
    """
    try:
        write_whole(path, data, replace=replace)
    except OutputExistsError:
        raise
    except (OSError, ValueError) as error:
        reason = reason_of(error, num_bytes=len(data))
        raise PictureFileError(f"{shown_path(path)} cannot be written ({reason})") from error


def write_stream(stream: BinaryIO, data: bytes) -> None:
    """Write to a binary stream and flush it.

    Raises:
        PictureFileError: the stream is closed, broken, or one of text.
    """
    try:
        stream.write(data)
        stream.flush()
    except (OSError, TypeError, ValueError) as error:
        raise PictureFileError(
            f"the picture cannot be written to the stream ({reason_of(error)})"
        ) from error
