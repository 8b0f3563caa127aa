"""Compiled models kept on disk, so that the first picture of the next process comes sooner.

A stored model is worth nothing but time: whatever is wrong with the folder or a file in it, the
model is compiled again and nobody is told. A compiled model is code, so the folder is for its user
alone: one that another could write to is not used. Nothing here knows the library that compiles.
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
"""The least recently used go when all take more; one of a shipped style takes 1 to 2 MB."""

_SUFFIX = ".compiled"
_DIGEST_BYTES = 32


def compiled_models_folder() -> Path | None:
    """Where compiled models are kept; None where the environment says `IMPASTO_CACHE=off`.

    `IMPASTO_CACHE` may name another folder than the system's own for such data.
    """
    given = os.environ.get("IMPASTO_CACHE", "")
    if given.lower() in ("off", "0", "no"):
        return None
    try:
        root = Path(given).expanduser() if given else platformdirs.user_cache_path("impasto")
    except (OSError, RuntimeError):  # no home
        return None
    return root / "compiled"


def cache_key(parts: Iterable[object]) -> str:
    """One name for everything that a compiled model depends on."""
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()


class CompiledModels:
    """The compiled models of a folder, each checked by its digest when it is read.

    Args:
        folder: which need not exist yet; None keeps nothing.
        max_bytes: of all files together.
    """

    def __init__(self, folder: Path | None, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def read(self, key: str) -> bytes | None:
        """What was stored under a key; None where there is nothing, or it is damaged."""
        if self._folder is None or not _is_private(self._folder):
            return None
        path = self._folder / f"{key}{_SUFFIX}"
        try:
            content = path.read_bytes()
            os.utime(path)  # used just now
        except OSError:
            return None
        digest, data = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        return data if hashlib.sha256(data).digest() == digest else None

    def write(self, key: str, data: bytes) -> None:
        """Store a compiled model, if the folder allows, and make room for it."""
        if self._folder is None or len(data) > self._max_bytes:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_private(self._folder):
                return
            self._make_room(len(data) + _DIGEST_BYTES)
            digest = hashlib.sha256(data).digest()
            write_whole(self._folder / f"{key}{_SUFFIX}", digest + data, mode=0o600)

    def _make_room(self, num_bytes: int) -> None:
        assert self._folder is not None
        files = [(path, path.stat()) for path in self._folder.glob(f"*{_SUFFIX}")]
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
    if not hasattr(os, "geteuid"):  # Windows keeps a user's folders to the user
        return True
    is_writable_by_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.geteuid() and not is_writable_by_others
