"""Files that appear whole or not at all, and in nobody's place unless asked.

Where they are while they are written is in `work_files`.
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
"""What disks say that have no hard links, such as USB sticks and some network folders."""

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
    """A temporary place to write a file at, which takes its own place at the end, or is deleted.

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
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        put_in_place(temporary, path, replace=replace)
    finally:  # an interruption too leaves nothing behind
        remove_temporary(temporary)


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


def temporary_beside(path: Path, *, mode: int = 0o666) -> Path:
    """A new work file in the folder where `path` is, or where it leads as a link.

    Give it to `put_in_place`, and in any case to `remove_temporary`.

    Raises:
        OSError: the place cannot be written to.
    """
    return new_work_file(_place(path).parent, mode=mode)


def put_in_place(temporary: Path, path: Path, *, replace: bool = True) -> None:
    """Rename a finished file to its place; it takes the permissions of the one it replaces.

    Args:
        temporary: the finished file.
        path: its place.
        replace: a file that is there. Otherwise what is there is kept even if it appeared just
            now, and the finished file is renamed to a name beside it.

    Raises:
        OutputAppearedError: a file is there and is not to be replaced; says where the work is.
        OSError: the place cannot be written to, or is a device or pipe.
    """
    place = _place(path)
    if special_kind(path) is not None:  # it would come to an end
        raise OSError(errno.EINVAL, "it is a device, pipe or socket", str(path))
    if replace:
        if place.exists():
            shutil.copymode(place, temporary)
        temporary.replace(place)
        release(temporary)
        return
    if not _rename_to_free(temporary, place):
        free = next(name for name in names_beside(place) if _rename_to_free(temporary, name))
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
    """A number of bytes for people."""
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
    kept = name.rstrip(". ")
    name = kept + "_" * (len(name) - len(kept))
    stem, dot, rest = name.partition(".")
    return f"{stem}_{dot}{rest}" if stem.rstrip().lower() in _DEVICE_NAMES else name


def _place(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _rename_to_free(temporary: Path, place: Path) -> bool:
    """Rename a work file to a name that nobody has; False, changing nothing, if somebody has it."""
    try:
        if os.name == "nt":  # whose renaming never replaces
            temporary.rename(place)
        else:
            _link(temporary, place)
    except FileExistsError:
        return False
    release(temporary)
    return True


def _link(temporary: Path, place: Path) -> None:
    """Rename a file to a free name, by a second name: renaming itself would replace."""
    try:
        place.hardlink_to(temporary)
    except OSError as error:
        if isinstance(error, FileExistsError) or error.errno not in _NO_LINKS:
            raise
        _rename_over_own(temporary, place)
    else:
        temporary.unlink()


def _rename_over_own(temporary: Path, place: Path) -> None:
    """The same on a disk without links: over an empty file that nobody can have made but we."""
    place.touch(exist_ok=False)
    try:
        temporary.replace(place)
    except BaseException:
        if temporary.exists():
            place.unlink()
        raise
