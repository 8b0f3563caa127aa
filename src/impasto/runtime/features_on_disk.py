"""Features of a picture that is too large for memory: in a file, read and written by tiles."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impasto.errors import PictureFileError
from impasto.files import reserve_file

_LARGEST = float(np.finfo(np.float16).max)


class FeaturesOnDisk:
    """A C×H×W array of features in half precision.

    Half precision holds differences to each channel's mean over the first tile, so that a small
    spread around a large mean keeps its eleven bits. The file is mapped for one tile at a time,
    and so takes no more of the process's memory than that.

    Args:
        path: of the file, which is made.
        shape: C, H and W.

    Raises:
        PictureFileError: there is no room for it.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        self._path = path
        channels, height, width = shape
        self._layout = (height, width, channels)  # a tile's row is one stretch of the file
        self._pivot: NDArray[np.float32] | None = None
        num_bytes = 2 * channels * height * width
        try:
            reserve_file(path, num_bytes)
        except OSError as error:
            raise PictureFileError(
                f"{path.parent} has no room for {num_bytes / 2**30:.1f} GiB of features "
                f"({error.strerror or error}); make room, or choose another place for the picture"
            ) from error

    def write(self, rows: slice, columns: slice, values: NDArray[np.float32]) -> None:
        """Put C×h×w values in their place."""
        if self._pivot is None:
            self._pivot = values.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)
        differences = (values.transpose(1, 2, 0) - self._pivot).clip(-_LARGEST, _LARGEST)
        self._map("r+")[rows, columns] = differences

    def read(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """The values 1×C×h×w of a place."""
        assert self._pivot is not None
        values = self._map("r")[rows, columns].astype(np.float32) + self._pivot
        return np.ascontiguousarray(values.transpose(2, 0, 1)[np.newaxis])

    def delete(self) -> None:
        """Give the disk its room back."""
        self._path.unlink(missing_ok=True)

    def _map(self, mode: str) -> NDArray[np.float16]:
        return np.memmap(self._path, np.float16, mode, shape=self._layout)  # type: ignore[call-overload, no-any-return]
