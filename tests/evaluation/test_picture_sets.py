import numpy as np
import pytest
from PIL import Image

from impasto.errors import PictureFileError
from impasto.evaluation.picture_sets import find_pictures, load_test_picture
from impasto.images.degradation import degrade


def test_pictures_are_found_by_name_and_cropped(truths):
    picture_set = find_pictures(truths, scale=4)
    assert picture_set.name == "Pair"
    assert [(p.name, p.width, p.height, p.is_grey) for p in picture_set.pictures] == [
        ("colour", 82, 65, False),
        ("nested/grey", 71, 66, True),
    ]
    picture = load_test_picture(picture_set.pictures[0], scale=4)
    expected = np.asarray(Image.open(truths / "colour.png"))[:64, :80]
    np.testing.assert_array_equal(np.rint(picture.truth * 255), expected)
    np.testing.assert_array_equal(picture.low_resolution, degrade(picture.truth, scale=4))


def test_the_degradation_is_that_asked_for(truths):
    files = find_pictures(truths, scale=2).pictures[0]
    blurred = load_test_picture(files, scale=2, degradation="blur-bicubic")
    np.testing.assert_array_equal(
        blurred.low_resolution, degrade(blurred.truth, scale=2, degradation="blur-bicubic")
    )


@pytest.fixture
def low_resolutions(tmp_path):
    """A folder of flat low resolutions: one of the truth's name, one with x4 after it."""
    folder = tmp_path / "given"
    (folder / "nested").mkdir(parents=True)
    Image.new("RGB", (20, 16), (9, 8, 7)).save(folder / "colour.bmp")
    Image.new("L", (17, 16), 6).save(folder / "nested" / "greyx4.png")
    return folder


def test_given_low_resolutions_are_paired_by_name(truths, low_resolutions):
    pictures = find_pictures(truths, scale=4, low_resolution=low_resolutions).pictures
    lows = [load_test_picture(files, scale=4).low_resolution for files in pictures]
    assert np.rint(lows[0][3, 3] * 255).tolist() == [9, 8, 7]
    assert lows[1].shape == (16, 17, 3)


def test_what_is_missing_too_many_or_mismatched_takes_one_line(truths, low_resolutions):
    def refusal():
        with pytest.raises(PictureFileError) as caught:
            find_pictures(truths, scale=4, low_resolution=low_resolutions)
        return str(caught.value)

    Image.new("L", (5, 5)).save(low_resolutions / "other.png")
    assert "other.png has no truth in" in refusal()
    (low_resolutions / "other.png").unlink()
    Image.new("L", (18, 16)).save(low_resolutions / "nested" / "greyx4.png")
    assert "greyx4.png is 18×16; expected 17×16" in refusal()
    (low_resolutions / "nested" / "greyx4.png").unlink()
    assert "no low resolution of the picture 'nested/grey'" in refusal()


def test_a_folder_without_pictures_or_with_one_name_twice_is_refused(truths, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(PictureFileError, match="holds no pictures; expected test pictures"):
        find_pictures(tmp_path / "empty", scale=4)
    with pytest.raises(PictureFileError, match="does not exist"):
        find_pictures(tmp_path / "nowhere", scale=4)
    Image.new("RGB", (40, 40)).save(truths / "colour.jpg")
    with pytest.raises(PictureFileError, match=r"colour\.jpg and colour\.png; expected one"):
        find_pictures(truths, scale=4)
