from functools import partialmethod

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from impasto.data.crops import CropSettings, cut_bytes, plan_crop
from impasto.data.uncut import uncut_crop
from impasto.training.device_crops import cut_on_device, cuts_as_pillow, sent_to

NEEDS_GPU = (
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
)
DEVICES = ["cpu", pytest.param("cuda", marks=NEEDS_GPU)]


def resize_by(image, resampling, size, _, box):
    """Resize as another Pillow might."""
    return image._new(image.im.resize(size, resampling, box))


@pytest.mark.parametrize("device", DEVICES)
@given(
    width=st.integers(20, 90),
    height=st.integers(20, 90),
    short_side=st.none() | st.integers(16, 30),
    seed=st.integers(0, 2**32),
)
def test_crops_are_pillow_s_bit_for_bit(device, width, height, short_side, seed):
    width, height = max(width, height), min(width, height)
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    settings = CropSettings(16, short_side, flip=True, rotate=True)
    plan = plan_crop((width, height), rng, settings)
    crop = uncut_crop("p", None, (width, height), plan, crop_size=16)
    cut = cut_on_device(sent_to(torch.device(device), pixels), crop, crop_size=16)
    assert (cut.shape, cut.dtype) == ((3, 16, 16), torch.uint8)
    expected = cut_bytes(Image.fromarray(pixels), plan, crop_size=16)
    assert np.array_equal(cut.cpu().numpy(), expected)


@pytest.mark.parametrize("device", DEVICES)
def test_the_installed_pillow_is_known(device):
    assert cuts_as_pillow(torch.device(device))


def test_another_resampling_is_noticed(monkeypatch):
    with_lanczos = partialmethod(resize_by, Image.Resampling.LANCZOS)
    monkeypatch.setattr(Image.Image, "resize", with_lanczos)
    assert not cuts_as_pillow(torch.device("cpu"))
