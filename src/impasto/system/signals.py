"""SIGTERM and SIGHUP as Ctrl-C: what a process was told to end by, and the exit status for it."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_NAMES = ("SIGTERM", "SIGHUP", "SIGBREAK")  # the last one is Windows's, for a closed window
ENDING = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
"""Signals that ask a process to end, on this system, beside Ctrl-C's."""


class Terminated(KeyboardInterrupt):
    """Told to end, by a signal that is not Ctrl-C's."""

    def __init__(self, number: int) -> None:
        """Remember the signal."""
        super().__init__(signal.Signals(number).name)
        self.signal_number = number


def end_as_by_ctrl_c() -> None:
    """Let the ending signals raise `Terminated` in the main thread, once, from here on.

    What comes after the first is passed over, or it would interrupt the cleaning up: a terminal
    that is closed may send two. A signal that is ignored, such as SIGHUP under `nohup`, stays so.
    """
    heard = threading.Event()

    def end(number: int, _: FrameType | None) -> None:
        if not heard.is_set():
            heard.set()
            raise Terminated(number)

    for number in ENDING:
        if is_heeded(number):
            signal.signal(number, end)


@contextlib.contextmanager
def kept_handlers() -> Iterator[None]:
    """Put back, at the end, the handlers that a library replaces inside, even behind Python's back.

    Only the main thread may; in another one this does nothing.
    """
    numbers = (signal.SIGINT, *ENDING)
    handlers = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                # None stands for a handler that C code has set: Python cannot put it back.
                if handler is not None:
                    signal.signal(number, handler)


def is_heeded(number: int) -> bool:
    """Whether a signal does something here: nobody has asked for it to be ignored."""
    return signal.getsignal(number) not in (signal.SIG_IGN, None)


def signal_behind(error: BaseException | None) -> int | None:
    """The signal that an error comes from, perhaps through others; None if it comes from none."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        number = getattr(error, "signal_number", None)
        if isinstance(number, int):
            return number
        if isinstance(error, KeyboardInterrupt):
            return signal.SIGINT
        error = error.__cause__ or error.__context__
    return None
