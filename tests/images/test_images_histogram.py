import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.errors import PictureError
from impasto.images.histogram import match_histogram


def noise(height, width, seed=0):
    return np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)


def test_ranks_are_matched_by_hand():
    # Ranks of the four values: 1/8, 3/8, 5/8, 7/8. The reference's two: 1/4 and 3/4. Between
    # them lie 3/8 and 5/8, a quarter and three quarters of the way; beyond them nothing does.
    given_values = np.array([0.1, 0.9, 0.3, 0.2]).reshape(2, 2, 1).repeat(3, axis=2)
    reference = np.array([0.4, 0.8]).reshape(1, 2, 1).repeat(3, axis=2)
    matched = match_histogram(given_values, reference)
    np.testing.assert_allclose(matched[..., 1].ravel(), [0.4, 0.8, 0.7, 0.5], atol=1e-6)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 255))
def test_a_picture_matched_to_itself_does_not_change(height, width, num_levels):
    rgb = np.round(noise(height, width) * num_levels) / np.float32(num_levels)
    np.testing.assert_allclose(match_histogram(rgb, rgb), rgb, atol=1e-6)


def test_repeated_pixels_are_not_moved_either():
    rgb = noise(6, 5)
    larger = rgb.repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_allclose(match_histogram(larger, rgb), larger, atol=1e-6)


def test_a_shift_of_colour_is_taken_back():
    rgb = 0.2 + 0.5 * noise(40, 30)
    shifted = rgb * np.array([0.9, 1.0, 1.1], np.float32) + np.array([0.05, -0.1, 0], np.float32)
    np.testing.assert_allclose(match_histogram(shifted, rgb), rgb, atol=1e-5)


def test_order_and_range_are_kept():
    rgb, reference = noise(16, 16), 0.3 + 0.4 * noise(9, 7, seed=1) ** 2
    matched = match_histogram(rgb, reference)
    assert matched.dtype == np.float32
    for channel in range(3):
        order = np.argsort(rgb[..., channel], axis=None)
        assert (np.diff(matched[..., channel].ravel()[order]) >= 0).all()
        assert matched[..., channel].min() >= reference[..., channel].min() - 1e-6
        assert matched[..., channel].max() <= reference[..., channel].max() + 1e-6


def test_a_flat_reference_makes_all_flat():
    flat = np.full((3, 3, 3), 0.25, np.float32)
    np.testing.assert_array_equal(match_histogram(noise(8, 8), flat), np.full((8, 8, 3), 0.25))


def test_what_is_no_picture_is_refused():
    with pytest.raises(PictureError, match="reference has shape 4×4"):
        match_histogram(noise(4, 4), np.zeros((4, 4)))
