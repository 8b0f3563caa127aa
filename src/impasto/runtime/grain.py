"""The faint noise that a style's network is given with every picture, of a part as of the whole."""

import functools

import numpy as np
from numpy.typing import NDArray

GRAIN = 1 / 255
"""Standard deviation of the noise that a style's network is given with every picture. Without any
it could not paint a flat wall or a drawn sky: what it does is the same everywhere, so that where
nothing changes in the picture, nothing can in the painting."""


_MAX_PIXELS_KEPT = 2**20
"""Noise of larger pictures is made anew: it takes little beside the network."""


def with_grain(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """N×H×W×3 with the same faint noise on each picture, so that films do not flicker."""
    height, width = rgb.shape[1:3]
    is_kept = height * width <= _MAX_PIXELS_KEPT
    noise = (_kept_noise if is_kept else _noise)(height, width)
    return _added(rgb, noise)


def _noise(height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((height, width), dtype=np.float32)


@functools.lru_cache(maxsize=2)
def _kept_noise(height: int, width: int) -> NDArray[np.float32]:
    """The same for the next frame of a video or camera."""
    return _noise(height, width)


def with_grain_of_window(
    rgb: NDArray[np.float32], *, width: int, top: int, left: int
) -> NDArray[np.float32]:
    """A part H×W×3 of a picture with the noise that it has in the whole.

    The generator steps over what lies between the rows of the part: one step of PCG64 makes two
    32-bit numbers.

    Args:
        rgb: the part.
        width: of the whole picture.
        top: the picture's row that the part begins at.
        left: the picture's column that the part begins at.
    """
    generator = np.random.default_rng(0)
    noise = np.empty(rgb.shape[:2], np.float32)
    step = 0
    for y, row in enumerate(noise, start=top):
        first, is_odd = divmod(y * width + left, 2)
        generator.bit_generator.advance(first - step)  # type: ignore[attr-defined]
        row[:] = generator.random(row.size + is_odd, dtype=np.float32)[is_odd:]
        step = first + (row.size + is_odd + 1) // 2
    return _added(rgb, noise)


def _added(rgb: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float32]:
    grain = (noise - np.float32(0.5)) * np.float32(GRAIN * 12**0.5)  # uniform: width σ·√12
    grainy: NDArray[np.float32] = np.add(rgb, grain[..., None], dtype=np.float32)
    return np.clip(grainy, 0.0, 1.0, out=grainy)
