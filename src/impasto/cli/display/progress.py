"""What a person sees while several pictures are made."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from impasto.cli.display.console import LAYOUT, is_terminal, print_path
from impasto.system.visible_text import visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class PictureProgress:
    """Says on stdout what is done, and shows a bar on stderr if that is a terminal.

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
        self._bar.update(self._tiles, completed=done, total=total, visible=done < total)

    def say(self, path: str) -> None:
        """Print the path of a result on stdout; above the bar where both are on a terminal."""
        if self._bar is not None and is_terminal(sys.stdout):
            self._bar.console.print(
                visible(path, but=LAYOUT), markup=False, highlight=False, soft_wrap=True
            )
        else:
            print_path(path)


def pictures_bar() -> "Progress":
    """A bar on stderr, not yet begun."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeftColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeLeftColumn(),
        console=Console(stderr=True),
        redirect_stdout=False,  # it would send results to stderr
        transient=True,
    )
