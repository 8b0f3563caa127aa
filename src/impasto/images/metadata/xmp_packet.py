"""XMP edited in place: what describes the old file goes, what a new one changes is set.

The packet is parsed as XML, by expat, and only the bytes of what changes are touched. A packet with
a document type (the way to entities, and so to other files and to bombs) or that is not well-formed
counts as none.

Sources: ISO 16684-1 (XMP), and the namespaces' own documents (hdrgm, GCamera, GPano and so on).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

MAX_PACKET_BYTES = 8 * 2**20
"""A longer packet counts as none."""

_TIFF, _EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
_PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/"
_CAMERA = "http://ns.google.com/photos/1.0/camera/"
_PANORAMA = "http://ns.google.com/photos/1.0/panorama/"
_NOTE = "http://ns.adobe.com/xmp/note/"
_XMP = "http://ns.adobe.com/xap/1.0/"
_USUAL_PREFIXES = {
    **{"tiff": _TIFF, "exif": _EXIF, "photoshop": _PHOTOSHOP, "xmp": _XMP, "xap": _XMP},
    **{"xmpNote": _NOTE, "GCamera": _CAMERA, "GPano": _PANORAMA},
    **{"hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/"},
}
"""What is meant where a packet does not declare its prefixes, as some do not."""

_PREVIEWS = (f"{_XMP} Thumbnails", f"{_NOTE} HasExtendedXMP")
_GONE_NAMESPACES = re.compile(
    r"http://ns\.adobe\.com/hdr-(gain-map|metadata)/1\.0/"
    r"|http://ns\.google\.com/photos/1\.0/(container|depthmap|image|audio)/.*"
    r"|http://ns\.google\.com/photos/dd/1\.0/.*"
    r"|http://ns\.apple\.com/(HDR\w+|pixeldatainfo|depthData|\w+Matte\w*)/1\.0/"
)
"""Gain maps, motion photographs and depth maps, which lie in the old file."""

_GONE_OF_CAMERA = re.compile(r"(MotionPhoto|MicroVideo)\w*")
_WIDTH_OF_PANORAMA, _HEIGHT_OF_PANORAMA = (
    "CroppedAreaImageWidthPixels",
    "CroppedAreaImageHeightPixels",
)
_PANORAMA_ACROSS = re.compile(
    r"(FullPano|CroppedAreaImage)WidthPixels|CroppedAreaLeftPixels"
    r"|LargestValidInteriorRect(Left|Width)"
)
_PANORAMA_DOWN = re.compile(
    r"(FullPano|CroppedAreaImage)HeightPixels|CroppedAreaTopPixels"
    r"|LargestValidInteriorRect(Top|Height)"
)

# expat says where a tag begins, but neither where it ends nor where its attributes lie.
_TAG = re.compile(rb"""<[^\s/>"']+(?:\s+[^\s=/>]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*/?>""")
_ATTRIBUTE = re.compile(rb"""\s+([^\s=/>]+)\s*=\s*("[^"]*"|'[^']*')""")

_LONGEST_VALUE = 200

Decision = Callable[[str, str], str | None]
"""What becomes of the property `namespace name` with a value: None where it goes, or its value.
It is asked about whole namespaces too, by `namespace ` without a name."""


def edited(packet: bytes, decide: Decision, add: dict[str, str] | None = None) -> bytes | None:
    """A packet in which each property is what `decide` makes of it.

    Args:
        packet: in UTF-8; bytes of zero behind it are left out.
        decide: is asked of each attribute and element with a namespace. Elements that have more
            than a short text in them it can only keep or let go.
        add: properties and their values, put beside the first one of their namespace.

    Returns:
        The packet, or None where it is no XML, has a document type or is too long.
    """
    packet = packet.rstrip(b"\0").lstrip()
    if not packet or len(packet) > MAX_PACKET_BYTES:
        return None
    try:
        edits = _Editor(packet, decide, add or {}).edits
    except (expat.ExpatError, UnicodeError, ValueError, LookupError):
        return None
    pieces, place = [], 0
    for start, stop, text in sorted(edits):
        if start >= place:  # or inside of what went
            pieces += [packet[place:start], text]
            place = stop
    return b"".join([*pieces, packet[place:]])


def as_new(packet: bytes, *, width: int, height: int) -> bytes | None:
    """A packet for an upright sRGB picture of a file of its own.

    Gain maps, motion photographs, depth maps and previews go; so do their namespaces. What is said
    of a panorama counts from now on in pixels of a picture of this size.

    Args:
        packet: as the file had it.
        width: of the picture that came from the file, upright, in pixels.
        height: likewise.
    """
    fixed = {
        f"{_TIFF} Orientation": "1",
        f"{_EXIF} ColorSpace": "1",
        f"{_PHOTOSHOP} ICCProfile": "sRGB IEC61966-2.1",
    }

    def decide(name: str, value: str) -> str | None:
        namespace, _, local = name.rpartition(" ")
        is_gone = _GONE_NAMESPACES.fullmatch(namespace) or name in _PREVIEWS
        if is_gone or (namespace == _CAMERA and _GONE_OF_CAMERA.fullmatch(local)):
            return None
        return fixed.get(name, value)

    cleaned = edited(packet, decide)
    return None if cleaned is None else _panorama_scaled(cleaned, width, height)


def of_size(packet: bytes, *, width: int, height: int) -> bytes | None:
    """A packet that `as_new` made, for a picture of another size."""
    fixed = {
        **{f"{_TIFF} ImageWidth": width, f"{_EXIF} PixelXDimension": width},
        **{f"{_TIFF} ImageLength": height, f"{_EXIF} PixelYDimension": height},
    }

    def decide(name: str, value: str) -> str | None:
        return str(fixed[name]) if name in fixed else value

    sized = edited(packet, decide)
    return None if sized is None else _panorama_scaled(sized, width, height)


def _panorama_scaled(packet: bytes, width: int, height: int) -> bytes | None:
    """Sizes of a panorama in pixels of a picture of this size, which the packet says as well."""
    if _PANORAMA.encode() not in packet:
        return packet
    found: dict[str, float] = {}

    def note(name: str, value: str) -> str | None:
        namespace, _, local = name.rpartition(" ")
        if namespace == _PANORAMA and re.fullmatch(r"\d{1,9}", value):
            found[local] = float(value)
        return value

    edited(packet, note)
    across = width / (found.get(_WIDTH_OF_PANORAMA) or width)
    down = height / (found.get(_HEIGHT_OF_PANORAMA) or height)

    def decide(name: str, value: str) -> str | None:
        namespace, _, local = name.rpartition(" ")
        if namespace != _PANORAMA or local not in found:
            return value
        if _PANORAMA_ACROSS.fullmatch(local):
            return str(round(found[local] * across))
        return str(round(found[local] * down)) if _PANORAMA_DOWN.fullmatch(local) else value

    size = {_WIDTH_OF_PANORAMA: str(width), _HEIGHT_OF_PANORAMA: str(height)}
    add = {f"{_PANORAMA} {local}": size[local] for local in size if local not in found}
    return edited(packet, decide, add if found else {})


@dataclass(slots=True)
class _Element:
    name: str | None
    start: int
    content: int
    is_empty: bool
    is_gone: bool
    text: str | None = ""


@dataclass(slots=True)
class _Editor:
    """Which bytes of a packet become which others.

    Raises:
        Exception: the packet is no XML that this can read.
    """

    packet: bytes
    decide: Decision
    add: dict[str, str]
    edits: list[tuple[int, int, bytes]] = field(default_factory=list)
    _parser: Any = None
    _open: list[_Element] = field(default_factory=list)
    _namespaces: list[dict[str, str]] = field(default_factory=lambda: [_USUAL_PREFIXES])

    def __post_init__(self) -> None:
        def refuse(*_declared: object) -> None:
            raise ValueError("a document type, which no XMP has")

        parser = self._parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = refuse
        parser.StartElementHandler = self._started
        parser.EndElementHandler = self._ended
        parser.CharacterDataHandler = self._told
        parser.Parse(self.packet, True)

    def _started(self, raw_name: str, attributes: dict[str, str]) -> None:
        start = self._parser.CurrentByteIndex
        tag = _TAG.match(self.packet, start)
        if tag is None:
            # expat reads UTF-16 as well, where byte positions are not those of these patterns.
            raise ValueError("a tag that is written otherwise than in UTF-8")
        if self._open:
            self._open[-1].text = None
        declared = {
            name.removeprefix("xmlns:"): namespace
            for name, namespace in attributes.items()
            if name.startswith("xmlns:")
        }
        outside = self._namespaces[-1]
        self._namespaces.append(outside | declared if declared else outside)
        name = self._resolved(raw_name)
        # What lies in a removed element goes with it, by one edit: edits must not overlap.
        is_inside = bool(self._open) and self._open[-1].is_gone
        is_gone = is_inside or (name is not None and self.decide(name, "") is None)
        self._open.append(_Element(name, start, tag.end(), tag[0].endswith(b"/>"), is_gone))
        if is_gone:
            return
        prefix = tag[0][1:].partition(b":")[0].decode()
        for local, value in () if name is None else self._added(name):
            written = f"<{prefix}:{local}>{escape(value)}</{prefix}:{local}>".encode()
            self.edits.append((start, start, written))
        for found in _ATTRIBUTE.finditer(self.packet, start, tag.end()):
            self._edit_attribute(found, attributes)

    def _ended(self, _raw_name: str) -> None:
        self._namespaces.pop()
        element, end = self._open.pop(), self._parser.CurrentByteIndex
        if element.is_gone:
            if not (self._open and self._open[-1].is_gone):
                stop = element.content if element.is_empty else self.packet.index(b">", end) + 1
                self.edits.append((element.start, stop, b""))
        elif element.text and element.name is not None:
            value = element.text.strip()
            new = self.decide(element.name, value)
            if new is not None and new != value:
                self.edits.append((element.content, end, escape(new).encode()))

    def _told(self, text: str) -> None:
        if self._open and self._open[-1].text is not None:
            joined = self._open[-1].text + text
            self._open[-1].text = joined if len(joined) <= _LONGEST_VALUE else None

    def _edit_attribute(self, found: re.Match[bytes], attributes: dict[str, str]) -> None:
        raw_name = found[1].decode()
        # expat's value has its entities resolved; the bytes of the match have not.
        value, name = attributes[raw_name], self._resolved(raw_name)
        if raw_name.startswith("xmlns:"):
            if self.decide(f"{value} ", "") is None:
                self.edits.append((*found.span(), b""))
            return
        if name is None:
            return
        new = self.decide(name, value)
        if new is None:
            self.edits.append((*found.span(), b""))
        elif new != value:
            self.edits.append((*found.span(2), quoteattr(new).encode()))
        for other, added in self._added(name):
            written = f" {raw_name.partition(':')[0]}:{other}={quoteattr(added)}".encode()
            self.edits.append((found.start(), found.start(), written))

    def _resolved(self, raw_name: str) -> str | None:
        """`namespace name`; None without a prefix, or with one that nobody knows."""
        prefix, is_prefixed, local = raw_name.partition(":")
        namespace = self._namespaces[-1].get(prefix) if is_prefixed else None
        return None if namespace is None else f"{namespace} {local}"

    def _added(self, beside: str) -> list[tuple[str, str]]:
        namespace = beside.rpartition(" ")[0]
        names = [name for name in self.add if name.rpartition(" ")[0] == namespace]
        return [(name.rpartition(" ")[2], self.add.pop(name)) for name in names]
