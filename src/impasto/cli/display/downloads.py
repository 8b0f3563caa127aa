"""Models named by an address: fetched before they are used, and how far that has come."""

import sys
from typing import TYPE_CHECKING

from impasto.cli.display.console import is_terminal, print_note

if TYPE_CHECKING:
    from rich.progress import Progress


def fetched(model: str) -> str:
    """What to call a model from here on: the file it was downloaded to, or as it was called.

    Says on stderr that there is something to wait for.

    Raises:
        DownloadError: the model cannot be had from its address.
    """
    from impasto.zoo.download import download_model, is_address

    if not is_address(model):
        return model
    with _DownloadProgress(model) as progress:
        return str(download_model(model, on_progress=progress).path)


class _DownloadProgress:
    """A bar on a terminal, else a line; nothing for what was downloaded before."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._bar: Progress | None = None
        self._is_begun = False

    def __enter__(self) -> "_DownloadProgress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, num_bytes: int, total: int | None) -> None:
        if not self._is_begun:
            self._begin()
        if self._bar is not None:
            self._bar.update(self._task, completed=num_bytes, total=total)

    def _begin(self) -> None:
        from impasto.web import shown_address

        self._is_begun = True
        if not is_terminal(sys.stderr):
            print_note(f"downloading {shown_address(self._address)}")
            return
        self._bar = _bytes_on_stderr()
        self._task = self._bar.add_task("downloading", total=None)
        self._bar.start()


def _bytes_on_stderr() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        redirect_stdout=False,
        transient=True,
    )
