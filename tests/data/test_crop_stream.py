import threading
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from impasto.data.photos import open_photographs
from impasto.data.source import EncodedPhoto
from impasto.data.stream import CropStream, SkippedPhotograph, StreamSettings
from impasto.errors import DataError, RecipeError

CROP_SIZE = 16


def stream_of(path, *, rank=0, num_ranks=1, source_seed=5, **changes):
    stream_settings = StreamSettings(**{"seed": 5, "synthetic_share": 0.3} | changes)
    source = open_photographs(path, seed=source_seed)
    return CropStream(source, stream_settings, rank=rank, num_ranks=num_ranks)


def batches_of(stream, count, *, position=0, batch_size=4):
    generator = stream.batches(position=position, batch_size=batch_size, crop_size=CROP_SIZE)
    taken = list(islice(generator, count))
    generator.close()
    return taken


def pictures_of(stream, count, **arguments):
    return np.concatenate([batch.pictures for batch in batches_of(stream, count, **arguments)])


def photograph_threads():
    return [t for t in threading.enumerate() if t.name.startswith("impasto-photographs")]


def same_pictures(first, second):
    return np.array_equal(first, second)


def test_a_batch_is_contiguous_float32_in_range_and_says_where_to_resume(photo_folder):
    batches = batches_of(stream_of(photo_folder), 3, position=8)
    assert [batch.next_position for batch in batches] == [12, 16, 20]
    for batch in batches:
        assert (batch.pictures.shape, batch.pictures.dtype) == ((4, 3, 16, 16), np.float32)
        assert batch.pictures.flags.c_contiguous
        assert 0.0 <= batch.pictures.min() <= batch.pictures.max() <= 1.0


def test_without_synthetic_pictures_the_crops_follow_the_source_s_order(tmp_path):
    for value in range(6):
        Image.new("RGB", (20, 20), (value * 40,) * 3).save(tmp_path / f"{value}.png")
    pictures = pictures_of(stream_of(tmp_path, synthetic_share=0.0), 3)
    order = islice(open_photographs(tmp_path, seed=5).starting_at(0), 12)
    expected = [int(photo.name[0]) * 40 for photo in order]
    assert np.rint(pictures.mean(axis=(1, 2, 3)) * 255).tolist() == expected


def test_the_share_of_synthetic_pictures_is_the_one_asked_for(tmp_path):
    # A grey photograph gives grey crops; of the synthetic ones only those of random colour differ.
    Image.new("RGB", (20, 20), (128,) * 3).save(tmp_path / "p.png")
    pictures = pictures_of(stream_of(tmp_path, synthetic_share=0.25), 4, batch_size=100)
    share = np.mean([not np.allclose(p, 128 / 255, atol=1e-6) for p in pictures])
    # blurred grey is grey: 6 of 7 kinds show; 0.25 · 6 / 7 = 0.21, σ = 0.02
    assert share == pytest.approx(0.214, abs=0.07)
    only_photographs = pictures_of(stream_of(tmp_path, synthetic_share=0.0), 10)
    assert np.allclose(only_photographs, 128 / 255)


def test_another_seed_gives_other_crops(photo_folder):
    first = pictures_of(stream_of(photo_folder, seed=1), 2)
    second = pictures_of(stream_of(photo_folder, seed=2), 2)
    assert not same_pictures(first, second)


def test_one_photograph_is_cropped_anew_in_each_epoch(tmp_path, photo_folder):
    (tmp_path / "p.png").write_bytes((photo_folder / "1.png").read_bytes())
    pictures = pictures_of(stream_of(tmp_path, synthetic_share=0.0), 2)
    assert len({picture.tobytes() for picture in pictures}) > 4


@hypothesis_settings(deadline=None, max_examples=15)
@given(
    num_before=st.integers(0, 8),
    batch_sizes=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    num_workers=st.integers(1, 4),
    kind=st.sampled_from(["folder", "shards"]),
)
def test_a_resumed_stream_equals_the_unbroken_one_bit_for_bit(
    photo_folder, shard_folder, num_before, batch_sizes, num_workers, kind
):
    path = photo_folder if kind == "folder" else shard_folder
    unbroken = pictures_of(stream_of(path), 50, batch_size=1)
    before = batches_of(stream_of(path), num_before, batch_size=batch_sizes[0])
    position = before[-1].next_position if before else 0
    after = pictures_of(
        stream_of(path, num_workers=num_workers, prefetch=num_workers),
        2,
        position=position,
        batch_size=batch_sizes[1],
    )
    both = [batch.pictures for batch in before] + [after]
    assert same_pictures(np.concatenate(both), unbroken[: position + 2 * batch_sizes[1]])


@hypothesis_settings(deadline=None, max_examples=10)
@given(num_ranks=st.integers(2, 4), share=st.integers(1, 3), position=st.integers(0, 20))
def test_ranks_together_equal_one_process(photo_folder, num_ranks, share, position):
    arguments = {"position": position, "batch_size": num_ranks * share}
    alone = batches_of(stream_of(photo_folder), 2, **arguments)
    ranks = [
        batches_of(stream_of(photo_folder, rank=rank, num_ranks=num_ranks), 2, **arguments)
        for rank in range(num_ranks)
    ]
    for index, batch in enumerate(alone):
        for rank, batches in enumerate(ranks):
            assert same_pictures(batches[index].pictures, batch.pictures[rank::num_ranks])
            assert batches[index].next_position == batch.next_position


@pytest.fixture
def folder_with_damage(tmp_path, photo_folder):
    """Two readable photographs among five that are not."""
    for name in ("1.png", "3.png"):
        (tmp_path / name).write_bytes((photo_folder / name).read_bytes())
    (tmp_path / "cut.png").write_bytes((photo_folder / "5.png").read_bytes()[:600])
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.webp").write_bytes(b"")
    (tmp_path / "flipped.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)))
    Image.new("RGB", (400, 15)).save(tmp_path / "tiny.tif")
    return tmp_path


def test_unusable_photographs_are_skipped_and_each_listed_once(folder_with_damage):
    stream = stream_of(folder_with_damage, synthetic_share=0.0)
    pictures_of(stream, 7)
    names = [skipped.name for skipped in stream.skipped]
    assert names == ["cut.png", "empty.webp", "flipped.jpg", "text.jpg", "tiny.tif"]
    assert all(skipped.reason for skipped in stream.skipped)
    assert stream.skipped[-1] == SkippedPhotograph(
        "tiny.tif", "too small: 400×15 pixels; crops need 16×16"
    )


def test_an_unusable_photograph_is_replaced_by_the_next_usable_one(tmp_path):
    for value in range(6):
        Image.new("RGB", (20, 20), (value * 40,) * 3).save(tmp_path / f"{value}.png")
    for bad in (1, 4):
        (tmp_path / f"{bad}.png").write_bytes(b"damaged")
    order = [int(p.name[0]) for p in islice(open_photographs(tmp_path, seed=5).starting_at(0), 30)]
    expected = [
        next(value for value in order[position:] if value not in (1, 4)) * 40
        for position in range(12)
    ]
    pictures = pictures_of(stream_of(tmp_path, synthetic_share=0.0), 3)
    assert np.rint(pictures.mean(axis=(1, 2, 3)) * 255).tolist() == expected


@pytest.mark.parametrize("position", [1, 5, 13])
def test_a_stream_with_damage_resumes_bit_for_bit(folder_with_damage, position):
    unbroken = pictures_of(stream_of(folder_with_damage), 20, batch_size=1)
    resumed = pictures_of(stream_of(folder_with_damage), 1, position=position)
    assert same_pictures(resumed, unbroken[position : position + 4])


def test_a_damaged_shard_is_listed_and_the_others_are_read(tmp_path, shard_folder):
    for name in ("0000.tar", "0001.tar"):
        (tmp_path / name).write_bytes((shard_folder / name).read_bytes())
    data = (shard_folder / "0002.tar").read_bytes()
    (tmp_path / "0002.tar").write_bytes(data[: len(data) // 2])
    stream = stream_of(tmp_path, synthetic_share=0.0)
    assert pictures_of(stream, 8).shape == (32, 3, 16, 16)
    assert [skipped.name for skipped in stream.skipped] == ["0002.tar"]


def test_one_usable_photograph_among_many_damaged_shards_is_found(
    tmp_path, write_shard, encode_photograph
):
    for index in range(9):
        (tmp_path / f"{index}.tar").write_bytes(b"no tar file")
    write_shard(tmp_path / "9.tar", {"1.png": encode_photograph(1)})
    stream = stream_of(tmp_path, synthetic_share=0.0)
    assert pictures_of(stream, 10).shape == (40, 3, 16, 16)
    assert len(stream.skipped) == 9


def test_a_folder_without_a_usable_photograph_ends_in_one_line(tmp_path):
    for name in ("a.png", "b.png", "c.png", "d.png"):
        (tmp_path / name).write_bytes(b"damaged")
    stream = stream_of(tmp_path)
    with pytest.raises(
        DataError, match=r"no usable photograph among 500 .*a\.png.*b\.png"
    ) as caught:
        pictures_of(stream, 20)
    assert "\n" not in str(caught.value)
    assert photograph_threads() == []


def test_an_empty_shard_raises_the_same_error_in_every_batch_size(tmp_path, write_shard):
    write_shard(tmp_path / "s.tar", {"1.txt": b"x"})
    for batch_size in (1, 8):
        with pytest.raises(DataError, match="no photographs in 1 shard"):
            batches_of(stream_of(tmp_path, synthetic_share=0.0), 1, batch_size=batch_size)


class BreakingSource:
    """Two photographs, then a fault of the program."""

    num_photographs = None

    def __init__(self, path):
        self.path = path

    def starting_at(self, position):
        for _ in range(position, 2):
            yield EncodedPhoto("p.png", self.path)
        raise ZeroDivisionError("a fault of our own")


@pytest.mark.parametrize("num_workers", [1, 4])
def test_a_fault_in_a_thread_reaches_the_consumer_at_its_sample(photo_folder, num_workers):
    source = BreakingSource(photo_folder / "1.png")
    settings = StreamSettings(seed=0, synthetic_share=0.0, num_workers=num_workers)
    generator = CropStream(source, settings).batches(position=0, batch_size=1, crop_size=CROP_SIZE)
    assert [next(generator).next_position for _ in range(2)] == [1, 2]
    with pytest.raises(ZeroDivisionError, match="a fault of our own"):
        next(generator)
    assert photograph_threads() == []


def test_closing_the_generator_ends_its_threads(photo_folder):
    generator = stream_of(photo_folder).batches(position=0, batch_size=4, crop_size=CROP_SIZE)
    next(generator)
    assert photograph_threads()
    generator.close()
    assert photograph_threads() == []


def test_two_streams_of_one_source_do_not_disturb_each_other(photo_folder):
    stream = stream_of(photo_folder)
    first, second = (
        stream.batches(position=0, batch_size=4, crop_size=CROP_SIZE) for _ in range(2)
    )
    for _ in range(3):
        assert same_pictures(next(first).pictures, next(second).pictures)
    first.close()
    second.close()


def test_the_crop_size_may_change_at_any_position(photo_folder):
    stream = stream_of(photo_folder)
    generator = stream.batches(position=4, batch_size=2, crop_size=12)
    assert next(generator).pictures.shape == (2, 3, 12, 12)
    generator.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed is -1; give 0 or more"),
        ({"synthetic_share": 1.5}, "synthetic_share is 1.5; give 0 to 1"),
        ({"synthetic_share": float("nan")}, "synthetic_share is nan"),
        ({"resize_ratio": 0.9}, "resize_ratio is 0.9; give 1 to 16"),
        ({"num_workers": 0}, "num_workers is 0; give 1 or more"),
        ({"prefetch": 0}, "prefetch is 0; give 1 or more"),
    ],
)
def test_settings_out_of_range_are_refused(change, message):
    with pytest.raises(RecipeError, match=message):
        StreamSettings(**{"seed": 0} | change)


def test_a_batch_that_does_not_divide_by_the_processes_is_refused(photo_folder):
    stream = stream_of(photo_folder, rank=1, num_ranks=2)
    with pytest.raises(RecipeError, match="batch_size is 3; give a multiple of the 2 processes"):
        stream.batches(position=0, batch_size=3, crop_size=16)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"position": -1}, "position is -1"), ({"crop_size": 0}, "crop_size is 0"),
     ({"batch_size": 0}, "batch_size is 0")],
)  # fmt: skip
def test_places_and_sizes_out_of_range_are_refused(photo_folder, change, message):
    arguments = {"position": 0, "batch_size": 1, "crop_size": 16} | change
    with pytest.raises(RecipeError, match=message):
        stream_of(photo_folder).batches(**arguments)


def test_a_rank_outside_the_processes_is_refused(photo_folder):
    with pytest.raises(RecipeError, match="rank is 2 of 2; give 0 to 1"):
        stream_of(photo_folder, rank=2, num_ranks=2)
