import numpy as np
import pytest
from PIL import Image

from impasto.errors import SettingError
from impasto.evaluation.comparison import CROP_SIZE, ComparisonSheet, Crop
from impasto.evaluation.picture_sets import TestPicture, find_pictures


def test_a_crop_is_read_from_its_text():
    assert Crop.parse("a:b/baby:1,2,30,40") == Crop("a:b/baby", 1, 2, 30, 40)
    for text in ("baby", "baby:1,2,3", "baby:1,2,3,0", "baby:-1,2,3,4", ":1,2,3,4", "b:1,2,3,x"):
        with pytest.raises(SettingError, match="expected NAME:x,y,w,h"):
            Crop.parse(text)


def picture(name="noise", *, rows=slice(0), columns=slice(0), strength=1.0):
    """Grey, 200 wide and 150 high, with noise in one place only."""
    truth = np.full((150, 200, 3), 0.5, np.float32)
    noise = np.random.default_rng(0).random(truth.shape, dtype=np.float32) - 0.5
    truth[rows, columns] += strength * noise[rows, columns]
    return TestPicture(name, truth, truth[::4, ::4], False)


def test_the_crop_shown_is_where_detail_is_lost():
    sheet = ComparisonSheet()
    noisy = picture(rows=slice(40, 136), columns=slice(80, 176))
    flat = np.full(noisy.truth.shape, 0.5, np.float32)
    sheet.add("Set", noisy, {"bicubic": flat, "other": flat})
    drawn = sheet.draw()
    # Every pixel of the crop three times each way: the noise itself is there, and whole.
    strip = drawn[-4 - 3 * CROP_SIZE : -4, :, :]
    expected = noisy.truth[40:136, 80:176].repeat(3, axis=0).repeat(3, axis=1)
    columns = [
        x for x in range(drawn.shape[1] - 288) if np.array_equal(strip[:, x], expected[:, 0])
    ]
    assert np.array_equal(strip[:, columns[0] : columns[0] + 288], expected)


def test_no_more_than_four_pictures_are_shown_those_that_lose_most_first():
    sheet = ComparisonSheet()
    for strength in (0.2, 0.9, 0.1, 0.4, 0.6, 0.3):
        noisy = picture(f"n{strength}", rows=slice(99), columns=slice(99), strength=strength)
        sheet.add("Set", noisy, {"bicubic": np.full(noisy.truth.shape, 0.5, np.float32)})
    labels = [row.label for *_, row in sorted(sheet._rows, reverse=True)]
    assert labels == ["Set n0.9", "Set n0.6", "Set n0.4", "Set n0.3"]


def test_crops_that_are_asked_for_are_shown_in_their_order():
    crops = [Crop("second", 0, 0, 10, 20), Crop("first", 5, 6, 30, 30)]
    sheet = ComparisonSheet(crops)
    for name in ("first", "second", "third"):
        sheet.add("Set", picture(name), {"bicubic": picture().truth})
    labels = [row.label for *_, row in sorted(sheet._rows, reverse=True)]
    assert labels == ["Set second", "Set first"]
    assert sheet.draw().shape[2] == 3


def test_crops_of_no_picture_or_beyond_it_are_refused(tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "one.png")
    sets = [find_pictures(tmp_path, scale=4)]
    ComparisonSheet([Crop("one", 32, 16, 32, 32)]).check(sets)
    with pytest.raises(SettingError, match=r"asked of 'two'; expected a picture.*'one'"):
        ComparisonSheet([Crop("two", 0, 0, 8, 8)]).check(sets)
    with pytest.raises(SettingError, match="32,17,32,32 reaches beyond one, which has 64×48"):
        ComparisonSheet([Crop("one", 32, 17, 32, 32)]).check(sets)
