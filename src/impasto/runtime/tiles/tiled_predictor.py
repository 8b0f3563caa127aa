"""A model applied to a picture tile by tile, with the statistics of the whole picture.

The picture is read by windows, so it may be in memory or in a file. The result comes in parts, by
rows of tiles from the top. Tiles: `grid`. Stages: `staged_run`.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelFileError
from impasto.runtime.compute import Precision
from impasto.runtime.grain import with_grain_of_window
from impasto.runtime.predictor import check_output, padded_size
from impasto.runtime.tiles.grid import Progress, Tile, TileGrid, plan_grid
from impasto.runtime.tiles.staged_backend import TileBackend
from impasto.runtime.tiles.staged_run import TiledRun
from impasto.system.forks import check_not_forked
from impasto.system.work_files import work_folder
from impasto.zoo.card import ModelCard
from impasto.zoo.model_file import ModelFile

STAGE_RECEPTIVE_RADIUS = 16
"""Largest receptive radius of a stage of a network with instance norm, in pixels: two convolutions
where features of full resolution are computed again, else one."""


class PixelSource(Protocol):
    """A picture that is read by windows.

    Attributes:
        height: in pixels.
        width: in pixels.
    """

    @property
    def height(self) -> int: ...  # noqa: D102  (documented above)

    @property
    def width(self) -> int: ...  # noqa: D102

    def window(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """The colours h×w×3 in [0, 1] of a part that lies within the picture."""
        ...


@dataclass(frozen=True, slots=True)
class ArraySource:
    """A picture in memory, H×W×3 float32 in [0, 1]."""

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
        rows: of the input picture.
        columns: of the input picture.
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
        num_threads: most threads to use; None leaves it to the backend.

    Raises:
        ModelFileError: the model cannot be opened, or not be run in tiles.
        ForkError: this process was forked after a model was opened; also raised by `parts`.
    """

    def __init__(
        self,
        model: ModelFile,
        *,
        precision: Precision = "auto",
        num_threads: int | None = None,
    ) -> None:
        check_not_forked()
        self._model_name, self._card = str(model), model.card
        with _named(self._model_name):
            self._backend = TileBackend(model.data, precision=precision, num_threads=num_threads)

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self._card

    @property
    def precision(self) -> str:
        """The precision in use, `f32` or `bf16`."""
        return self._backend.precision

    def plan(self, source: PixelSource, *, tile_height: int, tile_width: int) -> TileGrid:
        """The tiles of a picture, padded to a size that the network takes.

        Raises:
            SettingError: the halo leaves no core.
        """
        architecture = self._card.architecture
        return plan_grid(
            padded_size(architecture, source.height),
            padded_size(architecture, source.width),
            tile_height=max(tile_height, architecture.minimum_size),
            tile_width=max(tile_width, architecture.minimum_size),
            halo=STAGE_RECEPTIVE_RADIUS
            if self._backend.num_norms
            else architecture.receptive_radius,
            stride=architecture.stride,
        )

    def parts(
        self,
        source: PixelSource,
        grid: TileGrid,
        *,
        folder: Path | None = None,
        memory: int = 0,
        progress: Progress | None = None,
    ) -> Iterator[Part]:
        """The transformed picture in parts, by rows of tiles from the top, each from the left.

        Args:
            source: the picture.
            grid: its tiles.
            folder: for features between norm layers, some 32 bytes a pixel for the shipped styles
                and none without instance norm; None is the system's temporary folder.
            memory: bytes of such features to hold in memory instead.
            progress: called after each tile of each stage.

        Raises:
            ModelFileError: the model cannot be run, or its output is no picture.
            PictureFileError: the disk has not enough space for the features.
        """
        check_not_forked()
        with _named(self._model_name), work_folder(folder) as work:
            pixels = partial(self._pixels, source)
            run = TiledRun(self._backend, pixels, grid, work, memory=memory, progress=progress)
            # Inside of the folder's context: open files cannot be removed on Windows.
            with closing(run):
                for stage in run.stages[:-1]:
                    run.measure(stage)
                for tile, output in run.outputs(run.stages[-1]):
                    part = self._part(source, tile, output)
                    if part is not None:
                        yield part

    def _part(self, source: PixelSource, tile: Tile, output: NDArray[np.float32]) -> Part | None:
        """A tile's core within the picture; None if all of it lies in the padding."""
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
        # Clipping copies: the next tile overwrites the output.
        rgb = output[0, :, down, across].transpose(1, 2, 0)
        return Part(rows, columns, np.clip(rgb, 0.0, 1.0, order="C"))

    def _pixels(self, source: PixelSource, tile: Tile) -> NDArray[np.float32]:
        """A tile of the padded picture, 1×3×h×w, with the grain that a whole picture would get."""
        # A tile may lie wholly in the padding, which repeats the last row and column.
        top, left = (
            min(tile.rows.start, source.height - 1),
            min(tile.columns.start, source.width - 1),
        )
        rgb = source.window(
            slice(top, min(tile.rows.stop, source.height)),
            slice(left, min(tile.columns.stop, source.width)),
        )
        # Grain before padding, as in a whole picture: the padding repeats it too.
        if self._card.task == "style-transfer":
            rgb = with_grain_of_window(rgb, width=source.width, top=top, left=left)
        below, right = tile.rows.size - rgb.shape[0], tile.columns.size - rgb.shape[1]
        if below or right:
            rgb = np.pad(rgb, ((0, below), (0, right), (0, 0)), mode="edge")
        return np.ascontiguousarray(rgb.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)


class _named:  # noqa: N801  (reads as the statement it is)
    """Put a model's name before its errors."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, ModelFileError):
            raise ModelFileError(f"{self._name}: {error}") from None
