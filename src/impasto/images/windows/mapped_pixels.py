"""Plain pixels in a file that libvips reads, in little memory.

libvips would map the whole file, and every page that was read would count as the process's memory
until the file is closed. This mapping is our own and releases the pages that were read.
"""

import mmap
from pathlib import Path
from typing import TYPE_CHECKING

from impasto.images.formats.vips_pixels import image_over

if TYPE_CHECKING:
    import pyvips


class MappedPixels:
    """An image whose pixels lie in a file, row by row from the top.

    Args:
        path: of the file, which has the pixels and nothing else.
        width: of the picture.
        height: of the picture.
        num_channels: 3, or 4 with alpha.
        bits: 8 or 16, of each channel.

    Attributes:
        image: the picture in sRGB, to be read in any order.

    Raises:
        OSError: the file cannot be read.
    """

    def __init__(
        self, path: Path, *, width: int, height: int, num_channels: int, bits: int
    ) -> None:
        with path.open("rb") as file:
            self._mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.image = image_over(
            self._mapping, width=width, height=height, num_channels=num_channels, bits=bits
        )

    def let_go(self) -> None:
        """Release the memory of all pages that were read."""
        # Nothing is lost: pages of a read-only mapping are read from the file again.
        if hasattr(mmap, "MADV_DONTNEED"):
            self._mapping.madvise(mmap.MADV_DONTNEED)

    def let_go_while_written(self) -> None:
        """Release memory repeatedly while the image is encoded."""
        self.let_go_while_read(self.image)

    def let_go_while_read(self, image: "pyvips.Image") -> None:
        """Release memory repeatedly while an image that is derived from this one is computed."""
        image.set_progress(True)
        image.signal_connect("eval", lambda *_: self.let_go())
