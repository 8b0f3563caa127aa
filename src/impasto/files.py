"""Files that appear whole or not at all."""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write a file; what was there before stays until the new content is safely on the disk.

    The data go to a temporary file in the same folder, which is then renamed. A link keeps
    pointing where it did, and a file that is replaced keeps its permissions.

    Raises:
        OSError: the place cannot be written to; nothing is left behind.
    """
    with whole_file(path) as temporary, temporary.open("xb") as file:
        file.write(data)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary place to write a file at, which takes its own place at the end, or is deleted.

    Raises:
        OSError: the place cannot be written to; nothing is left behind.
    """
    temporary = temporary_beside(path)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        put_in_place(temporary, path)
    except BaseException:  # an interruption too leaves nothing behind
        remove_temporary(temporary)
        raise


def reserve_file(path: Path, num_bytes: int) -> None:
    """Make a new file of so many bytes, with its room on the disk where the system can promise it.

    A file that is only long, and is written to through a memory map, ends the process when the disk
    is full.

    Raises:
        OSError: there is a file, or no room.
    """
    if shutil.disk_usage(path.parent).free < num_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    with path.open("xb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, num_bytes)
        else:
            file.truncate(num_bytes)


def temporary_beside(path: Path) -> Path:
    """A name for a temporary file in the folder where `path` is, or where it leads as a link."""
    place = Path(os.path.realpath(path))
    return place.with_name(f".impasto-{secrets.token_hex(8)}.tmp")


def put_in_place(temporary: Path, path: Path) -> None:
    """Rename a finished file to its place; it takes the permissions of the one it replaces.

    Raises:
        OSError: the place cannot be written to.
    """
    place = Path(os.path.realpath(path))
    if place.exists():
        shutil.copymode(place, temporary)
    temporary.replace(place)


def remove_temporary(temporary: Path) -> None:
    """Remove a temporary file if it is there."""
    with contextlib.suppress(OSError):
        temporary.unlink()
