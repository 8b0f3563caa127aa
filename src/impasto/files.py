"""Writing files that appear whole or not at all, and replace others only when asked.

Hidden work files and locks: `system.work_files`. Reading: `system.input_files`.
"""

import contextlib
import errno
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from impasto.errors import ImpastoError, OutputAppearedError, OutputExistsError
from impasto.system.input_files import special_kind
from impasto.system.visible_text import one_line, shown_path
from impasto.system.work_files import new_work_file, release, remove_work

_FULL = tuple(
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT") if hasattr(errno, name)
)  # Windows has no quotas there
_NO_LINKS = tuple(
    getattr(errno, name)
    for name in ("EPERM", "EACCES", "EOPNOTSUPP", "ENOTSUP", "ENOSYS", "EMLINK", "EINVAL", "EXDEV")
    if hasattr(errno, name)
)
"""Errors of file systems without hard links, such as USB sticks and some network folders."""

_DEVICE_NAMES = {"con", "prn", "aux", "nul"} | {
    f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)
}


def write_whole(path: Path, data: bytes, *, replace: bool = True, mode: int = 0o666) -> None:
    """Write a file; what was there before stays until the new content is safely on the disk.

    The data go to a work file in the same folder, which is then renamed. A link keeps pointing
    where it did, and a file that is replaced keeps its permissions.

    Args:
        path: of the file.
        data: all of it.
        replace: a file that is there; otherwise it stays, and the data go beside it.
        mode: permissions of a new file, less the process's umask.

    Raises:
        OutputAppearedError: a file is there and is not to be replaced.
        OSError: the place cannot be written to; nothing is left behind.
    """
    with whole_file(path, replace=replace, mode=mode) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def whole_file(path: Path, *, replace: bool = True, mode: int = 0o666) -> Iterator[Path]:
    """A temporary file to write; it becomes the file at `path` at the end, or is deleted.

    Args:
        path: of the file.
        replace: as for `write_whole`.
        mode: as for `write_whole`.

    Raises:
        OutputAppearedError: as for `write_whole`.
        OSError: the place cannot be written to; nothing is left behind.
    """
    temporary = temporary_beside(path, mode=mode)
    try:
        yield temporary
        # Before the renaming: after a power cut the name must not lead to an empty file.
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        put_in_place(temporary, path, replace=replace)
    finally:  # an interruption too leaves nothing behind
        remove_temporary(temporary)


def reserve_file(path: Path, num_bytes: int) -> None:
    """Make a new file of this size, and reserve its space on the disk where the system can.

    Writing to a sparse file through a memory map would kill the process when the disk is full.

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


def temporary_beside(path: Path, *, mode: int = 0o666) -> Path:
    """A new work file in the folder where `path` is, or where it leads as a link.

    Give it to `put_in_place`, and in any case to `remove_temporary`.

    Raises:
        OSError: the place cannot be written to.
    """
    return new_work_file(_resolved(path).parent, mode=mode)


def put_in_place(temporary: Path, path: Path, *, replace: bool = True) -> None:
    """Rename a finished file to its path; it takes the permissions of the file it replaces.

    Args:
        temporary: the finished file.
        path: the output.
        replace: replace a file at `path`. Otherwise such a file stays, even one that appeared
            just now, and the finished file gets a free name beside it.

    Raises:
        OutputAppearedError: a file is there and is not to be replaced; says where the work is.
        OSError: the place cannot be written to, or is a device or pipe.
    """
    resolved = _resolved(path)
    if special_kind(path) is not None:  # renaming would replace the device by a file
        raise OSError(errno.EINVAL, "it is a device, pipe or socket", str(path))
    if replace:
        if resolved.exists():
            # Before the renaming too, so that the file is never there with other permissions.
            shutil.copymode(resolved, temporary)
        temporary.replace(resolved)
        release(temporary)
        return
    if not _rename_to_free(temporary, resolved):
        # By renaming, not by looking: a free name may be taken a moment later.
        free = next(name for name in names_beside(resolved) if _rename_to_free(temporary, name))
        saved_path = free if path.is_symlink() else path.with_name(free.name)
        raise OutputAppearedError(path, saved_path=saved_path)


def check_output(path: Path, *, overwrite: bool, error: type[ImpastoError]) -> None:
    """Refuse a path that no file can be written to; worth asking before long work.

    Args:
        path: of the file.
        overwrite: a file that is there may be replaced.
        error: what to raise of a path that is unfit.

    Raises:
        OutputExistsError: a file is there and may not be replaced.
        ImpastoError: of the type asked: a folder, a device or pipe, or a missing folder.
    """
    shown = shown_path(path)
    try:
        is_folder, is_taken, has_parent = path.is_dir(), path.exists(), path.parent.is_dir()
    except OSError as problem:
        raise error(f"{shown} cannot be written ({one_line(problem)})") from problem
    if is_folder:
        raise error(f"{shown} is a folder; give the name of a file in it")
    if special_kind(path) is not None:  # renaming a file to its place would put an end to a device
        raise error(f"{shown} is a device or pipe; give the name of a file")
    if not has_parent:
        raise error(
            f"{shown} cannot be written: the folder {shown_path(path.parent)} does not exist; "
            "make it first"
        )
    if is_taken and not overwrite:
        raise exists_already(path)


def exists_already(path: Path, *, remedy: str = "allow overwriting") -> OutputExistsError:
    """The error for an output that is there and may not be replaced."""
    return OutputExistsError(f"{shown_path(path)} exists already; choose another name, or {remedy}")


def names_beside(path: Path) -> Iterator[Path]:
    """Names for finished work whose own name was taken: `cat.new.png`, `cat.new-2.png`, …."""
    for number in itertools.count(1):
        mark = "new" if number == 1 else f"new-{number}"
        yield path.with_name(f"{path.stem}.{mark}{path.suffix}")


def remove_temporary(temporary: Path) -> None:
    """Remove a work file if it is still there under its first name."""
    remove_work(temporary)


def reason_of(error: BaseException, *, num_bytes: int | None = None) -> str:
    """Why a file could not be written, in one line; a full disk is called that.

    Args:
        error: of the system, or of a library that repeats what the system said.
        num_bytes: that were needed, if it is known.
    """
    if is_disk_full(error):
        needed = "" if num_bytes is None else f", and {shown_size(num_bytes)} are needed"
        return f"the disk is full{needed}; make room there, or choose another place"
    return one_line(error)


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says that the disk, or the user's share of it, is full."""
    number = getattr(error, "errno", None)
    if number is not None:
        return number in _FULL
    return any(os.strerror(full) in str(error) for full in _FULL)


def shown_size(num_bytes: int) -> str:
    """A number of bytes in a readable unit."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if num_bytes >= size:
            return f"{num_bytes / size:.1f} {unit}"
    return f"{num_bytes} bytes"


def portable_name(name: str, *, windows: bool = os.name == "nt") -> str:
    """A file's name that its system can have; the same name except on Windows.

    Args:
        name: without folders.
        windows: it is for Windows, which forbids some characters, devices' names, and a dot or
            blank at the end.
    """
    if not windows:
        return name
    name = "".join("_" if c in '<>:"/\\|?*' or ord(c) < 32 else c for c in name)
    stripped = name.rstrip(". ")
    name = stripped + "_" * (len(name) - len(stripped))
    stem, dot, rest = name.partition(".")
    return f"{stem}_{dot}{rest}" if stem.rstrip().lower() in _DEVICE_NAMES else name


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _rename_to_free(temporary: Path, resolved: Path) -> bool:
    """Rename a work file to a free name; returns False and changes nothing where it is taken."""
    try:
        if os.name == "nt":  # whose renaming never replaces
            temporary.rename(resolved)
        else:
            _link(temporary, resolved)
    except FileExistsError:
        return False
    release(temporary)
    return True


def _link(temporary: Path, resolved: Path) -> None:
    """Rename a file by a hard link, which fails for a taken name; a rename would replace."""
    try:
        resolved.hardlink_to(temporary)
    except OSError as error:
        if isinstance(error, FileExistsError) or error.errno not in _NO_LINKS:
            raise
        _rename_over_own(temporary, resolved)
    else:
        temporary.unlink()


def _rename_over_own(temporary: Path, resolved: Path) -> None:
    """The same without links: create the name, empty and exclusively, then rename over it."""
    resolved.touch(exist_ok=False)
    try:
        temporary.replace(resolved)
    except BaseException:
        # The renaming failed, so the empty file at the name is ours.
        if temporary.exists():
            resolved.unlink()
        raise
