"""Paintings as a person gives them: from files and memory, resized, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from impasto.errors import PictureError, PictureFileError
from impasto.runtime.paintings import MAX_LONG_SIDE, read_painting


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((512, 1024), 256, (256, 512, 3)),
        ((50, 40), 256, (320, 256, 3)),
        ((300, 300), 128, (128, 128, 3)),
    ],
)
def test_the_shorter_side_is_resized_up_and_down(size, side, expected, tmp_path):
    assert read_painting(noise(*size)).pixels(side).shape == expected
    Image.fromarray(noise(*size)).save(tmp_path / "painting.png")
    assert read_painting(tmp_path / "painting.png").pixels(side).shape == expected


def test_of_a_very_long_painting_the_middle_is_taken():
    wide = np.zeros((8, 120, 3), np.uint8)
    wide[:, 50:70] = 200
    pixels = read_painting(wide).pixels(512)
    assert pixels.shape == (512, MAX_LONG_SIDE, 3)
    np.testing.assert_allclose(pixels, pixels[:, ::-1], atol=1e-3)


def test_a_painting_in_a_file_is_taken_upright(tmp_path):
    image = Image.fromarray(noise(64, 128))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert read_painting(tmp_path / "turned.jpg").pixels(256).shape == (512, 256, 3)


def test_a_painting_too_long_for_its_width_is_refused(tmp_path):
    Image.new("RGB", (170, 10)).save(tmp_path / "long.png")
    message = "long.png is 170×10 pixels; expected sides of at most 1 to 16: cut a part out of it"
    with pytest.raises(PictureFileError, match=message):
        read_painting(tmp_path / "long.png").pixels(256)
    with pytest.raises(PictureError, match="the painting is 10×170 pixels"):
        read_painting(np.zeros((170, 10, 3), np.uint8)).pixels(256)


def test_what_is_no_picture_is_refused_by_its_name(tmp_path):
    (tmp_path / "notes.jpg").write_text("hello")
    with pytest.raises(PictureFileError, match=r"the painting .*notes\.jpg"):
        read_painting(tmp_path / "notes.jpg").pixels(256)
    with pytest.raises(PictureFileError, match=r"there is no painting .*missing\.jpg"):
        read_painting(tmp_path / "missing.jpg")
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(PictureFileError, match=r"the painting .*folder\.jpg cannot be read"):
        read_painting(tmp_path / "folder.jpg")
