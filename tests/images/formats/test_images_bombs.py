"""Small files that claim to be large, and JPEGs that come a thousand times."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from impasto.errors import PictureFileError
from impasto.images.files.io import load_picture, load_training_rgb, read_header
from impasto.images.formats.bombs import MAX_SCANS
from impasto.images.windows.reading import bits_by_windows, open_windows, size_of_file

LARGE = 13_000


def file_of(image, format_name, **options):
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def chunk(name, content):
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(width, height, rows, *, told=b"", interlaced=0):
    """A PNG of greys that holds so many of its rows, in order."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, interlaced)
    pixels = zlib.compress((b"\0" + b"\x80" * width) * rows)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", pixels), told, chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def small(format_name, **options):
    return bytearray(file_of(Image.new("RGB", (64, 64), (90, 10, 200)), format_name, **options))


def jpeg(**options):
    data = small("JPEG", **options)
    frame = next(data.index(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in data)
    data[frame + 5 : frame + 9] = struct.pack(">HH", LARGE, LARGE)
    return bytes(data)


def gif():
    data = bytearray(file_of(Image.new("P", (64, 64)), "GIF"))
    data[6:10] = struct.pack("<HH", LARGE, LARGE)
    return bytes(data)


def tiff(compression, *, mode="RGB"):
    """A TIFF of one strip whose width, height and rows in a strip are made large."""
    picture = Image.new("RGB", (64, 64), (90, 10, 200)).convert(mode)
    data = bytearray(file_of(picture, "TIFF", compression=compression))
    (start,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[start : start + 2])
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        (tag,) = struct.unpack("<H", data[entry : entry + 2])
        if tag in (256, 257, 278):
            data[entry + 2 : entry + 4] = struct.pack("<H", 4)
            data[entry + 8 : entry + 12] = struct.pack("<I", LARGE)
    return bytes(data)


CLAIMS = {
    "png": png(LARGE, LARGE, 3),
    "interlaced-png": png(LARGE, LARGE, 3, interlaced=1),
    "jpeg": jpeg(),
    "progressive-jpeg": jpeg(progressive=True),
    "gif": gif(),
    "plain-tiff": tiff("raw"),
    "lzw-tiff": tiff("tiff_lzw"),
    "deflated-tiff": tiff("tiff_adobe_deflate"),
    "packbits-tiff": tiff("packbits"),
    "jpeg-tiff": tiff("jpeg"),
    "ycbcr-tiff": tiff("raw", mode="YCbCr"),  # which has a tag of its sampling
}


@pytest.mark.parametrize("kind", CLAIMS)
@pytest.mark.parametrize("load", [load_picture, load_training_rgb])
def test_a_small_file_that_claims_millions_of_pixels_is_cut_short(kind, load):
    with pytest.raises(PictureFileError, match="13,000×13,000 pixels cannot be in"):
        load(CLAIMS[kind])


@pytest.mark.parametrize("kind", ["png", "jpeg", "lzw-tiff"])
def test_such_files_are_not_taken_for_large_pictures(kind, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CLAIMS[kind])
    assert size_of_file(path) is None
    assert bits_by_windows(path) is None
    with pytest.raises(PictureFileError, match="13,000×13,000 pixels cannot be in"):
        open_windows(path, tmp_path)


@pytest.mark.parametrize(
    ("format_name", "options"),
    [
        ("PNG", {"bits": 1}),
        ("PNG", {}),
        ("JPEG", {"quality": 1, "progressive": True}),
        ("GIF", {}),
        *(("TIFF", {"compression": c}) for c in ("tiff_lzw", "tiff_adobe_deflate", "packbits")),
        *(("TIFF", {"compression": c}) for c in ("jpeg", "group4", "zstd")),
        ("WEBP", {"lossless": True}),
        ("BMP", {}),
    ],
)
def test_one_colour_compresses_less_than_the_bounds(format_name, options):
    mode = "1" if options.get("compression") == "group4" or "bits" in options else "RGB"
    data = file_of(Image.new(mode, (3000, 3000), 0), format_name, **options)
    assert load_picture(data).width == 3000


def test_every_sampling_of_a_jpeg_is_within_its_bound():
    image = Image.new("RGB", (4000, 4000), (40, 40, 40))
    for subsampling in (0, 1, 2):
        data = file_of(image, "JPEG", quality=1, subsampling=subsampling, optimize=True)
        assert read_header(data).width == 4000


@pytest.mark.parametrize("load", [load_picture, load_training_rgb])
@pytest.mark.parametrize("rows", [0, 1, 60, 63])
def test_a_png_without_its_last_rows_is_cut_short(load, rows):
    # Pillow takes the end of the compressed stream for the end of the picture.
    with pytest.raises(PictureFileError, match="damaged or cut short"):
        load(png(64, 64, rows))


@pytest.mark.parametrize("rows", [0, 1, 60, 63])
def test_such_a_png_is_refused_by_windows_too(rows, tmp_path):
    path = tmp_path / "cut.png"
    path.write_bytes(png(64, 64, rows))
    with pytest.raises(PictureFileError, match=r"cut\.png"):
        open_windows(path, tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of POSIX")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert size_of_file(tmp_path / "pipe.png") is None
    assert bits_by_windows(tmp_path / "pipe.png") is None
    with pytest.raises(PictureFileError, match="a named pipe"):
        open_windows(tmp_path / "pipe.png", tmp_path)


def test_a_png_with_black_last_rows_is_whole():
    values = np.full((9, 7), 128, np.uint8)
    values[5:] = 0
    assert load_picture(file_of(Image.fromarray(values), "PNG")).height == 9
    assert load_picture(png(1, 1, 1)).height == 1


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (8, 9), (33, 2)])
def test_interlaced_pngs_are_whole(size):
    width, height = size
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4))
    passes += (1, 0, 2, 2), (0, 1, 1, 2)
    rows = b""
    for left, top, right, down in passes:
        columns = len(range(left, width, right))
        if columns:
            rows += (b"\0" + bytes(columns)) * len(range(top, height, down))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1))
    signature, end = b"\x89PNG\r\n\x1a\n", chunk(b"IEND", b"")
    assert load_picture(signature + head + chunk(b"IDAT", zlib.compress(rows)) + end).width == width
    with pytest.raises(PictureFileError, match="damaged or cut short"):
        load_picture(signature + head + chunk(b"IDAT", zlib.compress(rows[:-1])) + end)


def of_scans(num_scans, *, between=b""):
    """A progressive JPEG whose last scan, a refinement, comes so many times in all."""
    data = file_of(Image.new("RGB", (64, 64), (90, 10, 200)), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : data.rindex(b"\xff\xd9")]
    num_there = data.count(b"\xff\xda")
    return data[:-2] + (between + scan) * (num_scans - num_there) + data[-2:]


def test_a_jpeg_of_too_many_scans_is_refused(tmp_path):
    assert load_picture(of_scans(MAX_SCANS)).width == 64
    comment = b"\xff\xfe\x00\x06\xff\xd9\xff\xd9"  # not the end
    for data in (of_scans(MAX_SCANS + 1), of_scans(MAX_SCANS + 1, between=comment)):
        with pytest.raises(PictureFileError, match="more than 100 scans"):
            load_picture(data)
        (tmp_path / "scans.jpg").write_bytes(data)
        assert size_of_file(tmp_path / "scans.jpg") is None


def test_scans_of_what_lies_in_or_behind_a_jpeg_do_not_count():
    image = Image.new("RGB", (64, 64))
    preview = b"Exif\0\0" + b"\xff\xda" * 1000
    plain = file_of(image, "JPEG", exif=preview) + b"\xff\xda\x00\x02" * 1000
    progressive = (
        file_of(image, "JPEG", progressive=True, exif=preview) + b"\xff\xda\x00\x02" * 1000
    )
    assert load_picture(plain).width == load_picture(progressive).width == 64


def test_a_header_is_read_without_the_pixels(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    told = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    whole = png(40, 30, 30, told=told)  # behind the pixels
    assert (read_header(whole).width, read_header(whole).height) == (30, 40)
    damaged = whole.replace(whole[41:49], bytes(8))
    assert damaged != whole
    with pytest.raises(PictureFileError):
        load_picture(damaged)
    assert (read_header(damaged).width, read_header(damaged).height) == (30, 40)
    (tmp_path / "damaged.png").write_bytes(damaged)
    assert size_of_file(tmp_path / "damaged.png") == (30, 40)
