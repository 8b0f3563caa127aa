"""A model applied to a picture tile by tile, with the statistics of the whole picture.

The picture may lie anywhere: all that is asked of it are windows. So is the result: its parts are
handed out one by one, by rows of tiles from the top.
"""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelFileError
from impasto.runtime.backends import Precision
from impasto.runtime.features_on_disk import FeaturesOnDisk
from impasto.runtime.grain import with_grain_of_window
from impasto.runtime.predictor import check_output, padded_size
from impasto.runtime.tile_backend import (
    Feature,
    Measuring,
    PackedFeatures,
    Stage,
    StageRunner,
    Statistics,
    TileBackend,
)
from impasto.runtime.tiling import Span, Tile, TileGrid, plan_grid
from impasto.zoo.card import ModelCard
from impasto.zoo.model_file import ModelFile

REACH_OF_STAGES = 16
"""How many pixels around a pixel a stage of a network with instance norm looks at, at most: two
convolutions, where features of full resolution are computed again, and otherwise one."""

MAX_MEAN_TO_SPREAD = 4.0
"""Above, half precision would lose more than 2⁻⁹ of the spread, so that a pivot is taken off."""

Progress = Callable[[int, int], None]
"""Told how many tiles are done, and of how many."""


class PixelSource(Protocol):
    """A picture that lies somewhere and is read by windows.

    Attributes:
        height: in pixels.
        width: in pixels.
    """

    @property
    def height(self) -> int: ...  # noqa: D102  (an attribute, said above)

    @property
    def width(self) -> int: ...  # noqa: D102

    def window(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """The colours h×w×3 in [0, 1] of a part that lies within the picture."""
        ...


@dataclass(frozen=True, slots=True)
class ArraySource:
    """A picture H×W×3 float32 in [0, 1] that lies in memory."""

    rgb: NDArray[np.float32]

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.rgb.shape[0])

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.rgb.shape[1])

    def window(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """The colours h×w×3 of a part."""
        return self.rgb[rows, columns]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the result.

    Attributes:
        rows: of the given picture, that it was made from.
        columns: of the given picture.
        rgb: (h·scale)×(w·scale)×3 float32 in [0, 1].
    """

    rows: slice
    columns: slice
    rgb: NDArray[np.float32]


class TiledPredictor:
    """A model ready to transform pictures of any size in bounded memory.

    Args:
        model: a verified model file.
        precision: `auto` is bf16 where the processor computes in it, else f32.
        num_threads: at most so many; None leaves it to the backend.

    Raises:
        ModelFileError: the model cannot be opened, or not be run in tiles.
    """

    def __init__(
        self,
        model: ModelFile,
        *,
        precision: Precision = "auto",
        num_threads: int | None = None,
    ) -> None:
        self._model_name, self._card = str(model), model.card
        with _named(self._model_name):
            self._backend = TileBackend(model.data, precision=precision, num_threads=num_threads)

    @property
    def card(self) -> ModelCard:
        """What the model says about itself."""
        return self._card

    @property
    def precision(self) -> str:
        """The precision in use, `f32` or `bf16`."""
        return self._backend.precision

    def plan(self, source: PixelSource, *, tile_height: int, tile_width: int) -> TileGrid:
        """The tiles of a picture, padded to a size that the network takes.

        Raises:
            PictureError: tiles that would be all halo.
        """
        architecture = self._card.architecture
        return plan_grid(
            padded_size(architecture, source.height),
            padded_size(architecture, source.width),
            tile_height=max(tile_height, architecture.minimum_size),
            tile_width=max(tile_width, architecture.minimum_size),
            halo=REACH_OF_STAGES if self._backend.num_norms else architecture.reach,
            stride=architecture.stride,
        )

    def parts(
        self,
        source: PixelSource,
        grid: TileGrid,
        *,
        folder: Path | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Part]:
        """The transformed picture in parts, by rows of tiles from the top, each from the left.

        Args:
            source: the picture.
            grid: its tiles.
            folder: for features between norm layers, some 32 bytes a pixel of the shipped styles
                and none without instance norm; None is the system's place for temporary files.
            progress: told of each tile that went through a stage.

        Raises:
            ModelFileError: the model cannot be run, or its output is no picture.
            PictureFileError: no room for the features.
        """
        with (
            _named(self._model_name),
            TemporaryDirectory(dir=folder) as place,
            ExitStack() as at_the_end,
        ):
            stages = self._backend.stages(grid.shape)
            count = _Counter(len(grid.tiles) * len(stages), progress)
            run = _Run(self._backend, self._pixels_in(source), grid, Path(place), count)
            at_the_end.callback(run.close)
            for stage in stages[:-1]:
                run.measure(stage)
            for tile, output in run.outputs(stages[-1]):
                part = self._part(source, tile, output)
                if part is not None:
                    yield part
                count.advance()

    def _pixels_in(self, source: PixelSource) -> Callable[[Tile], NDArray[np.float32]]:
        return lambda tile: self._pixels(source, tile)

    def _part(self, source: PixelSource, tile: Tile, output: NDArray[np.float32]) -> Part | None:
        """A tile's core without what lies beyond the picture; None where that is all of it."""
        scale = self._card.scale
        check_output(output, (1, 3, tile.rows.size, tile.columns.size), scale=scale)
        rows = slice(tile.rows.core_start, min(tile.rows.core_stop, source.height))
        columns = slice(tile.columns.core_start, min(tile.columns.core_stop, source.width))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        down, across = (
            slice((part.start - span.start) * scale, (part.stop - span.start) * scale)
            for part, span in ((rows, tile.rows), (columns, tile.columns))
        )
        kept = output[0, :, down, across].transpose(1, 2, 0)
        return Part(rows, columns, np.clip(kept, 0.0, 1.0, order="C"))

    def _pixels(self, source: PixelSource, tile: Tile) -> NDArray[np.float32]:
        """1×3×h×w of the padded picture, with its grain, as a whole picture would have it."""
        top, left = (
            min(tile.rows.start, source.height - 1),
            min(tile.columns.start, source.width - 1),
        )
        rgb = source.window(
            slice(top, min(tile.rows.stop, source.height)),
            slice(left, min(tile.columns.stop, source.width)),
        )
        if self._card.task == "style-transfer":
            rgb = with_grain_of_window(rgb, width=source.width, top=top, left=left)
        below, right = tile.rows.size - rgb.shape[0], tile.columns.size - rgb.shape[1]
        if below or right:
            rgb = np.pad(rgb, ((0, below), (0, right), (0, 0)), mode="edge")
        return np.ascontiguousarray(rgb.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)


class _Counter:
    """Counts tiles for whoever wants to know."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def advance(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)


Given = tuple[NDArray[np.float32] | None, list[PackedFeatures]]
"""What a stage starts from at a tile: pixels where it needs them, and features."""


class _Run:
    """A picture on its way through the stages: the statistics so far, and features on the disk."""

    def __init__(
        self,
        backend: TileBackend,
        pixels: Callable[[Tile], NDArray[np.float32]],
        grid: TileGrid,
        folder: Path,
        count: _Counter,
    ) -> None:
        self._backend, self._pixels, self._grid = backend, pixels, grid
        self._folder, self._count = folder, count
        self._statistics: list[Statistics] = []
        self._kept: dict[Feature, FeaturesOnDisk] = {}
        self._files: list[FeaturesOnDisk] = []

    def close(self) -> None:
        """Let go of all files."""
        for file in self._files:
            file.delete()

    def measure(self, stage: Stage) -> None:
        """Run all tiles through a stage: the next norm layer's statistics, the next features."""
        assert stage.measured is not None
        moments = _Moments(stage.measured)
        made = {feature: self._new_file(feature) for feature in stage.made}
        runner = self._prepare(stage)
        with ThreadPoolExecutor(1) as aside:
            writing: Future[None] | None = None
            for tile, given in self._read_ahead(stage, runner, aside):
                sums, features = self._run(runner, given, tile, moments, made)
                if writing is None:  # the first tile, which decides on the pivots
                    has_chosen = moments.choose_pivot(sums, tile)
                    if _choose_pivots(made, features) or has_chosen:
                        sums, features = self._run(runner, given, tile, moments, made)
                else:
                    writing.result()
                moments.add(sums, tile)
                kept = {
                    feature: differences[_places(tile, feature.stride)].copy()
                    for feature, differences in zip(made, features, strict=True)
                }
                writing = aside.submit(_write, made, tile, kept)
                self._count.advance()
            assert writing is not None
            writing.result()
        self._statistics.append(moments.statistics())
        for feature in [feature for feature in self._kept if feature not in stage.left]:
            self._kept.pop(feature).delete()
        self._kept |= made

    def outputs(self, stage: Stage) -> Iterator[tuple[Tile, NDArray[np.float32]]]:
        """What the last stage makes of each tile."""
        runner = self._prepare(stage)
        with ThreadPoolExecutor(1) as aside:
            for tile, given in self._read_ahead(stage, runner, aside):
                output, _ = runner.run(*given, None, [])
                yield tile, output

    def _read_ahead(
        self, stage: Stage, runner: StageRunner, aside: ThreadPoolExecutor
    ) -> Iterator[tuple[Tile, Given]]:
        """Each tile and what a stage starts from; features are read while the one before is run.

        Pixels are not: who gave the picture need not have thought of several threads, and libvips
        wants a region of a picture to be read by the thread that made it.
        """
        tiles = self._grid.tiles
        reading = aside.submit(self._features, stage, tiles[0])
        for tile, following in zip(tiles, (*tiles[1:], None), strict=True):
            features = reading.result()
            if following is not None:
                reading = aside.submit(self._features, stage, following)
            yield tile, (self._pixels(tile) if runner.needs_picture else None, features)

    def _prepare(self, stage: Stage) -> StageRunner:
        return self._backend.prepare(stage, self._grid.shape, self._statistics)

    def _features(self, stage: Stage, tile: Tile) -> list[PackedFeatures]:
        return [self._read(feature, tile) for feature in stage.given]

    @staticmethod
    def _run(
        runner: StageRunner,
        given: Given,
        tile: Tile,
        moments: "_Moments",
        made: dict[Feature, FeaturesOnDisk],
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float16]]]:
        pivots = [file.pivot for file in made.values()]
        return runner.run(*given, moments.measuring(tile), pivots)

    def _read(self, feature: Feature, tile: Tile) -> PackedFeatures:
        rows, columns = (_place(span.start, span.stop, feature.stride) for span in _spans(tile))
        file = self._kept[feature]
        return PackedFeatures(file.read(rows, columns), file.pivot)

    def _new_file(self, feature: Feature) -> FeaturesOnDisk:
        height, width = (
            -(-spans[-1].stop // feature.stride) for spans in (self._grid.rows, self._grid.columns)
        )
        path = self._folder / secrets.token_hex(8)
        file = FeaturesOnDisk(path, (height, width, feature.channels))
        self._files.append(file)
        return file


def _write(
    files: dict[Feature, FeaturesOnDisk], tile: Tile, kept: dict[Feature, NDArray[np.float16]]
) -> None:
    """Put what a stage made within a tile's core where it belongs."""
    for feature, differences in kept.items():
        rows, columns = (
            _place(span.core_start, span.core_stop, feature.stride) for span in _spans(tile)
        )
        files[feature].write(rows, columns, differences)


def _choose_pivots(files: dict[Feature, FeaturesOnDisk], first: list[NDArray[np.float16]]) -> bool:
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
        counted = np.zeros((_place(0, tile.columns.size, self._stride).stop, 1), np.float32)
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
        """Count in what a stage's run says of a tile, 2×h×C."""
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
        return sums[:, rows].sum(axis=1, dtype=np.float64), num_steps


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


class _named:  # noqa: N801  (reads as the statement it is)
    """Put a model's name before what is wrong with it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, ModelFileError):
            raise ModelFileError(f"{self._name}: {error}") from None
