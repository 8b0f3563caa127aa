"""The loop of the live view: frames of a camera, stylized and shown in a window."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Paint = Callable[[NDArray[np.float32]], NDArray[np.float32]]

_MEMORY = 0.9
"""Weight of the speed so far in the running mean of frames per second."""


class FrameSource(Protocol):
    """A source of frames, as a camera."""

    def newest(self) -> NDArray[np.float32] | None:
        """The newest frame, once each, float32 H×W×3 in [0, 1]; None at the end."""
        ...


class Display(Protocol):
    """A display of frames, as a window."""

    def show(self, rgb: NDArray[np.float32], caption: str) -> None:
        """Show a picture, float32 H×W×3 in [0, 1], and a line of text."""
        ...

    def keys(self) -> list[str]:
        """The keys pressed since the last call; a closed window counts as `q`."""
        ...


@dataclass(frozen=True, slots=True)
class LiveStyle:
    """A style to show.

    Attributes:
        name: for the caption.
        paint: from one frame to another.
    """

    name: str
    paint: Paint


def show_live(
    frames: FrameSource, styles: Sequence[LiveStyle], display: Display, *, mirror: bool = False
) -> int:
    """Stylize frames until they end or `q` is pressed; returns the number shown.

    `n` goes to the next style, `m` mirrors.

    Args:
        frames: the camera.
        styles: at least one; the first is shown first.
        display: the window.
        mirror: exchange left and right, as in a mirror.

    Raises:
        CameraError: the camera sends no frames any more.
    """
    style, num_shown, speed = 0, 0, 0.0
    last = time.perf_counter()
    while (frame := frames.newest()) is not None:
        keys = display.keys()
        if "q" in keys:
            break
        style = (style + keys.count("n")) % len(styles)
        mirror ^= keys.count("m") % 2 == 1
        stylized = styles[style].paint(frame[:, ::-1] if mirror else frame)
        now = time.perf_counter()
        speed = _MEMORY * speed + (1 - _MEMORY) / max(now - last, 1e-6) if num_shown else 0.0
        last = now
        display.show(stylized, f"{styles[style].name}, {speed:.1f} frames/s")
        num_shown += 1
    return num_shown
