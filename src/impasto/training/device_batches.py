"""How a training's batches come to its device.

On a CPU the crops are there already. To a GPU the decoded photographs go once, as bytes, and stay
in a share of its memory; the crops are cut there. What does not fit, or would be cut otherwise
there, is cut by the processor and travels as bytes; synthetic pictures travel as float32. The
values are the same on every way, bit for bit.
"""

import contextlib
from collections.abc import Callable, Generator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.data.stream import CropStream
from impasto.data.uncut import Sample, UncutCrop
from impasto.training.device_crops import cut_on_device, cuts_as_pillow, sent_to

MEMORY_SHARE = 0.25
"""Of a GPU's memory that is free before the training, for photographs."""


class BatchSource(Protocol):
    """What gives a training its batches."""

    def batches(
        self, *, position: int, batch_size: int, crop_size: int
    ) -> Generator[tuple[Tensor, int], None, None]:
        """Yield N×3×H×W photographs in [0, 1] on the device, and the position after each batch.

        The arguments are those of `CropStream.batches`.
        """
        ...


def batches_for(
    stream: CropStream,
    device: torch.device,
    *,
    max_bytes: int | None = None,
    on_event: Callable[[str], None],
) -> BatchSource:
    """Return how the stream's crops come to the device.

    Args:
        stream: crops for this process.
        device: of the training.
        max_bytes: of the device's memory, for photographs that are cut there; None takes a share of
            what is free on a GPU, and leaves all cutting to a CPU's workers.
        on_event: told in one line when photographs no longer fit on the device.
    """
    if max_bytes is None:
        if device.type != "cuda":
            return FinishedBatches(stream, device)
        # Torch holds on to what the measuring of the pace has freed.
        torch.cuda.empty_cache()
        free_bytes, _ = torch.cuda.mem_get_info(device)
        max_bytes = int(MEMORY_SHARE * free_bytes)
    return DeviceBatches(stream, device, max_bytes=max_bytes, on_event=on_event)


class FinishedBatches:
    """Crops that the workers finish, as float32."""

    def __init__(self, stream: CropStream, device: torch.device) -> None:
        """Bring the crops of `stream` to `device`."""
        self._stream, self._device = stream, device

    def batches(
        self, *, position: int, batch_size: int, crop_size: int
    ) -> Generator[tuple[Tensor, int], None, None]:
        """Yield batches; see `BatchSource`."""
        batches = self._stream.batches(
            position=position, batch_size=batch_size, crop_size=crop_size
        )
        with contextlib.closing(batches):
            for batch in batches:
                yield pictures_on(self._device, batch.pictures), batch.next_position


class DeviceBatches:
    """Crops cut on the device, from photographs that it keeps."""

    def __init__(
        self,
        stream: CropStream,
        device: torch.device,
        *,
        max_bytes: int,
        on_event: Callable[[str], None],
    ) -> None:
        """Keep photographs of `stream` on `device`, in at most `max_bytes`.

        Args:
            stream: crops for this process.
            device: any, so that a CPU can tell whether the crops are right.
            max_bytes: of all photographs together; 0 keeps none.
            on_event: told in one line when photographs no longer fit.
        """
        self._stream, self._device, self._on_event = stream, device, on_event
        self._max_bytes, self._num_bytes = max_bytes, 0
        self._photographs: dict[str, Tensor] = {}
        self._short_side: int | None = None
        self._is_open = max_bytes > 0
        # A table, since CUDA divides by a number by multiplying with its reciprocal.
        values = np.arange(256, dtype=np.float32) / np.float32(255.0)
        self._values = torch.from_numpy(values).to(device)
        if self._is_open and not cuts_as_pillow(device):
            self._is_open, self._max_bytes = False, 0
            on_event("photographs are cut by the processor: this Pillow scales them otherwise")

    @property
    def num_photographs(self) -> int:
        """Number of photographs on the device now."""
        return len(self._photographs)

    @property
    def is_open(self) -> bool:
        """Whether the device takes more photographs."""
        return self._is_open

    def size_of(self, name: str) -> tuple[int, int] | None:
        """Width and height of a photograph on the device."""
        photograph = self._photographs.get(name)
        return None if photograph is None else (photograph.shape[1], photograph.shape[0])

    def batches(
        self, *, position: int, batch_size: int, crop_size: int
    ) -> Generator[tuple[Tensor, int], None, None]:
        """Yield batches; see `BatchSource`."""
        short_side = self._stream.short_side_of(crop_size)
        if short_side != self._short_side:
            # A JPEG may be decoded at another size for crops of another one.
            self._photographs, self._num_bytes, self._short_side = {}, 0, short_side
            self._is_open = self._max_bytes > 0
        batches = self._stream.sample_batches(
            position=position, batch_size=batch_size, crop_size=crop_size, store=self
        )
        with contextlib.closing(batches):
            for samples, next_position in batches:
                yield self._finished(samples, crop_size), next_position

    def _finished(self, samples: list[Sample], crop_size: int) -> Tensor:
        """Return the samples as one batch, N×3×crop_size×crop_size."""
        shape = (len(samples), 3, crop_size, crop_size)
        batch = torch.empty(shape, device=self._device, memory_format=torch.channels_last)
        for picture, sample in zip(batch, samples, strict=True):
            if isinstance(sample, UncutCrop):
                values = cut_on_device(self._photograph_of(sample), sample, crop_size=crop_size)
            else:
                values = sent_to(self._device, sample)
            is_synthetic = values.is_floating_point()
            picture.copy_(values if is_synthetic else self._values[values.int()])
        return batch

    def _photograph_of(self, crop: UncutCrop) -> Tensor:
        """Return the crop's photograph, and keep it where it is new and fits."""
        known = self._photographs.get(crop.name)
        if known is not None:
            return known
        assert crop.photograph is not None, f"{crop.name} is not on the device"
        photograph = sent_to(self._device, crop.photograph)
        if self._num_bytes + photograph.nbytes <= self._max_bytes:
            self._photographs[crop.name] = photograph
            self._num_bytes += photograph.nbytes
        elif self._is_open:
            # Those that the workers have decoded meanwhile are cut here too, but not kept.
            self._is_open = False
            self._on_event(
                f"{self.num_photographs} photographs stay on the device, in "
                f"{self._num_bytes / 1e6:,.0f} MB; the others do not fit and are decoded every time"
            )
        return photograph


def pictures_on(device: torch.device, pictures: NDArray[np.float32]) -> Tensor:
    """Return N×3×H×W pictures on the device, as a network reads them fastest."""
    return sent_to(device, pictures).to(memory_format=torch.channels_last)
