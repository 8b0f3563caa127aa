"""Plain pixels in a file, as libvips reads them, in little memory.

libvips maps such a file as a whole, and all of it that was read counts as the process's own memory
until it is closed. Here the mapping is ours, and lets go of what was read.
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
        """Give the memory of all that was read back to the system."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._mapping.madvise(mmap.MADV_DONTNEED)

    def let_go_while_written(self) -> None:
        """Do so again and again while a file is made of the image, or of what is made of it."""
        self.let_go_while_read(self.image)

    def let_go_while_read(self, made: "pyvips.Image") -> None:
        """Do so while something that is made of the image is computed."""
        made.set_progress(True)
        made.signal_connect("eval", lambda *_: self.let_go())
