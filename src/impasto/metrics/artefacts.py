"""Artefacts of style networks, measured on a plane of luminance: a frame, and a grid of pixels.

Numpy only. The spectrum as super-resolution is measured by has other bins: `metrics.spectrum`.
"""

import numpy as np
from numpy.typing import NDArray

from impasto.errors import PictureError
from impasto.images.colour import check_rgb_shape

LUMINANCE_WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Of red, green and blue: ITU-R BT.709, applied to sRGB values as they are."""

BORDER_PIXELS = 8
GRID_PERIODS = (2, 4)
"""Periods in pixels of the patterns that two enlargements by 2 may leave."""

MINIMUM_SIZE = 64
_GAP_BINS, _RING_BINS = 2, 10  # under a Hann window a peak is two bins wide
_TINY = 1e-12


def style_luminance(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """The luminance that the functions of this module measure.

    Args:
        rgb: H×W×3 in [0, 1].

    Returns:
        H×W in [0, 1].

    Raises:
        PictureError: not such an array.
    """
    check_rgb_shape(rgb, "rgb")
    luminance: NDArray[np.float32] = rgb @ np.array(LUMINANCE_WEIGHTS, np.float32)
    return luminance


def border_step(luminance: NDArray[np.float32]) -> float:
    """The mean of the outermost 8 pixels minus that of the interior; 0 without a frame.

    Args:
        luminance: H×W in [0, 1], at least 64×64.

    Raises:
        PictureError: the picture is too small.
    """
    _check_size(luminance)
    inside = np.zeros(luminance.shape, bool)
    inside[BORDER_PIXELS:-BORDER_PIXELS, BORDER_PIXELS:-BORDER_PIXELS] = True
    return float(luminance[~inside].mean() - luminance[inside].mean())


def grid_peak(luminance: NDArray[np.float32], *, period: int) -> float:
    """How far the spectrum at a period of pixels stands out from its surroundings.

    Args:
        luminance: H×W in [0, 1], at least 64×64.
        period: in pixels, from 2.

    Returns:
        The energy at 1/period along rows or columns, whichever is higher, over the median of the
        20 bins around it, under a Hann window; near 1 without a grid.

    Raises:
        PictureError: the picture is too small.
    """
    _check_size(luminance)
    height, width = luminance.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    # Without the mean, whose own peak the window would spread over the lowest bins.
    energy = np.abs(np.fft.fft2((luminance - luminance.mean()) * window)) ** 2
    return max(_peak(energy.sum(axis=axis), period) for axis in (0, 1))


def _peak(energy: NDArray[np.float64], period: int) -> float:
    peak = len(energy) // period
    first, last = _GAP_BINS, _GAP_BINS + _RING_BINS
    ring = np.r_[peak - last : peak - first, peak + first + 1 : peak + last + 1]
    # The spectrum is periodic: a ring that leaves it at one end enters at the other.
    return float(energy[peak] / max(np.median(energy[ring % len(energy)]), _TINY))


def _check_size(luminance: NDArray[np.float32]) -> None:
    if min(luminance.shape) < MINIMUM_SIZE:
        height, width = luminance.shape
        raise PictureError(
            f"the picture is {width}×{height} pixels; its artefacts are measured from "
            f"{MINIMUM_SIZE}×{MINIMUM_SIZE}"
        )
