"""The properties of a video, and one of its frames, as `reading` gives and `writing` takes them."""

import dataclasses
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

UNSPECIFIED = 2
"""The code point of primaries, transfer and matrix that a video does not state (ITU-T H.273)."""

_SMALLEST_HD_HEIGHT = 720
_BT709, _BT601 = 1, 6


@dataclasses.dataclass(frozen=True, slots=True)
class ColourTags:
    """The meaning of a video's numbers as colours, in the code points of ITU-T H.273.

    Attributes:
        primaries: the primaries red, green and blue.
        transfer: the curve between light and number.
        matrix: between R'G'B' and luma and chroma; never unspecified.
        is_full_range: luma runs from 0 to 255, not from 16 to 235.
    """

    primaries: int
    transfer: int
    matrix: int
    is_full_range: bool


@dataclasses.dataclass(frozen=True, slots=True)
class VideoFacts:
    """The properties of a video, its frames upright.

    Attributes:
        width: of the frames, in pixels.
        height: of the frames, in pixels.
        pixel_aspect: the width of a pixel over its height.
        time_base: the unit of times, in seconds.
        frame_rate: frames per second on average; None if unknown.
        num_frames: None if unknown.
        colour: the meaning of its numbers.
        has_alpha: whether its frames have an alpha channel.
        bits: per channel.
    """

    width: int
    height: int
    pixel_aspect: Fraction
    time_base: Fraction
    frame_rate: Fraction | None
    num_frames: int | None
    colour: ColourTags
    has_alpha: bool = False
    bits: int = 8


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TimedPicture:
    """One frame of a video and its time.

    Attributes:
        rgb: float32 H×W×3 in [0, 1]; invisible colours are filled from the visible ones around.
        alpha: float32 H×W in [0, 1], 0 being invisible; None in a video without alpha.
        time: of its display, in units of the video's time base.
        duration: of its display, in the same units; 0 if unknown.
    """

    rgb: NDArray[np.float32]
    alpha: NDArray[np.float32] | None
    time: int
    duration: int

    def with_colours(
        self, rgb: NDArray[np.float32], alpha: NDArray[np.float32] | None
    ) -> "TimedPicture":
        """The same moment with other colours, of any size."""
        return dataclasses.replace(self, rgb=rgb, alpha=alpha)


def matrix_or_guess(matrix: int, *, height: int) -> int:
    """The matrix that a video states, else the one that players assume.

    That is BT.709 from 720 rows upwards, and BT.601 below.

    Args:
        matrix: as stated, 0 for R'G'B', 2 for unspecified.
        height: of the frames, in pixels.
    """
    # 0 is R'G'B', which no encoder here writes: its luma and chroma need a matrix too.
    if matrix not in (0, UNSPECIFIED):
        return matrix
    return _BT709 if height >= _SMALLEST_HD_HEIGHT else _BT601


def damage_notes(num_pieces: int, *, of: str) -> list[str]:
    """A line with the number of damaged pieces that were left out; none if there are none."""
    pieces = "1 damaged piece" if num_pieces == 1 else f"{num_pieces} damaged pieces"
    return [f"{pieces} of the {of} left out"] if num_pieces else []


def even(size: int) -> int:
    """The even number nearest to a size: H.264 shares chroma between two by two pixels."""
    return max(2, 2 * round(size / 2))
