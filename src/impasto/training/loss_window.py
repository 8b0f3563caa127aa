"""Where in a crop a batch is judged: in a smaller window, at another place with every step.

A network can tell the border of a picture, since what it makes up beyond is a mirror image. Judged
always up to the border, it learns to paint a frame there. A window whose place changes leaves it
no border to paint against.
"""

import numpy as np

WINDOW_STREAM = 2
"""The second word of the seed of a window's place: (seed, WINDOW_STREAM, position)."""

LARGEST_SHARE = 4
"""Of a crop's side, at most one in so many pixels is left out."""

Window = tuple[slice, slice]


def judged_window(height: int, width: int, *, margin: int, seed: int, position: int) -> Window:
    """Return the rows and columns of a crop that are judged, in the same place for a whole batch.

    Args:
        height: of the crop, in pixels.
        width: likewise.
        margin: how many pixels lower and narrower than the crop the window is, but for small
            crops, of which at least three quarters are kept.
        seed: of the training.
        position: samples consumed by now: it decides the place, so that resuming changes nothing.
    """
    rng = np.random.default_rng([seed, WINDOW_STREAM, position])
    rows, columns = (_span(size, margin, rng) for size in (height, width))
    return rows, columns


def _span(size: int, margin: int, rng: np.random.Generator) -> slice:
    left_out = min(margin, size // LARGEST_SHARE)
    start = int(rng.integers(left_out + 1))
    return slice(start, start + size - left_out)
