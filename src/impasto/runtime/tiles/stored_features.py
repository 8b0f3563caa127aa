"""Features of a picture in tiles between stages: in memory where they fit, else in a file.

Both hold H×W×C differences to a `pivot` in half precision, so that a small spread around a large
mean can keep half precision's eleven bits. Whoever writes chooses the pivot beforehand.
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
        pivot: C float32, to be added to what is read.
        is_slow: writing waits for a disk, and is better done aside.
    """

    pivot: NDArray[np.float32]
    is_slow: bool

    def write(self, rows: slice, columns: slice, differences: NDArray[np.float16]) -> None:
        """Put h×w×C in their position."""
        ...

    def read(self, rows: slice, columns: slice) -> NDArray[np.float16]:
        """The differences h×w×C at a position."""
        ...

    def delete(self) -> None:
        """Give the room back; once more does no harm."""
        ...


class FeaturesInMemory:
    """An H×W×C array of features in memory.

    Args:
        shape: H, W and C.

    Attributes:
        pivot: C float32, to be added to what is read.
    """

    is_slow = False

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._differences = np.empty(shape, np.float16)
        self.pivot: NDArray[np.float32] = np.zeros(shape[2], np.float32)

    def write(self, rows: slice, columns: slice, differences: NDArray[np.float16]) -> None:
        """Put h×w×C in their position."""
        self._differences[rows, columns] = differences

    def read(self, rows: slice, columns: slice) -> NDArray[np.float16]:
        """The differences h×w×C at a position."""
        return np.ascontiguousarray(self._differences[rows, columns])

    def delete(self) -> None:
        """Give the room back; once more does no harm."""
        self._differences = np.empty((0, 0, 0), np.float16)


class FeaturesOnDisk:
    """An H×W×C array of features in a file.

    Rows of a tile are read and written one by one: a mapped file would cost a page fault for every
    4 KiB, which takes longer.

    Args:
        path: of the file, which is made.
        shape: H, W and C.

    Attributes:
        pivot: C float32, to be added to what is read; whoever writes chooses it beforehand.

    Raises:
        PictureFileError: there is no room for it.
    """

    is_slow = True

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        self._path = path
        self._shape = shape
        self.pivot: NDArray[np.float32] = np.zeros(shape[2], np.float32)
        try:
            reserve_file(path, 2 * int(np.prod(shape)))
            self._file = path.open("r+b", buffering=0)
        except OSError as error:
            raise self._no_room(error) from error

    def write(self, rows: slice, columns: slice, differences: NDArray[np.float16]) -> None:
        """Put h×w×C in their place.

        Raises:
            PictureFileError: there is no room for it after all.
        """
        try:
            for row, values in zip(range(rows.start, rows.stop), differences, strict=True):
                self._seek(row, columns.start)
                self._file.write(np.ascontiguousarray(values).data)
        except OSError as error:
            raise self._no_room(error) from error

    def read(self, rows: slice, columns: slice) -> NDArray[np.float16]:
        """The differences h×w×C of a place."""
        shape = rows.stop - rows.start, columns.stop - columns.start, self._shape[2]
        found = np.empty(shape, np.float16)
        for row, values in zip(range(rows.start, rows.stop), found, strict=True):
            self._seek(row, columns.start)
            self._file.readinto(values)
        return found

    def delete(self) -> None:
        """Give the disk its room back; once more does no harm."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _no_room(self, error: OSError) -> PictureFileError:
        num_bytes = 2 * int(np.prod(self._shape))
        return PictureFileError(
            f"{self._path.parent} cannot hold {shown_size(num_bytes)} of features "
            f"({reason_of(error)})"
        )

    def _seek(self, row: int, column: int) -> None:
        _, width, channels = self._shape
        self._file.seek(2 * channels * (row * width + column))
