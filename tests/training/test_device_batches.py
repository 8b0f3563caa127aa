import contextlib
from functools import partialmethod
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

from impasto.data.photos import open_photographs
from impasto.data.stream import CropStream, StreamSettings
from impasto.training.device_batches import (
    DeviceBatches,
    FinishedBatches,
    batches_for,
    pictures_on,
)

CPU = torch.device("cpu")
NEEDS_GPU = (
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
)
DEVICES = ["cpu", pytest.param("cuda", marks=NEEDS_GPU)]
PHOTOGRAPH_BYTES = 3 * 60 * 40


def resize_by(image, resampling, size, _, box):
    """Resize as another Pillow might."""
    return image._new(image.im.resize(size, resampling, box))


@pytest.fixture
def folder(tmp_path):
    """Five landscapes of one size and one narrow portrait."""
    rng = np.random.default_rng(0)
    for number in range(5):
        pixels = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    pixels = rng.integers(0, 256, (90, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "narrow.png")
    return tmp_path


def stream_of(folder, **changes):
    settings = StreamSettings(**{"seed": 5, "synthetic_share": 0.3, "rotate": True} | changes)
    return CropStream(open_photographs(folder, seed=5), settings)


def device_batches(folder, device=CPU, *, max_bytes=10**6, events=None, **changes):
    on_event = [].append if events is None else events.append
    return DeviceBatches(
        stream_of(folder, **changes), torch.device(device), max_bytes=max_bytes, on_event=on_event
    )


def taken(source, count, *, position=0, batch_size=4, crop_size=16):
    batches = source.batches(position=position, batch_size=batch_size, crop_size=crop_size)
    with contextlib.closing(batches):
        return list(islice(batches, count))


def assert_same(batches, expected):
    assert [position for _, position in batches] == [position for _, position in expected]
    for (batch, _), (other, _) in zip(batches, expected, strict=True):
        assert batch.dtype == torch.float32
        assert batch.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(batch.cpu(), other)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("max_bytes", [0, 2 * PHOTOGRAPH_BYTES, 10**6])
@pytest.mark.parametrize("resize_ratio", [None, 1.25])
def test_batches_are_the_stream_s_bit_for_bit(folder, device, max_bytes, resize_ratio):
    source = device_batches(folder, device, max_bytes=max_bytes, resize_ratio=resize_ratio)
    finished = FinishedBatches(stream_of(folder, resize_ratio=resize_ratio), CPU)
    assert_same(taken(source, 12), taken(finished, 12))
    # On from another position, with photographs there already.
    assert_same(taken(source, 3, position=20), taken(finished, 3, position=20))


def test_finished_batches_are_the_stream_s(folder):
    stream = stream_of(folder)
    with contextlib.closing(stream.batches(position=4, batch_size=4, crop_size=16)) as batches:
        expected = [(torch.from_numpy(b.pictures), b.next_position) for b in islice(batches, 3)]
    assert_same(taken(FinishedBatches(stream, CPU), 3, position=4), expected)


def test_photographs_on_the_device_are_not_read_again(folder):
    source = device_batches(folder, synthetic_share=0.0, resize_ratio=None)
    first = taken(source, 12)
    assert source.num_photographs == 6
    for path in folder.iterdir():
        path.write_bytes(b"no longer a picture")
    assert_same(taken(source, 12), first)


def test_full_memory_is_said_once_and_holds_what_fits(folder):
    events = []
    source = device_batches(folder, max_bytes=2 * PHOTOGRAPH_BYTES + 1, events=events)
    taken(source, 12)
    assert source.num_photographs == 2
    assert events == [
        "2 photographs stay on the device, in 0 MB; the others do not fit and are decoded every "
        "time"
    ]


def test_narrow_photographs_are_cut_by_the_processor(folder):
    source = device_batches(folder, synthetic_share=0.0)
    taken(source, 12)
    assert source.num_photographs == 5
    assert source.size_of("narrow.png") is None


def test_crops_of_another_size_make_room(folder):
    source = device_batches(folder, synthetic_share=0.0)
    finished = FinishedBatches(stream_of(folder, synthetic_share=0.0), CPU)
    taken(source, 12)
    assert_same(taken(source, 4, crop_size=24), taken(finished, 4, crop_size=24))


def test_without_memory_nothing_is_kept_or_said(folder):
    events = []
    source = device_batches(folder, max_bytes=0, events=events)
    taken(source, 2)
    assert (source.num_photographs, events) == (0, [])


def test_an_unknown_pillow_cuts_by_itself(folder, monkeypatch):
    with_lanczos = partialmethod(resize_by, Image.Resampling.LANCZOS)
    monkeypatch.setattr(Image.Image, "resize", with_lanczos)
    events = []
    source = device_batches(folder, events=events)
    finished = FinishedBatches(stream_of(folder), CPU)
    assert_same(taken(source, 4), taken(finished, 4))
    assert source.num_photographs == 0
    assert events == ["photographs are cut by the processor: this Pillow scales them otherwise"]


def test_a_cpu_takes_finished_crops_unless_told_otherwise(folder):
    source = batches_for(stream_of(folder), CPU, on_event=[].append)
    assert isinstance(source, FinishedBatches)
    source = batches_for(stream_of(folder), CPU, max_bytes=0, on_event=[].append)
    assert isinstance(source, DeviceBatches)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_keeps_photographs(folder):
    source = batches_for(stream_of(folder), torch.device("cuda"), on_event=[].append)
    assert isinstance(source, DeviceBatches)


def test_pictures_keep_their_values():
    pictures = np.random.default_rng(0).random((2, 3, 5, 7), dtype=np.float32)
    moved = pictures_on(CPU, pictures)
    assert np.array_equal(moved.numpy(), pictures)
    assert moved.is_contiguous(memory_format=torch.channels_last)
