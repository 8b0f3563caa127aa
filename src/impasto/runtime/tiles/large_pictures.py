"""Pictures from file to file by windows, when they are too large for memory.

Only tiles are float32; the picture and its result lie beside the place of the result, in their
files' types, until the result is complete.
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
from impasto.images.alpha import MARGIN, enlarged_with_alpha
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

Finish = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
"""The picture h×w×3 made of a window's transformed colours and its own, of one size."""


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
        target: where the result goes.
        width: pixels that the network is given.
        height: likewise.
        bits: of each channel in its file, 8 or 16.
        size: the longer side it is resized to first, if it is.
    """

    source: Path
    target: Path
    width: int
    height: int
    bits: int = 8
    size: int | None = None


@dataclass(frozen=True, slots=True)
class LargeResult:
    """What was written.

    Attributes:
        width: in pixels.
        height: in pixels.
        precision: that the model computed in.
    """

    width: int
    height: int
    precision: str


def find_large(
    source: Path, target: Path, *, size: int | None, is_large: Callable[[int, int, int], bool]
) -> LargePicture | None:
    """A large picture that can be read and written by windows; None for other files.

    Args:
        source: its file.
        target: where the result goes.
        size: the longer side it is resized to first, if it is.
        is_large: whether a height and width that the network would be given, with so many bits
            per channel, are too large.

    Raises:
        PictureFileError: the target's suffix says no format.
    """
    found = size_of_file(source)
    if found is None:
        return None
    width, height = found if size is None else fit_longer_side(*found, size)
    if not is_large(height, width, 16):  # the most that any picture takes
        return None
    if format_named(target.suffix).name not in FORMATS_BY_WINDOWS:
        return None
    bits = bits_by_windows(source)
    if bits is None or not is_large(height, width, bits):
        return None
    return LargePicture(source, target, width, height, bits, size)


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
        picture: what `find_large` found.
        predictor: the model.
        tile_size: side of the tiles, in pixels of the given picture.
        features_bytes: memory for features between stages, before they go to the disk.
        finish: what is done to every window of the result, if the scale is 1.
        quality: 1 to 100, for JPEG.
        bits: per channel of PNG and TIFF; `auto` is what the picture came with.
        overwrite: replace a file that is there.
        progress: told of each tile.

    Raises:
        OutputExistsError: a file is there and may not be overwritten.
        OutputAppearedError: a file appeared there meanwhile; the result is beside it.
        PictureFileError: the picture cannot be read, or the result not be written.
        ModelFileError: the model cannot be run, or not in tiles.
    """
    file_format = check_target(picture.target, overwrite=overwrite)
    with _workplace(picture.target) as folder:
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
            rgb = part.rgb
            if finish is not None:
                photograph = windows.channels(part.rows, part.columns)[..., :3]
                rgb = finish(rgb, np.ascontiguousarray(photograph))
            channels = _with_alpha(windows, part, rgb, scale) if windows.has_alpha else rgb
            writer.write(_times(part.rows, scale), _times(part.columns, scale), channels)
        writer.save(
            picture.target,
            file_format,
            metadata=windows.metadata,
            quality=quality,
            overwrite=overwrite,
        )
    return LargeResult(width, height, predictor.precision)


@contextmanager
def _workplace(target: Path) -> Iterator[Path]:
    """A hidden folder beside the result, gone at the end."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(work_folder(target.parent))
        except OSError as error:
            reason = reason_of(error)
            raise PictureFileError(f"{shown_path(target)} cannot be written ({reason})") from error
        yield folder


class _Filled:
    """Windows of a picture as networks are given them: the mean colour where it is transparent."""

    def __init__(self, windows: PictureWindows) -> None:
        self._windows = windows
        self.height, self.width = windows.height, windows.width
        self._mean = mean_visible_colour(_bands(windows)) if windows.has_alpha else None

    def window(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """The colours h×w×3 of a part."""
        channels = self._windows.channels(rows, columns)
        if not self._windows.has_alpha:
            return channels
        return filled(channels[..., :3], channels[..., 3:], self._mean)


def _with_alpha(
    windows: PictureWindows, part: Part, rgb: NDArray[np.float32], scale: int
) -> NDArray[np.float32]:
    """The channels h·s×w·s×4 of a part of the result, as `Upscaler` makes whole ones."""
    if scale == 1:
        return np.dstack([rgb, windows.channels(part.rows, part.columns)[..., 3]])
    top, left = max(0, part.rows.start - MARGIN), max(0, part.columns.start - MARGIN)
    around = windows.channels(
        slice(top, min(windows.height, part.rows.stop + MARGIN)),
        slice(left, min(windows.width, part.columns.stop + MARGIN)),
    )
    return enlarged_with_alpha(
        rgb,
        around[..., :3],
        around[..., 3],
        rows=slice(part.rows.start - top, part.rows.stop - top),
        columns=slice(part.columns.start - left, part.columns.stop - left),
    )


def _bands(windows: PictureWindows) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    for top in range(0, windows.height, _ROWS_AT_ONCE):
        rows = slice(top, min(top + _ROWS_AT_ONCE, windows.height))
        channels = windows.channels(rows, slice(0, windows.width))
        yield channels[..., :3], channels[..., 3:]


def _times(place: slice, scale: int) -> slice:
    return slice(place.start * scale, place.stop * scale)
