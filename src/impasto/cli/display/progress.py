"""Progress on stderr: a bar on a terminal, else lines of text.

`CountProgress` is one count that rises: steps, frames, bytes. `PictureProgress` counts pictures,
with the tiles of large ones, and prints the paths of results around its bar. What a command writes
beside the count is its own.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from impasto.cli.display.console import LAYOUT, is_terminal, print_note, print_path
from impasto.system.visible_text import visible

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

    from impasto.runtime.video.transform import VideoProgress

SECONDS_BETWEEN_VIDEO_LINES = 10.0


class PacedLines:
    """Lines on stderr, with a least time between two of them.

    Args:
        seconds_between: 0 prints every line.
        is_first_due: print the first line at once, not after the first interval.
    """

    def __init__(self, seconds_between: float = 0.0, *, is_first_due: bool = True) -> None:
        self._seconds_between = seconds_between
        self._next = time.monotonic() + (0.0 if is_first_due else seconds_between)

    def print(self, line: str, *, is_last: bool = False) -> None:
        """Print a line if it is due; the last line always is."""
        now = time.monotonic()
        if now >= self._next or is_last:
            self._next = now + self._seconds_between
            print_note(line)


class CountProgress:
    """A count that rises: a bar on a terminal, else lines.

    The bar appears with the first report: of several processes only the one that reports has one.

    Args:
        description: text to the left of the bar.
        lines: pace of the lines where there is no bar.
        columns: what the bar shows to its right; counts and the report's details by default.
        is_transient: remove the bar at the end.
        has_bar: whether there is a bar; by default where stderr is a terminal.
    """

    def __init__(
        self,
        description: str,
        *,
        lines: PacedLines,
        columns: "tuple[ProgressColumn, ...]" = (),
        is_transient: bool = True,
        has_bar: bool | None = None,
    ) -> None:
        self._lines = lines
        self._bar: Progress | None = None
        if is_terminal(sys.stderr) if has_bar is None else has_bar:
            columns = columns or counts_with_details()
            self._bar = bar_on_stderr(*columns, is_transient=is_transient)
            # Empty, not missing: the column of details reads the field as soon as the bar is drawn.
            self._task = self._bar.add_task(description, total=None, details="")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, num_done: int, num_all: int | None, *, details: str = "", line: str) -> None:
        """Report a count.

        Args:
            num_done: the count.
            num_all: what it rises to; None where that is unknown.
            details: text beside the bar; an empty one leaves the last.
            line: the whole report, where there is no bar; an empty one prints nothing.
        """
        if self._bar is None:
            if line:
                self._lines.print(line)
            return
        self._bar.start()
        self._bar.update(self._task, completed=num_done, total=num_all)
        if details:
            self._bar.update(self._task, details=details)

    def note(self, message: str) -> None:
        """Print a message of its own, above the bar if there is one."""
        if self._bar is None:
            print_note(message)
            return
        self._bar.start()
        # By the bar's console, which puts lines above it; others would cut through it.
        self._bar.console.print(message, highlight=False, markup=False)


class PictureProgress:
    """Prints the paths of results on stdout, and shows a bar on stderr if that is a terminal.

    Args:
        num_pictures: how many there will be; one needs no bar, unless it is cut into tiles.
    """

    def __init__(self, num_pictures: int) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._tiles: TaskID | None = None
        if num_pictures > 1 and is_terminal(sys.stderr):
            self._bar = pictures_bar()
            self._task = self._bar.add_task("pictures", total=num_pictures)

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

    @property
    def is_shown(self) -> bool:
        """Whether there is a bar."""
        return self._bar is not None

    def advance(self) -> None:
        """Count one more picture."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)

    def tile(self, done: int, total: int) -> None:
        """Show how many tiles of a large picture are done, each as often as it is looked at."""
        if self._bar is None:
            if not is_terminal(sys.stderr):
                return
            self._bar = pictures_bar()
            self._bar.start()
        if self._tiles is None:
            self._tiles = self._bar.add_task("tiles", total=total)
        # Hidden at its end, because the next large picture takes the same line again.
        self._bar.update(self._tiles, completed=done, total=total, visible=done < total)

    def say(self, path: str) -> None:
        """Print the path of a result on stdout; above the bar where both are on a terminal."""
        if self._bar is not None and is_terminal(sys.stdout):
            # Not wrapped and not styled: a path is there to be copied.
            self._bar.console.print(
                visible(path, but=LAYOUT), markup=False, highlight=False, soft_wrap=True
            )
        else:
            print_path(path)


@contextmanager
def video_progress(
    name: str, *, beside: PictureProgress
) -> "Iterator[Callable[[VideoProgress], None]]":
    """Yield what reports a video's frames: to a bar, unless `beside` draws one, else to lines.

    Args:
        name: of the video.
        beside: the bar of all pictures and videos.
    """
    # A video that is done in seconds needs no line of its progress.
    lines = PacedLines(SECONDS_BETWEEN_VIDEO_LINES, is_first_due=False)
    has_bar = is_terminal(sys.stderr) and not beside.is_shown
    with CountProgress(name, lines=lines, has_bar=has_bar) as frames:

        def show(progress: "VideoProgress") -> None:
            pace = f"{progress.frames_per_second:.1f} frames/s"
            remaining = time_left(progress.seconds_left)
            of_all = "" if progress.num_frames is None else f" of {progress.num_frames}"
            separator = ", " if remaining else ""
            frames.show(
                progress.num_done,
                progress.num_frames,
                details=f"{pace} {remaining}",
                line=f"{name}: {progress.num_done}{of_all} frames, {pace}{separator}{remaining}",
            )

        yield show


def time_left(seconds: float | None) -> str:
    """Time left in words, rounded to seconds; empty where it is unknown."""
    if seconds is None:
        return ""
    # Rounded up: 0:00 would say that it is done.
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
    return f"{clock} left"


def counts_with_details() -> "tuple[ProgressColumn, ...]":
    """Columns of a bar: the count, and the details of the last report."""
    # rich is imported where there is a bar: --help must stay fast.
    from rich.progress import MofNCompleteColumn, TextColumn

    return (MofNCompleteColumn(), TextColumn("{task.fields[details]}", markup=False))


def bytes_with_speed() -> "tuple[ProgressColumn, ...]":
    """Columns of a bar: bytes, and bytes a second."""
    from rich.progress import DownloadColumn, TransferSpeedColumn

    return (DownloadColumn(), TransferSpeedColumn())


def pictures_bar() -> "Progress":
    """A bar on stderr with counts and time left, not yet started."""
    from rich.progress import MofNCompleteColumn, TimeRemainingColumn

    return bar_on_stderr(MofNCompleteColumn(), TimeRemainingColumn())


def bar_on_stderr(*columns: "ProgressColumn", is_transient: bool = True) -> "Progress":
    """A bar on stderr with these columns to its right, not yet started."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        # File names may have brackets, which rich would take for its markup.
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *columns,
        console=Console(stderr=True),
        redirect_stdout=False,  # rich would send results to stderr
        transient=is_transient,
    )
