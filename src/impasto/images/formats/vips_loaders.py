"""libvips opens a file by its content, with the loader of that format and no other.

By itself libvips takes whatever loader fits best: it would read SVG, PDF, its own `.v` or what
ImageMagick knows, under any name, and takes `[...]` at the end of a name for options. Those are
not formats that `docs/files.md` names, and their readers are not made for strangers' files.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyvips

HEAD_BYTES = 12

_LOADERS_BY_HEAD = (
    (b"\xff\xd8\xff", "jpegload"),
    (b"\x89PNG\r\n\x1a\n", "pngload"),
    (b"II*\0", "tiffload"),
    (b"MM\0*", "tiffload"),
    (b"II+\0", "tiffload"),  # with offsets of 64 bits
    (b"MM\0+", "tiffload"),
)

LOADERS = ("jpegload", "pngload", "tiffload", "webpload")
"""All that are ever used."""


def open_with_libvips(source: Path | bytes, **settings: Any) -> "pyvips.Image":
    """A JPEG, PNG, TIFF or WebP as libvips opens it, not decoded yet.

    Args:
        source: the file, or its content.
        settings: of the loader: `access`, `fail_on`.

    Raises:
        ValueError: another kind of file.
        OSError: it cannot be read.
        pyvips.Error: it is damaged.
    """
    import pyvips

    if isinstance(source, bytes):
        loader = f"{_loader_of(source[:HEAD_BYTES])}_buffer"
        return getattr(pyvips.Image, loader)(source, **settings)
    if not source.is_file():
        raise ValueError("it is no regular file")
    with source.open("rb") as file:
        loader = _loader_of(file.read(HEAD_BYTES))
    return getattr(pyvips.Image, loader)(str(source), **settings)


def _loader_of(head: bytes) -> str:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webpload"
    for start, loader in _LOADERS_BY_HEAD:
        if head.startswith(start):
            return loader
    raise ValueError("expected JPEG, PNG, TIFF or WebP")
