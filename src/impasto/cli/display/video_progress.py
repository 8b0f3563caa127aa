"""What a person sees while a film is made: frames done, frames per second, time left."""

import math
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from impasto.cli.display.console import is_terminal, print_note
from impasto.cli.display.progress import PictureProgress

if TYPE_CHECKING:
    from rich.progress import Progress

    from impasto.runtime.video.transform import VideoProgress

LINE_SECONDS = 10.0
"""Between two lines where no bar can be drawn."""


class ClipProgress:
    """A bar on stderr if that is a terminal that draws no other; else a line now and then.

    Args:
        name: of the film.
        beside: the bar of all films.
    """

    def __init__(self, name: str, *, beside: PictureProgress) -> None:
        self._name = name
        self._last_line = time.monotonic()
        self._bar: Progress | None = None
        if is_terminal(sys.stderr) and not beside.is_shown:
            self._bar = _bar_on_stderr()
            self._task = self._bar.add_task(name, total=None, speed="", left="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, progress: "VideoProgress") -> None:
        """Say how far the film is."""
        if self._bar is not None:
            self._bar.update(
                self._task,
                completed=progress.num_done,
                total=progress.num_frames,
                speed=f"{progress.frames_per_second:.1f} frames/s",
                left=time_left(progress.seconds_left),
            )
        elif time.monotonic() - self._last_line >= LINE_SECONDS:
            self._last_line = time.monotonic()
            print_note(f"{self._name}: {progress_line(progress)}")


def progress_line(progress: "VideoProgress") -> str:
    """Frames done, frames per second and time left, in words."""
    of_all = "" if progress.num_frames is None else f" of {progress.num_frames}"
    left = time_left(progress.seconds_left)
    return (
        f"{progress.num_done}{of_all} frames, {progress.frames_per_second:.1f} frames/s"
        f"{', ' if left else ''}{left}"
    )


def time_left(seconds: float | None) -> str:
    """A time to come in words; nothing where it is not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
    return f"{clock} left"


def _bar_on_stderr() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TextColumn("{task.fields[left]}"),
        console=Console(stderr=True),
        redirect_stdout=False,  # it would send results to stderr
        transient=True,
    )
