import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from impasto.data.crops import cut_photograph, scaled_crop
from impasto.data.source import EncodedPhoto
from impasto.errors import PictureFileError


def cut(path, *, seed=0, crop_size=16, resize_ratio=1.0, flip=False, rotate=False):
    return cut_photograph(
        EncodedPhoto(path.name, path),
        np.random.default_rng(seed),
        crop_size=crop_size,
        resize_ratio=resize_ratio,
        flip=flip,
        rotate=rotate,
    )


def gradient(width, height):
    """Red grows with x and green with y, one grey level a pixel."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[..., 0] = np.arange(width)[None, :]
    pixels[..., 1] = np.arange(height)[:, None]
    return Image.fromarray(pixels)


def test_a_photograph_of_the_crop_s_size_is_given_value_for_value(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    expected = pixels.transpose(2, 0, 1).astype(np.float32) / 255
    assert np.array_equal(cut(tmp_path / "p.png"), expected)


def test_crops_are_contiguous_float32_in_range(tmp_path):
    gradient(40, 50).save(tmp_path / "p.png")
    crop = cut(tmp_path / "p.png", flip=True)
    assert (crop.shape, crop.dtype) == ((3, 16, 16), np.float32)
    assert crop.flags.c_contiguous
    assert 0.0 <= crop.min() <= crop.max() <= 1.0


@given(
    width=st.integers(16, 250),
    height=st.integers(16, 250),
    ratio=st.floats(1, 2),
    seed=st.integers(0),
)
def test_both_axes_are_scaled_by_one_factor(width, height, ratio, seed):
    # On the gradient the step from pixel to pixel is 1 / scale, to the right and downwards:
    # the short side becomes short_side pixels, never more than it has.
    short_side = round(16 * ratio)
    crop = scaled_crop(
        gradient(width, height), np.random.default_rng(seed), crop_size=16, short_side=short_side
    )
    pixels = np.asarray(crop, dtype=np.float64)[3:13, 3:13]  # the filter bends at the border
    steps = [np.diff(pixels[..., 0], axis=1).mean(), np.diff(pixels[..., 1], axis=0).mean()]
    expected = max(1.0, min(width, height) / short_side)
    assert steps == pytest.approx([expected, expected], abs=0.15)


def test_a_circle_in_a_wide_photograph_stays_a_circle(tmp_path):
    image = Image.new("RGB", (300, 100), "white")
    ImageDraw.Draw(image).ellipse((110, 10, 190, 90), fill="black")
    image.save(tmp_path / "p.png")
    for seed in range(50):
        black = cut(tmp_path / "p.png", seed=seed, crop_size=50)[0] < 0.5
        columns, rows = np.flatnonzero(black.any(axis=0)), np.flatnonzero(black.any(axis=1))
        if columns.size and columns[0] > 0 and columns[-1] < 49:  # wholly within the crop
            break
    assert abs(columns.size - rows.size) <= 1
    assert columns.size == pytest.approx(40, abs=1)


def test_fine_stripes_are_antialiased_to_grey(tmp_path):
    # Stripes of one pixel, scaled down four times, are all grey but for the photograph's border;
    # without antialiasing they would be black or white.
    stripes = np.zeros((96, 96), dtype=np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "p.png")
    crop = cut(tmp_path / "p.png", crop_size=24)
    assert np.abs(crop[..., 2:-2] - 0.5).max() < 0.02


def test_a_photograph_under_the_scaled_size_keeps_its_pixels(tmp_path):
    # 18 pixels are enough for a crop of 16 but not for 16 · 1.25 = 20: no enlargement, so each
    # crop is a window of the photograph.
    gradient(30, 18).save(tmp_path / "p.png")
    crop = np.rint(cut(tmp_path / "p.png", resize_ratio=1.25) * 255)
    left, top = int(crop[0, 0, 0]), int(crop[1, 0, 0])
    window = np.asarray(gradient(30, 18))[top : top + 16, left : left + 16]
    assert np.array_equal(crop, window.transpose(2, 0, 1))


def test_the_window_reaches_every_place_of_the_photograph(tmp_path):
    gradient(18, 17).save(tmp_path / "p.png")
    corners = set()
    for seed in range(60):
        crop = np.rint(cut(tmp_path / "p.png", seed=seed, resize_ratio=1.25) * 255)
        corners.add((int(crop[0, 0, 0]), int(crop[1, 0, 0])))
    assert corners == {(x, y) for x in range(3) for y in range(2)}


def test_flipping_mirrors_left_to_right_about_half_of_the_time(tmp_path):
    gradient(16, 16).save(tmp_path / "p.png")
    straight = cut(tmp_path / "p.png")
    flipped = 0
    for seed in range(40):
        crop = cut(tmp_path / "p.png", seed=seed, flip=True)
        is_flipped = np.array_equal(crop, straight[:, :, ::-1])
        assert is_flipped or np.array_equal(crop, straight)
        flipped += is_flipped
    assert 10 <= flipped <= 30


def test_a_turned_photograph_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned a quarter clockwise
    gradient(16, 16).save(tmp_path / "p.png", exif=exif)
    upright = gradient(16, 16).transpose(Image.Transpose.ROTATE_270)
    expected = np.asarray(upright).transpose(2, 0, 1) / np.float32(255)
    assert np.array_equal(cut(tmp_path / "p.png"), expected)


def save_as(mode, suffix, path):
    grey = Image.new("L", (20, 20), 128)
    if mode == "I;16":
        image = Image.fromarray(np.full((20, 20), 128 * 257, dtype=np.uint16))
    else:
        # By way of RGB, which CMYK needs, a palette would be dithered.
        image = (grey if mode == "P" else grey.convert("RGB")).convert(mode)
    image.save(path / f"p{suffix}", **({"lossless": True} if suffix == ".webp" else {}))
    return path / f"p{suffix}"


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("RGB", ".jpg"), ("L", ".jpg"), ("CMYK", ".jpg"),
        ("RGB", ".png"), ("RGBA", ".png"), ("L", ".png"), ("LA", ".png"), ("P", ".png"),
        ("I;16", ".png"),
        ("RGB", ".webp"), ("RGBA", ".webp"),
        ("RGB", ".tiff"), ("L", ".tiff"), ("CMYK", ".tiff"), ("I;16", ".tiff"),
    ],
)  # fmt: skip
def test_middle_grey_is_read_from_every_mode_and_format(tmp_path, mode, suffix):
    crop = cut(save_as(mode, suffix, tmp_path))
    assert crop == pytest.approx(128 / 255, abs=2.5 / 255)


def test_bytes_out_of_a_shard_are_read_like_a_file(tmp_path):
    gradient(16, 16).save(tmp_path / "p.png")
    data = (tmp_path / "p.png").read_bytes()
    (tmp_path / "shard").write_bytes(b"before" + data + b"after")
    photo = EncodedPhoto("shard:p.png", tmp_path / "shard", offset=6, num_bytes=len(data))
    crop = cut_photograph(
        photo, np.random.default_rng(0), crop_size=16, resize_ratio=1.0, flip=False
    )
    assert np.array_equal(crop, cut(tmp_path / "p.png"))


@pytest.mark.parametrize("size", [(15, 40), (40, 15)])
def test_a_photograph_smaller_than_the_crop_is_refused(tmp_path, size):
    gradient(*size).save(tmp_path / "p.png")
    with pytest.raises(PictureFileError, match=rf"too small: {size[0]}×{size[1]} pixels"):
        cut(tmp_path / "p.png")


@pytest.mark.parametrize("content", [b"", b"no picture", b"\xff\xd8\xff\xe0 not really"])
def test_a_file_that_is_no_picture_is_refused(tmp_path, content):
    (tmp_path / "p.jpg").write_bytes(content)
    with pytest.raises(PictureFileError):
        cut(tmp_path / "p.jpg")


def test_without_a_ratio_pixels_are_cut_as_they_are(tmp_path):
    gradient(90, 70).save(tmp_path / "p.png")
    crop = cut(tmp_path / "p.png", resize_ratio=None, seed=5) * 255
    # Red and green of the corner say where it was cut, and each pixel is one level on.
    left, top = crop[0, 0, 0], crop[1, 0, 0]
    assert np.allclose(crop[0], left + np.arange(16)[None, :], atol=1e-3)
    assert np.allclose(crop[1], top + np.arange(16)[:, None], atol=1e-3)
    assert (left, top) != (0, 0)


def test_turning_gives_all_four_quarters(tmp_path):
    gradient(16, 16).save(tmp_path / "p.png")
    corners = {
        tuple(np.round(cut(tmp_path / "p.png", seed=seed, rotate=True)[:2, 0, 0] * 255))
        for seed in range(30)
    }
    assert corners == {(0, 0), (15, 0), (0, 15), (15, 15)}
