"""Features of a picture that is too large for memory: in a file, read and written by tiles."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impasto.errors import PictureFileError
from impasto.files import reserve_file


class FeaturesOnDisk:
    """An H×W×C array of features in half precision.

    What is kept are differences to `pivot`, so that a small spread around a large mean can keep
    half precision's eleven bits. The file is mapped for one tile at a time, and so takes no more
    of the process's memory than that.

    Args:
        path: of the file, which is made.
        shape: H, W and C.

    Attributes:
        pivot: C float32, to be added to what is read; whoever writes chooses it beforehand.

    Raises:
        PictureFileError: there is no room for it.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        self._path = path
        self._shape = shape
        height, width, channels = shape
        self.pivot: NDArray[np.float32] = np.zeros(channels, np.float32)
        num_bytes = 2 * channels * height * width
        try:
            reserve_file(path, num_bytes)
        except OSError as error:
            raise PictureFileError(
                f"{path.parent} has no room for {num_bytes / 2**30:.1f} GiB of features "
                f"({error.strerror or error}); make room, or choose another place for the picture"
            ) from error

    def write(self, rows: slice, columns: slice, differences: NDArray[np.float16]) -> None:
        """Put h×w×C in their place."""
        self._map("r+")[rows, columns] = differences

    def read(self, rows: slice, columns: slice) -> NDArray[np.float16]:
        """The differences h×w×C of a place."""
        return np.array(self._map("r")[rows, columns])

    def delete(self) -> None:
        """Give the disk its room back."""
        self._path.unlink(missing_ok=True)

    def _map(self, mode: str) -> NDArray[np.float16]:
        return np.memmap(self._path, np.float16, mode, shape=self._shape)  # type: ignore[call-overload, no-any-return]
