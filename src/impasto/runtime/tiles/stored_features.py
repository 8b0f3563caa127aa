"""Storage for a tiled picture's features between stages: in memory if they fit, else in a file.

Both hold H×W×C differences to a `pivot` in half precision, so that values that vary little around
a large mean keep half precision's eleven bits. The pivot is chosen before the first write.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from impasto.errors import PictureFileError
from impasto.files import reason_of, reserve_file, shown_size


class StoredFeatures(Protocol):
    """An H×W×C array of features that tiles are written to and read from.

    Attributes:
        pivot: C float32, to be added to the differences.
        is_slow: whether writing waits for a disk, and is better done in another thread.
    """

    pivot: NDArray[np.float32]
    is_slow: bool

    def write(self, rows: slice, columns: slice, differences: NDArray[np.float16]) -> None:
        """Write h×w×C at a position."""
        ...

    def read(self, rows: slice, columns: slice) -> NDArray[np.float16]:
        """The differences h×w×C at a position."""
        ...

    def delete(self) -> None:
        """Free the storage; may be called again."""
        ...


class FeaturesInMemory:
    """An H×W×C array of features in memory.

    Args:
        shape: H, W and C.

    Attributes:
        pivot: C float32, to be added to the differences.
    """

    is_slow = False

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._differences = np.empty(shape, np.float16)
        self.pivot: NDArray[np.float32] = np.zeros(shape[2], np.float32)

    def write(self, rows: slice, columns: slice, differences: NDArray[np.float16]) -> None:
        """Write h×w×C at a position."""
        self._differences[rows, columns] = differences

    def read(self, rows: slice, columns: slice) -> NDArray[np.float16]:
        """The differences h×w×C at a position."""
        return np.ascontiguousarray(self._differences[rows, columns])

    def delete(self) -> None:
        """Free the storage; may be called again."""
        # The run keeps every store until its end, so that only this frees the memory.
        self._differences = np.empty((0, 0, 0), np.float16)


class FeaturesOnDisk:
    """An H×W×C array of features in a file.

    A tile's rows are read and written one by one, because a mapped file costs a page fault for
    every 4 KiB, which takes longer.

    Args:
        path: the file to create.
        shape: H, W and C.

    Attributes:
        pivot: C float32, to be added to the differences.

    Raises:
        PictureFileError: the disk has not enough space.
    """

    is_slow = True

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        self._path = path
        self._shape = shape
        self.pivot: NDArray[np.float32] = np.zeros(shape[2], np.float32)
        try:
            # Reserved whole: a full disk shows now, not after minutes of tiles.
            reserve_file(path, 2 * int(np.prod(shape)))
            self._file = path.open("r+b", buffering=0)
        except OSError as error:
            raise self._no_space(error) from error

    def write(self, rows: slice, columns: slice, differences: NDArray[np.float16]) -> None:
        """Write h×w×C at a position.

        Raises:
            PictureFileError: the disk has not enough space after all.
        """
        try:
            for row, values in zip(range(rows.start, rows.stop), differences, strict=True):
                self._seek(row, columns.start)
                self._file.write(np.ascontiguousarray(values).data)
        except OSError as error:
            raise self._no_space(error) from error

    def read(self, rows: slice, columns: slice) -> NDArray[np.float16]:
        """The differences h×w×C at a position."""
        shape = rows.stop - rows.start, columns.stop - columns.start, self._shape[2]
        differences = np.empty(shape, np.float16)
        for row, values in zip(range(rows.start, rows.stop), differences, strict=True):
            self._seek(row, columns.start)
            self._file.readinto(values)
        return differences

    def delete(self) -> None:
        """Delete the file; may be called again."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _no_space(self, error: OSError) -> PictureFileError:
        num_bytes = 2 * int(np.prod(self._shape))
        return PictureFileError(
            f"{self._path.parent} cannot hold {shown_size(num_bytes)} of features "
            f"({reason_of(error)})"
        )

    def _seek(self, row: int, column: int) -> None:
        _, width, channels = self._shape
        self._file.seek(2 * channels * (row * width + column))
