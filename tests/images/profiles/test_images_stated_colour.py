"""Colour that a file states without a profile is sRGB once it is read."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image

from impasto.errors import PictureFileError
from impasto.images.files.io import load_picture, load_picture_or_animation, load_training_rgb
from impasto.images.profiles.colour_profile import srgb_profile
from impasto.images.profiles.transfer_functions import transfer_curve

COLOUR = (200, 60, 60)
# From linear Display P3 (D65, SMPTE RP 431-2) and Adobe RGB (1998) to linear sRGB.
P3 = np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]])
ADOBE = np.array([[1.3984, -0.3984, 0.0], [0.0, 1.0, 0.0], [0.0, -0.0429, 1.0429]])
ADOBE_GAMMA = 563 / 256

CICP_P3, CICP_SRGB = bytes([12, 13, 0, 1]), bytes([1, 13, 0, 1])
LINEAR = struct.pack(">I", 100_000)
CHRM_P3 = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
CHRM_SRGB = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


def encoded(linear):
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def decoded(colour):
    values = np.array(colour) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


IN_P3 = encoded(P3 @ decoded(COLOUR)) * 255
IN_ADOBE = encoded(ADOBE @ (np.array(COLOUR) / 255) ** ADOBE_GAMMA) * 255
IN_LINEAR = encoded(np.array(COLOUR) / 255) * 255


def file_of(format_name, mode="RGB", colour=COLOUR, **options):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), colour).convert(mode).save(buffer, format_name, **options)
    return buffer.getvalue()


def png(*chunks, **options):
    data = file_of("PNG", **options)
    more = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    return data[:33] + more + data[33:]


def colour_in(data):
    picture, training = load_picture(data), np.asarray(load_training_rgb(data))
    np.testing.assert_allclose(picture.rgb[2, 2] * 255, training[2, 2], atol=0.51)
    return picture.rgb[2, 2] * 255


def profile_of(linear_rgb_profile):
    """As a chunk iCCP has it."""
    return b"linear\0\0" + zlib.compress(linear_rgb_profile)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([(b"gAMA", LINEAR)], IN_LINEAR),
        ([(b"cICP", CICP_P3)], IN_P3),
        ([(b"cHRM", CHRM_P3)], IN_P3),  # and sRGB's curve, where it names none
        ([(b"gAMA", struct.pack(">I", 45_455))], COLOUR),  # as writers of sRGB say it
        ([(b"gAMA", struct.pack(">I", 45_455)), (b"cHRM", CHRM_SRGB)], COLOUR),
        ([(b"sRGB", b"\0"), (b"gAMA", LINEAR), (b"cHRM", CHRM_P3)], COLOUR),
        ([(b"cICP", CICP_SRGB), (b"gAMA", LINEAR)], COLOUR),
        ([(b"cICP", CICP_P3), (b"sRGB", b"\0"), (b"gAMA", LINEAR)], IN_P3),
        ([(b"cICP", bytes([12, 13, 9, 1]))], COLOUR),  # a PNG holds no YCbCr: says nothing
        ([(b"cICP", bytes([2, 2, 0, 1])), (b"gAMA", LINEAR)], IN_LINEAR),  # unspecified
        ([(b"cICP", bytes([77, 13, 0, 1]))], COLOUR),
        ([(b"gAMA", bytes(4))], COLOUR),
        ([(b"cHRM", bytes(32))], COLOUR),
        ([(b"cHRM", b"\xff" * 32)], COLOUR),
    ],
)
def test_chunks_of_a_png_state_its_colour(chunks, expected):
    np.testing.assert_allclose(colour_in(png(*chunks)), expected, atol=1.5)


def test_cicp_comes_before_a_profile_and_that_before_all_else(linear_rgb_profile):
    profile = (b"iCCP", profile_of(linear_rgb_profile))
    np.testing.assert_allclose(colour_in(png(profile, (b"cHRM", CHRM_P3))), IN_LINEAR, atol=1.5)
    np.testing.assert_allclose(colour_in(png((b"cICP", CICP_P3), profile)), IN_P3, atol=1.5)


def test_each_frame_of_an_animation_has_its_colour():
    frames = [Image.new("RGB", (8, 6), COLOUR), Image.new("RGB", (8, 6), COLOUR[::-1])]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:], duration=50)
    data = buffer.getvalue()
    cicp = (
        struct.pack(">I", 4) + b"cICP" + CICP_P3 + struct.pack(">I", zlib.crc32(b"cICP" + CICP_P3))
    )
    animation = load_picture_or_animation(data[:33] + cicp + data[33:])
    for _ in range(2):
        first, second = (frame.picture.rgb[2, 2] * 255 for frame in animation.frames())
        np.testing.assert_allclose(first, IN_P3, atol=1.5)
        np.testing.assert_allclose(second, encoded(P3 @ decoded(COLOUR[::-1])) * 255, atol=1.5)


def test_greys_have_a_curve_and_no_primaries():
    grey = png((b"gAMA", LINEAR), (b"cHRM", CHRM_P3), mode="L", colour=(60, 60, 60))
    np.testing.assert_allclose(colour_in(grey), IN_LINEAR[[1, 1, 1]], atol=1)
    palette = png((b"gAMA", LINEAR), mode="P", colour=(51, 51, 51))
    np.testing.assert_allclose(colour_in(palette), encoded(np.full(3, 0.2)) * 255, atol=1)


def test_a_narrow_range_is_widened():
    # 126 of 16 to 235 is 110/219 of the full range.
    data = png((b"cICP", bytes([1, 13, 0, 0])), colour=(16, 126, 235))
    np.testing.assert_allclose(colour_in(data), [0, 255 * 110 / 219, 255], atol=1)


def test_white_of_high_dynamic_range_keeps_its_place_below_the_light():
    """PQ: 100 cd/m² (value 0.5081) is 0.493 of white and left as it is; 1,000 become white."""
    for code, value, light in ((16, 0.5081, 100 / 203), (16, 0.7518, 1.0), (18, 1.0, 1.0)):
        curve = transfer_curve(code, full=True)
        assert np.interp(value, np.linspace(0, 1, len(curve)), curve) == pytest.approx(
            light, abs=2e-3
        )
        assert (np.diff(curve) >= 0).all()
    # HLG: 0.5 is 1/12 of the scene's light, (1/12)^1.2 of 1,000 cd/m².
    curve = transfer_curve(18, full=True)
    assert np.interp(0.5, np.linspace(0, 1, len(curve)), curve) == pytest.approx(
        (1 / 12) ** 1.2 * 1000 / 203, abs=2e-3
    )
    data = png((b"cICP", bytes([9, 16, 0, 1])), colour=(130, 130, 130))  # 104 cd/m²
    np.testing.assert_allclose(colour_in(data), encoded(np.full(3, 104 / 203)) * 255, atol=3)


def with_nclx(data, primaries, transfer):
    assert data.count(b"colrnclx") >= 1
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


@pytest.mark.parametrize("format_name", ["AVIF", "HEIF"])
def test_nclx_states_the_colour_of_avif_and_heic(format_name, linear_rgb_profile):
    options = {"quality": 100}
    if format_name == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    plain = file_of(format_name, **options)
    np.testing.assert_allclose(colour_in(with_nclx(plain, 1, 13)), COLOUR, atol=3)
    np.testing.assert_allclose(colour_in(with_nclx(plain, 1, 1)), COLOUR, atol=3)
    np.testing.assert_allclose(colour_in(with_nclx(plain, 12, 13)), IN_P3, atol=3)
    np.testing.assert_allclose(colour_in(with_nclx(plain, 1, 8)), IN_LINEAR, atol=3)
    for end in range(0, len(plain), 7):  # boxes cut short raise nothing of their own
        with contextlib.suppress(PictureFileError):
            load_picture(plain[:end])


def adobe_exif(index="R03", color_space=65_535):
    exif = Image.Exif()
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ColorSpace: color_space, 0xA005: {1: index}}
    return exif.tobytes()


def test_exif_may_say_adobe_rgb(linear_rgb_profile):
    options = {"quality": 100, "subsampling": 0}
    for exif in (adobe_exif(), adobe_exif(index="R98", color_space=2)):
        np.testing.assert_allclose(
            colour_in(file_of("JPEG", exif=exif, **options)), IN_ADOBE, atol=2.5
        )
        np.testing.assert_allclose(colour_in(file_of("PNG", exif=exif)), IN_ADOBE, atol=1.5)
    for exif in (adobe_exif(index="R98"), adobe_exif(index="R03", color_space=1)):
        np.testing.assert_allclose(
            colour_in(file_of("JPEG", exif=exif, **options)), COLOUR, atol=2.5
        )
    profiled = file_of("JPEG", exif=adobe_exif(), icc_profile=srgb_profile(), **options)
    np.testing.assert_allclose(colour_in(profiled), COLOUR, atol=2.5)
    np.testing.assert_allclose(
        colour_in(png((b"sRGB", b"\0"), exif=adobe_exif())), COLOUR, atol=1.5
    )
