"""Resampling of float arrays: Lanczos for sight, MATLAB's bicubic for super-resolution.

Works on channels of any meaning; pictures with alpha are resized by `picture`. Benchmarks of
super-resolution are defined by MATLAB's `imresize`, which other bicubics miss by several grey
levels: it widens the kernel when it shrinks, and continues the picture beyond its border.
"""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.errors import SettingError

Border = Literal["mirror", "repeat"]
"""How a picture goes on beyond its border: by its mirror image, as MATLAB's `imresize` has it
today, or by its last pixel for ever, as older releases had it."""


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
        SettingError: a width or height below 1.
    """
    if width < 1 or height < 1:
        raise SettingError(f"cannot resize to {width}×{height}; expected at least 1×1 pixel")
    if array.shape[:2] == (height, width):
        return array
    if array.ndim == 3:
        # Pillow resizes floats in single planes only, of mode F.
        channels = [
            resize_lanczos(array[..., c], width=width, height=height) for c in range(array.shape[2])
        ]
        return np.stack(channels, axis=-1)
    plane = Image.fromarray(np.ascontiguousarray(array, dtype=np.float32))
    return np.array(plane.resize((width, height), Image.Resampling.LANCZOS), dtype=np.float32)


def imresize(array: NDArray[np.float32], *, width: int, height: int) -> NDArray[np.float32]:
    """Resample by a cubic kernel exactly as MATLAB's `imresize` does.

    The kernel has a = -0.5 and is widened when shrinking, so that nothing aliases; beyond its
    border the picture is continued by its mirror image.

    Args:
        array: H×W or H×W×C float32.
        width: columns of the result, at least 1.
        height: rows of the result, at least 1.

    Returns:
        height×width or height×width×C float32. Not clipped: the kernel rings at edges.

    Raises:
        SettingError: an empty array, or a width or height below 1.

    Source: MATLAB's `imresize`; Keys 1981, *Cubic Convolution Interpolation for Digital Image
    Processing*. Departs from MATLAB in that 8-bit pictures are not rounded between the axes.
    """
    if width < 1 or height < 1 or array.size == 0:
        raise SettingError(
            f"cannot resize {'×'.join(map(str, array.shape))} to {width}×{height}; "
            "expected at least 1×1 pixel"
        )
    rows = _resample_first_axis(array, height)
    return np.swapaxes(_resample_first_axis(np.swapaxes(rows, 0, 1), width), 0, 1).astype(
        np.float32, order="C"
    )


def resize_matrix(size: int, new_size: int, *, border: Border = "mirror") -> NDArray[np.float64]:
    """One axis of `imresize` as a matrix: `resize_matrix(H, h) @ picture` resizes the rows.

    Args:
        size: pixels of the axis, at least 1.
        new_size: pixels wanted, at least 1.
        border: what lies beyond the ends of the axis.

    Returns:
        new_size×size; each row sums to 1.

    Raises:
        SettingError: a size below 1.
    """
    if size < 1 or new_size < 1:
        raise SettingError(f"cannot resize {size} to {new_size} pixels; expected at least 1")
    matrix = np.zeros((new_size, size))
    for weights, sources in _bicubic_taps(size, new_size, border):
        matrix[np.arange(new_size), sources] += weights
    return matrix


def beyond_border(
    indices: NDArray[np.int64], size: int, *, border: Border = "mirror"
) -> NDArray[np.int64]:
    """Which pixels of an axis stand at these places, which may lie beyond its ends.

    Args:
        indices: of any shape, below 0 and beyond `size` too.
        size: pixels of the axis.
        border: `mirror` reads … 1 0 | 0 1 2 | 2 1 …, over and over; `repeat` 0 0 | 0 1 2 | 2 2.
    """
    if border == "repeat":
        return indices.clip(0, size - 1)
    within = indices % (2 * size)
    return np.minimum(within, 2 * size - 1 - within)


def fit_longer_side(width: int, height: int, size: int) -> tuple[int, int]:
    """The width and height with the same aspect ratio whose longer one is `size`.

    Args:
        width: in pixels.
        height: in pixels.
        size: the longer side wanted, in pixels.

    Returns:
        Width and height, rounded, each at least 1.

    Raises:
        SettingError: a size below 1.
    """
    if size < 1:
        raise SettingError(f"the longer side cannot be {size}; expected at least 1 pixel")
    longer = max(width, height)
    return max(1, round(width * size / longer)), max(1, round(height * size / longer))


def reduction(width: int, height: int, size: int) -> int:
    """How many pixels in a row may become one before a picture is resized, and none sees it.

    Args:
        width: in pixels.
        height: in pixels.
        size: the longer side wanted, in pixels.

    Returns:
        At least 1; the longer side is then still twice as long as wanted, or as it was.
    """
    return max(1, max(width, height) // (2 * max(1, size)))


def _resample_first_axis(array: NDArray[np.floating], new_size: int) -> NDArray[np.float64]:
    """Tap by tap: a matrix of both sizes would not fit into memory for large pictures."""
    resampled = np.zeros((new_size, *array.shape[1:]))
    for weights, sources in _bicubic_taps(array.shape[0], new_size, "mirror"):
        resampled += weights.reshape(-1, *[1] * (array.ndim - 1)) * array[sources]
    return resampled


def _bicubic_taps(
    size: int, new_size: int, border: Border
) -> list[tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """What each new pixel takes from where: pairs of weights and indices, one per tap."""
    shrinkage = max(1.0, size / new_size)
    # Pixels are areas: the first one's centre lies half a pixel from the border, in both sizes.
    centres = (np.arange(new_size) + 0.5) * size / new_size - 0.5
    first = np.floor(centres - 2 * shrinkage).astype(np.int64)
    # Two more than the kernel is wide, as in imresize: its ends fall between pixels. Taps without
    # any weight are left out below.
    num_taps = math.ceil(4 * shrinkage) + 2
    indices = first[:, np.newaxis] + np.arange(num_taps)
    x = np.abs((centres[:, np.newaxis] - indices) / shrinkage)
    near = 1.5 * x**3 - 2.5 * x**2 + 1  # Keys' kernel with a = -0.5
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    weights = np.where(x <= 1, near, np.where(x <= 2, far, 0.0))
    # Sampled, the kernel does not sum to 1 exactly, and flat areas would change.
    weights /= weights.sum(axis=1, keepdims=True)
    sources = beyond_border(indices, size, border=border)
    return [(weights[:, tap], sources[:, tap]) for tap in range(num_taps) if weights[:, tap].any()]
