"""A cache on disk for a quicker first picture in the next process: compiled models and the like.

It only saves time: after any error in the folder or a file, the work is done again without a
message. Compiled models are code, so a folder that other users can write to is not used. The
library that compiles is not known here.
"""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

import platformdirs

from impasto.files import write_whole

MAX_BYTES = 256 * 2**20
"""Size limit of the cache; files used longest ago go first. A shipped style has 1 or 2 MB."""

_SUFFIX = ".compiled"
_DIGEST_BYTES = 32


def compiled_models_folder() -> Path | None:
    """The folder of compiled models: see `cache_folder`."""
    return cache_folder("compiled")


def cache_folder(name: str) -> Path | None:
    """The folder of one kind of cached files; None for `IMPASTO_CACHE=off` in the environment.

    `IMPASTO_CACHE` may name another folder than the system's own for such data.

    Args:
        name: of the kind, which is the folder's name.
    """
    setting = os.environ.get("IMPASTO_CACHE", "")
    if setting.lower() in ("off", "0", "no"):
        return None
    try:
        root = Path(setting).expanduser() if setting else platformdirs.user_cache_path("impasto")
    except (OSError, RuntimeError):  # no home
        return None
    return root / name


def cache_key(parts: Iterable[object]) -> str:
    """One key for all that a cached file depends on."""
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()


class CachedFiles:
    """The cached files of a folder, each checked by its digest when it is read.

    Args:
        folder: may be missing yet; None turns the cache off.
        suffix: of the files.
        max_bytes: size limit of all files together.
    """

    def __init__(
        self, folder: Path | None, *, suffix: str = _SUFFIX, max_bytes: int = MAX_BYTES
    ) -> None:
        self._folder = folder
        self._suffix = suffix
        self._max_bytes = max_bytes

    def read(self, key: str) -> bytes | None:
        """What is stored under a key; None if it is missing or damaged."""
        if self._folder is None or not _is_private(self._folder):
            return None
        path = self._folder / f"{key}{self._suffix}"
        try:
            content = path.read_bytes()
            # The time of last use decides which file goes first; systems record reading rarely.
            os.utime(path)
        except OSError:
            return None
        # OpenVINO takes a damaged model as it is.
        digest, data = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        return data if hashlib.sha256(data).digest() == digest else None

    def write(self, key: str, data: bytes) -> None:
        """Store data under a key, and delete old files to make room for them."""
        if self._folder is None or len(data) > self._max_bytes:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_private(self._folder):  # the mode above is for a new folder only
                return
            self._make_room(len(data) + _DIGEST_BYTES)
            digest = hashlib.sha256(data).digest()
            write_whole(self._folder / f"{key}{self._suffix}", digest + data, mode=0o600)

    def _make_room(self, num_bytes: int) -> None:
        assert self._folder is not None
        files = [(path, path.stat()) for path in self._folder.glob(f"*{self._suffix}")]
        total = num_bytes + sum(status.st_size for _, status in files)
        for path, status in sorted(files, key=lambda file: file[1].st_mtime):
            if total <= self._max_bytes:
                break
            path.unlink(missing_ok=True)
            total -= status.st_size


def _is_private(folder: Path) -> bool:
    """Whether there is a folder that only this user can write to."""
    try:
        status = folder.stat()
    except OSError:
        return False
    if not hasattr(os, "geteuid"):  # on Windows, a user's folders are private
        return True
    is_writable_by_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.geteuid() and not is_writable_by_others
