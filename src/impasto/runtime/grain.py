"""The faint noise added to pictures before a style's network, alike in a part and the whole."""

import functools

import numpy as np
from numpy.typing import NDArray

GRAIN = 1 / 255
"""Standard deviation of the noise. Without any, a network does the same everywhere on a flat wall
or a drawn sky: where nothing changes in the picture, nothing can in the stylized picture."""

_MAX_CACHED_PIXELS = 2**20
"""Noise of larger pictures is not cached: to make it takes little beside the network."""


def with_grain(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pictures N×H×W×3 with the same faint noise on each, so that videos do not flicker."""
    height, width = rgb.shape[1:3]
    # The next frame of a video or camera has the same size and takes the noise of the last one.
    make_noise = _cached_noise if height * width <= _MAX_CACHED_PIXELS else _noise
    return _added(rgb, make_noise(height, width))


def _noise(height: int, width: int) -> NDArray[np.float32]:
    # One seed for all: a picture stylized again, by any worker, must give the same file.
    return np.random.default_rng(0).random((height, width), dtype=np.float32)


_cached_noise = functools.lru_cache(maxsize=2)(_noise)


def with_grain_of_window(
    rgb: NDArray[np.float32], *, width: int, top: int, left: int
) -> NDArray[np.float32]:
    """A part H×W×3 of a picture with the noise that it has in the whole.

    Args:
        rgb: colours of the part.
        width: width of the whole picture.
        top: row of the picture that the part begins at.
        left: column of the picture that the part begins at.
    """
    generator = np.random.default_rng(0)
    noise = np.empty(rgb.shape[:2], np.float32)
    step = 0
    for y, row in enumerate(noise, start=top):
        # The generator skips the numbers between two rows of the part. One step of PCG64 makes two
        # 32-bit numbers, so that a row which begins at an odd number drops one.
        first, is_odd = divmod(y * width + left, 2)
        generator.bit_generator.advance(first - step)  # type: ignore[attr-defined]
        row[:] = generator.random(row.size + is_odd, dtype=np.float32)[is_odd:]
        step = first + (row.size + is_odd + 1) // 2
    return _added(rgb, noise)


def _added(rgb: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float32]:
    # Into a new array: the noise may be the cached one.
    grain = (noise - np.float32(0.5)) * np.float32(GRAIN * 12**0.5)  # uniform: width σ·√12
    grainy: NDArray[np.float32] = np.add(rgb, grain[..., None], dtype=np.float32)
    return np.clip(grainy, 0.0, 1.0, out=grainy)
