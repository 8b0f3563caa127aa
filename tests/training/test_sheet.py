import numpy as np
import pytest

from impasto.data.photos import PhotoFolder
from impasto.data.stream import CropStream, StreamSettings
from impasto.errors import DataError
from impasto.training.sheet import sheet_photographs
from training_fixtures import draw

SETTINGS = StreamSettings(seed=3, synthetic_share=1.0, num_workers=1)


def folder_of(path, *sizes):
    path.mkdir()
    for index, (width, height) in enumerate(sizes):
        draw(index, width, height).save(path / f"{index}.png")
    return PhotoFolder(path, seed=3)


def test_sheet_shows_five_photographs_at_256_pixels(tmp_path):
    source = folder_of(tmp_path / "large", *[(300, 270)] * 7)
    assert sheet_photographs(source, SETTINGS, crop_size=128).shape == (5, 3, 256, 256)


def test_sheet_of_small_photographs_has_the_trainings_crop_size(tmp_path):
    source = folder_of(tmp_path / "small", *[(80, 60)] * 6)
    assert sheet_photographs(source, SETTINGS, crop_size=48).shape == (5, 3, 48, 48)


def test_sheet_is_as_large_as_the_trainings_crops(tmp_path):
    source = folder_of(tmp_path / "large", *[(400, 400)] * 5)
    assert sheet_photographs(source, SETTINGS, crop_size=320).shape == (5, 3, 320, 320)


def test_few_photographs_come_once_each(tmp_path):
    source = folder_of(tmp_path / "few", (80, 60), (60, 80))
    first, second = sheet_photographs(source, SETTINGS, crop_size=32)
    assert not np.array_equal(first, second)


def test_sheet_is_the_same_in_every_session_and_holds_no_synthetic_picture(tmp_path):
    source = folder_of(tmp_path / "small", *[(80, 60)] * 6)
    shown = sheet_photographs(source, SETTINGS, crop_size=48)
    assert np.array_equal(shown, sheet_photographs(source, SETTINGS, crop_size=48))
    plain = CropStream(source, StreamSettings(seed=3, synthetic_share=0.0))
    batches = plain.batches(position=0, batch_size=5, crop_size=48)
    assert np.array_equal(shown, next(batches).pictures)
    batches.close()


def test_photographs_too_small_for_the_training_are_refused(tmp_path):
    source = folder_of(tmp_path / "tiny", (20, 20))
    with pytest.raises(DataError, match="give photographs of at least 32×32 pixels"):
        sheet_photographs(source, SETTINGS, crop_size=32)
