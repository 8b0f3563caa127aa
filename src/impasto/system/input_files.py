"""Files and streams that people give, read whole but never without end.

A pipe, a device or a socket is no file: opening one may wait for ever, and reading one need not
end. A picture from a pipe, which is no file either, is read up to a limit. Writing is in `files`.
"""

import errno
import io
import json
import os
import stat
from typing import Any, BinaryIO

_CHUNK_BYTES = 2**20

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def special_kind(path: str | os.PathLike[str]) -> str | None:
    """What a path is that is neither file nor folder, such as `a named pipe`; else None.

    A link is what it leads to; what is not there, or may not be looked at, is None too.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  (names that pathlib cannot hold)
    except (OSError, ValueError):
        return None
    return _kind(mode)


def open_given_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading; never waits, whatever the path is.

    Raises:
        OSError: it is missing, a folder, no file at all (its `strerror` says what), or may not
            be read.
    """
    flags = getattr(os, "O_NONBLOCK", 0)  # opening a pipe would wait for its writer
    _check_kind(os.stat(path).st_mode, path)  # noqa: PTH116  (a tape winds when it is opened)
    file = open(  # noqa: SIM115  (likewise)
        path, "rb", opener=lambda name, mode: os.open(name, mode | flags)
    )
    try:
        # Again, by the open file: the path may lead to another one by now.
        _check_kind(os.fstat(file.fileno()).st_mode, path)
    except OSError:
        file.close()
        raise
    return file


def read_given_file(path: str | os.PathLike[str], *, max_bytes: int) -> bytes:
    """What a file holds.

    Args:
        path: of the file.
        max_bytes: the most that is read.

    Raises:
        OSError: as `open_given_file`, or the file is larger.
    """
    with open_given_file(path) as file:
        # Early, for the message. Files of /proc say 0, so reading counts as well.
        if os.fstat(file.fileno()).st_size > max_bytes:
            raise _too_large(max_bytes)
        return read_given_stream(file, max_bytes=max_bytes).getvalue()


def read_given_stream(stream: BinaryIO, *, max_bytes: int) -> io.BytesIO:
    """What a binary stream holds from here on, in memory, at its beginning.

    Raises:
        OSError: it cannot be read, or has more than `max_bytes`.
        TypeError: it is a stream of text.
    """
    held = io.BytesIO()
    while part := stream.read(_CHUNK_BYTES):
        held.write(part)
        if held.tell() > max_bytes:
            raise _too_large(max_bytes)
    held.seek(0)
    return held


def parse_json(text: str | bytes) -> Any:
    """What a JSON text from outside says.

    Raises:
        ValueError: it is no JSON, no UTF-8, nested too deeply, or has a number too long.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _check_kind(mode: int, path: str | os.PathLike[str]) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if (kind := _kind(mode)) is not None:
        raise OSError(errno.EINVAL, f"it is {kind}, not a file", os.fspath(path))


def _kind(mode: int) -> str | None:
    return next((name for is_kind, name in _KINDS if is_kind(mode)), None)


def _too_large(max_bytes: int) -> OSError:
    return OSError(errno.EFBIG, f"it has more than {max_bytes:,} bytes, the most that is read")
