import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from impasto.errors import SettingError
from impasto.images.resize import (
    beyond_border,
    fit_longer_side,
    imresize,
    resize_lanczos,
    resize_matrix,
)


def test_longer_side_is_fitted_and_the_other_follows():
    assert fit_longer_side(640, 480, 320) == (320, 240)
    assert fit_longer_side(480, 640, 1280) == (960, 1280)
    assert fit_longer_side(1000, 1, 10) == (10, 1)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 30), st.integers(1, 30), st.floats(0, 1, width=32))
def test_flat_stays_flat(height, width, value):
    array = np.full((7, 11, 2), value, dtype=np.float32)
    resized = resize_lanczos(array, width=width, height=height)
    assert resized.shape == (height, width, 2)
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized, value, atol=1e-5)


def test_mirrored_input_gives_mirrored_output():
    array = np.random.default_rng(0).random((9, 13), dtype=np.float32)
    there = resize_lanczos(array, width=5, height=4)
    mirrored = resize_lanczos(array[:, ::-1], width=5, height=4)
    np.testing.assert_allclose(there[:, ::-1], mirrored, atol=1e-6)


def test_floats_agree_with_eight_bit_lanczos():
    pixels = np.random.default_rng(0).integers(64, 192, (24, 32, 3), dtype=np.uint8)
    theirs = Image.fromarray(pixels).resize((20, 15), Image.Resampling.LANCZOS)
    ours = resize_lanczos(pixels.astype(np.float32), width=20, height=15)
    np.testing.assert_allclose(ours, np.asarray(theirs, dtype=np.float32), atol=1.01)


def test_same_size_is_the_same_array():
    array = np.zeros((4, 6, 3), dtype=np.float32)
    assert resize_lanczos(array, width=6, height=4) is array


def test_sizes_below_one_are_refused():
    with pytest.raises(SettingError, match="cannot resize to 0×4; expected at least 1×1"):
        resize_lanczos(np.zeros((4, 6), np.float32), width=0, height=4)
    with pytest.raises(SettingError, match="longer side cannot be -1; expected at least 1 pixel"):
        fit_longer_side(4, 6, -1)


# Keys' cubic with a = -0.5 at the distances 1/4, 3/4, 5/4 and 7/4, worked out on paper.
AT = {0.25: 111 / 128, 0.75: 29 / 128, 1.25: -9 / 128, 1.75: -3 / 128}


def test_doubling_two_pixels_takes_these_shares():
    # The new centres lie at -1/4, 1/4, 3/4 and 5/4; pixels beyond the ends are mirrored:
    # -1 is 0 again and -2 is 1.
    first = [AT[0.75] + AT[0.25], AT[1.75] + AT[1.25]]
    second = [AT[1.25] + AT[0.25], AT[0.75] + AT[1.75]]
    expected = [first, second, second[::-1], first[::-1]]
    np.testing.assert_allclose(resize_matrix(2, 4), expected, atol=1e-15)


def test_halving_reaches_twice_as_far():
    # Twice as wide, half as high: eight pixels, at 1/4, 3/4, 5/4, 7/4 to both sides.
    side = [AT[0.25] / 2, AT[0.75] / 2, AT[1.25] / 2, AT[1.75] / 2]
    middle = resize_matrix(16, 8)[4]
    np.testing.assert_allclose(middle[5:13], [*side[::-1], *side], atol=1e-15)
    assert not middle[:5].any()
    assert not middle[13:].any()


def test_the_border_can_repeat_its_pixel():
    # Doubling: the first new pixel takes -1 (at 3/4) and -2 (at 7/4) from the pixel 0.
    first = resize_matrix(4, 8, border="repeat")[0]
    np.testing.assert_allclose(first, [1 - AT[1.25], AT[1.25], 0, 0], atol=1e-15)


def test_beyond_the_border_is_the_mirror_image():
    np.testing.assert_array_equal(
        beyond_border(np.arange(-7, 7), 3), [0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]
    )
    np.testing.assert_array_equal(
        beyond_border(np.arange(-2, 5), 3, border="repeat"), [0, 0, 0, 1, 2, 2, 2]
    )


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["mirror", "repeat"]))
def test_shares_sum_to_one_and_mirror(size, new_size, border):
    matrix = resize_matrix(size, new_size, border=border)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(matrix, matrix[::-1, ::-1], atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 30), st.integers(1, 30))
def test_imresize_is_a_matrix_for_each_axis(height, width):
    array = np.random.default_rng(0).random((7, 11, 2), dtype=np.float32)
    by_matrices = np.einsum(
        "hH,wW,HWC->hwC", resize_matrix(7, height), resize_matrix(11, width), array
    )
    resized = imresize(array, width=width, height=height)
    assert (resized.dtype, resized.shape) == (np.float32, (height, width, 2))
    assert resized.flags.c_contiguous
    np.testing.assert_allclose(resized, by_matrices, atol=1e-6)
    plane = imresize(array[..., 1], width=width, height=height)
    np.testing.assert_array_equal(plane, resized[..., 1])


def test_imresize_to_the_same_size_changes_nothing():
    array = np.random.default_rng(0).random((9, 5, 3), dtype=np.float32)
    np.testing.assert_array_equal(imresize(array, width=5, height=9), array)


def test_slopes_stay_slopes():
    # A cubic of a = -0.5 reproduces straight lines (Keys 1981) away from the border.
    ramp = np.arange(40, dtype=np.float32).reshape(1, 40)
    tripled = imresize(ramp, width=120, height=1)[0]
    np.testing.assert_allclose(np.diff(tripled[12:-12]), 1 / 3, atol=1e-5)


def test_imresize_refuses_sizes_below_one():
    with pytest.raises(SettingError, match="cannot resize 4×6 to 0×4; expected at least 1×1"):
        imresize(np.zeros((4, 6), np.float32), width=0, height=4)
    with pytest.raises(SettingError, match="cannot resize 0×6 to 4×4"):
        imresize(np.zeros((0, 6), np.float32), width=4, height=4)
    with pytest.raises(SettingError, match="cannot resize 0 to 4 pixels"):
        resize_matrix(0, 4)
