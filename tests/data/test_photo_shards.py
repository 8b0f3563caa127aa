import io
import tarfile
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.data.photos import open_photographs
from impasto.data.shards import PhotoShards, list_shards, walk_shard
from impasto.errors import DataError, PictureFileError

NUM_PHOTOGRAPHS = 11  # 2 + 5 + 4


def names(source, *, position, count):
    return [photo.name for photo in islice(source.starting_at(position), count)]


def walk(shard):
    return walk_shard(shard, name=shard.name)


def walked(shard):
    return [photo.name for photo in walk(shard)]


def test_a_shard_gives_the_picture_of_each_sample_in_its_order(shard_folder):
    assert walked(shard_folder / "0000.tar") == [
        "0000.tar:part/000000.png",
        "0000.tar:part/000001.png",
    ]


def test_a_member_is_read_byte_for_byte(shard_folder, encode_photograph):
    photos = list(walk(shard_folder / "0001.tar"))
    assert [photo.read() for photo in photos] == [encode_photograph(k) for k in range(2, 7)]


def test_a_sample_is_named_up_to_the_first_dot_and_gives_its_first_picture(tmp_path, write_shard):
    members = ["a/1.cls", "a/1.jpg", "a/1.mask.png", "b/1.JPEG", "b/2.seg.png", "b/2.txt"]
    shard = write_shard(tmp_path / "s.tar", dict.fromkeys(members, b"x"))
    assert walked(shard) == ["s.tar:a/1.jpg", "s.tar:b/1.JPEG", "s.tar:b/2.seg.png"]


def test_folders_links_and_hidden_members_are_passed_over(tmp_path):
    shard = tmp_path / "s.tar"
    with tarfile.open(shard, "w") as tar:
        for name, kind in [("a", tarfile.DIRTYPE), ("l.png", tarfile.SYMTYPE)]:
            member = tarfile.TarInfo(name)
            member.type = kind
            tar.addfile(member)
        for name in ["._1.png", "1.png"]:
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
    assert walked(shard) == ["s.tar:1.png"]


def test_long_member_names_of_the_pax_and_gnu_formats_are_read(tmp_path):
    name = "/".join(["folder" * 10] * 3) + "/ü.png"
    for tar_format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with tarfile.open(tmp_path / "s.tar", "w", format=tar_format) as tar:
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
        (photo,) = walk(tmp_path / "s.tar")
        assert (photo.name, photo.read()) == (f"s.tar:{name}", b"abc")


def test_shards_are_listed_sorted_nested_and_without_hidden_ones(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / ".c").mkdir()
    for name in ["b/1.tar", "0.TAR", ".2.tar", ".c/3.tar", "notes.txt"]:
        (tmp_path / name).write_bytes(b"")
    assert list_shards(tmp_path) == [tmp_path / "0.TAR", tmp_path / "b" / "1.tar"]


def test_photographs_of_nested_shards_have_names_of_their_own(tmp_path, write_shard):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_shard(tmp_path / folder / "0.tar", {"1.png": b"x"})
    stream = names(open_photographs(tmp_path, seed=0), position=0, count=2)
    assert sorted(stream) == ["a/0.tar:1.png", "b/0.tar:1.png"]


@pytest.mark.parametrize("shuffle_buffer", [1, 3, 1000])
def test_each_epoch_has_every_photograph_once_in_another_order(shard_folder, shuffle_buffer):
    source = PhotoShards(list_shards(shard_folder), seed=0, shuffle_buffer=shuffle_buffer)
    stream = names(source, position=0, count=4 * NUM_PHOTOGRAPHS)
    epochs = [
        tuple(stream[start : start + NUM_PHOTOGRAPHS])
        for start in range(0, len(stream), NUM_PHOTOGRAPHS)
    ]
    assert {frozenset(epoch) for epoch in epochs} == {frozenset(epochs[0])}
    assert all(len(set(epoch)) == NUM_PHOTOGRAPHS for epoch in epochs)
    assert len(set(epochs)) > 1


def test_the_buffer_mixes_photographs_of_different_shards(shard_folder):
    def num_changes(shuffle_buffer):
        source = PhotoShards(list_shards(shard_folder), seed=0, shuffle_buffer=shuffle_buffer)
        shards = [name.split(":")[0] for name in names(source, position=0, count=NUM_PHOTOGRAPHS)]
        return sum(a != b for a, b in pairwise(shards))

    assert num_changes(1) == 2
    assert num_changes(1000) > 2


def test_photographs_are_counted_once_an_epoch_is_through(shard_folder):
    source = open_photographs(shard_folder, seed=0)
    assert source.num_photographs is None
    names(source, position=0, count=NUM_PHOTOGRAPHS + 1)
    assert source.num_photographs == NUM_PHOTOGRAPHS


@given(
    position=st.integers(0, 40), seed=st.integers(0, 2**63), shuffle_buffer=st.sampled_from([1, 4])
)
def test_the_order_of_shards_can_be_entered_anywhere(shard_folder, position, seed, shuffle_buffer):
    shards = list_shards(shard_folder)
    source = PhotoShards(shards, seed=seed, shuffle_buffer=shuffle_buffer)
    unbroken = names(source, position=0, count=position + 10)
    fresh = PhotoShards(shards, seed=seed, shuffle_buffer=shuffle_buffer)
    assert names(fresh, position=position, count=10) == unbroken[position:]
    assert names(source, position=position, count=10) == unbroken[position:]  # lengths known


def damaged_copy(shard, target, *, keep):
    target.write_bytes(shard.read_bytes()[:keep])
    return target


def test_a_shard_cut_within_a_photograph_gives_those_before_and_says_so(tmp_path, shard_folder):
    # A sample here is 512 + 512 bytes of caption, 512 of header and 2 kB or more of picture.
    whole = list(walk(shard_folder / "0001.tar"))
    cut = damaged_copy(shard_folder / "0001.tar", tmp_path / "cut.tar", keep=whole[2].offset + 100)
    *readable, broken = walk(cut)
    assert [photo.read() for photo in readable] == [photo.read() for photo in whole[:2]]
    with pytest.raises(PictureFileError, match=r"cut\.tar.*ends within part/000004\.png"):
        broken.read()


def test_a_shard_cut_within_a_header_gives_those_before_and_says_so(tmp_path, shard_folder):
    whole = list(walk(shard_folder / "0001.tar"))
    cut = damaged_copy(shard_folder / "0001.tar", tmp_path / "cut.tar", keep=whole[2].offset - 100)
    *readable, broken = walk(cut)
    assert len(readable) == 2
    with pytest.raises(PictureFileError, match="no valid header at byte"):
        broken.read()


def test_a_shard_without_the_closing_zeros_is_whole(tmp_path, shard_folder):
    last = list(walk(shard_folder / "0000.tar"))[-1]
    end = last.offset + -(-last.num_bytes // 512) * 512
    cut = damaged_copy(shard_folder / "0000.tar", tmp_path / "cut.tar", keep=end)
    assert [photo.damage for photo in walk(cut)] == ["", ""]


@pytest.mark.parametrize("content", [b"", b"no tar file at all", b"\x1f\x8b" + b"zip" * 500])
def test_a_file_that_is_no_tar_is_one_damaged_item(tmp_path, content):
    (tmp_path / "s.tar").write_bytes(content)
    (broken,) = walk(tmp_path / "s.tar")
    with pytest.raises(PictureFileError, match=r"s\.tar cannot be read further"):
        broken.read()


@given(data=st.data())
def test_a_shard_with_flipped_bytes_never_raises(tmp_path_factory, shard_folder, data):
    content = bytearray((shard_folder / "0000.tar").read_bytes())
    for _ in range(4):
        content[data.draw(st.integers(0, 2000))] = data.draw(st.integers(0, 255))
    shard = tmp_path_factory.mktemp("flipped") / "s.tar"
    shard.write_bytes(content)
    assert len(list(walk(shard))) <= 5


def test_a_shard_that_shrinks_while_it_is_read_is_reported(tmp_path, shard_folder):
    shard = damaged_copy(shard_folder / "0000.tar", tmp_path / "s.tar", keep=None)
    *_, last = walk(shard)
    shard.write_bytes(shard.read_bytes()[: last.offset + 5])
    with pytest.raises(PictureFileError, match="ends within this photograph"):
        last.read()


def test_damage_does_not_count_as_a_photograph(tmp_path, shard_folder):
    (tmp_path / "a.tar").write_bytes((shard_folder / "0000.tar").read_bytes())
    (tmp_path / "b.tar").write_bytes(b"no tar file")
    source = open_photographs(tmp_path, seed=0)
    names(source, position=0, count=4)
    assert source.num_photographs == 2


def test_shards_without_photographs_are_refused(tmp_path, write_shard):
    write_shard(tmp_path / "s.tar", {"1.txt": b"x"})
    source = open_photographs(tmp_path, seed=0)
    with pytest.raises(DataError, match=r"no photographs in 1 shard\(s\)"):
        next(source.starting_at(0))


def test_shards_that_are_all_damaged_are_refused_with_the_reason(tmp_path):
    (tmp_path / "s.tar").write_bytes(b"no tar file")
    with pytest.raises(DataError, match=r"no photographs in 1 shard\(s\).*cannot be read further"):
        names(open_photographs(tmp_path, seed=0), position=0, count=2)
