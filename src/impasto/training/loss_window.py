"""Where in a crop the loss is computed: in a smaller window, at another position every step.

A network can tell the border of a picture, since the padding beyond it is a mirror image. If the
loss always includes the border, the network learns to paint a frame there. A window that moves
gives it no border to paint against.
"""

import numpy as np
from torch import Tensor

WINDOW_STREAM = 2
"""The second word of the seed of a window's position: (seed, WINDOW_STREAM, samples consumed)."""

LARGEST_SHARE = 4
"""The margin is at most the crop's side over this."""

LossSlices = tuple[slice, slice]
"""Rows and columns of a crop."""

LossWindow = LossSlices | tuple[Tensor, Tensor]
"""Likewise, or as index tensors, int64: a recorded step reads those anew at every replay."""


def loss_window(height: int, width: int, *, margin: int, seed: int, position: int) -> LossSlices:
    """Return the rows and columns of a crop that the loss sees, the same for a whole batch.

    Args:
        height: of the crop, in pixels.
        width: likewise.
        margin: pixels by which the window is lower and narrower than the crop; at most a quarter
            of the crop's side.
        seed: of the training.
        position: samples consumed by now. The window depends on nothing else that changes, so
            that a resumed run sees the same windows.
    """
    rng = np.random.default_rng([seed, WINDOW_STREAM, position])
    spans = []
    for size in (height, width):
        left_out = min(margin, size // LARGEST_SHARE)
        start = int(rng.integers(left_out + 1))
        spans.append(slice(start, start + size - left_out))
    return spans[0], spans[1]


def cut(pictures: Tensor, window: LossWindow) -> Tensor:
    """Return the window of N×C×H×W pictures."""
    rows, columns = window
    if isinstance(rows, slice) or isinstance(columns, slice):
        return pictures[:, :, rows, columns]
    return pictures.index_select(2, rows).index_select(3, columns)
