"""HEIC and HEIF, the format of telephones, through Pillow's plug-in: the only door to it.

The plug-in, pillow-heif, is the extra `heif`; files are told by their first bytes, so that those
who do not have it learn what to install.
"""

import functools
import importlib

from impasto.errors import MissingExtraError

_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
HEAD_BYTES = 64


def is_heif(head: bytes) -> bool:
    """Whether a file with these first `HEAD_BYTES` is HEIF, and not the AVIF built like it."""
    if head[4:8] != b"ftyp":
        return False
    length = min(int.from_bytes(head[:4]), HEAD_BYTES)
    # The major brand, four bytes of its version, then the compatible brands (ISO/IEC 14496-12).
    # AVIF files name `mif1` among theirs, hence the second test.
    brands = {head[start : start + 4] for start in (8, *range(16, length, 4))}
    return bool(brands & _BRANDS) and not brands & {b"avif", b"avis"}


@functools.cache
def register_heif() -> None:
    """Let Pillow read and write HEIF.

    Raises:
        MissingExtraError: the extra `heif` is not installed.
    """
    try:
        plugin = importlib.import_module("pillow_heif")
    except ModuleNotFoundError as error:
        raise MissingExtraError("pillow_heif", extra="heif") from error
    plugin.register_heif_opener()
