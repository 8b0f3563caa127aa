import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from impasto.errors import PictureError, SettingError
from impasto.images.degradation import DEGRADATIONS, degradation_matrix, degrade
from impasto.images.resize import imresize, resize_matrix

SETS = {"Set5": 5, "Set14": 14, "BSD100": 100}


def noise(*shape):
    levels = np.random.default_rng(0).integers(0, 256, shape)
    return (levels / 255).astype(np.float32)


def read(path):
    """Levels of a picture file, H×W×3; greys three times."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def levels_of(low_resolution):
    return np.rint(low_resolution * 255).astype(np.int64)


def both_made(shared_data, name, border):
    """Low-resolution pictures ×4 by us and by MATLAB, as levels."""
    folder = shared_data / "sr_test"
    for path in sorted((folder / name).glob("*.png")):
        high = read(path).astype(np.float32) / 255
        high = high[: high.shape[0] // 4 * 4, : high.shape[1] // 4 * 4]
        ours = degrade(high, scale=4, border=border)
        yield levels_of(ours), read(folder / "matlab_lr_x4" / name / path.name).astype(np.int64)


@pytest.mark.parametrize("name", SETS)
def test_pictures_made_by_matlab_are_met_to_the_bit(shared_data, name):
    # The files were made by a release that repeats the border.
    pairs = list(both_made(shared_data, name, "repeat"))
    assert len(pairs) == SETS[name]
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", SETS)
def test_the_mirrored_border_changes_only_the_border(shared_data, name):
    # ×4 reaches 8 pixels: from the outermost two low-resolution pixels beyond the picture.
    for ours, theirs in both_made(shared_data, name, "mirror"):
        np.testing.assert_array_equal(ours[2:-2, 2:-2], theirs[2:-2, 2:-2])


def test_four_flat_blocks_become_nearly_their_greys():
    # Levels 100 and 200, in blocks of 64: an edge rings, far from it nothing does.
    levels = np.kron(np.array([[100, 200], [200, 100]]), np.ones((64, 64)))
    small = levels_of(degrade(np.repeat(levels[..., None], 3, axis=2) / 255, scale=4))
    assert small.shape == (32, 32, 3)
    assert (small[3, 3] == 100).all()
    assert (small[3, 28] == 200).all()
    # A row far from the other edge is what the matrix of its axis makes of the step.
    step = resize_matrix(128, 32) @ np.repeat([100, 200], 64)
    np.testing.assert_array_equal(small[3, :, 0], np.floor(step + 0.5))


def test_halves_of_a_level_are_rounded_up_after_each_axis():
    # A slope of one level per pixel, 0 to 31: pixel k takes the mean 4k + 1.5 of its surroundings,
    # exactly, which becomes 4k + 2.
    slope = np.broadcast_to(np.arange(32)[:, None, None], (32, 16, 3)) / 255
    small = levels_of(degrade(slope, scale=4))
    np.testing.assert_array_equal(small[2:-2, 2, 0], 4 * np.arange(2, 6) + 2)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 8), st.integers(1, 6), st.integers(1, 6), st.sampled_from(DEGRADATIONS))
def test_low_resolution_has_eight_bit_levels(scale, height, width, degradation):
    high = noise(height * scale, width * scale, 3)
    small = degrade(high, scale=scale, degradation=degradation)
    assert (small.dtype, small.shape) == (np.float32, (height, width, 3))
    np.testing.assert_allclose(small * 255, np.rint(small * 255), atol=1e-4)


def test_a_scale_of_one_changes_nothing():
    high = noise(9, 7, 3)
    np.testing.assert_array_equal(degrade(high, scale=1), high)


def test_one_rounding_between_the_axes_costs_at_most_a_level_or_so():
    high = ndimage.gaussian_filter(noise(64, 48, 3), (2, 2, 0)).astype(np.float32)
    unrounded = imresize(high, width=12, height=16)
    np.testing.assert_allclose(degrade(high, scale=4), unrounded, atol=1.2 / 255)


def test_the_blur_is_a_gaussian_of_one_pixel():
    high = noise(24, 16, 1)[..., 0].astype(np.float64)
    blurred = ndimage.gaussian_filter(high, 1.0, mode="reflect", truncate=4.0)
    expected = resize_matrix(24, 6) @ blurred @ resize_matrix(16, 4).T
    rows, columns = (degradation_matrix(size, 4, "blur-bicubic") for size in high.shape)
    np.testing.assert_allclose(rows @ high @ columns.T, expected, atol=1e-12)


def test_sizes_must_divide():
    with pytest.raises(PictureError, match="10 pixels do not shrink by 4; expected a multiple"):
        degrade(noise(8, 10, 3), scale=4)
    with pytest.raises(PictureError, match="8 pixels do not shrink by 0"):
        degradation_matrix(8, 0)


def test_an_unknown_degradation_names_the_known_ones():
    with pytest.raises(SettingError, match="'jpeg'; expected one of bicubic, blur-bicubic"):
        degradation_matrix(8, 4, "jpeg")
    with pytest.raises(PictureError, match="rgb has shape 8×8; expected H×W×3"):
        degrade(noise(8, 8), scale=4)
