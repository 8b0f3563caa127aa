"""A window that shows one picture after another, by tkinter of Python's standard library."""

from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from impasto.errors import CameraError


class Window:
    """An open window.

    Args:
        title: text of the title bar.

    Raises:
        CameraError: there is no screen to open it on, or no tkinter.
    """

    def __init__(self, title: str) -> None:
        try:
            import tkinter
        except ImportError as error:
            raise CameraError(
                "there is no window to show the camera in: this Python has no tkinter; "
                "install your system's package for it, such as python3-tk"
            ) from error
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise CameraError(
                f"there is no window to show the camera in ({error}); run this where there is a "
                "screen, or stylize a video with 'impasto stylize'"
            ) from error
        self._root.title(title)
        self._label = tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        self._keys: list[str] = []
        self._root.bind("<Key>", lambda event: self._keys.append(event.char))
        self._root.bind("<Escape>", lambda _: self._keys.append("q"))
        # Else closing destroys the window at once, and the next frame has none to go to.
        self._root.protocol("WM_DELETE_WINDOW", lambda: self._keys.append("q"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._root.destroy()

    def show(self, rgb: NDArray[np.float32], caption: str) -> None:
        """Show a picture, float32 H×W×3 in [0, 1], and a line of text as the title."""
        from PIL import ImageTk

        from impasto.images.formats.conversion import picture_to_pil
        from impasto.images.picture import Picture

        self._photo = ImageTk.PhotoImage(
            picture_to_pil(Picture(rgb))
        )  # referenced, or tkinter drops it
        self._label.configure(image=self._photo)
        self._root.title(caption)
        self._root.update()

    def keys(self) -> list[str]:
        """The keys pressed since the last call; `q` also for Escape and a closed window."""
        self._root.update()
        # tkinter delivers keys in `update`, since no main loop of its own runs here.
        pressed, self._keys[:] = list(self._keys), []
        return pressed
