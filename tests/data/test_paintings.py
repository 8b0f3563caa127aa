import numpy as np
import pytest
import torch
from PIL import Image

from impasto.data.paintings import load_painting
from impasto.errors import PictureFileError
from training_fixtures import draw


def test_painting_is_scaled_to_its_short_side(tmp_path):
    draw(0, 90, 60).save(tmp_path / "p.png")
    painting = load_painting(tmp_path / "p.png", short_side=40)
    assert painting.shape == (1, 3, 40, 60)
    assert painting.dtype == torch.float32
    assert 0 <= painting.min() < painting.max() <= 1


def test_painting_that_has_the_size_keeps_every_pixel(tmp_path):
    picture = draw(0, 40, 32)
    picture.save(tmp_path / "p.png")
    painting = load_painting(tmp_path / "p.png", short_side=32)
    expected = np.asarray(picture, np.float32) / 255
    assert np.array_equal(painting[0].permute(1, 2, 0).numpy(), expected)


def test_strip_is_no_painting(tmp_path):
    Image.new("RGB", (1700, 100)).save(tmp_path / "strip.png")
    with pytest.raises(
        PictureFileError, match=r"strip\.png is 1700×100 pixels; .* at most 1 to 16"
    ):
        load_painting(tmp_path / "strip.png")


def test_file_that_is_no_picture_is_no_painting(tmp_path):
    (tmp_path / "p.jpg").write_text("no picture")
    with pytest.raises(PictureFileError, match="not a picture that can be read"):
        load_painting(tmp_path / "p.jpg")
