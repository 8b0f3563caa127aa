"""The colour that an AVIF or HEIC states without a profile: its box `colr` of type `nclx`.

Decoders use its matrix to make RGB, and say nothing of its primaries and transfer function.

Source: ISO/IEC 14496-12 (boxes), ISO/IEC 23008-12 (items and their properties).
"""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

_MAX_HEAD_BYTES = 2**20
_MAX_BOXES = 10_000
Cicp = tuple[int, int, int, int]
"""Colour primaries, transfer function, matrix and whether the range is full, as ITU-T H.273."""


def nclx_of_file(stream: BinaryIO) -> Cicp | None:
    """The colour stated for the primary picture; of a sequence without one, for its track."""
    stream.seek(0)
    position, size = 0, stream.seek(0, io.SEEK_END)
    track = None
    for _ in range(_MAX_BOXES):
        stream.seek(position)
        head = stream.read(16)
        if len(head) < 8:
            break
        length, name, header = _box(head, size - position)
        if length < header:
            break
        # All other boxes are stepped over, such as `mdat` with the pixels.
        if name in (b"meta", b"moov") and length <= _MAX_HEAD_BYTES:
            stream.seek(position + header)
            body = stream.read(length - header)
            # A full box: version and flags come before the boxes in it.
            if name == b"meta" and (cicp := _of_primary_item(body[4:])):
                return cicp
            if name == b"moov":
                track = track or _of_track(body)
        position += length
    return track


def _of_primary_item(meta: bytes) -> Cicp | None:
    boxes = dict(_boxes(meta))
    primary = boxes.get(b"pitm", b"")
    properties = dict(_boxes(boxes.get(b"iprp", b"")))
    if len(primary) < 6 or b"ipco" not in properties or b"ipma" not in properties:
        return None
    # Items are numbered with 32 bits from version 1 of `pitm` on, with 16 before.
    item = int.from_bytes(primary[4:8] if primary[0] else primary[4:6])
    listed = list(_boxes(properties[b"ipco"]))
    for index in _properties_of(item, properties[b"ipma"]):
        if 0 < index <= len(listed) and listed[index - 1][0] == b"colr":
            cicp = _nclx(listed[index - 1][1])
            if cicp is not None:
                return cicp
    return None


def _properties_of(item: int, ipma: bytes) -> list[int]:
    """Numbers, from 1, of the properties that an item has."""
    version, is_wide = ipma[0], ipma[3] & 1
    (num_entries,), position = struct.unpack(">I", ipma[4:8]), 8
    width = 2 if version < 1 else 4
    for _ in range(min(num_entries, _MAX_BOXES)):
        number = int.from_bytes(ipma[position : position + width])
        num_properties, position = ipma[position + width], position + width + 1
        step = 2 if is_wide else 1
        # The first bit says that the property is essential.
        mask = 0x7FFF if is_wide else 0x7F
        numbers = [
            int.from_bytes(ipma[position + step * k : position + step * (k + 1)]) & mask
            for k in range(num_properties)
        ]
        if number == item:
            return numbers
        position += step * num_properties
    return []


_INSIDE = (b"trak", b"mdia", b"minf", b"stbl")
# The fixed fields of a visual sample entry, before the boxes in it.
_ENTRY_BYTES = 78


def _of_track(moov: bytes) -> Cicp | None:
    for name, body in _boxes(moov):
        if name in _INSIDE:
            cicp = _of_track(body)
        elif name == b"stsd":
            inside = [
                # Behind version, flags and the number of entries.
                part
                for _, entry in _boxes(body[8:])
                for part in _boxes(entry[_ENTRY_BYTES:])
            ]
            cicp = next((_nclx(part) for name, part in inside if name == b"colr"), None)
        else:
            continue
        if cicp is not None:
            return cicp
    return None


def _nclx(colr: bytes) -> Cicp | None:
    if colr[:4] != b"nclx" or len(colr) < 10:
        return None
    primaries, transfer, matrix = struct.unpack(">HHH", colr[4:10])
    return primaries, transfer, matrix, 1  # decoders give values of the full range


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    for _ in range(_MAX_BOXES):
        if position + 8 > len(data):
            return
        length, name, header = _box(data[position : position + 16], len(data) - position)
        if length < header:
            return
        yield name, data[position + header : position + length]
        position += length


def _box(head: bytes, num_remaining: int) -> tuple[int, bytes, int]:
    """Length, name and length of the header of a box; a length of 0 is up to the end."""
    length, name = struct.unpack(">I4s", head[:8])
    if length == 1 and len(head) == 16:
        return int.from_bytes(head[8:16]), name, 16
    return length or num_remaining, name, 8
