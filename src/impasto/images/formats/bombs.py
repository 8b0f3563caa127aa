"""Decompression bombs: small files that claim more pixels than they can hold.

The check reads the head of a file only, before anything is decoded: no memory is taken for pixels
that are not in the file, and no hours for a JPEG of a thousand scans. The limit on the number of
pixels is in `pillow_errors`.
"""

import os
import re
from typing import BinaryIO

from PIL import Image, TiffImagePlugin

from impasto.errors import PictureFileError
from impasto.images.formats.png_rows import num_pixel_bytes

MAX_SCANS = 100
"""The most scans of a JPEG: each is decoded over the whole picture. Encoders write ten; libvips
stops at a hundred, too."""

# A match of 258 bytes takes two bits at least: one for its length, one for its distance.
_DEFLATE_RATIO = 1032
_LZW_RATIO = 4096 * 8 // 12
"""No code of 12 bits stands for more than 4096 values."""

_JPEG_PIXELS_PER_BYTE = 1024
"""A block of 8×8 pixels takes a bit, and the oddest sampling has 9 blocks for 32×32 pixels."""

_TIFF_RATIOS = {1: 1, 5: _LZW_RATIO, 8: _DEFLATE_RATIO, 32_946: _DEFLATE_RATIO, 32_773: 64}
"""Largest ratios of plain, LZW, deflate and PackBits; other compressions have no useful limit."""

_TIFF_JPEG = 7
# ITU-T T.81, table B.1. C4, C8 and CC lie among the markers of frames, but begin tables or are
# reserved.
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
# Arithmetic coding spends less than a bit on what is likely, so its bytes bound no pixels.
_ARITHMETIC = frozenset(range(0xC9, 0xD0))
_SCAN, _END = 0xDA, 0xD9
_MAX_SEGMENTS = 100_000
# Neither FF00 (a data byte FF) nor FFD0 to FFD7 (restarts), which stand within coded data, nor FFFF
# (padding before a marker).
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_READ_AT_ONCE = 2**20


def check_bomb(image: Image.Image, stream: BinaryIO, name: str) -> None:
    """Refuse a file that cannot hold the pixels it claims, or a JPEG of too many scans.

    Args:
        image: opened, not decoded.
        stream: of its file; its position stays.
        name: of the file in the message.

    Raises:
        PictureFileError: the file is a bomb.
    """
    position = stream.tell()
    num_bytes = stream.seek(0, os.SEEK_END)
    try:
        needed = _bytes_needed(image, stream)
        if needed > num_bytes:
            raise PictureFileError(
                f"{name} is damaged or cut short ({image.width:,}×{image.height:,} pixels cannot "
                f"be in {num_bytes:,} bytes); get the file again"
            )
        # MPO is Pillow's name for a JPEG with more pictures behind the first, as phones write them.
        if image.format in ("JPEG", "MPO") and _has_many_scans(stream):
            raise PictureFileError(
                f"{name} has more than {MAX_SCANS} scans, which no encoder writes; "
                "convert it with another program, or get the file again"
            )
    finally:
        stream.seek(position)


def _bytes_needed(image: Image.Image, stream: BinaryIO) -> int:
    """The fewest bytes that so many pixels can be compressed to; 0 where that is not known."""
    num_pixels = image.width * image.height
    match image.format:
        case "PNG":
            return num_pixel_bytes(stream) // _DEFLATE_RATIO
        case "JPEG" | "MPO":
            return 0 if _frame_of(stream) in _ARITHMETIC else num_pixels // _JPEG_PIXELS_PER_BYTE
        case "GIF":
            return num_pixels // _LZW_RATIO
        case "TIFF":
            return _bytes_of_tiff(image, num_pixels)
    return 0


def _bytes_of_tiff(image: Image.Image, num_pixels: int) -> int:
    tags = getattr(image, "tag_v2", {})
    compression = tags.get(TiffImagePlugin.COMPRESSION, 1)
    if compression == _TIFF_JPEG:
        return num_pixels // _JPEG_PIXELS_PER_BYTE
    if compression not in _TIFF_RATIOS:
        return 0
    bits = sum(tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,)))
    if tags.get(TiffImagePlugin.YCBCRSUBSAMPLING):  # at most two chromas to 4×4 pixels
        bits = bits * 3 // 8
    return int(num_pixels * bits // 8 // _TIFF_RATIOS[compression])


def _frame_of(stream: BinaryIO) -> int:
    """The marker that says how a JPEG is encoded; 0 where there is none."""
    walk = _Walk(stream)
    while (marker := walk.next()) not in (0, _SCAN, _END):
        if marker in _FRAMES:
            return marker
        walk.step_over()
    return 0


def _has_many_scans(stream: BinaryIO) -> bool:
    """Whether there are more than `MAX_SCANS` before the end of the first picture of a JPEG."""
    walk, num_scans, num_channels, is_progressive = _Walk(stream), 0, 0, False
    for _ in range(_MAX_SEGMENTS):
        marker = walk.next()
        if marker in (0, _END):
            return False
        content = walk.step_over()
        if marker in _FRAMES:
            is_progressive = marker in _PROGRESSIVE
            # Behind the precision, the height and the width (T.81, B.2.2).
            num_channels = content[5] if len(content) > 5 else 0
        elif marker == _SCAN:
            num_scans += 1
            if not is_progressive and content[:1] == bytes([num_channels]):
                return False  # this scan is the picture
            if num_scans > MAX_SCANS:
                return True
    return True


class _Walk:
    """From marker to marker of a JPEG; what is encoded between two is passed over."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._held, self._at = b"", 0
        stream.seek(2)

    def next(self) -> int:
        """The next marker; 0 at the end of the file."""
        while (found := _MARKER.search(self._held, self._at)) is None:
            # A marker's two bytes may come in two reads.
            last = self._held[-1:] if self._held.endswith(b"\xff") else b""
            more = self._stream.read(_READ_AT_ONCE)
            if not more:
                return 0
            self._held, self._at = last + more, 0
        self._at = found.end()
        return found[1][0]

    def step_over(self) -> bytes:
        """The content of the segment whose marker was found last, which is passed over."""
        length = int.from_bytes(self._take(2))
        return self._take(max(0, length - 2))

    def _take(self, num_bytes: int) -> bytes:
        lacking = num_bytes - (len(self._held) - self._at)
        if lacking > 0:
            self._held, self._at = self._held[self._at :] + self._stream.read(lacking), 0
        taken = self._held[self._at : self._at + num_bytes]
        self._at += num_bytes
        return taken
