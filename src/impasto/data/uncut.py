"""Samples for a device that keeps photographs: bytes to cut there, or bytes that are cut already.

The workers of the crop stream make them; nothing here knows a device. `training.device_batches`
keeps the photographs and cuts them.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from impasto.data.crops import CropPlan, CropSettings, cut_bytes, plan_crop
from impasto.data.resampling import is_order_certain, window_weights
from impasto.data.source import EncodedPhoto
from impasto.images.files.io import load_training_rgb

LARGEST_PHOTOGRAPH = 16 * 2**20
"""Bytes of the largest photograph to keep: some batches of them wait on the processor's side."""
MAX_REDUCTION = 4.0
"""Of a photograph to keep. Where the crops are far smaller than their windows, they are cut on the
processor: the pixels of the window would take more memory and time on the device."""


@dataclass(frozen=True, slots=True, eq=False)
class UncutCrop:
    """A crop that is still to be cut from its photograph.

    Attributes:
        name: of the photograph.
        photograph: uint8 H×W×3; None where the store has it already.
        plan: where to cut.
        weights: int32 4×crop_size×taps, from `window_weights`; None where nothing is scaled.
    """

    name: str
    photograph: NDArray[np.uint8] | None
    plan: CropPlan
    weights: NDArray[np.int32] | None


Sample = UncutCrop | NDArray[np.uint8] | NDArray[np.float32]
"""A photograph's crop, uncut or 3×H×W in [0, 255]; a synthetic picture is 3×H×W in [0, 1]."""


class PhotographStore(Protocol):
    """Where decoded photographs are kept; the workers ask it from several threads."""

    @property
    def is_open(self) -> bool:
        """Whether it takes more photographs."""
        ...

    def size_of(self, name: str) -> tuple[int, int] | None:
        """Width and height of a photograph that it has."""
        ...


def sample_photograph(
    photo: EncodedPhoto, rng: np.random.Generator, settings: CropSettings, store: PhotographStore
) -> UncutCrop | NDArray[np.uint8]:
    """A random crop of `photo`, the same as `cut_photograph`'s, cut as late as the store allows.

    Raises:
        PictureFileError: the photograph is unreadable, or its short side is under the crop's.
    """
    crop_size, size = settings.crop_size, store.size_of(photo.name)
    if size is not None:
        plan = plan_crop(size, rng, settings)
        return uncut_crop(photo.name, None, size, plan, crop_size=crop_size)
    image = load_training_rgb(photo.read(), short_side=settings.short_side)
    plan = plan_crop(image.size, rng, settings)
    if store.is_open and _is_worth_keeping(image.size, plan, settings):
        return uncut_crop(photo.name, np.array(image), image.size, plan, crop_size=crop_size)
    return cut_bytes(image, plan, crop_size=crop_size)


def _is_worth_keeping(size: tuple[int, int], plan: CropPlan, settings: CropSettings) -> bool:
    width, height = size
    return (
        3 * width * height <= LARGEST_PHOTOGRAPH
        and plan.window.side <= MAX_REDUCTION * settings.crop_size
        and (
            plan.window.side == settings.crop_size
            or is_order_certain(width, height, crop_size=settings.crop_size)
        )
    )


def uncut_crop(
    name: str,
    photograph: NDArray[np.uint8] | None,
    image_size: tuple[int, int],
    plan: CropPlan,
    *,
    crop_size: int,
) -> UncutCrop:
    """Return the planned crop of a photograph of this width and height, with its weights."""
    weights = None
    if plan.window.side != crop_size:
        weights = window_weights(image_size, plan.window, crop_size=crop_size)
    return UncutCrop(name, photograph, plan, weights)
