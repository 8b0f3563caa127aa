"""EXIF entry by entry, each value as the bytes that it is: nothing is decoded and encoded again.

An entry that is odd is left out alone: of an unknown type, reaching beyond its block, or, where the
standard fixes them, of another type or count. Which entries go with a picture is in `metadata`.

Sources: TIFF 6.0; EXIF 2.32, whose blocks are TIFF files without pixels; BigTIFF for reading.
"""

import io
import struct
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

TIFF_EXIF = "exif of the tiff"
"""Where the `info` of an image that was opened from a TIFF keeps its EXIF; see `opening`."""

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7
TEXT_KINDS = (ASCII, 129)
"""Text, of which EXIF 3.0 has a second type."""

CAMERA_POINTER, PLACE_POINTER = 0x8769, 0x8825
_PREFIX = b"Exif\0\0"
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
_BIG_SIZES = {16: 8, 17: 8, 18: 8}
_UNITS = {5: 4, 10: 4}
"""Bytes that turn around together with the order, where those are not the whole value."""

_MAX_ENTRIES, _MAX_VALUE_BYTES, _MAX_BLOCK_BYTES = 4096, 2**20, 4 * 2**20
_PLACE_TYPES: dict[int, tuple[int, int | None]] = {
    **{0: (BYTE, 4), 5: (BYTE, 1), 30: (SHORT, 1)},
    **{2: (RATIONAL, 3), 4: (RATIONAL, 3), 7: (RATIONAL, 3), 20: (RATIONAL, 3), 22: (RATIONAL, 3)},
    **dict.fromkeys((6, 11, 13, 15, 17, 24, 26, 31), (RATIONAL, 1)),
    **dict.fromkeys((1, 3, 8, 9, 10, 12, 14, 16, 18, 19, 21, 23, 25, 29), (ASCII, None)),
    **{27: (UNDEFINED, None), 28: (UNDEFINED, None)},
}
"""Type and number of values of each entry of a place, as the standard has them."""


_RESOLUTION = (0x011A, 0x011B, 0x0128)
_LAST_PIXEL_TAG = 0x0214
_TOLD_AMONG_PIXEL_TAGS = (0x010E, 0x010F, 0x0110, 0x0112, 0x0131, 0x0132, 0x013B, 0x013C)


@dataclass(frozen=True, slots=True)
class Entry:
    """One value.

    Attributes:
        kind: its type, as TIFF numbers them.
        data: its bytes, in the order of its block.
    """

    kind: int
    data: bytes

    @property
    def count(self) -> int:
        """How many numbers or letters."""
        return len(self.data) // _SIZES[self.kind]


@dataclass(slots=True)
class ExifBlock:
    """The entries of a block.

    Attributes:
        order: of bytes: `<` or `>`.
        main: of the picture.
        camera: of how it was taken.
        place: of where.
    """

    order: Literal["<", ">"] = "<"
    main: dict[int, Entry] = field(default_factory=dict)
    camera: dict[int, Entry] = field(default_factory=dict)
    place: dict[int, Entry] = field(default_factory=dict)

    def number(self, kind: int, value: int) -> Entry:
        """An entry of one number, SHORT or LONG."""
        return Entry(kind, struct.pack(self.order + ("H" if kind == SHORT else "L"), value))

    def numbers(self, entry: Entry | None) -> tuple[int, ...]:
        """The numbers of an entry of type SHORT or LONG; none of any other."""
        if entry is None or entry.kind not in (SHORT, LONG):
            return ()
        code = "H" if entry.kind == SHORT else "L"
        return struct.unpack(f"{self.order}{entry.count}{code}", entry.data)

    def ratio(self, value: float) -> Entry:
        """An entry of one number with a fraction, above 0."""
        below = 1000 if value < 2**22 else 1
        above = min(round(value * below), 2**32 - 1)
        return Entry(RATIONAL, struct.pack(self.order + "LL", above, below))


def read_block(data: bytes) -> ExifBlock | None:
    """The entries of an EXIF block, with or without `Exif` before it; None where it is none."""
    return _read(io.BytesIO(data.removeprefix(_PREFIX)))


def block_of_tiff(file: BinaryIO) -> ExifBlock | None:
    """The entries of a TIFF or BigTIFF, those about its pixels among them."""
    file.seek(0)
    return _read(file)


def block_bytes(block: ExifBlock) -> bytes:
    """The block as it stands in files, from `Exif` on."""
    mark = b"II" if block.order == "<" else b"MM"
    head = mark + struct.pack(block.order + "HL", 42, 8)
    return _PREFIX + head + _directories(block, block.main, at=8)


def add_to_tiff(file: BinaryIO, block: ExifBlock, *, has_resolution: bool = True) -> None:
    """Append a block's entries to a TIFF that is complete; what it says itself stays.

    Args:
        file: open for reading and writing. A BigTIFF is left as it is.
        block: of any order.
        has_resolution: keep what the TIFF says of its resolution; libvips says one of its own.
    """
    file.seek(0)
    head = file.read(8)
    order = _order(head)
    if order is None or struct.unpack(order + "H", head[2:4])[0] != 42:
        return
    # Without the usual limit: the offsets of a large picture's strips are long lists.
    own = _directory(file, order, struct.unpack(order + "L", head[4:])[0], _Plain, limit=2**31)
    if not has_resolution:
        own = {tag: entry for tag, entry in own.items() if tag not in _RESOLUTION}
    added = _in_order(block, order)
    main = {
        tag: entry
        for tag, entry in added.main.items()
        # Lower tags describe the pixels of the file that they came from.
        if tag > _LAST_PIXEL_TAG or tag in _TOLD_AMONG_PIXEL_TAGS
    }
    place = file.seek(0, io.SEEK_END)
    # A directory begins at an even offset (TIFF 6.0, section 2).
    place += file.write(bytes(place % 2))
    # Where both have a tag, the TIFF's own value counts: its pixels lie as it says.
    file.write(_directories(added, main | own, at=place))
    # The header turns to the new directory last; up to here the file is the TIFF that it was.
    file.seek(4)
    file.write(struct.pack(order + "L", place))


class _Plain:
    head, entry, count, inline = "H", "HHL4s", 4, 4


class _Big:
    head, entry, count, inline = "Q", "HHQ8s", 8, 8


_Layout = type[_Plain] | type[_Big]


def _read(file: BinaryIO) -> ExifBlock | None:
    head = file.read(16)
    order = _order(head)
    if order is None or len(head) < 8:
        return None
    version = struct.unpack(order + "H", head[2:4])[0]
    if version == 43 and len(head) == 16:
        layout: _Layout = _Big
        (first,) = struct.unpack(order + "Q", head[8:])
    else:
        layout = _Plain
        (first,) = struct.unpack(order + "L", head[4:8])
    main = _directory(file, order, first, layout)
    block = ExifBlock(order, main)
    for pointer, name in ((CAMERA_POINTER, "camera"), (PLACE_POINTER, "place")):
        entry = main.pop(pointer, None)
        if entry is not None and len(entry.data) in (4, 8):
            (offset,) = struct.unpack(order + ("L" if len(entry.data) == 4 else "Q"), entry.data)
            setattr(block, name, _directory(file, order, offset, layout))
    block.place = {
        tag: entry
        for tag, entry in block.place.items()
        if (entry.kind, entry.count) == _PLACE_TYPES.get(tag)
        or (entry.kind, None) == _PLACE_TYPES.get(tag)
    }
    return block


def _order(head: bytes) -> Literal["<", ">"] | None:
    if head[:2] == b"II":
        return "<"
    return ">" if head[:2] == b"MM" else None


def _directory(
    file: BinaryIO, order: str, offset: int, layout: _Layout, *, limit: int = _MAX_VALUE_BYTES
) -> dict[int, Entry]:
    """The sound entries of a directory, as far as there are any."""
    found: dict[int, Entry] = {}
    size, total = file.seek(0, io.SEEK_END), 0
    head_bytes = struct.calcsize("=" + layout.head)
    entry_bytes = struct.calcsize("=" + layout.entry)
    # An offset of 64 bits may be more than `seek` takes.
    file.seek(min(offset, size))
    head = file.read(head_bytes)
    if len(head) < head_bytes:
        return found
    (num_entries,) = struct.unpack(order + layout.head, head)
    # The count is a claim, of up to 64 bits in a BigTIFF; memory is not taken for it.
    listed = file.read(min(num_entries, _MAX_ENTRIES) * entry_bytes)
    for place in range(0, len(listed) - entry_bytes + 1, entry_bytes):
        tag, kind, count, value = struct.unpack(
            order + layout.entry, listed[place : place + entry_bytes]
        )
        num_bytes = (_SIZES | _BIG_SIZES).get(kind, 0) * count
        # The sum is limited too: all entries may point to the same bytes, and a small file would
        # become gigabytes.
        if not 0 < num_bytes <= limit or (total + num_bytes > _MAX_BLOCK_BYTES and limit < 2**31):
            continue
        total += num_bytes
        data = value[:num_bytes]
        if num_bytes > layout.inline:
            (where,) = struct.unpack(order + ("L" if layout.inline == 4 else "Q"), value)
            if where + num_bytes > size:
                continue
            file.seek(where)
            data = file.read(num_bytes)
        if kind in _SIZES:
            found.setdefault(tag, Entry(kind, data))
        # BigTIFF has types for pointers that EXIF does not know. `_read` takes their bytes alone.
        elif tag in (CAMERA_POINTER, PLACE_POINTER):
            found[tag] = Entry(UNDEFINED, data)
    return found


def _in_order(block: ExifBlock, order: Literal["<", ">"]) -> ExifBlock:
    """The block with the bytes of its numbers in this order."""
    if block.order == order:
        return block

    def swapped(entry: Entry) -> Entry:
        unit = _UNITS.get(entry.kind, _SIZES[entry.kind])
        starts = range(0, len(entry.data), unit)
        data = b"".join(entry.data[start : start + unit][::-1] for start in starts)
        return Entry(entry.kind, data)

    return ExifBlock(
        order,
        *(
            {tag: swapped(entry) for tag, entry in entries.items()}
            for entries in (block.main, block.camera, block.place)
        ),
    )


def _directories(block: ExifBlock, main: dict[int, Entry], *, at: int) -> bytes:
    """The main directory and those it points to, to stand at an offset in a file."""
    main = {tag: e for tag, e in main.items() if tag not in (CAMERA_POINTER, PLACE_POINTER)}
    below = [(CAMERA_POINTER, block.camera), (PLACE_POINTER, block.place)]
    below = [(pointer, entries) for pointer, entries in below if entries]
    pointers = {pointer: block.number(LONG, 0) for pointer, _ in below}
    # Laid out twice: the pointers stand before what they point to, and take the same room with
    # zeros in them.
    place, made = at + len(_laid_out(main | pointers, block.order, at)), b""
    for pointer, entries in below:
        pointers[pointer] = block.number(LONG, place + len(made))
        made += _laid_out(entries, block.order, place + len(made))
    return _laid_out(main | pointers, block.order, at) + made


def _laid_out(entries: dict[int, Entry], order: str, at: int) -> bytes:
    """A directory with its values behind it."""
    listed, values = struct.pack(order + "H", len(entries)), b""
    behind = at + 2 + 12 * len(entries) + 4
    # Ascending by tag, values of up to four bytes in the entry itself, others at even offsets (TIFF
    # 6.0, section 2).
    for tag, entry in sorted(entries.items()):
        data = entry.data
        if len(data) > 4:
            where = struct.pack(order + "L", behind + len(values))
            values += data + bytes(len(data) % 2)
            data = where
        listed += struct.pack(order + "HHL", tag, entry.kind, entry.count) + data.ljust(4, b"\0")
    # No next directory: in old files it holds the thumbnail.
    return listed + bytes(4) + values
