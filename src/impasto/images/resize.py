"""Resampling of float arrays.

Works on channels of any meaning; pictures with alpha are resized by `picture`.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.errors import PictureError


def resize_lanczos(array: NDArray[np.float32], *, width: int, height: int) -> NDArray[np.float32]:
    """Resample with a Lanczos-3 kernel, widened when shrinking so that nothing aliases.

    Args:
        array: H×W or H×W×C float32.
        width: columns of the result, at least 1.
        height: rows of the result, at least 1.

    Returns:
        height×width or height×width×C float32. Not clipped: the kernel rings at edges.
        An array that has this size already is returned as it is.

    Raises:
        PictureError: a width or height below 1.
    """
    if width < 1 or height < 1:
        raise PictureError(f"cannot resize to {width}×{height}; expected at least 1×1 pixel")
    if array.shape[:2] == (height, width):
        return array
    if array.ndim == 3:
        channels = [
            resize_lanczos(array[..., c], width=width, height=height) for c in range(array.shape[2])
        ]
        return np.stack(channels, axis=-1)
    plane = Image.fromarray(np.ascontiguousarray(array, dtype=np.float32))
    return np.array(plane.resize((width, height), Image.Resampling.LANCZOS), dtype=np.float32)


def fit_longer_side(width: int, height: int, size: int) -> tuple[int, int]:
    """The width and height with the same aspect ratio whose longer one is `size`.

    Args:
        width: in pixels.
        height: in pixels.
        size: the longer side wanted, in pixels.

    Returns:
        Width and height, rounded, each at least 1.

    Raises:
        PictureError: a size below 1.
    """
    if size < 1:
        raise PictureError(f"the longer side cannot be {size}; expected at least 1 pixel")
    longer = max(width, height)
    return max(1, round(width * size / longer)), max(1, round(height * size / longer))
