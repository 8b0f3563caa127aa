import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from impasto.errors import PictureError, SettingError
from impasto.images.colour import blend, keep_colors, rgb_to_ycbcr, ycbcr_to_rgb

SHAPE = (3, 4, 3)
RGB = hnp.arrays(np.float32, SHAPE, elements=st.floats(0, 1, width=32))


def pixel(*rgb):
    return np.array([[rgb]], dtype=np.float32)


def test_red_has_the_luma_and_chroma_of_bt601():
    # Y = 0.299; Cb = 0.5 + (0 − 0.299) / 1.772 = 0.33126; Cr = 0.5 + (1 − 0.299) / 1.402 = 1
    np.testing.assert_allclose(rgb_to_ycbcr(pixel(1, 0, 0)), pixel(0.299, 0.331264, 1), atol=1e-6)


def test_grey_has_no_chroma():
    np.testing.assert_allclose(rgb_to_ycbcr(pixel(0.3, 0.3, 0.3)), pixel(0.3, 0.5, 0.5), atol=1e-6)


def test_keep_colors_takes_luma_from_one_and_chroma_from_the_other():
    # Grey 0.5 with red's chroma: the luma stays, and red stays the largest channel.
    stylized, photograph = pixel(0.5, 0.5, 0.5), pixel(0.6, 0.4, 0.4)
    result = rgb_to_ycbcr(keep_colors(stylized, photograph))
    np.testing.assert_allclose(result[..., 0], 0.5, atol=1e-6)
    np.testing.assert_allclose(result[..., 1:], rgb_to_ycbcr(photograph)[..., 1:], atol=1e-6)


def test_half_a_blend_is_the_mean():
    np.testing.assert_allclose(blend(pixel(0, 0.2, 1), pixel(1, 0.4, 1), 0.5), pixel(0.5, 0.3, 1))


@settings(deadline=None, max_examples=50)
@given(RGB)
def test_ycbcr_is_undone(rgb):
    np.testing.assert_allclose(ycbcr_to_rgb(rgb_to_ycbcr(rgb)), rgb, atol=2e-6)


@settings(deadline=None, max_examples=50)
@given(RGB)
def test_ycbcr_stays_in_range(rgb):
    ycbcr = rgb_to_ycbcr(rgb)
    assert ycbcr.dtype == np.float32
    assert ycbcr.min() >= -1e-6
    assert ycbcr.max() <= 1 + 1e-6


@settings(deadline=None, max_examples=50)
@given(RGB, RGB)
def test_ends_of_a_blend_are_exact(photograph, stylized):
    np.testing.assert_array_equal(blend(photograph, stylized, 0), photograph)
    np.testing.assert_array_equal(blend(photograph, stylized, 1), stylized)


@settings(deadline=None, max_examples=50)
@given(RGB, RGB, st.floats(0, 1))
def test_blend_lies_between(photograph, stylized, strength):
    mixed = blend(photograph, stylized, strength)
    assert mixed.dtype == np.float32
    assert (mixed >= np.minimum(photograph, stylized) - 1e-6).all()
    assert (mixed <= np.maximum(photograph, stylized) + 1e-6).all()
    assert mixed.min() >= 0
    assert mixed.max() <= 1


@settings(deadline=None, max_examples=50)
@given(RGB, RGB)
def test_kept_colors_stay_in_range(stylized, photograph):
    result = keep_colors(stylized, photograph)
    assert result.min() >= 0
    assert result.max() <= 1


def test_keeping_its_own_colors_changes_nothing():
    rgb = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    np.testing.assert_allclose(keep_colors(rgb, rgb), rgb, atol=2e-6)


def test_ycbcr_agrees_with_pillow():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    theirs = np.asarray(Image.fromarray(pixels).convert("YCbCr"), dtype=np.float32)
    # Pillow puts grey at 128 of 255, we at one half: 0.5 apart in chroma, and 1 by rounding.
    ours = rgb_to_ycbcr(pixels.astype(np.float32) / 255) * 255 + [0, 0.5, 0.5]
    np.testing.assert_allclose(ours, theirs, atol=1.01)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strength_outside_zero_to_one_is_refused(strength):
    with pytest.raises(SettingError, match=r"strength is .*expected a number from 0"):
        blend(pixel(0, 0, 0), pixel(1, 1, 1), strength)


@pytest.mark.parametrize("mix", [keep_colors, lambda a, b: blend(b, a, 0.5)])
def test_pictures_of_two_sizes_are_refused(mix):
    with pytest.raises(PictureError, match="2×1 and the photograph 3×1; expected one size"):
        mix(np.zeros((1, 2, 3), np.float32), np.zeros((1, 3, 3), np.float32))


@pytest.mark.parametrize("function", [rgb_to_ycbcr, ycbcr_to_rgb])
def test_arrays_that_are_no_pictures_are_refused(function):
    with pytest.raises(PictureError, match="shape 3×4×4; expected H×W×3, channels last"):
        function(np.zeros((3, 4, 4), np.float32))
    with pytest.raises(PictureError, match="holds uint8; expected floats"):
        function(np.zeros(SHAPE, np.uint8))
