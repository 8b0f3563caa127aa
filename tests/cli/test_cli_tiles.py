"""`--tile` and `--memory` on the command line."""

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photo(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (90, 140, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_tiles_make_the_same_file(negative, photo, tmp_path):
    for tile in ("off", "136"):
        done = negative(photo, "-o", tmp_path / f"{tile}.png", "--tile", tile, "--json")
        assert (done.status, done.stderr) == (0, "")
        (row,) = json.loads(done.stdout)["done"]
        assert (row["width"], row["height"]) == (140, 90)
    with Image.open(tmp_path / "off.png") as off, Image.open(tmp_path / "136.png") as tiled:
        np.testing.assert_array_equal(np.asarray(off), np.asarray(tiled))


def test_folders_that_are_missing_are_made(negative, photo, tmp_path):
    assert negative(photo, "-o", tmp_path / "new" / "out.tif", "--tile", "136").status == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.tif"]


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--tile", "many", "tile is 'many', expected 'auto', 'off'"),
        ("--tile", "3", "tile is 3"),
        ("--memory", "lots", "memory is 'lots', expected auto, or an amount"),
        ("--memory", "10M", "too little for the program itself"),
    ],
)
def test_settings_out_of_range_take_one_line(negative, photo, tmp_path, flag, value, said):
    assert said in negative(photo, "-o", tmp_path / "out.png", flag, value).complaint


def test_an_existing_file_is_refused_before_the_work(negative, photo, tmp_path):
    target = tmp_path / "out.png"
    target.write_bytes(b"mine")
    assert "exists" in negative(photo, "-o", target, "--tile", "136").complaint
    assert target.read_bytes() == b"mine"
