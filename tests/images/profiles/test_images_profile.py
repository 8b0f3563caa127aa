import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from impasto.images.files.io import load_picture, picture_from_pil
from impasto.images.profiles.colour_profile import grey_curve, image_to_srgb, srgb_profile


def in_profile(image, profile):
    image.info["icc_profile"] = profile
    return picture_from_pil(image)


def test_linear_light_becomes_the_srgb_curve(linear_rgb_profile):
    # 55 / 255 = 0.2157 of the light; 1.055 × 0.2157^(1/2.4) − 0.055 = 0.502 = 128 / 255
    picture = in_profile(Image.new("RGB", (2, 2), (55, 255, 0)), linear_rgb_profile)
    np.testing.assert_allclose(picture.rgb[0, 0] * 255, [128, 255, 0], atol=1.5)


def test_grey_profile_turns_grey_into_srgb_grey(linear_grey_profile):
    picture = in_profile(Image.new("L", (2, 2), 55), linear_grey_profile)
    np.testing.assert_allclose(picture.rgb[0, 0] * 255, [128, 128, 128], atol=1.5)


def test_grey_profile_holds_for_sixteen_bits(linear_grey_profile):
    # 14135 / 65535 = 0.2157, as above
    image = Image.fromarray(np.full((2, 2), 14135, dtype=np.uint16))
    picture = in_profile(image, linear_grey_profile)
    np.testing.assert_allclose(picture.rgb[0, 0] * 255, [128, 128, 128], atol=1.5)


def test_rgb_profile_holds_for_grey_pixels(linear_rgb_profile):
    picture = in_profile(Image.new("L", (2, 2), 55), linear_rgb_profile)
    np.testing.assert_allclose(picture.rgb[0, 0] * 255, [128, 128, 128], atol=1.5)


def test_rgb_profile_holds_for_palettes_and_alpha(linear_rgb_profile):
    paletted = Image.new("RGB", (2, 2), (55, 55, 55)).quantize(2)
    translucent = Image.new("RGBA", (2, 2), (55, 55, 55, 99))
    for image in (paletted, translucent):
        picture = in_profile(image, linear_rgb_profile)
        np.testing.assert_allclose(picture.rgb[0, 0] * 255, [128, 128, 128], atol=1.5)
    np.testing.assert_allclose(picture.alpha * 255, 99)


def test_cmyk_profile_decides_what_inks_look_like(black_ink_profile):
    # Cyan is black in this profile; without one it is (0, 255, 255).
    inks = Image.new("CMYK", (2, 1))
    inks.putpixel((1, 0), (255, 0, 0, 0))
    np.testing.assert_allclose(picture_from_pil(inks).rgb, [[[1, 1, 1], [0, 1, 1]]])
    np.testing.assert_allclose(
        in_profile(inks, black_ink_profile).rgb, [[[1, 1, 1], [0, 0, 0]]], atol=0.01
    )


def test_cmyk_jpeg_with_profile_is_read(black_ink_profile):
    buffer = io.BytesIO()
    Image.new("CMYK", (16, 16), (255, 0, 0, 0)).save(buffer, "JPEG", icc_profile=black_ink_profile)
    assert load_picture(buffer.getvalue()).rgb.max() < 0.02


def test_lab_white_and_black_are_white_and_black():
    lab = Image.new("LAB", (2, 1), (0, 128, 128))
    lab.putpixel((1, 0), (255, 128, 128))
    np.testing.assert_allclose(picture_from_pil(lab).rgb, [[[0, 0, 0], [1, 1, 1]]], atol=1.01 / 255)


def test_srgb_pictures_with_an_srgb_profile_stay_exact():
    values = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    other_srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb_profile(), other_srgb):
        picture = in_profile(Image.fromarray(values), profile)
        np.testing.assert_array_equal(np.rint(picture.rgb * 255), values)


def test_grey_curve_of_srgb_is_none(linear_grey_profile):
    assert grey_curve(None) is None
    assert grey_curve(srgb_profile()) is None
    curve = grey_curve(linear_grey_profile)
    assert curve.shape == (65_536, 3)
    light = np.linspace(0, 1, 65_536)
    wanted = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(curve[:, 1], wanted, atol=0.1 / 255)


def test_embedded_profile_is_the_same_bytes_and_valid():
    assert srgb_profile() == srgb_profile()
    profile = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    assert profile.profile.xcolor_space.strip() == "RGB"
    assert int.from_bytes(srgb_profile()[24:26]) == 2024  # the year, whatever year it is


@pytest.mark.parametrize("damage", ["empty", "noise", "cut", "of another kind"])
def test_broken_profile_counts_as_srgb(damage, linear_rgb_profile, black_ink_profile):
    profile = {
        "empty": b"",
        "noise": bytes(range(256)) * 4,
        "cut": linear_rgb_profile[:200],
        "of another kind": black_ink_profile,
    }[damage]
    image = Image.new("RGB", (2, 2), (10, 100, 200))
    assert image_to_srgb(image, profile).getpixel((0, 0)) == (10, 100, 200)
    picture = in_profile(image, profile)
    np.testing.assert_allclose(picture.rgb[0, 0] * 255, [10, 100, 200], atol=1e-4)
