"""The endless stream of training crops: ordered, seeded, resumable, read ahead by threads.

Sample k depends on the seed, k, the crop size and the source's order, and on nothing else: not on
where the stream was entered, nor on the number of threads or processes, nor on the batch size.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from impasto.data.crops import CropSettings, cut_photograph
from impasto.data.source import SAMPLE_STREAM, EncodedPhoto, PhotoSource
from impasto.data.synthetic import synthetic_picture
from impasto.data.uncut import PhotographStore, Sample, sample_photograph
from impasto.errors import DataError, RecipeError

MAX_UNUSABLE_IN_A_ROW = 500
"""This many unusable photographs one after the other end the training: the folder is at fault.

Where 9 of 10 photographs are unusable this happens by chance once in 10²² samples.
"""


T = TypeVar("T")
_Cut = Callable[[EncodedPhoto, np.random.Generator], T]


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How photographs become crops.

    Attributes:
        seed: of the crops, 0 or more.
        synthetic_share: probability, in [0, 1], that a sample is one of `impasto.data.synthetic`.
        resize_ratio: short side of the scaled photograph over the crop's side, at least 1; 160
            for crops of 128 in the trainings that led to this recipe. None: not scaled.
        flip: mirror every other crop, left to right.
        rotate: rotate every crop by a random multiple of 90 degrees.
        num_workers: threads that decode.
        prefetch: batches made ahead of the one in use.

    Raises:
        RecipeError: a setting out of range.
    """

    seed: int
    synthetic_share: float = 0.1
    resize_ratio: float | None = 1.25
    flip: bool = True
    rotate: bool = False
    num_workers: int = 2
    prefetch: int = 4

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        _require(self.seed >= 0, f"seed is {self.seed}; give 0 or more")
        share = self.synthetic_share
        _require(0.0 <= share <= 1.0, f"synthetic_share is {share}; give 0 to 1")
        ratio = self.resize_ratio
        _require(ratio is None or 1.0 <= ratio <= 16.0, f"resize_ratio is {ratio}; give 1 to 16")
        _require(self.num_workers >= 1, f"num_workers is {self.num_workers}; give 1 or more")
        _require(self.prefetch >= 1, f"prefetch is {self.prefetch}; give 1 or more")


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One process's share of a batch.

    Attributes:
        pictures: float32 N×3×H×W in [0, 1], contiguous.
        next_position: samples consumed by all processes together, this batch included; the
            position to resume at.
    """

    pictures: NDArray[np.float32]
    next_position: int


@dataclass(frozen=True, slots=True, order=True)
class SkippedPhotograph:
    """A photograph that was passed over, and why."""

    name: str
    reason: str


class CropStream:
    """Crops of a source's photographs, in batches."""

    def __init__(
        self, source: PhotoSource, settings: StreamSettings, *, rank: int = 0, num_ranks: int = 1
    ) -> None:
        """Read `source` for process `rank` of `num_ranks`.

        Raises:
            RecipeError: `rank` is not one of `num_ranks`.
        """
        _require(0 <= rank < num_ranks, f"rank is {rank} of {num_ranks}; give 0 to {num_ranks - 1}")
        self._source = source
        self._settings = settings
        self._rank = rank
        self._num_ranks = num_ranks
        self._skipped: dict[str, SkippedPhotograph] = {}

    @property
    def skipped(self) -> tuple[SkippedPhotograph, ...]:
        """The distinct photographs passed over so far, by name; read ahead ones included."""
        # A copy, since workers add to the dictionary while it is sorted.
        return tuple(sorted(self._skipped.copy().values()))

    def batches(
        self, *, position: int, batch_size: int, crop_size: int
    ) -> Generator[Batch, None, None]:
        """Endless batches from sample `position` on; closing the generator ends its threads.

        Args:
            position: samples consumed before, by all processes together.
            batch_size: samples of one batch over all processes; sample j of a batch goes to rank
                j modulo the number of ranks.
            crop_size: height and width of the pictures, in pixels.

        Raises:
            RecipeError: a value is out of range, or the batch does not divide by the ranks.
            DataError: while iterating, when no usable photograph is found.
        """
        cut = self._cut(crop_size)
        # A generator of its own: in one, the checks would wait for the first batch.
        samples = self._samples(position, batch_size, crop_size, cut)
        return self._stacked(samples)

    def sample_batches(
        self, *, position: int, batch_size: int, crop_size: int, store: PhotographStore
    ) -> Generator[tuple[list[Sample], int], None, None]:
        """The samples of `batches`, cut as late as the store allows, with the position after each.

        Args:
            position: as for `batches`.
            batch_size: as for `batches`.
            crop_size: as for `batches`.
            store: whose photographs were decoded for the `short_side_of` this crop size.

        Raises:
            RecipeError: as for `batches`.
            DataError: as for `batches`.
        """

        def cut(photo: EncodedPhoto, rng: np.random.Generator) -> Sample:
            return sample_photograph(photo, rng, settings, store)

        short_side, chosen = self.short_side_of(crop_size), self._settings
        settings = CropSettings(crop_size, short_side, chosen.flip, chosen.rotate)
        return self._samples(position, batch_size, crop_size, cut)

    def short_side_of(self, crop_size: int) -> int | None:
        """Short side to which photographs are scaled for crops of this size; None: they are not."""
        ratio = self._settings.resize_ratio
        return None if ratio is None else round(crop_size * ratio)

    def _cut(self, crop_size: int) -> _Cut[NDArray[np.float32]]:
        settings = self._settings
        return partial(
            cut_photograph,
            crop_size=crop_size,
            resize_ratio=settings.resize_ratio,
            flip=settings.flip,
            rotate=settings.rotate,
        )

    def _stacked(
        self, samples: Generator[tuple[list[NDArray[np.float32]], int], None, None]
    ) -> Generator[Batch, None, None]:
        with contextlib.closing(samples):
            for pictures, position in samples:
                yield Batch(np.stack(pictures), position)

    def _samples(
        self, position: int, batch_size: int, crop_size: int, cut: _Cut[T]
    ) -> Generator[tuple[list[T | NDArray[np.float32]], int], None, None]:
        """Check the arguments of `batches` and begin to make samples."""
        _require(position >= 0, f"position is {position}; give 0 or more")
        _require(crop_size >= 1, f"crop_size is {crop_size}; give 1 or more")
        _require(
            batch_size >= 1 and batch_size % self._num_ranks == 0,
            f"batch_size is {batch_size}; give a multiple of the {self._num_ranks} processes",
        )
        return self._generate(position, batch_size, crop_size, cut)

    def _generate(
        self, position: int, batch_size: int, crop_size: int, cut: _Cut[T]
    ) -> Generator[tuple[list[T | NDArray[np.float32]], int], None, None]:
        lookahead = _Lookahead(self._source, position)
        pending: deque[list[Future[T | NDArray[np.float32]]]] = deque()
        submitted = position
        # Threads, because Pillow decodes and resizes without holding the interpreter's lock.
        workers = ThreadPoolExecutor(self._settings.num_workers, "impasto-photographs")
        sample = partial(self._sample, lookahead, crop_size, cut)
        try:
            while True:
                # One batch more than `prefetch` is pending: the one that is waited for below.
                while len(pending) <= self._settings.prefetch:
                    mine = range(submitted + self._rank, submitted + batch_size, self._num_ranks)
                    pending.append([workers.submit(sample, index) for index in mine])
                    submitted += batch_size
                samples = [future.result() for future in pending.popleft()]
                position += batch_size
                lookahead.forget_before(position)
                yield samples, position
        finally:
            # First the source: a worker that searches it would keep the pool from ending.
            lookahead.close()
            workers.shutdown(cancel_futures=True)

    def _sample(
        self, lookahead: "_Lookahead", crop_size: int, cut: _Cut[T], position: int
    ) -> T | NDArray[np.float32]:
        """Sample `position` of all: a crop as `cut` gives it, or a synthetic picture."""
        # A generator of the sample's own: threads and ranks cannot change what it draws.
        rng = np.random.default_rng([self._settings.seed, SAMPLE_STREAM, position])
        # Drawn for every sample, so that another share leaves the other samples' crops as they are.
        is_synthetic = rng.random() < self._settings.synthetic_share
        photograph = partial(self._photograph, lookahead, crop_size, position, rng)
        if is_synthetic:
            finished = partial(photograph, self._cut(crop_size))
            return synthetic_picture(rng, size=crop_size, photograph=finished)
        return photograph(cut)

    def _photograph(
        self,
        lookahead: "_Lookahead",
        crop_size: int,
        position: int,
        rng: np.random.Generator,
        cut: _Cut[T],
    ) -> T:
        """A crop of the first usable photograph from `position` on."""
        unusable: list[SkippedPhotograph] = []
        while len(unusable) < MAX_UNUSABLE_IN_A_ROW:
            # The next one stands in, and has its own turn as well: were all later ones moved up, a
            # sample would depend on every photograph before it.
            photo = lookahead.item(position + len(unusable))
            try:
                return cut(photo, rng)
            except OSError as error:  # PictureFileError is one
                skipped = SkippedPhotograph(photo.name, str(error))
                self._skipped.setdefault(photo.name, skipped)
                unusable.append(skipped)
        first = "; ".join(f"{skip.name}: {skip.reason}" for skip in sorted(set(unusable))[:3])
        raise DataError(
            f"no usable photograph among {len(unusable)} in a row ({first}); "
            f"give photographs of at least {crop_size}×{crop_size} pixels"
        )


class _Lookahead:
    """Items of a source by position, for several threads; items behind are forgotten."""

    def __init__(self, source: PhotoSource, position: int) -> None:
        self._items: Iterator[EncodedPhoto] = source.starting_at(position)
        self._first = position
        self._window: deque[EncodedPhoto] = deque()
        self._lock = threading.Lock()
        self._failure: Exception | None = None

    def item(self, position: int) -> EncodedPhoto:
        """Item `position`, not before the last `forget_before`.

        Raises:
            Exception: what the source raised before `position`, to every thread that asks.
            CancelledError: after `close`.
        """
        with self._lock:
            while len(self._window) <= position - self._first:
                if self._failure is not None:
                    raise self._failure
                try:
                    self._window.append(next(self._items))
                except Exception as error:
                    # A generator that raised only ends from then on; every thread must hear why.
                    self._failure = error
                    raise
            return self._window[position - self._first]

    def forget_before(self, position: int) -> None:
        """Let go of the items before `position`."""
        with self._lock:
            while self._first < position and self._window:
                self._window.popleft()
                self._first += 1

    def close(self) -> None:
        """Give nothing more, so that no thread goes on searching."""
        with self._lock:
            self._window.clear()
            self._failure = CancelledError()


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise RecipeError(message)
