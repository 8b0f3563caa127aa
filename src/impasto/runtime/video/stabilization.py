"""Stylized videos with less flicker: each frame is mixed with the previous one along the motion.

Where a frame shows the same as the previous one, two means are taken along the optical flow: of the
frame with the previous frames, so that sensor noise does not cause other strokes, and of the
stylized frame with the previous stylized frame. Elsewhere (occlusions, changes of light, borders,
cuts) a frame is stylized by itself. The flow comes from `optical_flow`.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impasto.images.colour import LUMA_WEIGHTS
from impasto.runtime.video.optical_flow import enlarge, estimate_flow, is_inside, shrink, warp

FRAME_WEIGHT = 0.5
"""Weight of the previous frames in the network's input."""

STYLIZED_WEIGHT = 0.6
"""Weight of the previous stylized frame in the current one."""

FLOW_SIDE = 256
"""Longest side in pixels of the frames that flow is estimated on, shrunk by a whole number."""

_LUMA = np.array(LUMA_WEIGHTS, np.float32)
_MISMATCH = 0.03
"""Difference at which the trust in the previous frame falls to 1/e, without noise."""

# Without an upper bound, a cut between two soft pictures passed for noise.
_NUM_NOISES = 2.0
_MAX_NOISE = 0.025
"""A larger median difference is not taken for noise: the frames show different things."""

_CUT_SHARE = 0.5
"""Below this mean trust, a frame is taken for the first after a cut."""

StylizeFrame = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class _Past:
    """The previous frame.

    Attributes:
        small: the frame as it was recorded, shrunk; flow and trust compare recorded frames.
        frame: its mean with the frames before.
        stylized: its stylized picture.
    """

    small: NDArray[np.float32]
    frame: NDArray[np.float32]
    stylized: NDArray[np.float32]


class Stabilizer:
    """Stylizes the frames of one video, in their order, with little flicker.

    Args:
        stylize: stylizes a frame, float32 H×W×3 in [0, 1], to a picture of the same size, H×W×C:
            two styles have six channels, and share the flow.
    """

    def __init__(self, stylize: StylizeFrame) -> None:
        self._stylize = stylize
        self._past: _Past | None = None

    def __call__(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next frame, stylized.

        Args:
            frame: float32 H×W×3 in [0, 1]; after another size, the previous frames are forgotten.

        Returns:
            float32 H×W×C in [0, 1].
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
        # Both pictures in one warp: its positions are computed once.
        warped = warp(
            np.concatenate([past.frame, past.stylized], axis=-1),
            enlarge(flow, factor, **size) * np.float32(factor),
        )
        trust = enlarge(trust[..., np.newaxis], factor, **size)
        steady = mean_along_motion(frame, warped[..., :3], trust * np.float32(FRAME_WEIGHT))
        stylized = mean_along_motion(
            self._stylize(steady), warped[..., 3:], trust * np.float32(STYLIZED_WEIGHT)
        )
        self._past = _Past(small, steady, stylized)
        return stylized

    def _begin(self, small: NDArray[np.float32], frame: NDArray[np.float32]) -> NDArray[np.float32]:
        stylized = self._stylize(frame)
        self._past = _Past(small, frame, stylized)
        return stylized


def trust_in(
    flow: NDArray[np.float32], frame: NDArray[np.float32], before: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Per pixel, the trust that x + flow(x) in the previous frame shows the same as x in this one.

    It falls with the difference of the two, averaged over channels and 5×5 pixels, less the part
    that noise explains (estimated by the median of all differences).

    Args:
        flow: H×W×2, from `estimate_flow`.
        frame: H×W×3.
        before: H×W×3, the previous frame.

    Returns:
        H×W float32 in [0, 1].
    """
    # In all channels: a change of colour alone leaves luma as it was.
    difference = box_mean(np.abs(frame - warp(before, flow)).mean(axis=-1), 2)
    noise = _NUM_NOISES * min(float(np.median(difference)), _MAX_NOISE)
    excess = np.maximum(difference - noise, 0) / (_MISMATCH + noise)
    trust: NDArray[np.float32] = np.exp(-np.square(excess), dtype=np.float32) * is_inside(flow)
    return trust


def mean_along_motion(
    picture: NDArray[np.float32], warped: NDArray[np.float32], weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    """A picture mixed with the previous one, clipped to the values around each pixel.

    Args:
        picture: H×W×C.
        warped: H×W×C, the previous picture, warped by the flow.
        weight: H×W×1, of the previous picture.

    Returns:
        float32 H×W×C in [0, 1].

    Source: Karis 2014, *High-quality temporal supersampling* (SIGGRAPH course). The clipping
    prevents ghosts: traces of an object that is no longer there.
    """
    lowest, highest = neighbourhood(picture)
    clipped = np.clip(warped, lowest, highest)
    mixed: NDArray[np.float32] = np.clip(picture + weight * (clipped - picture), 0, 1)
    return mixed


def neighbourhood(
    picture: NDArray[np.float32], *, radius: int = 2
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The lowest and the highest value around each pixel, in each channel.

    Args:
        picture: H×W×C.
        radius: of the window, in pixels.
    """
    # Rows first, then columns: 2 · side comparisons a pixel in place of side².
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
    """The mean over windows of 2·radius + 1 pixels each way; the last pixel is repeated beyond.

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
