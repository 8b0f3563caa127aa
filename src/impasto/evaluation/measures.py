"""The measures of an upscaled picture, each with its protocol.

PSNR and SSIM, and the spectrum, need numpy only; measures that need torch are in `features` and
`lpips`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from impasto.evaluation.picture_sets import TestPicture
from impasto.metrics.fidelity import (
    SSIM_WINDOW,
    Luminance,
    Protocol,
    psnr,
    rgb_to_luminance,
    shave,
    ssim,
    to_levels,
)
from impasto.metrics.spectrum import (
    GRID_PERIODS,
    MINIMUM_SPECTRUM_SIZE,
    spectrum_energy,
    spectrum_peak,
)

Mean = Literal["arithmetic", "geometric"]

Scorer = Callable[[NDArray[np.float32]], tuple[float, ...]]
"""Returns the scores of an upscaled picture of the truth's size, one for each column."""

_SPECTRUM_WORDS = {
    "energy": "energy near the frequencies of the period",
    "peak": "energy near the frequencies of the period over that around them",
}
_TINY = 1e-9  # of squared grey levels: flat pictures have no energy


@dataclass(frozen=True, slots=True)
class Column:
    """One number of a table.

    Attributes:
        key: in JSON.
        title: in tables, with the unit.
        decimals: in tables.
        protocol: everything that affects the number, in words.
        mean: over pictures; geometric for ratios.
    """

    key: str
    title: str
    decimals: int
    protocol: str
    mean: Mean = "arithmetic"


@dataclass(frozen=True, slots=True)
class Measure:
    """Columns that are computed together.

    Attributes:
        columns: of its scores.
        minimum_size: of the picture without its border, in pixels each way.
        scorer_for: returns the scorer for a truth, whose own part is computed once.
    """

    columns: tuple[Column, ...]
    minimum_size: int
    scorer_for: Callable[[TestPicture], Scorer]


def fidelity(protocol: Protocol) -> Measure:
    """Return the measure of PSNR and SSIM."""
    columns = (
        Column("psnr", "PSNR, dB", 2, protocol.psnr),
        Column("ssim", "SSIM", 4, protocol.ssim),
    )

    def scorer_for(picture: TestPicture) -> Scorer:
        truth = _plane(picture.truth, picture, protocol)

        def scorer(upscaled: NDArray[np.float32]) -> tuple[float, ...]:
            plane = _plane(upscaled, picture, protocol)
            return psnr(plane, truth), ssim(plane, truth)

        return scorer

    return Measure(columns, SSIM_WINDOW, scorer_for)


def spectrum(protocol: Protocol) -> Measure:
    """Return the measure of the spectrum at a grid's periods: energy and peak over the truth's."""
    columns = tuple(
        Column(
            f"{key}_{period}",
            f"{key} at {period} px",
            2,
            f"{words}, {_over(protocol)}",
            mean="geometric",
        )
        for key, words in _SPECTRUM_WORDS.items()
        for period in GRID_PERIODS
    )

    def scorer_for(picture: TestPicture) -> Scorer:
        truth = _spectral(_plane(picture.truth, picture, protocol))

        def scorer(upscaled: NDArray[np.float32]) -> tuple[float, ...]:
            energies = _spectral(_plane(upscaled, picture, protocol))
            return tuple((a + _TINY) / (b + _TINY) for a, b in zip(energies, truth, strict=True))

        return scorer

    return Measure(columns, MINIMUM_SPECTRUM_SIZE, scorer_for)


def shaved_levels(rgb: NDArray[np.float32], border: int) -> NDArray[np.float32]:
    """Return a picture for colour measures: without its border, in 8-bit levels k / 255.

    Args:
        rgb: H×W×3 float32, [0, 1] or a little beyond.
        border: pixels cut from each side.

    Returns:
        (H - 2·border)×(W - 2·border)×3 float32 in [0, 1].
    """
    height, width = rgb.shape[:2]
    # At 8 bits, because published scores are of files.
    inner = rgb[border : height - border, border : width - border]
    return (to_levels(inner) / 255).astype(np.float32)


def _plane(rgb: NDArray[np.float32], picture: TestPicture, protocol: Protocol) -> Luminance:
    # A grey file's values are its luminance; by way of RGB they would be squeezed into 16..235.
    return shave(rgb_to_luminance(rgb, grey=picture.is_grey), protocol.shave)


def _spectral(plane: Luminance) -> tuple[float, ...]:
    energies = (spectrum_energy(plane, period=period) for period in GRID_PERIODS)
    peaks = (spectrum_peak(plane, period=period) for period in GRID_PERIODS)
    return (*energies, *peaks)  # in the order of the columns


def _over(protocol: Protocol) -> str:
    return (
        "over the truth's (1 is as much), geometric mean over pictures; Hann window, within 1/64 "
        f"cycles per pixel, on {protocol.luminance}"
    )
