"""Pictures decoded no larger than they are needed.

A JPEG comes out of its decoder smaller; what can be read by windows is resized while it is read,
if it is large; of other large pictures whole blocks of pixels become one, before they are floats.
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
    """A picture that is to be resized, read at that size if it can be; None leaves it to others.

    A JPEG is then decoded by them at a half, a quarter or an eighth of its size.

    Args:
        image: opened, not decoded.
        stream: of its file.
        name: what messages call it.
        longer_side: pixels that it is to be resized to.

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
    with TemporaryDirectory(prefix="impasto-") as folder:
        path = _path_of(stream, Path(folder))
        if bits_by_windows(path) is None:
            return None
        return _read_by_windows(path, Path(folder), name, longer_side)


def _path_of(stream: BinaryIO, folder: Path) -> Path:
    """The path of a file, or of one that is made of what a stream in memory holds."""
    if not isinstance(stream, io.BytesIO):
        return Path(stream.name)
    path = folder / "picture"
    path.write_bytes(stream.getbuffer())
    return path


def _read_by_windows(path: Path, folder: Path, name: str, longer_side: int) -> Picture:
    windows = open_windows(path, folder, size=longer_side, name=name)
    channels = windows.channels(slice(0, windows.height), slice(0, windows.width))
    metadata = windows.metadata
    return Picture(
        np.ascontiguousarray(channels[..., :3]),
        np.ascontiguousarray(channels[..., 3]) if windows.has_alpha else None,
        exif=metadata.exif,
        dpi=metadata.dpi,
        xmp=metadata.xmp,
        bits=8 if windows.bits == 8 else 16,
        texts=metadata.texts,
    )
