"""Crops cut on a device, from bytes that it has: the same bytes that the processor would cut.

Every sum is one of integers, so a device cannot round otherwise. Which photographs are where, and
what is cut here: `device_batches`.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from impasto.data.crops import CropSettings, cut_bytes, plan_crop
from impasto.data.resampling import WEIGHT_BITS
from impasto.data.uncut import UncutCrop, uncut_crop


def sent_to(device: torch.device, array: NDArray[np.generic]) -> Tensor:
    """Return an array as a tensor on the device; the copy waits for no step before it."""
    on_cpu = torch.from_numpy(array)
    if device.type == "cuda":
        # From other memory the copy would wait.
        on_cpu = on_cpu.pin_memory()
    return on_cpu.to(device, non_blocking=True)


def cut_on_device(photograph: Tensor, crop: UncutCrop, *, crop_size: int) -> Tensor:
    """Cut a planned crop.

    Args:
        photograph: uint8 H×W×3.
        crop: of this photograph.
        crop_size: height and width of the crop, in pixels.

    Returns:
        uint8 3×crop_size×crop_size, a view of some layout.
    """
    plan = crop.plan
    if crop.weights is None:
        top, left = plan.window.top, plan.window.left
        pixels = photograph[top : top + crop_size, left : left + crop_size]
    else:
        pixels = _scaled(photograph, crop.weights)
    if plan.is_mirrored:
        pixels = pixels.flip(1)
    return torch.rot90(pixels, plan.quarter_turns, (0, 1)).permute(2, 0, 1)


def _scaled(photograph: Tensor, weights: NDArray[np.int32]) -> Tensor:
    """Scale the window that belongs to the weights, to size×size×3."""
    size = weights.shape[1]
    # The rows are counted here, since to ask the device for them would be to wait for it.
    first_row, last_row = int(weights[2].min()), int(weights[2].max())
    columns, column_weights, rows, row_weights = sent_to(photograph.device, weights)
    needed = photograph[first_row : last_row + 1]
    taps = needed[:, columns.flatten()].view(len(needed), size, -1, 3)
    narrow = _rounded((taps * column_weights[..., None]).sum(2))
    taps = narrow[(rows - first_row).flatten()].view(size, -1, size, 3)
    return _rounded((taps * row_weights[..., None, None]).sum(1))


def _rounded(sums: Tensor) -> Tensor:
    """Return sums of weighted bytes as bytes; Pillow rounds halves up."""
    return ((sums + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS).clamp(0, 255).byte()


def cuts_as_pillow(device: torch.device) -> bool:
    """Whether the device's crops of noise are those of the Pillow that is installed."""
    chance = np.random.default_rng(0)
    settings = CropSettings(crop_size=24, short_side=32, flip=True, rotate=True)
    for size in ((90, 60), (60, 90), (75, 75)):
        noise = chance.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        plan = plan_crop(size, chance, settings)
        crop = uncut_crop("noise", noise, size, plan, crop_size=settings.crop_size)
        cut = cut_on_device(sent_to(device, noise), crop, crop_size=settings.crop_size)
        expected = cut_bytes(Image.fromarray(noise), plan, crop_size=settings.crop_size)
        if not np.array_equal(cut.cpu().numpy(), expected):
            return False
    return True
