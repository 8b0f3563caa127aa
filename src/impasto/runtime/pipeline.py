"""Many pictures through one model: the next is read and the last written while one is computed.

Reading and writing spend their time in libraries that let other threads run. Only a few pictures
are in memory at once, and what comes out has the order of what went in.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

Item = TypeVar("Item")
Given = TypeVar("Given")
Made = TypeVar("Made")
Result = TypeVar("Result")

NUM_AHEAD = 2
"""So many pictures wait read, and as many to be written, at most."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, Result]):
    """What became of one item.

    Attributes:
        item: which one.
        result: what `write` returned; None where something failed.
        error: what `read`, `transform` or `write` raised; None where nothing did.
    """

    item: Item
    result: Result | None
    error: Exception | None


def run_pipeline(
    items: Iterable[Item],
    *,
    read: Callable[[Item], Given],
    transform: Callable[[Given], Made],
    write: Callable[[Item, Made], Result],
    num_ahead: int = NUM_AHEAD,
) -> Iterator[Outcome[Item, Result]]:
    """Read, transform and write items, the three overlapping; give their outcomes in order.

    An error ends one item only. `read` and `write` are each called in a thread of their own, one
    item at a time, `transform` in the caller's. Whoever stops listening stops the work: what
    waits is dropped, what is in hand is finished.

    Args:
        items: taken one by one, as they are needed.
        read: makes what `transform` is given.
        transform: one thing to another.
        write: puts the result away.
        num_ahead: items that wait before and after `transform`, at most so many each.
    """
    readers, writers = ThreadPoolExecutor(1, "read"), ThreadPoolExecutor(1, "write")
    remaining = iter(items)
    reading = deque((item, readers.submit(read, item)) for item in islice(remaining, num_ahead + 1))
    writing: deque[tuple[Item, Future[Result]]] = deque()
    try:
        while reading:
            item, given = reading.popleft()
            made = _after(given, transform)
            del given  # or its picture would stay in memory
            reading.extend((item, readers.submit(read, item)) for item in islice(remaining, 1))
            writing.append((item, writers.submit(_put_away, item, made, write)))
            del made
            while len(writing) > num_ahead or (writing and writing[0][1].done()):
                yield _outcome(*writing.popleft())
        while writing:
            yield _outcome(*writing.popleft())
    finally:
        for pool in (readers, writers):
            pool.shutdown(cancel_futures=True)


def _after(given: "Future[Given]", transform: Callable[[Given], Made]) -> Made | Exception:
    try:
        return transform(given.result())
    except Exception as error:
        return error


def _put_away(item: Item, made: Made | Exception, write: Callable[[Item, Made], Result]) -> Result:
    if isinstance(made, Exception):
        raise made
    return write(item, made)


def _outcome(item: Item, written: "Future[Result]") -> Outcome[Item, Result]:
    try:
        return Outcome(item, written.result(), None)
    except Exception as error:
        return Outcome(item, None, error)
