"""The chunks of a PNG: what it says behind its pixels, and whether it has all of those.

Pillow decodes the pixels to get to what is behind them, and takes a stream of pixels that ends
before its time for whole.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TOLD = frozenset(
    {b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"pHYs", b"iCCP", b"gAMA", b"cHRM", b"sRGB", b"cICP"}
)
_MAX_TOLD_BYTES = 2**26
_MAX_CHUNKS = 1_000_000
_READ_AT_ONCE, _INFLATED_AT_ONCE = 2**16, 2**20
_NUM_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8)),
    *((2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
"""Of each pass of an interlaced PNG: its first column and row, and the steps between them."""


def without_pixels(stream: BinaryIO) -> bytes:
    """A PNG of one pixel with all that another says of itself, before and behind its pixels.

    Args:
        stream: of the other; it is left where it was.
    """
    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    parts, num_bytes = [_SIGNATURE, _chunk(b"IHDR", head)], 0
    for name, length in _chunks(stream):
        if name in _TOLD:
            num_bytes += length
            if num_bytes > _MAX_TOLD_BYTES:
                break
            parts.append(struct.pack(">I", length) + name + stream.read(length + 4))
    pixel = _chunk(b"IDAT", zlib.compress(b"\0\0"))
    return b"".join([*parts, pixel, _chunk(b"IEND", b"")])


def num_pixel_bytes(stream: BinaryIO) -> int:
    """How many bytes the pixels of a PNG are when they are inflated, by its header.

    Raises:
        ValueError: the header makes no sense.
    """
    place = stream.tell()
    stream.seek(len(_SIGNATURE) + 8)
    head = stream.read(13)
    stream.seek(place)
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
        rows * (1 + (columns * bits + 7) // 8) for columns, rows in sizes if columns > 0 < rows
    )


def has_all_rows(image: Image.Image, stream: BinaryIO) -> bool:
    """Whether the pixels of a PNG reach to its end.

    Args:
        image: the same, decoded; where its end is not empty nothing is inflated again.
        stream: of its file; it is left where it was.
    """
    rows = [
        image.crop((0, row, image.width, row + 1)).tobytes().strip(b"\0")
        for row in range(max(0, image.height - 2), image.height)
    ]
    return all(rows) or _inflates_to(num_pixel_bytes(stream), stream)


def _inflates_to(wanted: int, stream: BinaryIO) -> bool:
    inflater, num_bytes = zlib.decompressobj(), 0
    for name, length in _chunks(stream):
        left = length if name == b"IDAT" else 0
        while left > 0 and (given := stream.read(min(left, _READ_AT_ONCE))):
            left -= len(given)
            while given and num_bytes < wanted:
                num_bytes += len(inflater.decompress(given, _INFLATED_AT_ONCE))
                given = inflater.unconsumed_tail
        if num_bytes >= wanted:
            return True
    return num_bytes + len(inflater.flush()) >= wanted


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Name and length of each chunk, the stream standing at its content; then put back."""
    place = stream.tell()
    at = len(_SIGNATURE)
    try:
        for _ in range(_MAX_CHUNKS):
            stream.seek(at)
            head = stream.read(8)
            if len(head) < 8:
                return
            length = int.from_bytes(head[:4])
            yield head[4:], length
            if head[4:] == b"IEND":
                return
            at += 12 + length
    finally:
        stream.seek(place)


def _chunk(name: bytes, content: bytes) -> bytes:
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
