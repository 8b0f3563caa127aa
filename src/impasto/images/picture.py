"""A picture as it passes between rooms, and how it is resized.

From and to Pillow's images: `formats.conversion`; files: `files.io`.
"""

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from impasto.errors import PictureError
from impasto.images.alpha import resize_with_alpha
from impasto.images.colour import check_rgb_shape
from impasto.images.metadata.selection import Metadata
from impasto.images.resize import fit_longer_side, resize_lanczos

Bits = Literal[8, 16]
"""Bits per channel."""

LARGE_PIXELS = 2**22
"""Pictures of fewer pixels take little memory, and are decoded and resized as they are."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture in sRGB, upright, with what its file said about it.

    Attributes:
        rgb: H×W×3 float32 in [0, 1], sRGB, not multiplied by alpha.
        alpha: H×W float32 in [0, 1] where 0 is invisible, or None for a picture without.
        exif: the EXIF block, orientation 1, if the file had one.
        dpi: dots per inch along the width and the height, if known.
        xmp: the XMP packet, if the file had one.
        bits: bits per channel of the file it came from, and of one it is written to.
        texts: keyword and text of what else the file said, such as a comment.

    Raises:
        PictureError: an array of another shape, type or range, or with NaN.
    """

    rgb: NDArray[np.float32]
    alpha: NDArray[np.float32] | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    bits: Bits = 8
    texts: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        check_rgb_shape(self.rgb, "rgb")
        _check_range(self.rgb, "rgb")
        if self.alpha is not None:
            if self.alpha.shape != self.rgb.shape[:2]:
                shape = "×".join(map(str, self.alpha.shape))
                raise PictureError(f"alpha has shape {shape}; expected {self.height}×{self.width}")
            _check_range(self.alpha, "alpha")

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.rgb.shape[0])

    @property
    def metadata(self) -> Metadata:
        """What goes with its pixels."""
        return Metadata(self.exif, self.dpi, self.xmp, self.texts)

    def with_rgb(self, rgb: NDArray[np.float32]) -> "Picture":
        """The same picture with other colours; alpha is resized where the size is another.

        Args:
            rgb: H'×W'×3 float32 in [0, 1], sRGB.

        Raises:
            PictureError: an array of another shape, type or range, or with NaN.
        """
        check_rgb_shape(rgb, "rgb")
        alpha = self.alpha
        if alpha is not None:
            alpha = resize_lanczos(alpha, width=rgb.shape[1], height=rgb.shape[0]).clip(0, 1)
        return dataclasses.replace(self, rgb=rgb, alpha=alpha)


def resize_longer_side(picture: Picture, size: int) -> Picture:
    """Resize so that the longer side is `size`, keeping the aspect ratio.

    Lanczos-3, without aliasing. Colours are weighted by alpha: see `alpha`.

    Args:
        picture: of any size.
        size: the new longer side in pixels, at least 1.

    Raises:
        SettingError: a size below 1.
    """
    width, height = fit_longer_side(picture.width, picture.height, size)
    return resize_picture(picture, width=width, height=height)


def resize_picture(picture: Picture, *, width: int, height: int) -> Picture:
    """Resample to a width and a height, in pixels, as `resize_longer_side` does.

    Raises:
        SettingError: a width or height below 1.
    """
    if (width, height) == (picture.width, picture.height):
        return picture
    if picture.alpha is None:
        rgb = resize_lanczos(picture.rgb, width=width, height=height).clip(0, 1)
        return dataclasses.replace(picture, rgb=rgb)
    rgb, alpha = resize_with_alpha(picture.rgb, picture.alpha, width=width, height=height)
    return dataclasses.replace(picture, rgb=rgb, alpha=alpha)


def _check_range(array: NDArray[np.float32], name: str) -> None:
    if array.dtype != np.float32:
        raise PictureError(f"{name} holds {array.dtype}; expected float32")
    lowest, highest = float(array.min()), float(array.max())
    if not (lowest >= 0.0 and highest <= 1.0):  # written so that NaN fails too
        raise PictureError(
            f"{name} holds values from {lowest:g} to {highest:g}; expected 0 to 1: "
            "divide 8-bit values by 255, or clip"
        )
