"""Many pictures through one model: the next is read and the last written while one is computed.

A pipeline is a row of stages, each in a thread of its own; a stage makes one iterator of another.
The caller's thread only waits, so that Ctrl-C finds nothing half done. Reading, writing and models
spend their time in libraries that let other threads run. Only a few pictures are in memory at
once, and what comes out has the order of what went in. What goes through the model together is
`batching`'s.
"""

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from impasto.runtime.batching import ONE_BY_ONE, Batching, Load, transform_batches

Item = TypeVar("Item")
Given = TypeVar("Given")
Made = TypeVar("Made")
Result = TypeVar("Result")

NUM_AHEAD = 2
"""So many pictures wait read, and as many to be written, at most."""

_LOOK_SECONDS = 0.1

Stage = Callable[[Iterator[Any]], Iterator[Any]]


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
    transform: Callable[[Sequence[Given]], Sequence[Made]],
    write: Callable[[Item, Made], Result],
    batching: Batching[Given] = ONE_BY_ONE,
    num_ahead: int = NUM_AHEAD,
) -> Generator[Outcome[Item, Result], None, None]:
    """Read, transform and write items, the three overlapping; give their outcomes in order.

    An error ends one item only: where a batch fails, its items are done again one by one. An
    error in `items` itself ends the work, after the outcomes before it. Whoever stops listening
    (`close`) stops the work: what waits is dropped, what is in hand is finished.

    Args:
        items: taken one by one in the thread that reads, as they are needed.
        read: makes what `transform` is given.
        transform: a batch to as many results.
        write: puts a result away.
        batching: what may go through `transform` together.
        num_ahead: items that wait before and after `transform`, at most so many each.
    """

    def load(work: _Work) -> Load:
        return Load(None, 0.0) if work.error is not None else batching.load(work.value)

    yield from run_stages(
        items,
        partial(map, partial(_read, read)),
        partial(
            transform_batches,
            transform=partial(_transform, transform),
            batching=batching.by(load),
        ),
        partial(map, partial(_write, write)),
        num_ahead=num_ahead,
    )


def run_stages(
    items: Iterable[Any], *stages: Stage, num_ahead: int = NUM_AHEAD
) -> Generator[Any, None, None]:
    """What the last stage makes of what the one before makes, and so on, of items, in order.

    An error in a stage ends the work and is raised here, after what came before it. Whoever stops
    listening (`close`) stops the work: what waits is dropped, what is in hand is finished.

    Args:
        items: taken in the thread of the first stage, as they are needed.
        stages: each in a thread of its own.
        num_ahead: that wait behind each stage, at most.
    """
    stop = threading.Event()
    running: list[_Ahead] = []
    try:
        made = iter(items)
        for stage in stages:
            made = _Ahead(stage(made), num_ahead=num_ahead, stop=stop)
            running.append(made)
        yield from made
    finally:
        stop.set()
        for thread in running:
            thread.join()


class _Ahead:
    """An iterator whose items are made in a thread; what that raises is raised to the reader.

    Args:
        items: run through in the thread.
        num_ahead: at most so many wait to be taken.
        stop: once it is set, the thread ends after the item in hand and no more are given out.
    """

    def __init__(self, items: Iterator[Any], *, num_ahead: int, stop: threading.Event) -> None:
        self._stop = stop
        self._waiting: queue.Queue[tuple[Any] | BaseException | None] = queue.Queue(num_ahead)
        self._thread = threading.Thread(target=self._run, args=(items,), daemon=True)
        self._thread.start()

    def __iter__(self) -> "_Ahead":
        return self

    def __next__(self) -> Any:
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

    def _run(self, items: Iterator[Any]) -> None:
        try:
            for item in items:
                self._put((item,))
                del item  # or its picture would stay in memory while the next is made
                if self._stop.is_set():
                    break
            else:
                self._put(None)
        except BaseException as error:
            self._put(error)
        finally:
            if isinstance(items, Generator):
                items.close()  # here, where what it has under way can be waited for

    def _put(self, waiting: tuple[Any] | BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                self._waiting.put(waiting, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return


@dataclass(frozen=True, slots=True)
class _Work:
    """An item on its way: what was made of it so far, or why nothing more will be."""

    item: Any
    value: Any
    error: Exception | None = None


def _read(read: Callable[[Any], Any], item: Any) -> _Work:
    try:
        return _Work(item, read(item))
    except Exception as error:
        return _Work(item, None, error)


def _transform(
    transform: Callable[[Sequence[Any]], Sequence[Any]], batch: Sequence[_Work]
) -> Sequence[_Work]:
    if batch[0].error is not None:  # alone, having no kind
        return batch
    try:
        made = transform([work.value for work in batch])
        return [_Work(work.item, value) for work, value in zip(batch, made, strict=True)]
    except Exception as error:
        if len(batch) == 1:
            return [_Work(batch[0].item, None, error)]
    return [done for work in batch for done in _transform(transform, [work])]


def _write(write: Callable[[Any, Any], Any], work: _Work) -> Outcome[Any, Any]:
    if work.error is not None:
        return Outcome(work.item, None, work.error)
    try:
        return Outcome(work.item, write(work.item, work.value), None)
    except Exception as error:
        return Outcome(work.item, None, error)
