"""Reading pictures that are to be resized, in less memory than their full size takes.

A JPEG is decoded at a fraction of its size. A large PNG, TIFF or WebP is resized while it is read
by windows. Of other large pictures, `formats.conversion` averages blocks of pixels.
"""

import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import numpy as np
from PIL import Image

from impasto.images.picture import LARGE_PIXELS, Picture
from impasto.images.resize import reduction
from impasto.images.windows.reading import bits_by_windows, open_windows


def read_small(
    image: Image.Image, stream: BinaryIO, name: str, *, longer_side: int
) -> Picture | None:
    """Read a large picture by windows, resized; None where the caller has to decode it.

    The caller then decodes a JPEG at a half, a quarter or an eighth of its size.

    Args:
        image: opened, not decoded.
        stream: of its file.
        name: of the picture, for messages.
        longer_side: of the result, in pixels.

    Raises:
        PictureFileError: it is damaged.
    """
    times = reduction(*image.size, longer_side)
    if times < 2:
        return None
    if image.format in ("JPEG", "MPO"):
        image.draft(image.mode, (max(1, image.width // times), max(1, image.height // times)))
        return None
    if image.format not in ("PNG", "TIFF", "WEBP") or image.width * image.height < LARGE_PIXELS:
        return None
    # Not beside the picture, whose folder may be read-only.
    with TemporaryDirectory(prefix="impasto-") as folder:
        path = _path_of(stream, Path(folder))
        if bits_by_windows(path) is None:
            return None
        windows = open_windows(path, Path(folder), size=longer_side, name=name)
        channels = windows.channels(slice(0, windows.height), slice(0, windows.width))
        metadata = windows.metadata
        return Picture(
            np.ascontiguousarray(channels[..., :3]),
            np.ascontiguousarray(channels[..., 3]) if windows.has_alpha else None,
            exif=metadata.exif,
            dpi=metadata.dpi,
            xmp=metadata.xmp,
            bits=windows.bits,
            texts=metadata.texts,
        )


def _path_of(stream: BinaryIO, folder: Path) -> Path:
    """The path of a stream's file; a stream in memory is written to the folder first."""
    if not isinstance(stream, io.BytesIO):
        return Path(stream.name)
    path = folder / "picture"
    path.write_bytes(stream.getbuffer())
    return path
