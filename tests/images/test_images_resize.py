import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from impasto.errors import PictureError
from impasto.images.resize import fit_longer_side, resize_lanczos


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
    with pytest.raises(PictureError, match="cannot resize to 0×4; expected at least 1×1"):
        resize_lanczos(np.zeros((4, 6), np.float32), width=0, height=4)
    with pytest.raises(PictureError, match="longer side cannot be -1; expected at least 1 pixel"):
        fit_longer_side(4, 6, -1)
