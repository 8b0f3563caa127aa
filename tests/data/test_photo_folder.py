from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.data.photos import PhotoFolder, open_photographs
from impasto.data.shards import PhotoShards
from impasto.errors import DataError


def names(source, *, position, count):
    return [photo.name for photo in islice(source.starting_at(position), count)]


def test_a_nested_folder_gives_every_picture_with_its_path_in_the_folder(photo_folder):
    source = open_photographs(photo_folder, seed=0)
    assert source.num_photographs == 7
    assert sorted(names(source, position=0, count=7)) == [
        "1.png", "3.png", "5.png",
        "trip/day 2/0.png", "trip/day 2/2.png", "trip/day 2/4.png", "trip/day 2/6.png",
    ]  # fmt: skip


def test_reading_a_photograph_of_a_folder_gives_its_path(photo_folder):
    photo = next(open_photographs(photo_folder, seed=0).starting_at(0))
    assert photo.read() == photo_folder / photo.name


def test_files_that_are_no_pictures_are_not_listed(tmp_path, photo_folder):
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "one.png").write_bytes((photo_folder / "1.png").read_bytes())
    assert names(open_photographs(tmp_path, seed=0), position=0, count=2) == ["one.png"] * 2


def test_each_epoch_has_every_photograph_once_in_another_order(photo_folder):
    source = open_photographs(photo_folder, seed=0)
    epochs = [tuple(names(source, position=7 * epoch, count=7)) for epoch in range(4)]
    assert {frozenset(epoch) for epoch in epochs} == {frozenset(epochs[0])}
    assert len(set(epochs)) > 1
    assert all(len(set(epoch)) == 7 for epoch in epochs)


def test_another_seed_gives_another_order(photo_folder):
    orders = {
        tuple(names(open_photographs(photo_folder, seed=seed), position=0, count=7))
        for seed in range(4)
    }
    assert len(orders) == 4


@given(position=st.integers(0, 40), seed=st.integers(0, 2**63))
def test_the_order_of_a_folder_can_be_entered_anywhere(photo_folder, position, seed):
    unbroken = names(open_photographs(photo_folder, seed=seed), position=0, count=position + 10)
    entered = names(open_photographs(photo_folder, seed=seed), position=position, count=10)
    assert entered == unbroken[position:]


def test_kinds_of_source_are_told_apart(photo_folder, shard_folder):
    assert isinstance(open_photographs(photo_folder, seed=0), PhotoFolder)
    assert isinstance(open_photographs(shard_folder, seed=0), PhotoShards)
    assert isinstance(open_photographs(shard_folder / "0000.tar", seed=0), PhotoShards)


def test_a_folder_that_is_missing_is_refused_in_one_line(tmp_path):
    with pytest.raises(DataError, match=r"nowhere does not exist; give a folder") as caught:
        open_photographs(tmp_path / "nowhere", seed=0)
    assert "\n" not in str(caught.value)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="no pictures found in"):
        open_photographs(tmp_path, seed=0)


@pytest.mark.parametrize("name", ["photo.png", "shard.tar.gz"])
def test_a_file_that_is_no_shard_is_refused(tmp_path: Path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match=r"neither a folder nor a \.tar shard"):
        open_photographs(tmp_path / name, seed=0)


def test_pictures_and_shards_in_one_folder_are_refused(tmp_path, shard_folder, photo_folder):
    (tmp_path / "0.tar").write_bytes((shard_folder / "0000.tar").read_bytes())
    (tmp_path / "1.png").write_bytes((photo_folder / "1.png").read_bytes())
    with pytest.raises(DataError, match="holds pictures and tar shards"):
        open_photographs(tmp_path, seed=0)
