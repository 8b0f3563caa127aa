"""Folders of paintings and their variants."""

import numpy as np
import pytest
from PIL import Image

from impasto.data.painting_collection import VARIANT_SIZES, PaintingCollection, recoloured
from impasto.errors import DataError
from training_fixtures import draw


@pytest.fixture
def folder(tmp_path):
    for index, name in enumerate(("b", "a", "nested/c")):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        draw(index, 60, 40).save(path)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    return tmp_path


def test_names_and_unreadable_files_are_listed(folder):
    paintings = PaintingCollection(folder)
    assert paintings.names == ("a", "b", "nested/c")
    assert len(paintings) == 3
    assert [skipped.name for skipped in paintings.skipped] == ["broken.jpg"]


def test_paintings_held_out_are_not_trained_on(folder):
    paintings = PaintingCollection(folder, held_out=("c",))
    assert paintings.names == ("a", "b")
    assert paintings.held_out_names == ("nested/c",)
    assert [rgb.shape for rgb in paintings.held_out(32)] == [(32, 32, 3)]


def test_an_unknown_name_to_hold_out_is_refused(folder):
    with pytest.raises(DataError, match=r"no painting .* has the name 'd'"):
        PaintingCollection(folder, held_out=("a", "d"))


def test_a_folder_without_paintings_is_refused(tmp_path):
    with pytest.raises(DataError, match="no painting can be read"):
        PaintingCollection(tmp_path)


def test_the_first_variant_is_the_middle_as_it_is(folder):
    image = Image.open(folder / "a.png").convert("RGB")
    middle = image.resize((256, 256), Image.Resampling.LANCZOS, box=(10, 0, 50, 40))
    expected = np.asarray(middle)
    difference = PaintingCollection(folder).variant(0, 0).astype(int) - expected
    assert np.abs(difference).max() <= 1


def test_variants_have_their_sizes_and_differ(folder):
    paintings = PaintingCollection(folder, seed=3)
    for number, size in enumerate(VARIANT_SIZES):
        assert paintings.variant(1, number).shape == (size, size, 3)
    assert not np.array_equal(paintings.variant(1, 4), paintings.variant(1, 0))


def test_a_variant_depends_on_seed_and_name_alone(folder):
    before = PaintingCollection(folder, seed=3).variant(1, 4)
    draw(9, 60, 40).save(folder / "aa.png")
    again = PaintingCollection(folder, seed=3)
    assert np.array_equal(again.variant(again.names.index("b"), 4), before)
    other = PaintingCollection(folder, seed=4)
    assert not np.array_equal(other.variant(other.names.index("b"), 4), before)


def test_greys_stay_grey_in_other_colours():
    grey = np.full((4, 4, 3), 120, np.uint8)
    for seed in range(5):
        changed = recoloured(grey, np.random.default_rng(seed)).astype(int)
        assert np.ptp(changed) <= 1
