"""Ctrl-C, SIGTERM and SIGHUP as a wish to stop, which the training grants between two steps."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from impasto.system.signals import ENDING, is_heeded


class HeardSignals:
    """What was heard.

    Attributes:
        first: number of the first signal; Ctrl-C's while there was none.
        is_asked: whether there was one.
    """

    def __init__(self) -> None:
        self.first: int = signal.SIGINT
        self.is_asked = False


@contextlib.contextmanager
def stop_on_signals(stop_requested: threading.Event) -> Iterator[HeardSignals]:
    """Let Ctrl-C, SIGTERM and SIGHUP set `stop_requested`; a second Ctrl-C stops at once.

    Signals that are ignored, such as SIGHUP under `nohup`, stay so. Only the main thread hears
    signals; in another one this does nothing.
    """
    heard = HeardSignals()
    if threading.current_thread() is not threading.main_thread():
        yield heard
        return

    def ask(number: int, _: FrameType | None) -> None:
        # Not `stop_requested`: a time limit sets it too, and the first Ctrl-C after that saves.
        if heard.is_asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not heard.is_asked:
            heard.first, heard.is_asked = number, True
        stop_requested.set()

    heeded = filter(is_heeded, (signal.SIGINT, *ENDING))
    before = {number: signal.signal(number, ask) for number in heeded}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
