import numpy as np
import pytest
from PIL import Image

from impasto.data import uncut
from impasto.data.crops import CropSettings, cut_photograph
from impasto.data.source import EncodedPhoto
from impasto.data.uncut import UncutCrop, sample_photograph
from impasto.errors import PictureFileError


class Store:
    """Keeps sizes alone."""

    def __init__(self, sizes=None, *, is_open=True):
        self.sizes, self.is_open = sizes or {}, is_open

    def size_of(self, name):
        return self.sizes.get(name)


@pytest.fixture
def photo(tmp_path):
    def make(width, height):
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "p.png")
        return EncodedPhoto("p.png", tmp_path / "p.png"), pixels

    return make


def sample(photo, store, *, crop_size=16, short_side=20):
    settings = CropSettings(crop_size, short_side, flip=True, rotate=True)
    return sample_photograph(photo, np.random.default_rng(3), settings, store)


def test_a_new_photograph_comes_whole_with_its_plan(photo):
    encoded, pixels = photo(60, 40)
    crop = sample(encoded, Store())
    assert isinstance(crop, UncutCrop)
    assert np.array_equal(crop.photograph, pixels)
    assert crop.plan.window.side == 32  # 16 / (20 / 40)
    assert crop.weights.shape[:2] == (4, 16)


def test_a_photograph_that_is_kept_is_not_read_again(photo, tmp_path):
    encoded, _ = photo(60, 40)
    first = sample(encoded, Store())
    encoded.path.unlink()
    again = sample(encoded, Store({"p.png": (60, 40)}))
    assert again.photograph is None
    assert again.plan == first.plan
    assert np.array_equal(again.weights, first.weights)


def test_a_full_store_gets_the_crop_as_bytes(photo):
    encoded, _ = photo(60, 40)
    crop = sample(encoded, Store(is_open=False))
    expected = cut_photograph(
        encoded,
        np.random.default_rng(3),
        crop_size=16,
        resize_ratio=1.25,
        flip=True,
        rotate=True,
    )
    assert (crop.shape, crop.dtype) == ((3, 16, 16), np.uint8)
    assert crop.flags.c_contiguous
    assert crop.flags.writeable
    assert np.array_equal(crop.astype(np.float32) / np.float32(255), expected)


@pytest.mark.parametrize(
    ("width", "height", "short_side"),
    [(30, 60, 20), (100, 90, 17)],
    ids=["too narrow to be sure of Pillow's order", "window over four times the crop"],
)
def test_some_photographs_are_never_kept(photo, width, height, short_side):
    encoded, _ = photo(width, height)
    assert not isinstance(sample(encoded, Store(), short_side=short_side), UncutCrop)
    # Unscaled, neither matters.
    assert isinstance(sample(encoded, Store(), short_side=None), UncutCrop)


def test_large_photographs_are_not_kept(photo, monkeypatch):
    encoded, _ = photo(60, 40)
    monkeypatch.setattr(uncut, "LARGEST_PHOTOGRAPH", 3 * 60 * 40 - 1)
    assert not isinstance(sample(encoded, Store()), UncutCrop)
    monkeypatch.setattr(uncut, "LARGEST_PHOTOGRAPH", 3 * 60 * 40)
    assert isinstance(sample(encoded, Store()), UncutCrop)


def test_a_kept_photograph_may_be_too_small_for_larger_crops(photo):
    encoded, _ = photo(60, 40)
    store = Store({"p.png": (60, 40)})
    with pytest.raises(PictureFileError, match="too small: 60×40 pixels; crops need 41×41"):
        sample(encoded, store, crop_size=41, short_side=None)
