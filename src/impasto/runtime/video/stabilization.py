"""Repainted films that flicker less: each frame is held to the one before, moved along with it.

Where a frame shows what the one before showed, two means are taken along the motion: of the frame
itself with those before, so that sensor noise does not set off other strokes, and of the painting
with the painting before. Where it does not (occlusions, light that changes, borders, cuts), the
frame is painted as if it were alone. Flow is `motion`'s.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impasto.images.colour import LUMA_WEIGHTS
from impasto.runtime.video.optical_flow import enlarge, estimate_flow, is_inside, shrink, warp

FRAME_SHARE = 0.5
"""Share of the frames before in the mean that the network is given."""

PAINTING_SHARE = 0.6
"""Share of the painting before in the painting."""

FLOW_SIDE = 256
"""Flow is estimated on frames shrunk by a whole number so that no side is longer, in pixels."""

_LUMA = np.array(LUMA_WEIGHTS, np.float32)
_MISMATCH = 0.03
"""Difference at which the trust in what was there before is down to 1/e, without noise."""

_NUM_NOISES = 2.0
_MAX_NOISE = 0.025
"""More than this on average is no noise: it is another picture."""

_CUT_SHARE = 0.5
"""Below this mean trust a frame is taken for the first of another scene."""

Paint = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class _Past:
    """What the next frame is held to: a shrunk frame as filmed, the steadied frame and painting."""

    small: NDArray[np.float32]
    frame: NDArray[np.float32]
    painting: NDArray[np.float32]


class Stabilizer:
    """Paints the frames of one film in their order, and lets them agree.

    Args:
        paint: from a frame to its painting of the same size, float32 H×W×3 in [0, 1].
    """

    def __init__(self, paint: Paint) -> None:
        self._paint = paint
        self._past: _Past | None = None

    def __call__(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """The painting of the next frame.

        Args:
            frame: float32 H×W×3 in [0, 1]; one of another size begins anew.

        Returns:
            float32 H×W×3 in [0, 1].
        """
        height, width = frame.shape[:2]
        factor = -(-max(height, width) // FLOW_SIDE)
        small = shrink(frame, factor)
        past = self._past
        if past is None or past.frame.shape != frame.shape:
            return self._begin(small, frame)
        flow = estimate_flow(small @ _LUMA, past.small @ _LUMA)
        trust = trust_in(flow, small, past.small)
        if trust.mean() < _CUT_SHARE:
            return self._begin(small, frame)
        size = {"height": height, "width": width}
        moved = warp(
            np.concatenate([past.frame, past.painting], axis=-1),
            enlarge(flow, factor, **size) * np.float32(factor),
        )
        trust = enlarge(trust[..., np.newaxis], factor, **size)
        steady = mean_along_motion(frame, moved[..., :3], trust * np.float32(FRAME_SHARE))
        painting = mean_along_motion(
            self._paint(steady), moved[..., 3:], trust * np.float32(PAINTING_SHARE)
        )
        self._past = _Past(small, steady, painting)
        return painting

    def _begin(self, small: NDArray[np.float32], frame: NDArray[np.float32]) -> NDArray[np.float32]:
        painting = self._paint(frame)
        self._past = _Past(small, frame, painting)
        return painting


def trust_in(
    flow: NDArray[np.float32], frame: NDArray[np.float32], before: NDArray[np.float32]
) -> NDArray[np.float32]:
    """How far each pixel shows what the frame before showed where its flow leads.

    The difference there, averaged over channels and 5×5 pixels, counts from the level that the
    film's noise explains (by the median of all differences).

    Args:
        flow: H×W×2, as `estimate_flow` gives it.
        frame: H×W×3.
        before: H×W×3, the frame before.

    Returns:
        H×W float32 in [0, 1].
    """
    difference = box_mean(np.abs(frame - warp(before, flow)).mean(axis=-1), 2)
    noise = _NUM_NOISES * min(float(np.median(difference)), _MAX_NOISE)
    excess = np.maximum(difference - noise, 0) / (_MISMATCH + noise)
    trust: NDArray[np.float32] = np.exp(-np.square(excess), dtype=np.float32) * is_inside(flow)
    return trust


def mean_along_motion(
    picture: NDArray[np.float32], moved: NDArray[np.float32], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    """A picture mixed with the one before, which may differ no more than its neighbourhood does.

    Args:
        picture: H×W×3.
        moved: H×W×3, the one before, moved along.
        share: H×W×1, of the one before.

    Returns:
        float32 H×W×3 in [0, 1].

    Source: Karis 2014, *High-quality temporal supersampling* (SIGGRAPH course), from where the
    limits are taken: they keep a trace of what has left from being drawn along.
    """
    lowest, highest = neighbourhood(picture)
    held = np.clip(moved, lowest, highest)
    mixed: NDArray[np.float32] = np.clip(picture + share * (held - picture), 0, 1)
    return mixed


def neighbourhood(
    picture: NDArray[np.float32], *, radius: int = 2
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The lowest and the highest value around each pixel, in each channel.

    Args:
        picture: H×W×C.
        radius: of the window, in pixels.
    """
    height, width = picture.shape[:2]
    side = 2 * radius + 1
    padded = np.pad(picture, ((radius, radius), (radius, radius), (0, 0)), mode="edge")
    rows = [padded[start : start + height] for start in range(side)]
    low, high = functools.reduce(np.minimum, rows), functools.reduce(np.maximum, rows)
    columns = [slice(start, start + width) for start in range(side)]
    lowest: NDArray[np.float32] = functools.reduce(np.minimum, (low[:, c] for c in columns))
    highest: NDArray[np.float32] = functools.reduce(np.maximum, (high[:, c] for c in columns))
    return lowest, highest


def box_mean(array: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """The mean over windows of 2·radius + 1 pixels each way; the last pixel goes on beyond.

    Args:
        array: H×W float32.
        radius: of the window, in pixels.
    """
    side = 2 * radius + 1
    padded = np.pad(array, radius, mode="edge")
    height, width = array.shape
    rows = functools.reduce(np.add, (padded[start : start + height] for start in range(side)))
    total = functools.reduce(np.add, (rows[:, start : start + width] for start in range(side)))
    mean: NDArray[np.float32] = total / np.float32(side * side)
    return mean
