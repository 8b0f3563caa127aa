"""A picture's tiles run through the stages of a model, with the features between the stages.

Each stage but the last measures the input of a norm layer over all tiles, and stores features for
the later stages in memory or on the disk (`stored_features`). One thread computes, a second one
reads the features of the next tile and writes those of the last.
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
"""Memory for each value that joined stages read, measure or pass on, the picture being whole. The
shipped styles have four times 64 such values for 16 pixels."""

MAX_MEAN_TO_SPREAD = 4.0
"""Above this, half precision would lose more than 2⁻⁹ of the standard deviation, so features are
stored and measured as differences to a pivot."""


class Counter:
    """Counts tiles, and reports their number.

    Args:
        total: the number of tiles.
        progress: called after each tile.
    """

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def advance(self) -> None:
        """Count one more tile as done."""
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)


StageInputs = tuple[NDArray[np.float32] | None, list[PackedFeatures]]
"""A stage's inputs for a tile: pixels, if it needs them, and features."""


class TiledRun:
    """The run of one picture through the stages: the statistics so far, and the features.

    Args:
        backend: the model.
        pixels: returns the pixels of a tile, 1×3×h×w.
        grid: the tiles.
        folder: for features that do not fit into `memory`.
        memory: bytes for features.
        progress: called after each tile of each stage.

    Attributes:
        stages: the stages to run, in their order.
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
        stages = backend.stages(grid.shape)
        joined = join_inner_stages(stages)
        inner = [stage for stage in joined if stage.num_known is not None]
        num_values = sum(
            math.prod(self._shape_of(feature)) for stage in inner for feature in stage.features
        )
        # Joined stages run on the whole picture, if that fits into memory, and so compute nothing
        # twice: 12 megapixels in 14.4 s of processor time in place of 20.6 (2026-11-28).
        self.stages = joined if num_values * INNER_BYTES_PER_VALUE <= memory else stages
        num_runs = sum(len(self._grid_of(stage).tiles) for stage in self.stages)
        self._count = Counter(num_runs, progress)
        self._statistics: dict[int, Statistics] = {}
        self._stored: dict[Feature, StoredFeatures] = {}
        self._all_stored: list[StoredFeatures] = []  # to delete, also after an error

    def close(self) -> None:
        """Delete all features."""
        for features in self._all_stored:
            features.delete()

    def _grid_of(self, stage: Stage) -> TileGrid:
        return self._grid if stage.num_known is None else self._grid.as_one_tile()

    def measure(self, stage: Stage) -> None:
        """Run all tiles through a stage, for the next norm layer's statistics and the features."""
        assert stage.measured is not None
        assert stage.norm is not None
        moments = _Moments(stage.measured)
        computed: dict[Feature, StoredFeatures] = {}
        for feature in stage.computed:
            computed[feature] = self._new_store(feature, beside=[*self._stored, *computed])
        grid = self._grid_of(stage)
        # One thread for the disk, never two: a store seeks and then reads or writes, and a second
        # thread would move the file's position in between.
        runner_for_shape = self._backend.runner(stage, grid.shape)
        with runner_for_shape as runner, ThreadPoolExecutor(1) as disk_thread:
            writing: list[Future[None]] = []
            is_first = True
            for tile, inputs in self._read_ahead(stage, grid, runner, disk_thread):
                sums, features = self._run(runner, inputs, tile, moments, computed)
                if is_first:
                    # The first tile shows whether values lie far from 0. Then it runs once more,
                    # with pivots that all tiles share.
                    is_first = False
                    # Both choose: an `or` of the two calls would leave out the second.
                    has_chosen = moments.choose_pivot(sums, tile)
                    if _choose_pivots(computed, features) or has_chosen:
                        sums, features = self._run(runner, inputs, tile, moments, computed)
                moments.add(sums, tile)
                for write in writing:  # one tile at most waits for the disk, or memory would fill
                    write.result()
                writing = _write(computed, tile, features, disk_thread)
                self._count.advance()
            for write in writing:
                write.result()
        self._statistics[stage.norm] = moments.statistics()
        # At once: the next stage's features may have the memory, instead of going to the disk.
        for feature in [feature for feature in self._stored if feature not in stage.passed_on]:
            self._stored.pop(feature).delete()
        self._stored |= computed

    def outputs(self, stage: Stage) -> Iterator[tuple[Tile, NDArray[np.float32]]]:
        """Each tile, with the last stage's output for it."""
        shape = self._grid.shape
        with self._backend.runner(stage, shape) as runner, ThreadPoolExecutor(1) as disk_thread:
            for tile, inputs in self._read_ahead(stage, self._grid, runner, disk_thread):
                output, _ = runner.run(*inputs, self._statistics, None, [])
                yield tile, output
                self._count.advance()

    def _read_ahead(
        self, stage: Stage, grid: TileGrid, runner: StageRunner, disk_thread: ThreadPoolExecutor
    ) -> Iterator[tuple[Tile, StageInputs]]:
        """Each tile with the stage's inputs; features are read while the previous tile runs.

        Pixels are read by this thread: a `PixelSource` need not be safe for several threads, and
        libvips reads a region only in the thread that made it.
        """

        def features_of(tile: Tile) -> list[PackedFeatures]:
            return [self._read(feature, tile) for feature in stage.inputs]

        tiles = grid.tiles
        reading = disk_thread.submit(features_of, tiles[0])
        for tile, following in zip(tiles, (*tiles[1:], None), strict=True):
            features = reading.result()
            if following is not None:
                reading = disk_thread.submit(features_of, following)
            yield tile, (self._pixels(tile) if runner.needs_picture else None, features)

    def _run(
        self,
        runner: StageRunner,
        inputs: StageInputs,
        tile: Tile,
        moments: "_Moments",
        computed: dict[Feature, StoredFeatures],
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float16]]]:
        pivots = [stored.pivot for stored in computed.values()]
        return runner.run(*inputs, self._statistics, moments.measuring(tile), pivots)

    def _read(self, feature: Feature, tile: Tile) -> PackedFeatures:
        rows, columns = (_steps(span.start, span.stop, feature.stride) for span in _spans(tile))
        stored = self._stored[feature]
        return PackedFeatures(stored.read(rows, columns), stored.pivot)

    def _new_store(self, feature: Feature, *, beside: list[Feature]) -> StoredFeatures:
        """Storage for features: in memory if they fit there beside the others, else on the disk."""
        shapes = [self._shape_of(each) for each in (feature, *beside)]
        stored: StoredFeatures
        if sum(2 * math.prod(shape) for shape in shapes) <= self._memory:
            stored = FeaturesInMemory(shapes[0])
        else:
            stored = FeaturesOnDisk(self._folder / secrets.token_hex(8), shapes[0])
        self._all_stored.append(stored)
        return stored

    def _shape_of(self, feature: Feature) -> tuple[int, int, int]:
        height, width = (
            -(-spans[-1].stop // feature.stride) for spans in (self._grid.rows, self._grid.columns)
        )
        return height, width, feature.channels


def _write(
    computed: dict[Feature, StoredFeatures],
    tile: Tile,
    features: list[NDArray[np.float16]],
    disk_thread: ThreadPoolExecutor,
) -> "list[Future[None]]":
    """Store the core of a tile's features; those for the disk are written by the other thread.

    Returns:
        The writes under way. All are to be waited for: any of them may fail.
    """
    writing: list[Future[None]] = []
    for (feature, stored), differences in zip(computed.items(), features, strict=True):
        core = differences[_core_of(tile, feature.stride)]
        rows, columns = (
            _steps(span.core_start, span.core_stop, feature.stride) for span in _spans(tile)
        )
        if stored.is_slow:  # copied, since the next run overwrites it
            writing.append(disk_thread.submit(stored.write, rows, columns, core.copy()))
        else:
            stored.write(rows, columns, core)
    return writing


def _choose_pivots(
    computed: dict[Feature, StoredFeatures], first: list[NDArray[np.float16]]
) -> bool:
    """Choose pivots by the features of the first tile; returns whether one was needed."""
    has_chosen = False
    for stored, values in zip(computed.values(), first, strict=True):
        flat = values.reshape(-1, values.shape[-1]).astype(np.float32)
        mean = flat.mean(axis=0, dtype=np.float64).astype(np.float32)
        if _is_far(mean, flat.std(axis=0)):
            stored.pivot = mean
            has_chosen = True
    return has_chosen


class _Moments:
    """Mean and variance of features, summed tile by tile.

    Args:
        measured: the features.
    """

    def __init__(self, measured: Feature) -> None:
        self._stride = measured.stride
        self._pivot: NDArray[np.float32] = np.zeros(measured.channels, np.float32)
        # In float64: the variance is the small difference of two large numbers.
        self._sums: NDArray[np.float64] = np.zeros((2, measured.channels))
        self._num_steps = 0

    def measuring(self, tile: Tile) -> Measuring:
        """The pivot, and the columns of a tile's core."""
        counted = np.zeros(_steps(0, tile.columns.size, self._stride).stop, np.float32)
        counted[_core_of(tile, self._stride)[1]] = 1
        return Measuring(self._pivot, counted)

    def choose_pivot(self, sums: NDArray[np.float32], tile: Tile) -> bool:
        """Choose a pivot by the sums of the first tile; returns whether one was needed."""
        first, num_steps = self._within(sums, tile)
        mean, square = first / num_steps
        if not _is_far(mean, np.sqrt((square - mean**2).clip(0))):
            return False
        self._pivot = mean.astype(np.float32)
        return True

    def add(self, sums: NDArray[np.float32], tile: Tile) -> None:
        """Add the sums of a tile, 2×C×h×1, as `StageRunner.run` returns them."""
        tile_sums, num_steps = self._within(sums, tile)
        self._sums += tile_sums
        self._num_steps += num_steps

    def statistics(self) -> Statistics:
        """Mean and variance of all tiles."""
        mean, square = self._sums / self._num_steps
        # Rounding can leave a flat channel a little below 0, whose root is no number.
        return Statistics(self._pivot + mean, (square - mean**2).clip(0))

    def _within(self, sums: NDArray[np.float32], tile: Tile) -> tuple[NDArray[np.float64], int]:
        """Sums and sums of squares 2×C over a tile's core, and their number of values."""
        rows, columns = _core_of(tile, self._stride)
        num_steps = (rows.stop - rows.start) * (columns.stop - columns.start)
        by_row = sums[:, :, rows, 0].astype(np.float64)
        by_row[1] **= 2  # the graph returns its root
        return by_row.sum(axis=2), num_steps


def _is_far(mean: NDArray[Any], spread: NDArray[Any]) -> bool:
    """Whether a channel's values lie too far from 0 for half precision: `MAX_MEAN_TO_SPREAD`."""
    return bool((abs(mean) > MAX_MEAN_TO_SPREAD * spread).any())


def _spans(tile: Tile) -> tuple[Span, Span]:
    return tile.rows, tile.columns


def _steps(start: int, stop: int, stride: int) -> slice:
    """The steps of features for the pixels `start` to `stop` of an axis."""
    return slice(start // stride, -(-stop // stride))


def _core_of(tile: Tile, stride: int) -> tuple[slice, slice]:
    """The rows and columns of a tile's core among the tile's features."""
    rows, columns = (_steps(span.core.start, span.core.stop, stride) for span in _spans(tile))
    return rows, columns
