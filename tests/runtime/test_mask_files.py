"""Masks found by the names of their photographs."""

import re

import pytest
from PIL import Image

from impasto.errors import PictureFileError
from impasto.runtime.mask_files import MaskFolder, MaskVideo, open_mask, open_masks
from impasto.runtime.masks import Mask


def save(path, grey=255):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (3, 2), grey).save(path)
    return path


def level(mask):
    """The one grey level of a mask."""
    return round(255 * float(mask.fitted(width=3, height=2).mean()))


@pytest.fixture
def folder(tmp_path):
    save(tmp_path / "masks" / "a.png", 10)
    save(tmp_path / "masks" / "sea" / "a.jpg", 20)
    save(tmp_path / "masks" / "sea" / "b.v2.tif", 30)
    (tmp_path / "masks" / "film.mp4").touch()
    return tmp_path / "masks"


def test_a_mask_has_its_photograph_s_name_with_any_suffix(folder):
    masks = MaskFolder(folder, ["holiday"])
    assert level(masks.mask_of("holiday/a.webp")) == 10
    assert level(masks.mask_of("holiday/sea/a.png")) == 20
    assert level(masks.mask_of("holiday/sea/b.v2.png")) == 30


def test_a_photograph_given_by_itself_has_a_mask_at_the_top(folder):
    masks = MaskFolder(folder, ["holiday/sea/a.png", "holiday"])
    assert level(MaskFolder(folder, ["holiday/sea/a.png"]).mask_of("holiday/sea/a.png")) == 10
    assert level(masks.mask_of("./holiday/a.png")) == 10


def test_a_video_may_have_a_video_of_masks(folder):
    assert MaskFolder(folder, ["."]).mask_of("film.avi") == MaskVideo(folder / "film.mp4")


def test_the_mask_of_another_folder_is_not_taken(folder):
    masks = MaskFolder(folder, ["holiday"])
    said = re.escape(f"holiday/hills/a.png has no mask; expected {folder}/hills/a.png or the like")
    with pytest.raises(PictureFileError, match=said):
        masks.mask_of("holiday/hills/a.png")


def test_two_masks_of_one_name_are_refused(folder):
    save(folder / "a.tif")
    with pytest.raises(PictureFileError, match="are masks of one name; remove one of them"):
        MaskFolder(folder, ["holiday"])


def test_a_path_is_a_picture_a_video_or_a_folder(folder):
    assert isinstance(open_masks(str(folder), ["holiday"]), MaskFolder)
    assert isinstance(open_masks(str(folder / "a.png"), ["holiday"]), Mask)
    assert open_masks("masks.MP4", ["holiday"]) == MaskVideo(open_mask("masks.MP4").path)


@pytest.mark.parametrize("path", ["", "missing.png", "missing"])
def test_a_path_where_no_mask_is_gives_one_error(path):
    with pytest.raises(PictureFileError):
        open_masks(path, ["holiday"])
