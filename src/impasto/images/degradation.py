"""How a low-resolution picture is made from a high-resolution one.

One definition, a matrix per axis, which `degrade` applies to pictures of a benchmark and trainings
apply to their batches. Enlarging is another matter: see `resize` and the networks.
"""

import math

import numpy as np
from numpy.typing import NDArray

from impasto.errors import PictureError, SettingError
from impasto.images.colour import check_rgb_shape, round_levels
from impasto.images.degradation_kind import DEGRADATIONS, Degradation
from impasto.images.resize import Border, beyond_border, resize_matrix

BLUR_SIGMA = 1.0
"""Standard deviation of the blur in pixels of the high resolution; Johnson et al. 2016."""

# Beyond four standard deviations lies less than a ten-thousandth of the weight.
_BLUR_RADIUS = math.ceil(4 * BLUR_SIGMA)


def degrade(
    rgb: NDArray[np.floating],
    *,
    scale: int,
    degradation: Degradation = "bicubic",
    border: Border = "mirror",
) -> NDArray[np.float32]:
    """The low-resolution picture that a high-resolution one becomes.

    As in MATLAB, 8-bit pictures stay such on the way: clipped and rounded after the rows are
    resized, and again after the columns.

    Args:
        rgb: H×W×3 float in [0, 1], sRGB; H and W multiples of the scale.
        scale: by how much width and height shrink.
        degradation: blurred first, or not.
        border: what lies beyond the picture; `repeat` gives what older MATLAB releases gave.

    Returns:
        H/scale × W/scale × 3 float32 in [0, 1], rounded to 8-bit levels, that is to k / 255.

    Raises:
        PictureError: not such an array, or a size the scale does not divide.
        SettingError: an unknown degradation.
    """
    check_rgb_shape(rgb, "rgb")
    rows, columns = (
        degradation_matrix(size, scale, degradation, border=border) for size in rgb.shape[:2]
    )
    # In float32, k / 255 · 255 is k again, so that halves of a level are rounded as MATLAB does.
    levels = (rgb.astype(np.float32) * np.float32(255)).astype(np.float64)
    shorter = round_levels(np.einsum("hH,HWC->hWC", rows, levels, optimize=True))
    small = round_levels(np.einsum("wW,hWC->hwC", columns, shorter, optimize=True))
    return np.ascontiguousarray(small / 255, dtype=np.float32)


def degradation_matrix(
    size: int, scale: int, degradation: Degradation = "bicubic", *, border: Border = "mirror"
) -> NDArray[np.float64]:
    """One axis of a degradation: blur, where there is one, and resize.

    Args:
        size: pixels of the axis at high resolution, a multiple of the scale.
        scale: by how much it shrinks, at least 1.
        degradation: blurred first, or not.
        border: what lies beyond the ends of the axis.

    Returns:
        size/scale × size; each row sums to 1. Clipping and rounding to 8 bits come after it.

    Raises:
        PictureError: a size the scale does not divide.
        SettingError: an unknown degradation.
    """
    if degradation not in DEGRADATIONS:
        raise SettingError(
            f"the degradation is {degradation!r}; expected one of {', '.join(DEGRADATIONS)}"
        )
    if scale < 1 or size < scale or size % scale:
        raise PictureError(
            f"{size} pixels do not shrink by {scale}; expected a multiple of it: crop them first"
        )
    resize = resize_matrix(size, size // scale, border=border)
    if degradation == "bicubic":
        return resize
    offsets = np.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1)
    weights = np.exp(-0.5 * (offsets / BLUR_SIGMA) ** 2)
    pixels = np.arange(size)
    blur = np.zeros((size, size))
    for offset, weight in zip(offsets, weights / weights.sum(), strict=True):
        blur[pixels, beyond_border(pixels + offset, size, border=border)] += weight
    return resize @ blur
