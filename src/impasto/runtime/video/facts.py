"""What is known of a clip, and one frame of it; reading and writing have modules of their own."""

import dataclasses
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

UNSPECIFIED = 2
"""What primaries, transfer and matrix are where a clip says nothing (ITU-T H.273)."""

_SMALLEST_HD_HEIGHT = 720
_BT709, _BT601 = 1, 6


@dataclasses.dataclass(frozen=True, slots=True)
class ColourTags:
    """How a clip's numbers stand for colours, in the code points of ITU-T H.273.

    Attributes:
        primaries: of red, green and blue.
        transfer: the curve between light and number.
        matrix: between R'G'B' and luma and chroma; never unspecified.
        is_full_range: luma is 0 to 255, and not 16 to 235.
    """

    primaries: int
    transfer: int
    matrix: int
    is_full_range: bool


@dataclasses.dataclass(frozen=True, slots=True)
class VideoFacts:
    """What a clip is, as it is seen: turned upright.

    Attributes:
        width: of the frames, in pixels.
        height: of the frames, in pixels.
        pixel_aspect: the width of a pixel over its height.
        time_base: seconds that times count in.
        frame_rate: frames per second on average, if known.
        num_frames: how many there will be, if known.
        colour: what its numbers mean.
        has_alpha: whether its frames say how transparent they are.
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
    """One frame.

    Attributes:
        rgb: float32 H×W×3 in [0, 1]; nothing is hidden where it is transparent.
        alpha: float32 H×W in [0, 1], 0 being invisible; None in a film without.
        time: when it is shown, in units of the clip's time base.
        duration: for how long, in the same units; 0 where the clip does not say.
    """

    rgb: NDArray[np.float32]
    alpha: NDArray[np.float32] | None
    time: int
    duration: int

    def with_colours(
        self, rgb: NDArray[np.float32], alpha: NDArray[np.float32] | None
    ) -> "TimedPicture":
        """The frame of the same moment with other colours, perhaps of another size."""
        return dataclasses.replace(self, rgb=rgb, alpha=alpha)


def matrix_or_guess(matrix: int, *, height: int) -> int:
    """The matrix that a clip names or, where it does not, what players take for granted.

    That is BT.709 from 720 rows upwards, and BT.601 below.

    Args:
        matrix: as the clip has it, 0 for R'G'B', 2 for unspecified.
        height: of the frames, in pixels.
    """
    if matrix not in (0, UNSPECIFIED):
        return matrix
    return _BT709 if height >= _SMALLEST_HD_HEIGHT else _BT601


def damage_notes(num_pieces: int, *, of: str) -> list[str]:
    """The line that says how many damaged pieces were left out of something; none for none."""
    pieces = "1 damaged piece" if num_pieces == 1 else f"{num_pieces} damaged pieces"
    return [f"{pieces} of the {of} left out"] if num_pieces else []


def even(size: int) -> int:
    """The even number nearest to a size: H.264 shares chroma between two by two pixels."""
    return max(2, 2 * round(size / 2))
