"""Decoded frames to float32 RGB and back: matrix, range, size and turning.

The conversion between luma, chroma and R'G'B' is libswscale's: within 3/255 of the formula, both
ways together. Transfer curves and primaries are left as they are: what a screen would show of the
clip is what it will show of the result.
"""

from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from impasto.runtime.clips.clip import ColourTags

_LIMITED, _FULL = 1, 2
_BT601_COEFFICIENTS = 5
_COEFFICIENTS = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}  # H.273's matrices in libswscale
_DEEP_BITS = 8
_BYTE, _WORD = np.float32(255), np.float32(65535)

Turn = tuple[bool, bool, bool]
"""How a frame becomes upright: exchange its axes, then mirror left and right, then up and down."""


def coefficients_of(matrix: int) -> int:
    """Libswscale's number for a matrix of H.273; BT.601 for those it does not know."""
    return _COEFFICIENTS.get(matrix, _BT601_COEFFICIENTS)


def frame_to_rgb(
    frame: VideoFrame, *, width: int, height: int, colour: ColourTags, turn: Turn
) -> NDArray[np.float32]:
    """The upright frame, float32 height×width×3 in [0, 1].

    Args:
        frame: as decoded, of 8 bits or more.
        width: wanted, once it is upright, in pixels.
        height: likewise.
        colour: of the clip.
        turn: that makes it upright.
    """
    is_deep = frame.format.components[0].bits > _DEEP_BITS
    columns, rows = (height, width) if turn[0] else (width, height)
    pixels = frame.reformat(
        width=columns,
        height=rows,
        format="rgb48le" if is_deep else "rgb24",
        src_colorspace=coefficients_of(colour.matrix),
        src_color_range=_FULL if colour.is_full_range else _LIMITED,
        dst_color_range=_FULL,
    ).to_ndarray()
    upright = turned(pixels, turn)
    rgb: NDArray[np.float32] = np.divide(upright, _WORD if is_deep else _BYTE, dtype=np.float32)
    return np.ascontiguousarray(rgb)


def rgb_to_frame(rgb: NDArray[np.float32], *, colour: ColourTags) -> VideoFrame:
    """A frame of 8 bits, yuv420p, of a picture.

    Args:
        rgb: float32 H×W×3 in [0, 1], H and W even.
        colour: what its numbers shall mean.
    """
    scaled = rgb * _BYTE
    scaled += np.float32(0.5)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(scaled.astype(np.uint8)), "rgb24")
    converted = frame.reformat(
        format="yuv420p",
        src_color_range=_FULL,
        dst_colorspace=coefficients_of(colour.matrix),
        dst_color_range=_FULL if colour.is_full_range else _LIMITED,
    )
    converted.colorspace = colour.matrix
    converted.color_primaries = colour.primaries
    converted.color_trc = colour.transfer
    converted.color_range = _FULL if colour.is_full_range else _LIMITED
    return converted


def turn_of(frame: VideoFrame) -> Turn:
    """How a frame becomes upright, by its display matrix: right angles and mirrors.

    Source: libavutil's `display.h`; a point (x, y) is shown at (a·x + c·y, b·x + d·y), where the
    matrix begins with a, b, 0, c, d.
    """
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return (False, False, False)
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(data), np.int32)[:5])
    if abs(b) + abs(c) > abs(a) + abs(d):
        return (True, c < 0, b < 0)
    return (False, a < 0, d < 0)


def turned(pixels: NDArray[np.generic], turn: Turn) -> NDArray[np.generic]:
    """Pixels H×W×C with their axes exchanged and mirrored; a view."""
    exchanged, left_right, up_down = turn
    if exchanged:
        pixels = pixels.swapaxes(0, 1)
    if left_right:
        pixels = pixels[:, ::-1]
    return pixels[::-1] if up_down else pixels
