"""A picture's tiles on their way through the stages of a model, with the features between them.

Each stage but the last measures what enters a norm layer over all tiles, and leaves features for
those behind it, in memory or on the disk. Features are read ahead and written behind in a thread of
their own.
"""

import math
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.tiles.grid import Progress, Span, Tile, TileGrid
from impasto.runtime.tiles.staged_backend import Measuring, PackedFeatures, StageRunner, TileBackend
from impasto.runtime.tiles.stages import Feature, Stage, Statistics, join_inner_stages
from impasto.runtime.tiles.stored_features import FeaturesInMemory, FeaturesOnDisk, StoredFeatures

INNER_BYTES_PER_VALUE = 6
"""Of memory, for each value that the stages in the middle are given, measure and leave, if the
picture goes through them whole. The shipped styles have four times 64 such values to 16 pixels."""

MAX_MEAN_TO_SPREAD = 4.0
"""Above, half precision would lose more than 2⁻⁹ of the spread, so that a pivot is taken off."""


class Counter:
    """Counts tiles for whoever wants to know.

    Args:
        total: how many there are.
        progress: who wants to know.
    """

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)


Given = tuple[NDArray[np.float32] | None, list[PackedFeatures]]
"""What a stage starts from at a tile: pixels where it needs them, and features."""


class TiledRun:
    """A picture on its way through the stages: the statistics so far, and the features.

    Args:
        backend: the model.
        pixels: what a tile has of the picture, 1×3×h×w.
        grid: the tiles.
        folder: for features that do not fit into the memory.
        memory: bytes for features.
        progress: is told of each tile that went through a stage.

    Attributes:
        stages: that the picture goes through.
    """

    def __init__(
        self,
        backend: TileBackend,
        pixels: Callable[[Tile], NDArray[np.float32]],
        grid: TileGrid,
        folder: Path,
        *,
        memory: int = 0,
        progress: Progress | None = None,
    ) -> None:
        self._backend, self._pixels, self._grid = backend, pixels, grid
        self._folder, self._memory = folder, memory
        self.stages = self._choose_stages()
        num_runs = sum(len(self._grid_of(stage).tiles) for stage in self.stages)
        self._count = Counter(num_runs, progress)
        self._statistics: dict[int, Statistics] = {}
        self._kept: dict[Feature, StoredFeatures] = {}
        self._stored: list[StoredFeatures] = []

    def close(self) -> None:
        """Let go of all features."""
        for features in self._stored:
            features.delete()

    def _choose_stages(self) -> tuple[Stage, ...]:
        """The stages, those in the middle as one if the memory is enough for the whole picture."""
        stages = self._backend.stages(self._grid.shape)
        joined = join_inner_stages(stages)
        inner = [stage for stage in joined if stage.num_known is not None]
        num_values = sum(
            math.prod(self._shape_of(feature)) for stage in inner for feature in stage.features
        )
        return joined if num_values * INNER_BYTES_PER_VALUE <= self._memory else stages

    def _grid_of(self, stage: Stage) -> TileGrid:
        return self._grid if stage.num_known is None else self._grid.as_one_tile()

    def measure(self, stage: Stage) -> None:
        """Run all tiles through a stage: the next norm layer's statistics, the next features."""
        assert stage.measured is not None
        assert stage.norm is not None
        moments = _Moments(stage.measured)
        made: dict[Feature, StoredFeatures] = {}
        for feature in stage.made:
            made[feature] = self._new_store(feature, beside=[*self._kept, *made])
        grid = self._grid_of(stage)
        runner_for_shape = self._backend.runner(stage, grid.shape)
        with runner_for_shape as runner, ThreadPoolExecutor(1) as aside:
            writing: Future[None] | None = None
            is_first = True
            for tile, given in self._read_ahead(stage, grid, runner, aside):
                sums, features = self._run(runner, given, tile, moments, made)
                if is_first:  # it decides on the pivots
                    is_first = False
                    has_chosen = moments.choose_pivot(sums, tile)
                    if _choose_pivots(made, features) or has_chosen:
                        sums, features = self._run(runner, given, tile, moments, made)
                moments.add(sums, tile)
                if writing is not None:
                    writing.result()
                writing = _write(made, tile, features, aside)
                self._count.advance()
            if writing is not None:
                writing.result()
        self._statistics[stage.norm] = moments.statistics()
        for feature in [feature for feature in self._kept if feature not in stage.left]:
            self._kept.pop(feature).delete()
        self._kept |= made

    def outputs(self, stage: Stage) -> Iterator[tuple[Tile, NDArray[np.float32]]]:
        """What the last stage makes of each tile."""
        shape = self._grid.shape
        with self._backend.runner(stage, shape) as runner, ThreadPoolExecutor(1) as aside:
            for tile, given in self._read_ahead(stage, self._grid, runner, aside):
                output, _ = runner.run(*given, self._statistics, None, [])
                yield tile, output
                self._count.advance()

    def _read_ahead(
        self, stage: Stage, grid: TileGrid, runner: StageRunner, aside: ThreadPoolExecutor
    ) -> Iterator[tuple[Tile, Given]]:
        """Each tile and what a stage starts from; features are read while the one before is run.

        Pixels are not: who gave the picture need not have thought of several threads, and libvips
        wants a region of a picture to be read by the thread that made it.
        """
        tiles = grid.tiles
        reading = aside.submit(self._features, stage, tiles[0])
        for tile, following in zip(tiles, (*tiles[1:], None), strict=True):
            features = reading.result()
            if following is not None:
                reading = aside.submit(self._features, stage, following)
            yield tile, (self._pixels(tile) if runner.needs_picture else None, features)

    def _features(self, stage: Stage, tile: Tile) -> list[PackedFeatures]:
        return [self._read(feature, tile) for feature in stage.given]

    def _run(
        self,
        runner: StageRunner,
        given: Given,
        tile: Tile,
        moments: "_Moments",
        made: dict[Feature, StoredFeatures],
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float16]]]:
        pivots = [file.pivot for file in made.values()]
        return runner.run(*given, self._statistics, moments.measuring(tile), pivots)

    def _read(self, feature: Feature, tile: Tile) -> PackedFeatures:
        rows, columns = (_place(span.start, span.stop, feature.stride) for span in _spans(tile))
        stored = self._kept[feature]
        return PackedFeatures(stored.read(rows, columns), stored.pivot)

    def _new_store(self, feature: Feature, *, beside: list[Feature]) -> StoredFeatures:
        """Room for features: in memory, if with all those that live beside them they fit."""
        shapes = [self._shape_of(each) for each in (feature, *beside)]
        stored: StoredFeatures
        if sum(2 * math.prod(shape) for shape in shapes) <= self._memory:
            stored = FeaturesInMemory(shapes[0])
        else:
            stored = FeaturesOnDisk(self._folder / secrets.token_hex(8), shapes[0])
        self._stored.append(stored)
        return stored

    def _shape_of(self, feature: Feature) -> tuple[int, int, int]:
        height, width = (
            -(-spans[-1].stop // feature.stride) for spans in (self._grid.rows, self._grid.columns)
        )
        return height, width, feature.channels


def _write(
    made: dict[Feature, StoredFeatures],
    tile: Tile,
    features: list[NDArray[np.float16]],
    aside: ThreadPoolExecutor,
) -> "Future[None] | None":
    """Put what a stage made within a tile's core in its position, if need be in another thread."""
    writing: Future[None] | None = None
    for (feature, stored), differences in zip(made.items(), features, strict=True):
        core = differences[_places(tile, feature.stride)]
        rows, columns = (
            _place(span.core_start, span.core_stop, feature.stride) for span in _spans(tile)
        )
        if stored.is_slow:  # one thread does it all, in order
            writing = aside.submit(stored.write, rows, columns, core.copy())
        else:
            stored.write(rows, columns, core)
    return writing


def _choose_pivots(files: dict[Feature, StoredFeatures], first: list[NDArray[np.float16]]) -> bool:
    """Pivots by the features of the first tile; whether any had to be chosen."""
    has_chosen = False
    for file, values in zip(files.values(), first, strict=True):
        flat = values.reshape(-1, values.shape[-1]).astype(np.float32)
        mean = flat.mean(axis=0, dtype=np.float64).astype(np.float32)
        if _is_far(mean, flat.std(axis=0)):
            file.pivot = mean
            has_chosen = True
    return has_chosen


class _Moments:
    """Mean and variance of features that come tile by tile.

    Args:
        measured: what they are of.
    """

    def __init__(self, measured: Feature) -> None:
        self._stride = measured.stride
        self._pivot: NDArray[np.float32] = np.zeros(measured.channels, np.float32)
        self._sums: NDArray[np.float64] = np.zeros((2, measured.channels))
        self._num_steps = 0

    def measuring(self, tile: Tile) -> Measuring:
        """How a tile is to be measured: within its core."""
        counted = np.zeros(_place(0, tile.columns.size, self._stride).stop, np.float32)
        counted[_places(tile, self._stride)[1]] = 1
        return Measuring(self._pivot, counted)

    def choose_pivot(self, sums: NDArray[np.float32], tile: Tile) -> bool:
        """A pivot by the sums of the first tile, where they need one; whether it was needed."""
        first, num_steps = self._within(sums, tile)
        mean, square = first / num_steps
        if not _is_far(mean, np.sqrt((square - mean**2).clip(0))):
            return False
        self._pivot = mean.astype(np.float32)
        return True

    def add(self, sums: NDArray[np.float32], tile: Tile) -> None:
        """Count in what a stage's run says of a tile, 2×C×h×1."""
        found, num_steps = self._within(sums, tile)
        self._sums += found
        self._num_steps += num_steps

    def statistics(self) -> Statistics:
        """Of all that was counted in."""
        mean, square = self._sums / self._num_steps
        return Statistics(self._pivot + mean, (square - mean**2).clip(0))

    def _within(self, sums: NDArray[np.float32], tile: Tile) -> tuple[NDArray[np.float64], int]:
        """Sums and sums of squares 2×C over a tile's core, and of how many values."""
        rows, columns = _places(tile, self._stride)
        num_steps = (rows.stop - rows.start) * (columns.stop - columns.start)
        by_row = sums[:, :, rows, 0].astype(np.float64)
        by_row[1] **= 2  # it comes as a root
        return by_row.sum(axis=2), num_steps


def _is_far(mean: NDArray[Any], spread: NDArray[Any]) -> bool:
    """Whether some channel's values lie so far from 0 that their spread loses precision."""
    return bool((abs(mean) > MAX_MEAN_TO_SPREAD * spread).any())


def _spans(tile: Tile) -> tuple[Span, Span]:
    return tile.rows, tile.columns


def _place(start: int, stop: int, stride: int) -> slice:
    """Where the pixels `start` to `stop` of an axis lie among features of a stride."""
    return slice(start // stride, -(-stop // stride))


def _places(tile: Tile, stride: int) -> tuple[slice, slice]:
    """Where a tile's core lies among the rows and columns of its features."""
    rows, columns = (_place(span.kept.start, span.kept.stop, stride) for span in _spans(tile))
    return rows, columns
