"""Pictures that photo collections lack: flat, dark, blurred and smoothly shaded ones.

Collections are filtered for sharp, well lit photographs, while real photographs have skies, walls,
night and haze. A network that never met them paints dark red blobs exactly there, as our first
trainings did. Pictures here are float32 3×H×W in [0, 1], pure functions of a random generator.

Departs from the paper, which trains on photographs alone.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]


def synthetic_picture(
    rng: np.random.Generator, *, size: int, photograph: Callable[[], Pixels]
) -> Pixels:
    """One picture of a kind drawn evenly from `PATTERNS` and `ALTERATIONS`, 3×size×size.

    Every kind carries a sensor's noise: instance norm divides by the spread of a
    picture, and in one without any, rounding errors grew until gradients overflowed.

    Args:
        rng: decides the kind and everything in it.
        size: height and width, in pixels.
        photograph: gives the crop, 3×size×size in [0, 1], that an alteration starts from; it is
            called only for an alteration.
    """
    kind = int(rng.integers(len(PATTERNS) + len(ALTERATIONS)))
    if kind < len(PATTERNS):
        picture = PATTERNS[kind](rng, size)
    else:
        picture = ALTERATIONS[kind - len(PATTERNS)](rng, photograph())
    noise = rng.normal(scale=rng.uniform(0.5, 3.0) / 255, size=picture.shape)
    return _clipped(picture + noise)


def flat_color(rng: np.random.Generator, size: int) -> Pixels:
    """One colour: a clear sky, a wall, a product on paper."""
    return _filled(_random_color(rng), size)


def black_or_white(rng: np.random.Generator, size: int) -> Pixels:
    """Pure black or pure white: letterbox bars, burnt-out windows, the ends of the range."""
    return np.full((3, size, size), rng.integers(2), dtype=np.float32)


def nearly_flat(rng: np.random.Generator, size: int) -> Pixels:
    """One colour under slight noise, σ up to 4 grey levels: haze or night as a sensor sees it."""
    noise = rng.normal(scale=rng.uniform(0.5, 4.0) / 255, size=(3, size, size))
    return _clipped(_filled(_random_color(rng), size) + noise)


def linear_gradient(rng: np.random.Generator, size: int) -> Pixels:
    """Two colours shading into one another in any direction: a sky towards the horizon."""
    y, x = _grid(size)
    angle = rng.uniform(0.0, 2.0 * np.pi)
    ramp = np.cos(angle) * x + np.sin(angle) * y
    return _shaded(rng, ramp)


def radial_gradient(rng: np.random.Generator, size: int) -> Pixels:
    """Two colours shading away from a point: the light around a lamp, a vignette."""
    y, x = _grid(size)
    centre_y, centre_x = rng.uniform(-1.0, 1.0, size=2)
    return _shaded(rng, np.hypot(y - centre_y, x - centre_x))


def darkened(rng: np.random.Generator, photograph: Pixels) -> Pixels:
    """The photograph 3 to 8 stops darker, with a sensor's noise: night.

    A stop halves the light; under sRGB's gamma of about 2.2 the values shrink by 2^(-1/2.2).
    """
    factor = 2.0 ** (-rng.uniform(3.0, 8.0) / 2.2)
    noise = rng.normal(scale=rng.uniform(0.0, 2.0) / 255, size=photograph.shape)
    return _clipped(photograph * factor + noise)


def blurred(rng: np.random.Generator, photograph: Pixels) -> Pixels:
    """The photograph far out of focus, by 1/32 to 1/8 of its side: a soft background.

    Three box blurs in a row are close to a Gaussian; edges are repeated.
    """
    size = photograph.shape[-1]
    radius = max(1, round(size * rng.uniform(1 / 32, 1 / 8) / 2))
    window = 2 * radius + 1
    # In float64, because running sums of float32 lose digits; by running sums, because a wide box
    # then costs no more than a narrow one.
    soft = photograph.astype(np.float64)
    for axis in (1, 2):
        margin = [(0, 0), (0, 0), (0, 0)]
        margin[axis] = (radius + 1, radius)
        for _ in range(3):
            sums = np.cumsum(np.pad(soft, margin, mode="edge"), axis=axis)
            last = np.take(sums, range(window, window + size), axis=axis)
            soft = (last - np.take(sums, range(size), axis=axis)) / window
    return _clipped(soft)


PATTERNS: tuple[Callable[[np.random.Generator, int], Pixels], ...] = (
    flat_color,
    black_or_white,
    nearly_flat,
    linear_gradient,
    radial_gradient,
)
"""Pictures made from nothing."""

ALTERATIONS: tuple[Callable[[np.random.Generator, Pixels], Pixels], ...] = (darkened, blurred)
"""Pictures made from a photograph."""


def _random_color(rng: np.random.Generator) -> NDArray[np.float64]:
    """An RGB colour; half of all are dimmed, because flat and dark is where the blobs were."""
    color = rng.uniform(size=3)
    return color * rng.uniform(0.0, 0.5) if rng.integers(2) else color


def _filled(color: NDArray[np.float64], size: int) -> Pixels:
    picture = np.empty((3, size, size), dtype=np.float32)
    picture[:] = color[:, None, None]
    return picture


def _grid(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows and columns as coordinates from -1 to 1, of shapes size×1 and 1×size."""
    line = np.linspace(-1.0, 1.0, size)
    return line[:, None], line[None, :]


def _shaded(rng: np.random.Generator, ramp: NDArray[np.float64]) -> Pixels:
    """Two colours mixed by `ramp`, H×W, stretched to [0, 1]."""
    span = float(np.ptp(ramp)) or 1.0  # a picture of one pixel
    mix = (ramp - ramp.min()) / span
    first, second = _random_color(rng), _random_color(rng)
    return _clipped(first[:, None, None] * (1.0 - mix) + second[:, None, None] * mix)


def _clipped(picture: NDArray[np.floating]) -> Pixels:
    clipped: Pixels = np.clip(picture, 0.0, 1.0).astype(np.float32)
    return clipped
