"""Hidden work files and folders, and locks: what one process holds until it ends, however it ends.

Each work file or folder is locked by the process that made it; the system lifts the lock when that
process ends, even by SIGKILL. So whoever makes the next one in the same place can tell what a dead
process of the same user left there, and removes it. A lock, unlike a process number, is never
mistaken for another's, and holds between containers that share a disk.

Without `fcntl` (Windows), or on a disk that knows no locks, nothing is swept.
"""

import contextlib
import errno
import hashlib
import os
import platform
import secrets
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

from impasto.errors import ImpastoError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_MACHINE = hashlib.sha256(platform.node().encode("utf-8", "replace")).hexdigest()[:8]
PREFIX = f".impasto-{_MACHINE}-"
"""Of every name; another machine's locks may not be seen on a shared disk, so its files stay."""

LOCK_NAME = ".impasto.lock"

_HELD_BY_ANOTHER = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
_MAX_TRIES = 100

_held: dict[Path, int] = {}
"""The open file of everything this process holds."""

_swept: set[Path] = set()
_sweeping = threading.Lock()


def new_work_file(folder: Path, *, mode: int = 0o666) -> Path:
    """Make an empty work file; `release` or `remove_work` it.

    Args:
        folder: where.
        mode: permissions, less the process's umask.

    Raises:
        OSError: the folder cannot be written to.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return _new(folder, ".tmp", lambda path: os.open(path, flags, mode))


@contextlib.contextmanager
def work_folder(folder: Path | None = None) -> Iterator[Path]:
    """A work folder, removed at the end with all that is in it.

    Args:
        folder: where; None is the system's place for temporary files.

    Raises:
        OSError: the folder cannot be written to.
    """

    def make(path: Path) -> int:
        path.mkdir(mode=0o700)
        if fcntl is None:
            return os.open(os.devnull, os.O_RDONLY)
        try:
            return os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            raise _SweptError from None

    path = _new(Path(tempfile.gettempdir()) if folder is None else folder, "", make)
    try:
        yield path
    finally:
        remove_work(path)


def release(path: Path) -> None:
    """Let go of a work file that has got its last name."""
    descriptor = _held.pop(path, None)
    if descriptor is not None:
        os.close(descriptor)


def remove_work(path: Path) -> None:
    """Remove a work file or folder, if it is there, and let go of it."""
    _remove(path)  # first: nobody else sweeps what is locked
    release(path)


@contextlib.contextmanager
def only_one(path: Path) -> Iterator[bool]:
    """Hold a lock file, which is made for it and removed after.

    Yields:
        Whether this is the only one; False where another process holds it, or another thread.

    Raises:
        OSError: the file cannot be made.
    """
    for _ in range(_MAX_TRIES):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if not _lock(descriptor):
            os.close(descriptor)
            yield False
            return
        if _is_at(descriptor, path):
            break
        os.close(descriptor)  # whoever held it has just removed it
    else:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))
    try:
        yield True
    finally:
        _remove(path)
        os.close(descriptor)
        if sys.platform == "win32":  # which removes no open file
            _remove(path)


@contextlib.contextmanager
def alone_in(folder: Path, *, lock: str = LOCK_NAME) -> Iterator[bool]:
    """Be the only one to work in a folder, which is made if need be, and removed if it is empty.

    Args:
        folder: where.
        lock: name of the file that is locked, where several things are worked on in a folder.

    Yields:
        As `only_one` does.

    Raises:
        OSError: the folder or the lock file in it cannot be made.
    """
    missing = [parent for parent in folder.parents if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with only_one(folder / lock) as is_alone:
            yield is_alone
    finally:
        with contextlib.suppress(OSError):  # the first that is not empty keeps those around it
            for parent in (folder, *missing):
                parent.rmdir()


@contextlib.contextmanager
def refuse_second_run(
    folder: Path,
    *,
    work: str,
    refusal: type[ImpastoError],
    unwritable: Callable[[OSError], ImpastoError],
    lock: str = LOCK_NAME,
) -> Iterator[None]:
    """Work in a folder alone, as `alone_in` does, or refuse.

    Args:
        folder: of the run; it is made if need be.
        work: noun for the message: a training, a batch.
        refusal: the error where another process works there.
        unwritable: returns the error where the folder or its lock cannot be made.
        lock: as for `alone_in`.

    Raises:
        ImpastoError: `refusal`, or what `unwritable` returns.
    """
    with contextlib.ExitStack() as stack:
        # Not a plain `with`: an OSError of the work itself must not be taken for the lock's.
        try:
            is_alone = stack.enter_context(alone_in(folder, lock=lock))
        except OSError as error:
            raise unwritable(error) from error
        if not is_alone:
            raise refusal(
                f"another {work} is going on in {folder}; wait for its end, or choose another "
                "output"
            )
        yield


def sweep(folder: Path) -> None:
    """Remove the work files and folders in a folder whose process of this user has ended.

    What cannot be looked at, or removed, stays.
    """
    if fcntl is None:
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX):
                with contextlib.suppress(OSError):
                    _sweep_one(Path(entry.path))


def _new(folder: Path, suffix: str, make: Callable[[Path], int]) -> Path:
    resolved = Path(os.path.realpath(folder))
    # Once for each process and folder, because a sweep reads the whole folder.
    with _sweeping:
        is_first_here = resolved not in _swept
        _swept.add(resolved)
    if is_first_here:
        sweep(resolved)
    for _ in range(_MAX_TRIES):
        path = folder / f"{PREFIX}{secrets.token_hex(8)}{suffix}"
        try:
            descriptor = make(path)
        except (FileExistsError, _SweptError):
            continue
        if fcntl is None:  # an open file cannot be renamed or removed on Windows
            os.close(descriptor)
            return path
        if _lock(descriptor) and _is_at(descriptor, path):
            _held[path] = descriptor
            return path
        os.close(descriptor)  # swept between being made and locked
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(folder))


class _SweptError(Exception):
    """A folder is gone before it could be locked."""


def _sweep_one(path: Path) -> None:
    status = path.lstat()
    is_plain = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
    # In a shared folder such as /tmp, other users' work is theirs.
    if not is_plain or status.st_uid != os.geteuid():
        return
    # Something else may have got the name since: a link is not followed, a pipe not waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if _lock(descriptor, if_unknown=False) and _is_at(descriptor, path):
            _remove(path)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, if_unknown: bool = True) -> bool:
    """Lock an open file for this process alone; whether nobody else has.

    Args:
        descriptor: of the file.
        if_unknown: the answer where there are no locks.
    """
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    if fcntl is None:
        return if_unknown
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Any other error, such as ENOLCK, says that this disk knows no locks.
        return if_unknown and error.errno not in _HELD_BY_ANOTHER
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        path.unlink()
