"""libvips opens a file by its content, with the loader of that format and no other.

By itself libvips picks the loader that fits best: it would read SVG, PDF, its own `.v` or an
ImageMagick format under any name, and it takes `[...]` at the end of a name for options. Those
formats are not in `docs/files.md`, and their readers are not made for files of unknown origin.
"""

import logging
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
    (b"II+\0", "tiffload"),  # BigTIFF
    (b"MM\0+", "tiffload"),
)

LOADERS = ("jpegload", "pngload", "tiffload", "webpload")
"""The only loaders that are used."""


def open_with_libvips(
    source: Path | bytes, *, sequential: bool = False, shrink: int = 1
) -> "pyvips.Image":
    """A JPEG, PNG, TIFF or WebP as libvips opens it, not decoded yet.

    Args:
        source: the file, or its content.
        sequential: the pixels will be read once, from top to bottom.
        shrink: 2, 4 or 8 decodes a JPEG at that fraction of its size.

    Raises:
        ValueError: another kind of file.
        OSError: it cannot be read.
        pyvips.Error: it is damaged; also raised later, when the pixels are computed.
    """
    import pyvips

    # pyvips logs each damage that it also raises.
    logging.getLogger("pyvips").setLevel(logging.CRITICAL)
    # By default libvips reads on over damage. To stop at warnings would refuse sound files.
    settings: dict[str, Any] = {"fail_on": "error"}
    if sequential:
        settings["access"] = "sequential"
    if shrink > 1:
        settings["shrink"] = shrink
    if isinstance(source, bytes):
        head, ending = source[:HEAD_BYTES], "_buffer"
    else:
        # Asked first: to open a pipe would wait for its writer.
        if not source.is_file():
            raise ValueError("it is no regular file")
        with source.open("rb") as file:
            head, ending = file.read(HEAD_BYTES), ""
    loaders = [loader for start, loader in _LOADERS_BY_HEAD if head.startswith(start)]
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        loaders = ["webpload"]
    if not loaders:
        raise ValueError("expected JPEG, PNG, TIFF or WebP")
    load = getattr(pyvips.Image, loaders[0] + ending)
    return load(source if isinstance(source, bytes) else str(source), **settings)
