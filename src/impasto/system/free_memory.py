"""Free memory of the machine, and returning freed memory to the system.

On Linux, free memory is what the kernel calls available, or what remains below the limit of a
control group (version 1 or 2), whichever is less. Elsewhere it is a quarter of the machine's
memory, or unknown.
"""

import contextlib
import ctypes
import functools
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

_ROOT = Path("/")


def free_memory(root: Path = _ROOT) -> int | None:
    """Bytes of free memory; None where the system does not say.

    Args:
        root: of the file system.
    """
    available: int | None = None
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (root / "proc" / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                available = int(line.split()[1]) * 1024
                break
    if available is None:
        with contextlib.suppress(AttributeError, OSError, ValueError):  # no sysconf, or not these
            return int(os.sysconf("SC_PHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE")) // 4
        return None
    return max(0, min((available, *_remaining_in_groups(root))))


def return_freed_memory() -> None:
    """Return freed memory to the system, where the C library keeps it for later.

    glibc keeps most of it: a tiled run grew by some 20 MB with each stage.
    """
    if (trim := _malloc_trim()) is not None:
        trim(0)


@functools.lru_cache(maxsize=1)
def _malloc_trim() -> Any:
    """Glibc's function for it; None under another C library."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # Windows has no handle of the process itself
        return None


def _remaining_in_groups(root: Path) -> Iterator[int]:
    """Bytes below the limit of each control group that this process is in."""
    for folder in _groups(root):
        for limit, used in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            with contextlib.suppress(OSError, ValueError):  # "max": no limit
                remaining = int((folder / limit).read_text()) - int((folder / used).read_text())
                yield remaining + _droppable(folder)


def _groups(root: Path) -> Iterator[Path]:
    """The folders of this process's control groups and of those above them."""
    with contextlib.suppress(OSError):
        for line in (root / "proc" / "self" / "cgroup").read_text().splitlines():
            _, controllers, path = (*line.split(":", 2), "", "")[:3]
            if controllers and "memory" not in controllers.split(","):
                continue
            mount = root / "sys" / "fs" / "cgroup"
            mount = mount / "memory" if controllers else mount
            inner = PurePosixPath(path.lstrip("/"))
            # In a container the path may be the host's, and the mount the group itself.
            yield from (mount / part for part in (inner, *inner.parents))


def _droppable(folder: Path) -> int:
    """Bytes of files that a group keeps in memory and can drop."""
    with contextlib.suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text().splitlines():
            name, _, number = line.partition(" ")
            if name in ("inactive_file", "total_inactive_file"):
                return int(number)
    return 0
