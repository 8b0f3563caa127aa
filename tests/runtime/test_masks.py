"""Masks: where pictures take a style, and how two are mixed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from impasto.errors import PictureError, PictureFileError, SettingError
from impasto.images.colour import blend
from impasto.images.picture import Picture
from impasto.runtime import masks
from impasto.runtime.masks import Mask, as_mask, brightness, mix
from impasto.runtime.stylizer import Stylizer
from model_fixtures import BLUR, make_model_file

pytestmark = pytest.mark.usefixtures("without_grain")


@pytest.fixture(scope="module")
def negative():
    return Stylizer(make_model_file(), precision="f32")


@pytest.fixture(scope="module")
def blur():
    return Stylizer(make_model_file(kernel=BLUR, bias=0.0), precision="f32")


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def thirds(height=16, width=24):
    """White, grey (0.5) and black, from left to right."""
    mask = np.zeros((height, width), np.float32)
    mask[:, : width // 3], mask[:, width // 3 : 2 * width // 3] = 1, 0.5
    return mask


def test_white_takes_the_style_black_the_photograph_and_grey_the_mean(negative):
    photo = noise(16, 24, 3)
    result = negative(photo, mask=thirds())
    np.testing.assert_array_equal(result[:, :8], negative(photo)[:, :8])
    np.testing.assert_allclose(result[:, 8:16], 0.5, atol=1e-6)  # the mean of x and 1 - x
    np.testing.assert_array_equal(result[:, 16:], photo[:, 16:])


def test_black_takes_the_style_outside(negative, blur):
    photo = noise(16, 24, 3)
    inside, outside = negative(photo), blur(photo)
    result = negative(photo, mask=thirds(), outside=blur)
    np.testing.assert_array_equal(result[:, :8], inside[:, :8])
    mean = (inside + outside)[:, 8:16] / 2
    np.testing.assert_allclose(result[:, 8:16], mean, atol=1e-6)
    np.testing.assert_array_equal(result[:, 16:], outside[:, 16:])


def test_a_style_has_the_statistics_of_the_whole_picture():
    # With instance normalisation: of a part alone, every pixel would be another.
    udnie, wave = (Stylizer(name, precision="f32") for name in ("udnie", "great_wave"))
    photo = noise(64, 96, 3)
    mask = np.zeros((64, 96), bool)
    mask[10:40, 20:50] = True
    result = udnie(photo, mask=mask, outside=wave)
    np.testing.assert_array_equal(result[mask], udnie(photo)[mask])
    np.testing.assert_array_equal(result[~mask], wave(photo)[~mask])


def test_settings_hold_inside_and_outside(negative, blur):
    photo, settings = noise(16, 24, 3), {"strength": 0.25, "keep_colors": True}
    result = negative(photo, mask=thirds(), outside=blur, **settings)
    np.testing.assert_array_equal(result[:, :8], negative(photo, **settings)[:, :8])
    np.testing.assert_array_equal(result[:, 16:], blur(photo, **settings)[:, 16:])


def test_the_mask_follows_a_photograph_that_is_resized(negative):
    photo = Image.fromarray((noise(20, 30, 3) * 255).astype(np.uint8))
    result = np.asarray(negative(photo, size=90, mask=thirds(20, 30)))
    whole, plain = (np.asarray(negative(photo, size=90, strength=s)) for s in (1, 0))
    assert result.shape == (60, 90, 3)
    np.testing.assert_array_equal(result[:, :28], whole[:, :28])
    np.testing.assert_array_equal(result[:, 62:], plain[:, 62:])


@pytest.mark.parametrize(
    "values",
    [
        np.array([[0, 128, 255]], np.uint8),
        np.array([[0, 128 * 257, 65_535]], np.uint16),
        np.array([[0, 128 / 255, 1]], np.float64),
        np.array([[0, 128 / 255, 1]], np.float32),
    ],
)
def test_arrays_of_any_type_mean_the_same(values):
    expected = np.array([[0, 128 / 255, 1]], np.float32)
    np.testing.assert_allclose(Mask(values).fitted(width=3, height=1), expected, atol=1e-7)


def test_an_array_of_truths_is_a_mask():
    found = Mask(np.array([[False, True]])).fitted(width=2, height=1)
    np.testing.assert_array_equal(found, [[0, 1]])


def test_paths_and_pil_pictures_are_masks(negative, tmp_path):
    photo, grey = noise(16, 24, 3), (thirds() * 255).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "mask.png")
    expected = negative(photo, mask=grey)
    for mask in (tmp_path / "mask.png", str(tmp_path / "mask.png"), Image.fromarray(grey)):
        np.testing.assert_array_equal(negative(photo, mask=mask), expected)


def test_transparent_is_black_and_colours_count_by_their_luma(tmp_path):
    image = Image.new("RGBA", (3, 1), (255, 255, 255, 0))
    image.putpixel((1, 0), (255, 255, 255, 51))
    image.putpixel((2, 0), (0, 255, 0, 255))
    image.save(tmp_path / "mask.png")
    expected = [[0, 51 / 255, 0.587]]  # BT.601's weight of green
    for mask in (image, tmp_path / "mask.png"):
        np.testing.assert_allclose(as_mask(mask).fitted(width=3, height=1), expected, atol=1e-6)


@given(st.integers(0, 255))
def test_the_brightness_of_a_grey_is_the_grey(level):
    grey = np.full((1, 1, 3), level / 255, np.float32)
    np.testing.assert_array_equal(brightness(grey), grey[..., 0])


@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32), st.floats(0, 1, width=32))
def test_a_mixture_lies_between_its_pictures(inside, outside, weight):
    one, other = (np.full((1, 1, 3), value, np.float32) for value in (inside, outside))
    found = mix(one, other, np.full((1, 1), weight, np.float32))
    assert min(inside, outside) - 1e-6 <= found.min() <= found.max() <= max(inside, outside) + 1e-6
    assert 0 <= found.min() <= found.max() <= 1
    expected = blend(other, one, float(weight))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.integers(1, 60), st.integers(0)
)
def test_a_window_is_that_part_of_the_whole(own_height, own_width, height, width, seed):
    mask = Mask(noise(own_height, own_width, seed=seed % 99))
    size = {"width": width, "height": height}
    whole = mask.window(slice(0, height), slice(0, width), **size)
    assert whole.shape == (height, width)
    assert 0 <= whole.min() <= whole.max() <= 1
    top, left = seed % height, seed % width
    part = mask.window(slice(top, height), slice(left, width), **size)
    np.testing.assert_allclose(part, whole[top:, left:], atol=1e-5)


def test_flat_areas_stay_exact_when_a_mask_is_resized():
    for side in (7, 50, 333):
        resized = Mask(thirds(30, 90)).fitted(width=3 * side, height=side)
        edge = 2 + side // 30  # the kernel's: a pixel of the mask, or of the picture
        np.testing.assert_array_equal(resized[:, : side - edge], 1)
        np.testing.assert_array_equal(resized[:, 2 * side + edge :], 0)


def test_one_mask_serves_pictures_of_several_sizes(negative):
    pictures = [Picture(noise(16, 24, 3)), Picture(noise(32, 48, 3)), Picture(noise(16, 24, 3))]
    for picture, result in zip(
        pictures, negative.stylize_all(pictures, mask=thirds()), strict=True
    ):
        alone = negative.stylize(picture, mask=thirds())
        np.testing.assert_array_equal(result.rgb, alone.rgb)


def test_alpha_and_metadata_are_kept(negative):
    picture = Picture(noise(16, 24, 3), noise(16, 24, seed=1), exif=b"Exif\0\0", dpi=(300, 300))
    result = negative.stylize(picture, mask=thirds())
    np.testing.assert_array_equal(result.alpha, picture.alpha)
    assert (result.exif, result.dpi) == (picture.exif, picture.dpi)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_large_files_are_read_by_windows_to_the_same_mask(tmp_path, monkeypatch, suffix):
    values = (noise(150, 200) * 255).astype(np.uint8)
    path = tmp_path / f"mask{suffix}"
    Image.fromarray(values).save(path)
    whole = as_mask(path).fitted(width=200, height=150)
    monkeypatch.setattr(masks, "LARGE_PIXELS", 10_000)
    found = as_mask(path)
    assert (found.width, found.height) == (200, 150)
    np.testing.assert_allclose(found.fitted(width=200, height=150), whole, atol=1e-5)
    monkeypatch.setattr(masks, "MAX_MASK_PIXELS", 7_500)
    small = as_mask(path)
    assert (small.width, small.height) == (100, 75)


@pytest.mark.parametrize(("height", "width"), [(16, 23), (33, 48), (1600, 2400)])
def test_a_mask_of_nearly_the_same_aspect_ratio_fits(negative, height, width):
    assert negative(noise(16, 24, 3), mask=np.ones((height, width))).shape == (16, 24, 3)


@pytest.mark.parametrize(("height", "width"), [(24, 16), (100, 100), (100, 160)])
def test_a_mask_of_another_aspect_ratio_is_refused(negative, height, width):
    said = f"the mask is {width}×{height} pixels, and the photograph 240×160"
    with pytest.raises(PictureError, match=said):
        negative(noise(160, 240, 3), mask=np.ones((height, width)))


def test_an_elongated_photograph_made_small_still_fits_its_mask(negative):
    # 1000×50 becomes 16×1, of the ratio 16 and not 20.
    result = negative(Image.new("RGB", (1000, 50)), size=16, mask=np.ones((50, 1000)))
    assert result.size == (16, 1)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.zeros((16, 24, 3)), "the mask has shape 16×24×3; expected H×W"),
        (np.zeros((0, 24)), "0×24"),
        (np.full((16, 24), 255.0), "the mask holds values from 255 to 255; expected 0 to 1"),
        (np.full((16, 24), np.nan), "values from nan"),
        (np.zeros((16, 24), int), "the mask holds int64"),
    ],
)
def test_arrays_that_are_no_mask_are_refused(negative, mask, said):
    with pytest.raises(PictureError, match=said):
        negative(noise(16, 24, 3), mask=mask)


def test_a_mask_that_cannot_be_read_is_named(negative, tmp_path):
    (tmp_path / "mask.png").write_text("no picture")
    for name in ("mask.png", "missing.png"):
        with pytest.raises(PictureFileError, match=name):
            negative(noise(16, 24, 3), mask=tmp_path / name)


def test_a_style_outside_needs_a_mask(negative, blur):
    with pytest.raises(SettingError, match="give a mask too"):
        negative(noise(16, 24, 3), outside=blur)
