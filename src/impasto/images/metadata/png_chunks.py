"""The chunks of a PNG, and the PNG as a decoder should see it.

Text may stand behind the pixels, where only those who decode them find it, and a small chunk may
hold gigabytes of compressed text, for which Pillow refuses the whole picture. So a decoder is shown
the chunks in another order, and without texts that are too long. What lies in the chunks of pixels
is in `png_rows`.

Source: Portable Network Graphics (PNG) Specification, third edition.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"

MAX_TEXT_BYTES = 1_000_000
"""Of one text, decompressed; longer ones are left out. Pillow's own limit is a little above."""

MAX_ALL_TEXT_BYTES = 16 * 2**20
"""Of all texts of a file together, decompressed."""

MAX_PROFILE_BYTES = 16 * 2**20
"""Of a colour profile, decompressed; a longer one counts as none."""

_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_MOVED_AHEAD = _TEXTS | {b"eXIf"}
_PIXELS = frozenset({b"IDAT", b"fdAT"})
# Of a chunk: its length, name and checksum.
_FRAME = 12
_MAX_CHUNKS = 1_000_000
_CICP_BYTES = 4


@dataclass(frozen=True, slots=True)
class Chunk:
    """Where a chunk lies.

    Attributes:
        name: its four letters.
        start: of its length, in the file.
        length: of its content, which begins eight bytes behind its start.
    """

    name: bytes
    start: int
    length: int

    @property
    def stop(self) -> int:
        """Behind its checksum."""
        return self.start + _FRAME + self.length


def every_chunk(stream: BinaryIO) -> Iterator[Chunk]:
    """The chunks of a PNG up to its end, or to the first that is none; the last may be cut short.

    Where the stream stands does not matter, between two chunks neither.
    """
    size = stream.seek(0, io.SEEK_END)
    position = len(SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        if position + _FRAME > size:
            return
        stream.seek(position)
        length, name = struct.unpack(">I4s", stream.read(8))
        # Names are four letters (PNG, 5.3); anything else is damage, and no length behind it
        # counts.
        if not name.isalpha():
            return
        chunk = Chunk(name, position, length)
        yield chunk
        if name == b"IEND":
            return
        position = chunk.stop


def _whole_chunks(stream: BinaryIO) -> Iterator[Chunk]:
    """The chunks of a PNG up to the first that is cut short; pixels come as one.

    Chunks of pixels that follow each other are told as a single one of their joint length, in
    which the frames between them count as content.
    """
    size = _size(stream)
    pixels: Chunk | None = None
    for chunk in every_chunk(stream):
        if chunk.stop > size:
            break
        # Encoders cut pixels into IDATs of some kilobytes: a large file has tens of thousands.
        if pixels is not None and pixels.name == chunk.name:
            pixels = Chunk(chunk.name, pixels.start, chunk.stop - pixels.start - _FRAME)
            continue
        if pixels is not None:
            yield pixels
        pixels = chunk if chunk.name in _PIXELS else None
        if pixels is None:
            yield chunk
    if pixels is not None:
        yield pixels


@dataclass(frozen=True, slots=True)
class ShownPng:
    """A PNG as a decoder should see it.

    Attributes:
        stream: the file, metadata first and overlong texts left out.
        cicp: the four numbers of its chunk cICP, if it has one.
        profile: a colour profile that Pillow would find too long.
    """

    stream: BinaryIO
    cicp: tuple[int, int, int, int] | None = None
    profile: bytes | None = None


def shown_png(stream: BinaryIO) -> ShownPng:
    """What to show a decoder of a PNG; the stream itself where nothing is in its way."""
    before: list[Chunk] = []
    behind: list[Chunk] = []
    moved: list[Chunk] = []
    left_out: list[Chunk] = []
    extra: dict[str, Any] = {}
    num_text_bytes = 0
    for chunk in _whole_chunks(stream):
        if chunk.name in _TEXTS:
            text_bytes = _text_bytes(stream, chunk)
            num_text_bytes += text_bytes
            if text_bytes > MAX_TEXT_BYTES or num_text_bytes > MAX_ALL_TEXT_BYTES:
                left_out.append(chunk)
                continue
        # Pillow limits profiles as it limits texts, and refuses the whole picture.
        elif chunk.name == b"iCCP" and _text_bytes(stream, chunk) > MAX_TEXT_BYTES:
            extra["profile"] = _profile(stream, chunk)
            left_out.append(chunk)
            continue
        # One behind the pixels does not count: cICP stands before them (PNG, 11.3).
        elif chunk.name == b"cICP" and chunk.length == _CICP_BYTES and not behind:
            extra["cicp"] = tuple(_content(stream, chunk))
        if behind and chunk.name in _MOVED_AHEAD:
            moved.append(chunk)
        elif behind or chunk.name in _PIXELS:
            behind.append(chunk)
        else:
            before.append(chunk)
    stream.seek(0)
    if not moved and not left_out:
        return ShownPng(stream, **extra)
    ranges = [(0, len(SIGNATURE)), *((c.start, c.stop) for c in (*before, *moved, *behind))]
    # The rest goes along: a chunk that is cut short, which the decoder has to notice.
    ranges.append((max(c.stop for c in (*before, *moved, *behind, *left_out)), _size(stream)))
    return ShownPng(io.BufferedReader(_Pieces(stream, ranges)), **extra)


class _Pieces(io.RawIOBase):
    """Pieces of a file, one behind the other."""

    def __init__(self, stream: BinaryIO, pieces: list[tuple[int, int]]) -> None:
        self._stream, self._place = stream, 0
        self._pieces: list[tuple[int, int, int]] = []
        size = 0
        for start, stop in pieces:
            if self._pieces and sum(self._pieces[-1][1:]) == start:
                at, first, length = self._pieces[-1]
                self._pieces[-1] = (at, first, length + stop - start)
            else:
                self._pieces.append((size, start, stop - start))
            size += stop - start
        self._size = size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        for at, start, length in self._pieces:
            inside = self._place - at
            if 0 <= inside < length:
                self._stream.seek(start + inside)
                # Up to the end of a piece; the buffered reader asks again for what lies behind it.
                data = self._stream.read(min(len(buffer), length - inside))
                buffer[: len(data)] = data
                self._place += len(data)
                return len(data)
        return 0


def _text_bytes(stream: BinaryIO, chunk: Chunk) -> int:
    """How long a text or profile is, decompressed; one more than the limit if it is longer."""
    if chunk.length > MAX_TEXT_BYTES:
        return MAX_TEXT_BYTES + 1
    packed = _packed(chunk.name, _content(stream, chunk))
    return chunk.length if packed is None else len(_unpacked(packed, MAX_TEXT_BYTES + 1))


def _profile(stream: BinaryIO, chunk: Chunk) -> bytes | None:
    if chunk.length > MAX_PROFILE_BYTES:
        return None
    profile = _unpacked(_packed(b"iCCP", _content(stream, chunk)) or b"", MAX_PROFILE_BYTES + 1)
    return profile if len(profile) <= MAX_PROFILE_BYTES else None


def _packed(name: bytes, content: bytes) -> bytes | None:
    """The compressed part of a chunk; None where it has none."""
    _, _, rest = content.partition(b"\0")
    if name in (b"zTXt", b"iCCP"):
        return rest[1:]
    if name == b"iTXt" and rest[:1] == b"\x01":
        # Flag and method, then a language and a translated keyword that a 0 ends each.
        return rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return None


def _unpacked(packed: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, most)
    except zlib.error:
        return b""


def _content(stream: BinaryIO, chunk: Chunk) -> bytes:
    stream.seek(chunk.start + 8)
    return stream.read(chunk.length)


def _size(stream: BinaryIO) -> int:
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    return size
