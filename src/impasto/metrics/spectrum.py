"""The pixel grid in upscaled pictures, measured by its frequencies.

A network that upscales twice by 2 computes neighbouring pixels by different weights, which can
leave a pattern of 2 or 4 pixels all over the picture. Johnson et al. 2016 admit it in section 4.2.
"""

import itertools

import numpy as np
from numpy.typing import NDArray

from impasto.errors import PictureError
from impasto.metrics.fidelity import Luminance

GRID_PERIODS = (2, 4)
"""Periods, in pixels, of the pattern of a network that upscales by 4 in two steps."""

MINIMUM_SPECTRUM_SIZE = 48
_HALF_WIDTH = 1 / 64  # cycles per pixel to both sides of a grid's frequency
_MINIMUM_HALF_WIDTH_BINS = 2  # the width of a peak under a Hann window
_SURROUNDINGS = 3  # times as far
_NOISE_MEAN = np.exp(np.euler_gamma)  # over the geometric mean, in the power spectrum of noise
# Keeps the logarithm finite where a picture is flat.
_TINY = 1e-9


def spectrum_energy(luminance: Luminance, *, period: int) -> float:
    """The energy that a pattern of this period would add to, in squared grey levels per bin.

    A pattern that repeats after `period` pixels along rows and columns, modulated by the picture,
    has its energy near the multiples of 1/period; those of shorter periods are left out. The mean
    of the power spectrum, under a Hann window, within 1/64 cycles per pixel of those frequencies.

    Args:
        luminance: H×W in grey levels, at least 48×48.
        period: of the pattern in pixels, from 2.

    Raises:
        PictureError: the picture is too small.
    """
    power = _power_spectrum(luminance)
    return float(np.mean([_near(power, at, times=1).mean() for at in _frequencies(period)]))


def spectrum_peak(luminance: Luminance, *, period: int) -> float:
    """The energy at a period over that of its surroundings: near 1 where there is no grid.

    Unlike `spectrum_energy` it does not tell a sharp picture from a blurred one.

    Args:
        luminance: H×W in grey levels, at least 48×48.
        period: of the pattern in pixels, from 2.

    Returns:
        The mean over the frequencies of that period, of the mean energy near each over the
        geometric mean of the ring around it, corrected so that noise has 1.

    Raises:
        PictureError: the picture is too small.
    """
    power = _power_spectrum(luminance)
    return float(np.mean([_peak(power, at) for at in _frequencies(period)]))


def _peak(power: NDArray[np.float64], at: tuple[float, float]) -> float:
    """The mean energy near a frequency over that expected from the ring around it."""
    inside = _near(power, at, times=1)
    around = _near(power, at, times=_SURROUNDINGS)
    edge = (len(around) - len(inside)) // 2
    ring = np.ones(around.shape, dtype=bool)
    ring[edge:-edge, edge:-edge] = False
    # A geometric mean: one strong frequency of the picture would lift an arithmetic mean of the
    # ring.
    expected = _NOISE_MEAN * np.exp(np.log(around[ring] + _TINY).mean())
    return float((inside.mean() + _TINY) / expected)


def _power_spectrum(luminance: Luminance) -> NDArray[np.float64]:
    if min(luminance.shape) < MINIMUM_SPECTRUM_SIZE:
        raise PictureError(
            f"a picture of {luminance.shape[1]}×{luminance.shape[0]} pixels is too small for its "
            f"spectrum; expected at least {MINIMUM_SPECTRUM_SIZE}×{MINIMUM_SPECTRUM_SIZE}"
        )
    window = np.outer(*(np.hanning(size) for size in luminance.shape))
    flat = (luminance - luminance.mean()) * window
    power: NDArray[np.float64] = np.abs(np.fft.fft2(flat)) ** 2 / (window**2).sum()
    return power


def _frequencies(period: int) -> list[tuple[float, float]]:
    """Where a grid of exactly this period has its energy, in cycles per pixel down and across."""
    steps = itertools.product(range(period), repeat=2)
    return [
        (down / period, across / period)
        for down, across in steps
        if np.gcd.reduce([down, across, period]) == 1
    ]


def _near(
    power: NDArray[np.float64], at: tuple[float, float], *, times: int
) -> NDArray[np.float64]:
    """The energies of the bins around a frequency."""
    axes = []
    for size, frequency in zip(power.shape, at, strict=True):
        half_width = times * max(_MINIMUM_HALF_WIDTH_BINS, round(size * _HALF_WIDTH))
        middle = round(size * frequency)
        axes.append(np.arange(middle - half_width, middle + half_width + 1) % size)
    return power[np.ix_(*axes)]
