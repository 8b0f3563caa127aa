"""Damaged files: a picture or one clear line, never another error, a warning or half a minute."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image

from impasto.errors import PictureFileError
from impasto.images.colour_profile import srgb_profile
from impasto.images.io import Picture, load_picture, load_training_rgb

NUM_MUTANTS = 60


def seed_files():
    pixels = np.random.default_rng(1).integers(0, 256, (12, 10, 4), dtype=np.uint8)
    rgba = Image.fromarray(pixels)
    rgb, grey = rgba.convert("RGB"), rgba.convert("L")
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Camera"
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.DateTimeOriginal: "2024:01:01 00:00:00"}
    told = {"exif": exif.tobytes(), "icc_profile": srgb_profile(), "dpi": (72, 72)}
    return {
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
    }


def with_right_checksums(png):
    """PNG bytes whose chunks check out again, so that damage gets past the first look."""
    repaired, place = png[:8], 8
    while place + 12 <= len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        body = png[place + 4 : place + 8 + length]
        repaired += png[place : place + 4] + body + struct.pack(">I", zlib.crc32(body))
        place += 12 + length
    return repaired


def mutant(data, random):
    """The bytes with a few changed, a piece cut out, doubled, or the end cut off."""
    changed = bytearray(data)
    match random.integers(5):
        case 0:
            return bytes(changed[: random.integers(1, len(changed))])
        case 1:
            start = random.integers(len(changed))
            del changed[start : start + random.integers(1, 20)]
        case 2:
            start = random.integers(len(changed))
            changed[start:start] = changed[start : start + random.integers(1, 20)]
        case _:
            for place in random.integers(len(changed), size=random.integers(1, 9)):
                changed[place] = random.integers(256)
    return bytes(changed)


@pytest.mark.parametrize("kind", seed_files())
def test_damaged_file_is_a_picture_or_one_clear_line(kind, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)  # sizes lie; keep memory small
    image, format_name, options = seed_files()[kind]
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    assert isinstance(load_picture(buffer.getvalue()), Picture)
    random = np.random.default_rng(list(kind.encode()))
    for _ in range(NUM_MUTANTS):
        data = mutant(buffer.getvalue(), random)
        if format_name == "PNG" and random.random() < 0.5:
            data = with_right_checksums(data)
        for load, result in ((load_picture, Picture), (load_training_rgb, Image.Image)):
            message = "the picture data is one"
            try:
                assert isinstance(load(data), result)
            except PictureFileError as error:
                message = str(error)
            assert message.startswith("the picture data ")
            assert "\n" not in message
