"""Pillow's bicubic resampling as numbers, so that a device can cut the same crops.

Pillow scales 8-bit pictures with integer weights, along the rows and then along the columns, and
rounds after each. Integer sums are the same on every device, so the crops are those of
`crops.scaled_crop`, bit for bit. What multiplies and adds is in `training.device_crops`.
"""

import numpy as np
from numpy.typing import NDArray

from impasto.data.crops import Window

WEIGHT_BITS = 22
"""A weight of 1 is 2^22, as in Pillow for 8-bit pictures."""
_SUPPORT = 2.0
"""Radius of the cubic, in pixels of the smaller raster."""


def is_order_certain(width: int, height: int, *, crop_size: int) -> bool:
    """Whether Pillow scales the rows of such a photograph first.

    Pillow 13 begins with the columns of narrow photographs, where height and crop together exceed
    twice the width; older versions begin with the rows of all. The rounding in between differs.
    """
    return height + crop_size <= 2 * width


def window_weights(
    image_size: tuple[int, int], window: Window, *, crop_size: int
) -> NDArray[np.int32]:
    """Return how a window becomes a crop, int32 4×crop_size×taps.

    Args:
        image_size: width and height; the filter sees the pixels around the window too.
        window: of the photograph.
        crop_size: height and width of the crop, in pixels.

    Returns:
        The columns that a column of the crop is made of and their weights, then the same of the
        rows, the weights in units of 2^-22.
    """
    columns, rows = (
        _axis_weights(pixels, start, start + window.side, crop_size)
        for pixels, start in zip(image_size, (window.left, window.top), strict=True)
    )
    packed = np.zeros((4, crop_size, max(columns.shape[2], rows.shape[2])), dtype=np.int32)
    packed[:2, :, : columns.shape[2]] = columns
    packed[2:, :, : rows.shape[2]] = rows
    # Taps of no weight read a pixel that is read anyway, so that the rows stay few.
    packed[2] = np.where(packed[3] == 0, packed[2, :, :1], packed[2])
    return packed


def _axis_weights(num_pixels: int, start: float, end: float, size: int) -> NDArray[np.int32]:
    """Return input pixels and weights of `size` output pixels, 2×size×taps."""
    # Pillow keeps a window's borders as float32, and subtracts them as such.
    near, far = np.float32(start), np.float32(end)
    scale = float(far - near) / size
    stretch = max(scale, 1.0)
    support = _SUPPORT * stretch
    centres = float(near) + (np.arange(size) + 0.5) * scale
    first = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + support + 0.5).astype(np.int64), num_pixels)
    indices = first[:, None] + np.arange(int((last - first).max()))
    weights = _cubic((indices - centres[:, None] + 0.5) * (1.0 / stretch))
    weights[indices >= last[:, None]] = 0.0
    # A cumulative sum adds from left to right, as Pillow does.
    weights /= np.cumsum(weights, axis=1)[:, -1:]
    units = weights * (1 << WEIGHT_BITS)
    rounded = np.trunc(units + np.copysign(0.5, units))
    return np.stack([np.minimum(indices, num_pixels - 1), rounded]).astype(np.int32)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cubic convolution kernel with a = -1/2, in Pillow's order of operations."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
