"""Whether a PNG has all of its pixels, and how many bytes they are.

Pillow takes a stream of pixels that ends before its time for whole.
"""

import struct
import zlib
from typing import BinaryIO

from PIL import Image

from impasto.images.metadata.png_chunks import SIGNATURE, every_chunk

_CHUNK_HEAD_BYTES = 8
_READ_AT_ONCE, _INFLATED_AT_ONCE = 2**16, 2**20
_NUM_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8)),
    *((2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
"""First column and row of each pass of an interlaced PNG, and the steps between them."""


def num_pixel_bytes(stream: BinaryIO) -> int:
    """Number of bytes of the inflated pixels of a PNG, by its header.

    Raises:
        ValueError: the header makes no sense.
    """
    position = stream.tell()
    stream.seek(len(SIGNATURE) + _CHUNK_HEAD_BYTES)
    head = stream.read(13)
    stream.seek(position)
    if len(head) < 13 or head[9] not in _NUM_CHANNELS:
        raise ValueError("it has no header")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", head)
    bits = depth * _NUM_CHANNELS[colour]
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    sizes = [
        ((width - left + right - 1) // right, (height - top + down - 1) // down)
        for left, top, right, down in passes
    ]
    return sum(
        # Each row begins with the number of its filter. A pass without columns has no rows either.
        rows * (1 + (columns * bits + 7) // 8)
        for columns, rows in sizes
        if columns > 0 < rows
    )


def check_rows(image: Image.Image, stream: BinaryIO) -> None:
    """Decode a PNG, and refuse one whose pixels end before its last row; ignores other formats.

    Args:
        image: opened.
        stream: of its file; its position stays.

    Raises:
        Exception: it is damaged or cut short; of nearly any kind.
    """
    if image.format != "PNG":
        return
    image.load()
    # Pillow fills missing rows with 0, so only a picture that ends in 0 needs the slow check.
    # Two rows: even and odd ones of an interlaced PNG come in passes of their own.
    rows = [
        image.crop((0, row, image.width, row + 1)).tobytes().strip(b"\0")
        for row in range(max(0, image.height - 2), image.height)
    ]
    if not all(rows) and not _inflates_to(num_pixel_bytes(stream), stream):
        raise ValueError("its pixels end before its last row")


def _inflates_to(num_expected: int, stream: BinaryIO) -> bool:
    position, inflater, num_bytes = stream.tell(), zlib.decompressobj(), 0
    try:
        for chunk in every_chunk(stream):
            # fdAT does not count: it has the other frames of an animation.
            num_left = chunk.length if chunk.name == b"IDAT" else 0
            stream.seek(chunk.start + _CHUNK_HEAD_BYTES)
            while num_left > 0 and (data := stream.read(min(num_left, _READ_AT_ONCE))):
                num_left -= len(data)
                # A piece at a time: one chunk may inflate to a thousand times its size.
                while data and num_bytes < num_expected:
                    num_bytes += len(inflater.decompress(data, _INFLATED_AT_ONCE))
                    data = inflater.unconsumed_tail
            if num_bytes >= num_expected:
                return True
        return num_bytes + len(inflater.flush()) >= num_expected
    finally:
        stream.seek(position)
