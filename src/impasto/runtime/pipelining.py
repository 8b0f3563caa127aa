"""Work done ahead in a thread of its own, in order, a few items at most.

OpenVINO, FFmpeg and the large loops of numpy let other threads run meanwhile.
"""

import queue
import threading
from collections.abc import Iterable
from typing import Generic, TypeVar

Item = TypeVar("Item")

_LOOK_SECONDS = 0.1


class Ahead(Generic[Item]):
    """An iterator whose items are made in a thread; what that raises is raised to the reader.

    Args:
        items: run through in the thread.
        num_ahead: at most so many wait to be taken.
        stop: once it is set, the thread ends after the item in hand and no more are given out.
    """

    def __init__(self, items: Iterable[Item], *, num_ahead: int, stop: threading.Event) -> None:
        self._stop = stop
        self._waiting: queue.Queue[tuple[Item] | BaseException | None] = queue.Queue(num_ahead)
        self._thread = threading.Thread(target=self._run, args=(items,), daemon=True)
        self._thread.start()

    def __iter__(self) -> "Ahead[Item]":
        return self

    def __next__(self) -> Item:
        while not self._stop.is_set():
            try:
                waiting = self._waiting.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            if isinstance(waiting, tuple):
                return waiting[0]
            if waiting is None:
                break
            raise waiting
        raise StopIteration

    def join(self) -> None:
        """Wait until the thread has ended; set `stop` first, or read to the end."""
        self._thread.join()

    def _run(self, items: Iterable[Item]) -> None:
        try:
            for item in items:
                self._put((item,))
                if self._stop.is_set():
                    return
            self._put(None)
        except BaseException as error:
            self._put(error)

    def _put(self, waiting: tuple[Item] | BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                self._waiting.put(waiting, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return
