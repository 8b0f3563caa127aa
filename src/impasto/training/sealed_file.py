"""Tensors and text in one file that shows when it was damaged or edited.

The file is safetensors, never pickle, so one from elsewhere cannot run code. Its header holds the
SHA-256 of the whole file, taken with zeros in the digest's own place.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as deserialise
from safetensors.torch import save as serialise
from torch import Tensor

from impasto.errors import CheckpointError
from impasto.system.input_files import open_given_file

DIGEST_KEY = "impasto.sha256"
_LENGTH_BYTES = 8
_DIGEST = re.compile(rb'"%b":"([0-9a-f]{64})"' % re.escape(DIGEST_KEY.encode()))
_NO_DIGEST = "0" * 64


def seal(tensors: Mapping[str, Tensor], words: Mapping[str, str]) -> bytes:
    """Return the bytes of a sealed file.

    Args:
        tensors: by name, contiguous, on the processor.
        words: by key.
    """
    data = serialise(dict(tensors), {**words, DIGEST_KEY: _NO_DIGEST})
    digest = _DIGEST.search(data)
    assert digest is not None
    start, stop = digest.span(1)
    return b"".join((data[:start], hashlib.sha256(data).hexdigest().encode(), data[stop:]))


def unseal(path: Path, key: str, *, anew: str) -> tuple[str, dict[str, Tensor]]:
    """Return the words under a key, and the tensors, of a sealed file.

    Args:
        path: of the file.
        key: that shows what kind of file it is.
        anew: what to do without it.

    Raises:
        CheckpointError: it is missing, damaged, edited, of another version or another kind.
    """
    try:
        with open_given_file(path) as file:
            data = file.read()
    except OSError as error:
        raise CheckpointError(
            f"cannot read the checkpoint {path}: {error.strerror or error}; {anew}"
        ) from error
    words = _words_of(data)
    if words is None:
        raise _damaged(path, anew)
    if key not in words:
        raise CheckpointError(f"{path} is a safetensors file but no checkpoint; {anew}")
    if DIGEST_KEY not in words:
        raise CheckpointError(
            f"the checkpoint {path} was made by another version of impasto; {anew}"
        )
    if not _is_sound(data):
        raise _damaged(path, anew)
    try:
        return words[key], deserialise(data)
    except SafetensorError as error:
        raise _damaged(path, anew) from error


def _damaged(path: Path, anew: str) -> CheckpointError:
    return CheckpointError(
        f"cannot read the checkpoint {path}: it is damaged, was edited or is no checkpoint; "
        f"put back a copy of it, or {anew}"
    )


def _words_of(data: bytes) -> dict[str, str] | None:
    """The words in a safetensors file's header; None where it has no such header."""
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if _LENGTH_BYTES + length > len(data):
        return None
    try:
        header = json.loads(data[_LENGTH_BYTES : _LENGTH_BYTES + length])
        words = header.get("__metadata__", {})
        return {key: value for key, value in words.items() if isinstance(value, str)}
    except (ValueError, RecursionError, AttributeError):
        return None


def _is_sound(data: bytes) -> bool:
    stated = _DIGEST.search(data)
    if stated is None:
        return False
    start, stop = stated.span(1)
    # Views: a checkpoint may have gigabytes, and slices of bytes would copy them.
    digest = hashlib.sha256(memoryview(data)[:start])
    digest.update(_NO_DIGEST.encode())
    digest.update(memoryview(data)[stop:])
    return digest.hexdigest().encode() == stated[1]
