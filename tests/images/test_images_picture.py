import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from impasto.errors import PictureError, PictureFileError, SettingError
from impasto.images.files.io import Picture, picture_from_pil, picture_to_pil, resize_longer_side

PIXELS = hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


def flat(value, height=4, width=6):
    return np.full((height, width, 3), value, dtype=np.float32)


@pytest.mark.parametrize(
    ("mode", "colour", "rgb"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 51, (51, 51, 51)),
        ("RGB", (1, 2, 3), (1, 2, 3)),
        ("RGBX", (1, 2, 3, 0), (1, 2, 3)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("HSV", (0, 255, 255), (255, 0, 0)),
        ("YCbCr", (76, 85, 255), (254, 0, 0)),
        ("I;16", 13107, (51, 51, 51)),
        ("I;16B", 13107, (51, 51, 51)),
        ("I", 13107, (51, 51, 51)),
        ("F", 0.2, (51, 51, 51)),
    ],
)
def test_opaque_mode_becomes_rgb(mode, colour, rgb):
    picture = picture_from_pil(Image.new(mode, (3, 2), colour))
    assert picture.rgb.dtype == np.float32
    assert picture.rgb.shape == (2, 3, 3)
    np.testing.assert_allclose(picture.rgb[1, 2] * 255, rgb, atol=1e-3)
    assert picture.alpha is None


@pytest.mark.parametrize(
    ("mode", "colour", "rgb"),
    [
        ("LA", (80, 51), (80, 80, 80)),
        ("La", (16, 51), (80, 80, 80)),  # premultiplied: 80 × 51 / 255 = 16
        ("RGBA", (80, 90, 100, 51), (80, 90, 100)),
        ("RGBa", (16, 18, 20, 51), (80, 90, 100)),
    ],
)
def test_alpha_stands_apart(mode, colour, rgb):
    picture = picture_from_pil(Image.new(mode, (3, 2), colour))
    np.testing.assert_allclose(picture.rgb[0, 0] * 255, rgb, atol=1e-3)
    np.testing.assert_allclose(picture.alpha, np.full((2, 3), 0.2), atol=1e-6)


def test_palette_becomes_colours():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    picture = picture_from_pil(image)
    np.testing.assert_array_equal(picture.rgb, [[[1, 0, 0], [0, 0, 1]]])
    assert picture.alpha is None
    image.info["transparency"] = 1
    np.testing.assert_array_equal(picture_from_pil(image).alpha, [[1, 0]])
    image.info["transparency"] = bytes([255, 51])
    np.testing.assert_allclose(picture_from_pil(image).alpha, [[1, 0.2]])
    palette_and_alpha = Image.new("PA", (2, 1), (0, 51))
    palette_and_alpha.putpalette([255, 0, 0])
    picture = picture_from_pil(palette_and_alpha)
    np.testing.assert_allclose(picture.alpha, [[0.2, 0.2]])
    np.testing.assert_array_equal(picture.rgb[0, 0], [1, 0, 0])


@pytest.mark.parametrize(
    ("values", "hidden"),
    [
        (np.array([[7, 8]], dtype=np.uint8), 7),
        (np.array([[7, 8]], dtype=np.uint16), 7),
        (np.array([[[7, 7, 7], [8, 7, 7]]], dtype=np.uint8), (7, 7, 7)),
    ],
)
def test_transparent_colour_is_alpha(values, hidden):
    image = Image.fromarray(values)
    image.info["transparency"] = hidden
    np.testing.assert_array_equal(picture_from_pil(image).alpha, [[0, 1]])


def test_sixteen_bit_grey_keeps_its_steps():
    values = np.array([[0, 1, 255, 256, 65535]], dtype=np.uint16)
    picture = picture_from_pil(Image.fromarray(values))
    np.testing.assert_allclose(picture.rgb[..., 0], values / 65535, rtol=1e-6)


@pytest.mark.parametrize(
    ("largest", "full_scale"), [(0.5, 1), (1, 1), (2, 255), (300, 65535), (70000, 2**31 - 1)]
)
def test_float_grey_takes_the_smallest_scale_that_holds_it(largest, full_scale):
    values = np.array([[-5, 0, largest]], dtype=np.float32)
    picture = picture_from_pil(Image.fromarray(values))
    np.testing.assert_allclose(picture.rgb[0, :, 0], [0, 0, largest / full_scale], rtol=1e-6)


def test_pil_image_is_not_changed():
    image = Image.new("RGB", (3, 2), (1, 2, 3))
    image.getexif()[0x0112] = 6
    assert picture_from_pil(image).rgb.shape == (3, 2, 3)
    assert image.size == (3, 2)
    assert image.getexif()[0x0112] == 6


@settings(deadline=None, max_examples=50)
@given(PIXELS)
def test_eight_bit_pixels_survive_the_round_trip(pixels):
    picture = picture_from_pil(Image.fromarray(pixels))
    np.testing.assert_array_equal(np.asarray(picture_to_pil(picture)), pixels)


def test_values_are_rounded_to_the_nearest_level():
    rgb = np.array([[[0.0, 100.4 / 255, 100.6 / 255]]], dtype=np.float32)
    assert picture_to_pil(Picture(rgb)).getpixel((0, 0)) == (0, 100, 101)


def test_alpha_survives_the_round_trip():
    alpha = (np.arange(24, dtype=np.float32) / 23).reshape(4, 6)
    image = picture_to_pil(Picture(flat(0.5), alpha))
    assert image.mode == "RGBA"
    np.testing.assert_allclose(picture_from_pil(image).alpha, alpha, atol=0.5 / 255 + 1e-6)


def test_with_rgb_keeps_everything_else():
    picture = Picture(flat(0.5), flat(0.25)[..., 0], b"Exif", (72.0, 72.0), b"xmp")
    other = picture.with_rgb(flat(0.75))
    assert (other.exif, other.dpi, other.xmp) == (b"Exif", (72.0, 72.0), b"xmp")
    np.testing.assert_array_equal(other.alpha, picture.alpha)
    assert other.rgb[0, 0, 0] == 0.75


def test_with_rgb_of_another_size_resizes_alpha():
    larger = Picture(flat(0.5), flat(0.25)[..., 0]).with_rgb(flat(0.5, height=16, width=24))
    np.testing.assert_allclose(larger.alpha, np.full((16, 24), 0.25), atol=1e-6)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_longer_side_is_what_was_asked(height, width, size):
    resized = resize_longer_side(Picture(flat(0.5, height, width)), size)
    assert max(resized.width, resized.height) == size
    expected = min(height, width) * size / max(height, width)
    assert min(resized.width, resized.height) == max(1, round(expected))
    np.testing.assert_allclose(resized.rgb, 0.5, atol=1e-6)


def test_shrinking_a_fine_checkerboard_gives_grey_without_aliasing():
    board = np.indices((64, 64)).sum(axis=0) % 2
    rgb = np.repeat(board[..., np.newaxis], 3, axis=2).astype(np.float32)
    resized = resize_longer_side(Picture(rgb), 8)
    np.testing.assert_allclose(resized.rgb, 0.5, atol=0.02)


def test_hidden_colour_does_not_bleed_when_resized():
    rgb = flat(0.0, 8, 8)
    rgb[:, :4] = 1.0
    alpha = np.zeros((8, 8), dtype=np.float32)
    alpha[:, :4] = 1.0  # white is visible, black is not
    for size in (3, 5, 16):
        resized = resize_longer_side(Picture(rgb, alpha), size)
        visible = resized.alpha > 0.01
        np.testing.assert_allclose(resized.rgb[visible], 1.0, atol=1e-4)


def test_picture_knows_its_size():
    picture = Picture(flat(0.5, height=4, width=6))
    assert (picture.width, picture.height) == (6, 4)


@pytest.mark.parametrize(
    ("rgb", "says"),
    [
        (np.zeros((4, 6), np.float32), "shape 4×6; expected H×W×3"),
        (np.zeros((4, 6, 4), np.float32), "shape 4×6×4; expected H×W×3"),
        (np.zeros((0, 6, 3), np.float32), "shape 0×6×3"),
        (np.zeros((4, 6, 3), np.uint8), "holds uint8; expected floats"),
        (np.zeros((4, 6, 3), np.float64), "holds float64; expected float32"),
        (flat(1.5), "from 1.5 to 1.5; expected 0 to 1"),
        (flat(-0.5), "from -0.5 to -0.5; expected 0 to 1"),
        (flat(np.nan), "from nan to nan; expected 0 to 1"),
    ],
)
def test_array_that_is_no_picture_is_refused(rgb, says):
    with pytest.raises(PictureError, match=says):
        Picture(rgb)


def test_alpha_of_another_size_is_refused():
    with pytest.raises(PictureError, match="alpha has shape 6×4; expected 4×6"):
        Picture(flat(0.5), np.zeros((6, 4), np.float32))


def test_size_below_one_is_refused():
    with pytest.raises(SettingError, match="longer side cannot be 0"):
        resize_longer_side(Picture(flat(0.5)), 0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_float_grey_that_is_not_finite_is_refused(value):
    image = Image.fromarray(np.full((2, 2), value, dtype=np.float32))
    with pytest.raises(PictureFileError, match="floats that are not finite"):
        picture_from_pil(image)


def test_image_without_pixels_is_refused():
    with pytest.raises(PictureFileError, match="the picture given has no pixels"):
        picture_from_pil(Image.new("RGB", (0, 5)))
