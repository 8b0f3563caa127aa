import io
import struct
import zlib

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import ExifTags, Image

from impasto.errors import PictureFileError, SettingError
from impasto.images.files.io import Picture, load_picture, load_training_rgb, save_picture
from impasto.images.formats.conversion import picture_to_sixteen_bits
from impasto.images.profiles.colour_profile import srgb_profile

VALUES = np.random.default_rng(0).integers(0, 65_536, (6, 5, 4), dtype=np.uint16)
EXTRA = {"extrasamples": ["unassalpha"]}


def tiff(values, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(values, *, told=b""):
    """A PNG by hand: colour type by the number of channels, no filter."""
    height, width, num_channels = values.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[num_channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    chunks = chunk(b"IHDR", head) + told + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


FILES = {
    "rgb png": (png(VALUES[..., :3]), VALUES[..., :3], None),
    "rgba png": (png(VALUES), VALUES[..., :3], VALUES[..., 3]),
    "grey png": (png(VALUES[..., :1]), VALUES[..., [0, 0, 0]], None),
    "grey and alpha png": (png(VALUES[..., :2]), VALUES[..., [0, 0, 0]], VALUES[..., 1]),
    "rgb tiff": (tiff(VALUES[..., :3], photometric="rgb"), VALUES[..., :3], None),
    "big-endian tiff": (
        tiff(VALUES[..., :3], photometric="rgb", byteorder=">"),
        VALUES[..., :3],
        None,
    ),
    "deflated tiff": (
        tiff(VALUES[..., :3], photometric="rgb", compression="zlib", predictor=True),
        VALUES[..., :3],
        None,
    ),
    "planar tiff": (
        tiff(
            np.moveaxis(VALUES[..., :3], -1, 0).copy(), photometric="rgb", planarconfig="separate"
        ),
        VALUES[..., :3],
        None,
    ),
    "rgba tiff": (tiff(VALUES, photometric="rgb", **EXTRA), VALUES[..., :3], VALUES[..., 3]),
    "grey tiff": (tiff(VALUES[..., 0], photometric="minisblack"), VALUES[..., [0, 0, 0]], None),
    "white-is-zero tiff": (
        tiff(VALUES[..., 0], photometric="miniswhite"),
        65_535 - VALUES[..., [0, 0, 0]],
        None,
    ),
    "grey and alpha tiff": (
        tiff(VALUES[..., :2], photometric="minisblack", planarconfig="contig", **EXTRA),
        VALUES[..., [0, 0, 0]],
        VALUES[..., 1],
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_sixteen_bit_file_is_read_exactly(kind):
    data, rgb, alpha = FILES[kind]
    picture = load_picture(data)
    assert picture.bits == 16
    np.testing.assert_array_equal(np.rint(picture.rgb * 65_535), rgb)
    if alpha is None:
        assert picture.alpha is None
    else:
        np.testing.assert_array_equal(np.rint(picture.alpha * 65_535), alpha)
    assert load_training_rgb(data).size == (5, 6)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("kind", ["rgb png", "rgba tiff"])
def test_sixteen_bit_picture_stays_one(kind, suffix, tmp_path):
    picture = load_picture(FILES[kind][0])
    save_picture(picture, tmp_path / f"out.{suffix}")
    again = load_picture(tmp_path / f"out.{suffix}")
    assert again.bits == 16
    np.testing.assert_array_equal(picture_to_sixteen_bits(again), picture_to_sixteen_bits(picture))
    by_vips = pyvips.Image.new_from_file(str(tmp_path / f"out.{suffix}"))
    assert (by_vips.format, by_vips.interpretation) == ("ushort", "rgb16")
    np.testing.assert_array_equal(by_vips.numpy(), picture_to_sixteen_bits(picture))


def test_large_tiff_has_its_strips_where_it_says(tmp_path):
    values = np.random.default_rng(1).random((700, 401, 3), dtype=np.float32)  # 1.7 MB: two strips
    save_picture(Picture(values, bits=16), tmp_path / "out.tif")
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "out.tif"), picture_to_sixteen_bits(Picture(values))
    )


@pytest.mark.parametrize(
    ("suffix", "bits", "saved"),
    [("png", "auto", 8), ("png", 16, 16), ("tif", 16, 16), ("jpg", "auto", 8), ("webp", 8, 8)],
)
def test_bits_of_an_eight_bit_picture(suffix, bits, saved, tmp_path):
    picture = Picture(np.full((4, 4, 3), 0.3, dtype=np.float32))
    save_picture(picture, tmp_path / f"out.{suffix}", bits=bits)
    assert load_picture(tmp_path / f"out.{suffix}").bits == saved


def test_bits_of_a_sixteen_bit_picture(tmp_path):
    picture = load_picture(FILES["rgb png"][0])
    save_picture(picture, tmp_path / "out.jpg")
    save_picture(picture, tmp_path / "out.png", bits=8)
    assert load_picture(tmp_path / "out.jpg").bits == 8
    assert load_picture(tmp_path / "out.png").bits == 8


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"bits": 16}, "a JPEG file is written with 8 bits per channel and 16 are asked for"),
        ({"bits": 12}, "bits is 12; expected 'auto', 8 or 16"),
        ({"lossless": True}, "a JPEG file cannot be lossless; write PNG, TIFF, WebP or HEIC"),
    ],
)
def test_what_a_format_has_not_is_refused(settings, says, tmp_path):
    with pytest.raises(SettingError, match=says):
        save_picture(load_picture(FILES["rgb png"][0]), tmp_path / "out.jpg", **settings)
    assert list(tmp_path.iterdir()) == []


def test_metadata_of_sixteen_bit_files_is_kept(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera & Sons"
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.DateTimeOriginal: "2024:05:06 07:08:09"}
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    picture = Picture(
        np.full((6, 8, 3), 0.3, dtype=np.float32),
        exif=exif.tobytes(),
        dpi=(300, 150),
        xmp=b'<rdf:Description dc:creator="A. Photographer"/>',
        bits=16,
    )
    for suffix in ("png", "tif"):
        save_picture(picture, tmp_path / f"out.{suffix}")
        again = load_picture(tmp_path / f"out.{suffix}")
        assert again.dpi == pytest.approx((300, 150), abs=0.1)
        assert again.xmp == picture.xmp
        with Image.open(tmp_path / f"out.{suffix}") as image:
            assert image.info["icc_profile"] == srgb_profile()
            told = image.getexif()
            assert told[ExifTags.Base.Make] == "Camera & Sons"
            camera = told.get_ifd(ExifTags.IFD.Exif)
            assert camera[ExifTags.Base.DateTimeOriginal] == "2024:05:06 07:08:09"
            assert camera[ExifTags.Base.ExifImageWidth] == 8
            assert told.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"


@pytest.mark.parametrize("turn", range(1, 9))
def test_sixteen_bit_file_is_turned_as_one_of_eight_bits(turn):
    orientation = [(274, "H", 1, turn, True)]
    deep = load_picture(tiff(VALUES[..., :3], photometric="rgb", extratags=orientation))
    flat = VALUES[..., :3].astype(np.float32) / 257
    plain = tiff(flat.astype(np.uint8), photometric="rgb", extratags=orientation)
    np.testing.assert_allclose(deep.rgb, load_picture(plain).rgb, atol=1.01 / 255)


def test_premultiplied_alpha_is_divided_out():
    # 13107 = 0.2 of the scale under alpha 0.4 is the colour 0.5
    values = np.full((2, 2, 4), 13_107, dtype=np.uint16)
    values[..., 3] = 26_214
    data = tiff(values, photometric="rgb", extrasamples=["assocalpha"])
    np.testing.assert_allclose(load_picture(data).rgb, 0.5, atol=1e-4)


def test_transparent_colour_of_a_png_is_alpha():
    values = np.array([[[1, 2, 3], [257, 2, 3]]], dtype=np.uint16)
    data = png(values, told=chunk(b"tRNS", struct.pack(">3H", 1, 2, 3)))
    np.testing.assert_array_equal(load_picture(data).alpha, [[0, 1]])


def test_linear_light_becomes_the_srgb_curve_at_full_depth(linear_rgb_profile, linear_grey_profile):
    light = np.linspace(0, 1, 4096)
    wanted = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    values = np.rint(light * 65_535).astype(np.uint16)[np.newaxis, :, np.newaxis]
    for num_channels, profile in ((3, linear_rgb_profile), (1, linear_grey_profile)):
        told = chunk(b"iCCP", b"by hand\0\0" + zlib.compress(profile))
        picture = load_picture(png(np.repeat(values, num_channels, axis=2), told=told))
        np.testing.assert_allclose(picture.rgb[0, :, 1], wanted, atol=0.05 / 255)
        assert len(np.unique(picture.rgb[0, :, 1])) == 4096


def test_header_that_promises_sixteen_bits_it_has_not():
    data = png(VALUES[..., :3])
    with pytest.raises(PictureFileError, match="damaged or cut short"):
        load_picture(data[:60])
