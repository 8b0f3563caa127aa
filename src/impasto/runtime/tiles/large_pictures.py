"""Pictures too large for memory, transformed from file to file by windows.

Only tiles are float32. The decoded picture and the result are in a hidden folder beside the output,
in their files' integer types, until the result is complete.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from impasto.errors import PictureFileError
from impasto.files import reason_of
from impasto.images.alpha import MARGIN, mix_upscaled_with_alpha
from impasto.images.files.output import check_target, format_named
from impasto.images.formats.encoding import AskedBits
from impasto.images.resize import fit_longer_side
from impasto.images.windows.reading import (
    PictureWindows,
    bits_by_windows,
    open_windows,
    size_of_file,
)
from impasto.images.windows.writing import FORMATS_BY_WINDOWS, WindowWriter
from impasto.runtime.input_pictures import filled, mean_visible_colour
from impasto.runtime.tiles.grid import Progress
from impasto.runtime.tiles.tiled_predictor import Part, TiledPredictor
from impasto.system.visible_text import shown_path
from impasto.system.work_files import work_folder

_ROWS_AT_ONCE = 64

Finish = Callable[[NDArray[np.float32], NDArray[np.float32], slice, slice], NDArray[np.float32]]
"""From a window of the result and of the photograph, h×w×3 both, and its rows and columns, to the
final window."""


class SavingKeywords(TypedDict, total=False):
    """How `transform_large` writes the result, as keywords that callers hand on."""

    quality: int
    bits: AskedBits
    overwrite: bool
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class LargePicture:
    """A picture to be transformed by windows.

    Attributes:
        source: its file.
        output: the file to write.
        width: of the network's input, in pixels.
        height: of the network's input, in pixels.
        bits: of each channel in its file, 8 or 16.
        size: longer side to resize it to first; None for no resizing.
    """

    source: Path
    output: Path
    width: int
    height: int
    bits: int = 8
    size: int | None = None


@dataclass(frozen=True, slots=True)
class LargeResult:
    """A result that was written.

    Attributes:
        width: in pixels.
        height: in pixels.
        precision: the model's arithmetic precision.
    """

    width: int
    height: int
    precision: str


def find_large(
    source: Path, output: Path, *, size: int | None, is_large: Callable[[int, int, int], bool]
) -> LargePicture | None:
    """A large picture that can be read and written by windows; None for other files.

    Args:
        source: its file.
        output: the file to write.
        size: longer side to resize it to first; None for no resizing.
        is_large: whether a network input is too large, by its height, width and bits per channel.

    Raises:
        PictureFileError: the output's suffix is of no known format.
    """
    file_size = size_of_file(source)
    if file_size is None:
        return None
    width, height = file_size if size is None else fit_longer_side(*file_size, size)
    # 16 bits take the most memory; if that is not large, the file's bits need not be read.
    if not is_large(height, width, 16):
        return None
    if format_named(output.suffix).name not in FORMATS_BY_WINDOWS:
        return None
    bits = bits_by_windows(source)
    if bits is None or not is_large(height, width, bits):
        return None
    return LargePicture(source, output, width, height, bits, size)


def transform_large(
    picture: LargePicture,
    predictor: TiledPredictor,
    *,
    tile_size: int,
    features_bytes: int = 0,
    finish: Finish | None = None,
    quality: int = 92,
    bits: AskedBits = "auto",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> LargeResult:
    """Transform a picture from file to file.

    Args:
        picture: from `find_large`.
        predictor: the model.
        tile_size: side of the tiles, in pixels of the input picture.
        features_bytes: memory for features between stages; the rest goes to the disk.
        finish: applied to every window of the result, if the scale is 1.
        quality: 1 to 100, for JPEG.
        bits: per channel of PNG and TIFF; `auto` is the picture's own depth.
        overwrite: replace an existing file.
        progress: called after each tile of each stage.

    Raises:
        OutputExistsError: the file exists and may not be overwritten.
        OutputAppearedError: the file appeared meanwhile; the result is beside it.
        PictureFileError: the picture cannot be read, or the result not be written.
        ModelFileError: the model cannot be run, or not in tiles.
    """
    file_format = check_target(picture.output, overwrite=overwrite)
    with folder_beside(picture.output) as folder:
        windows = open_windows(picture.source, folder, size=picture.size)
        source = _Filled(windows)
        grid = predictor.plan(source, tile_height=tile_size, tile_width=tile_size)
        scale = predictor.card.scale
        width, height = windows.width * scale, windows.height * scale
        depth = windows.bits if bits == "auto" else bits
        depth = 8 if file_format.name == "JPEG" else depth
        writer = WindowWriter(
            folder,
            width=width,
            height=height,
            bits=depth,
            num_channels=4 if windows.has_alpha else 3,
        )
        parts = predictor.parts(
            source, grid, folder=folder, memory=features_bytes, progress=progress
        )
        for part in parts:
            _write_part(part, windows, writer, scale=scale, finish=finish)
        writer.save(
            picture.output,
            file_format,
            metadata=windows.metadata,
            quality=quality,
            overwrite=overwrite,
        )
    return LargeResult(width, height, predictor.precision)


def _write_part(
    part: Part, windows: PictureWindows, writer: WindowWriter, *, scale: int, finish: Finish | None
) -> None:
    rgb = part.rgb
    if finish is not None:
        # From the file: what the network got is filled where transparent, and has grain.
        photograph = windows.channels(part.rows, part.columns)[..., :3]
        rgb = finish(rgb, np.ascontiguousarray(photograph), part.rows, part.columns)
    channels = _with_alpha(windows, part, rgb, scale) if windows.has_alpha else rgb
    rows, columns = (
        slice(axis.start * scale, axis.stop * scale) for axis in (part.rows, part.columns)
    )
    writer.write(rows, columns, channels)


@contextmanager
def folder_beside(output: Path) -> Iterator[Path]:
    """A hidden folder beside the output, removed at the end.

    Raises:
        PictureFileError: the output's folder cannot be written into.
    """
    # Not the system's folder for temporary files: it often lies in memory, which is short here.
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(work_folder(output.parent))
        except OSError as error:
            reason = reason_of(error)
            raise PictureFileError(f"{shown_path(output)} cannot be written ({reason})") from error
        yield folder


class _Filled:
    """Windows of a picture for the network: transparent pixels have the mean visible colour."""

    def __init__(self, windows: PictureWindows) -> None:
        self._windows = windows
        self.height, self.width = windows.height, windows.width
        self._mean: NDArray[np.float32] | None = None
        if windows.has_alpha:
            # Before any tile: with means of their own, neighbouring tiles would have other fills.
            bands = (
                windows.channels(
                    slice(top, min(top + _ROWS_AT_ONCE, windows.height)), slice(0, windows.width)
                )
                for top in range(0, windows.height, _ROWS_AT_ONCE)
            )
            self._mean = mean_visible_colour((band[..., :3], band[..., 3:]) for band in bands)

    def window(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """The colours h×w×3 of a part."""
        channels = self._windows.channels(rows, columns)
        if not self._windows.has_alpha:
            return channels
        return filled(channels[..., :3], channels[..., 3:], self._mean)


def _with_alpha(
    windows: PictureWindows, part: Part, rgb: NDArray[np.float32], scale: int
) -> NDArray[np.float32]:
    """A part of the result with alpha, h·s×w·s×4, as `Upscaler` computes it for whole pictures."""
    if scale == 1:
        return np.dstack([rgb, windows.channels(part.rows, part.columns)[..., 3]])
    # The filter that upscales alpha reads MARGIN pixels around.
    top, left = max(0, part.rows.start - MARGIN), max(0, part.columns.start - MARGIN)
    around = windows.channels(
        slice(top, min(windows.height, part.rows.stop + MARGIN)),
        slice(left, min(windows.width, part.columns.stop + MARGIN)),
    )
    return mix_upscaled_with_alpha(
        rgb,
        around[..., :3],
        around[..., 3],
        rows=slice(part.rows.start - top, part.rows.stop - top),
        columns=slice(part.columns.start - left, part.columns.stop - left),
    )
