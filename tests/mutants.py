"""Small valid files of every kind that is read, and damaged ones made of them.

Used by `test_images_fuzz` and, with many more of them, by `benchmarks/fuzz_files.py`.
"""

import io
import re
import struct
import zlib

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin

from impasto.errors import MissingExtraError
from impasto.images.files.io import Picture, save_animation, save_picture
from impasto.images.formats.animation import Animation, Frame
from impasto.images.profiles.colour_profile import srgb_profile

_LIES = (0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 100_000, 0x01000000)


def seed_files():
    """The bytes of a valid file for each kind."""
    pixels = np.random.default_rng(1).integers(0, 256, (12, 10, 4), dtype=np.uint8)
    rgba = Image.fromarray(pixels)
    rgb, grey = rgba.convert("RGB"), rgba.convert("L")
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Camera"
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.DateTimeOriginal: "2024:01:01 00:00:00"}
    told = {"exif": exif.tobytes(), "icc_profile": srgb_profile(), "dpi": (72, 72)}
    by_pillow = {
        "png": (rgba, "PNG", told),
        "palette-png": (rgb.quantize(8), "PNG", {"transparency": b"\x10\x20"}),
        "deep-png": (deep, "PNG", {"transparency": 257}),
        "jpeg": (rgb, "JPEG", told),
        "progressive-jpeg": (rgb, "JPEG", {"progressive": True}),
        "cmyk-jpeg": (rgb.convert("CMYK"), "JPEG", {}),
        "tiff": (rgb, "TIFF", told),
        "deflated-tiff": (rgba, "TIFF", {"compression": "tiff_adobe_deflate"}),
        "deep-tiff": (deep, "TIFF", {}),
        "float-tiff": (grey.convert("F"), "TIFF", {}),
        "webp": (rgba, "WEBP", {"exif": exif.tobytes()}),
        "lossless-webp": (rgb, "WEBP", {"lossless": True}),
        "gif": (rgb.quantize(16), "GIF", {"transparency": 3}),
        "bmp": (rgb, "BMP", {}),
        "ppm": (rgb, "PPM", {}),
        "avif": (rgba, "AVIF", {"exif": exif.tobytes()}),
    }
    by_pillow |= _told_in_full(rgb, exif)
    return {kind: _bytes_of(*way) for kind, way in by_pillow.items()} | _seeds_of_ours(pixels)


XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"'
    ' xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" hdrgm:Version="1.0"'
    ' xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" GCamera:MotionPhoto="1"'
    ' GPano:FullPanoWidthPixels="20" xmlns:tiff="http://ns.adobe.com/tiff/1.0/">'
    "<tiff:Orientation>6</tiff:Orientation><hdrgm:GainMapMax><rdf:Seq><rdf:li>2</rdf:li></rdf:Seq>"
    '</hdrgm:GainMapMax></rdf:Description></rdf:RDF></x:xmpmeta>  <?xpacket end="w"?>'
)


def _told_in_full(rgb, exif):
    """Pictures that say much of themselves: texts, XMP, EXIF of all kinds, colour by chunks."""
    exif[ExifTags.Base.Copyright] = "© José".encode().decode("latin-1")
    exif[ExifTags.IFD.GPSInfo] = {0: b"\2\2\0\0", 1: "N", 2: (48.0, 51.0, 30.25), 29: "2024:01:01"}
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ColorSpace: 65535, 0xA005: {1: "R03"}, 0x8827: 100}
    block = exif.tobytes()
    texts = PngImagePlugin.PngInfo()
    texts.add(b"gAMA", struct.pack(">I", 100_000))
    texts.add(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
    texts.add(b"cICP", bytes([12, 13, 0, 1]))
    texts.add_text("parameters", "a cat " * 9, zip=True)
    texts.add_itxt("Author", "Łukasz", zip=True)
    texts.add_itxt("XML:com.adobe.xmp", XMP)
    texts.add(b"tEXt", b"late\0text", after_idat=True)
    tags = Image.Exif()
    tags.load(block)
    tags[700] = XMP.encode()
    return {
        "told-png": (rgb, "PNG", {"pnginfo": texts, "exif": block}),
        "told-jpeg": (rgb, "JPEG", {"exif": block, "xmp": XMP.encode(), "comment": b"a cat"}),
        "told-tiff": (rgb, "TIFF", {"exif": tags}),
        "told-webp": (rgb, "WEBP", {"exif": block, "xmp": XMP.encode()}),
        "ycbcr-tiff": (rgb.convert("YCbCr"), "TIFF", {}),
        "cmyk-tiff": (rgb.convert("CMYK"), "TIFF", {"compression": "tiff_lzw"}),
        "told-avif": (rgb, "AVIF", {"exif": block, "xmp": XMP.encode()}),
    }


def _bytes_of(image, format_name, options):
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def _seeds_of_ours(pixels):
    """What Pillow cannot write: 16 bits of colour, animations with alpha, HEIC where it is."""
    values = pixels.astype(np.float32) / 255
    picture = Picture(values[..., :3].copy(), values[..., 3].copy(), bits=16)
    frames = [
        Frame(Picture(np.roll(picture.rgb, step, axis=1), picture.alpha), 100.0)
        for step in range(3)
    ]
    animation = Animation(len(frames), 2, lambda: iter(frames))
    seeds = {}
    for name in ("png", "tiff"):
        stream = io.BytesIO()
        save_picture(picture, stream, format=name)
        seeds[f"sixteen-bit-{name}"] = stream.getvalue()
    for name in ("gif", "png", "webp", "avif"):
        stream = io.BytesIO()
        save_animation(animation, stream, format=name)
        seeds[f"animated-{name}"] = stream.getvalue()
    try:
        stream = io.BytesIO()
        save_picture(picture, stream, format="heic")
        seeds["heic"] = stream.getvalue()
    except MissingExtraError:
        pass
    return seeds


def mutant(data, random, other=b""):
    """The bytes damaged in one of many ways; checksums of a PNG are made right half the time."""
    way = _WAYS[random.integers(len(_WAYS))]
    changed = way(bytearray(data), random, other)
    if data.startswith(b"\x89PNG") and random.random() < 0.5:
        changed = with_right_checksums(changed)
    return bytes(changed)


def with_right_checksums(png):
    """PNG bytes whose chunks check out again, so that damage gets past the first look."""
    repaired, place = png[:8], 8
    while place + 12 <= len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        body = png[place + 4 : place + 8 + length]
        repaired += png[place : place + 4] + body + struct.pack(">I", zlib.crc32(body))
        place += 12 + length
    return repaired


def _cut_short(data, random, other):
    return data[: random.integers(1, len(data))]


def _piece_lost(data, random, other):
    start = random.integers(len(data))
    del data[start : start + random.integers(1, 20)]
    return data or bytearray(b"\0")


def _piece_doubled(data, random, other):
    start = random.integers(len(data))
    data[start:start] = data[start : start + random.integers(1, 20)]
    return data


def _bytes_changed(data, random, other):
    for place in random.integers(len(data), size=random.integers(1, 9)):
        data[place] = random.integers(256)
    return data


def _bits_flipped(data, random, other):
    for place in random.integers(len(data), size=random.integers(1, 9)):
        data[place] ^= 1 << random.integers(8)
    return data


def _lying_header(data, random, other):
    """An extreme number somewhere in the first 64 bytes, where sizes are."""
    _write_number(data, random.integers(min(64, len(data))), random)
    return data


def _lying_chunk(data, random, other):
    """An extreme number before or behind the name of a chunk, box or segment."""
    names = [found.start() for found in re.finditer(rb"[A-Za-z]{4}|\xff[\xc0-\xfe]", data)]
    if names:
        place = names[random.integers(len(names))] + (-4, 2, 4)[random.integers(3)]
        _write_number(data, max(0, place), random)
    return data


def _piece_moved(data, random, other):
    """A piece that stands elsewhere; of a PNG, a whole chunk."""
    starts = [found.start() - 4 for found in re.finditer(rb"[a-zA-Z]{3}[A-Z][a-zA-Z]?", data)]
    if data[:4] == b"\x89PNG" and len(starts) > 2:
        starts, place = [], 8
        while place + 12 <= len(data):
            starts.append(place)
            place += 12 + int.from_bytes(data[place : place + 4])
        number = random.integers(len(starts))
        start, end = starts[number], (*starts, len(data))[number + 1]
        target = starts[random.integers(len(starts))]
    else:
        start, end = sorted(random.integers(len(data), size=2))
        target = random.integers(len(data))
    piece = data[start:end]
    del data[start:end]
    data[target:target] = piece
    return data or bytearray(b"\0")


def _letters_changed(data, random, other):
    """A letter, quote or bracket of a word for another: where text is, as in XMP."""
    places = [found.start() for found in re.finditer(rb"[ -~]{12,}", data)]
    for _ in range(random.integers(1, 5)):
        if places:
            place = places[random.integers(len(places))] + random.integers(12)
            data[place] = b"<>/\"'&=:! aZ\xff\0"[random.integers(14)]
    return data


def _spliced(data, random, other):
    """The head of one file and the tail of another, perhaps of another kind."""
    return data[: random.integers(1, len(data))] + other[random.integers(len(other) + 1) :]


def _write_number(data, place, random):
    order = "<>"[random.integers(2)]
    number = _LIES[random.integers(len(_LIES))]
    size, code = ((2, "H"), (4, "I"))[random.integers(2)]
    written = struct.pack(order + code, number & (0xFFFF if size == 2 else 0xFFFFFFFF))
    data[place : place + size] = written[: max(0, len(data) - place)]


_WAYS = (
    *(_cut_short, _piece_lost, _piece_doubled, _bytes_changed, _bits_flipped),
    *(_lying_header, _lying_chunk, _spliced, _piece_moved, _letters_changed),
)
