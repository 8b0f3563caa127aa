"""Many pictures through one model: the next is read and the last written while one is computed.

A pipeline is a row of stages, each in a thread of its own; a stage turns one iterator into
another. The caller's thread only waits, so that Ctrl-C finds nothing half done. Reading, writing
and models spend their time in libraries that let other threads run. A few pictures are in memory
at a time, and results keep the order of their items. Which pictures make a batch: `batching`.
"""

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from impasto.runtime.batching import ONE_BY_ONE, Batching, Load, transform_batches

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")
Transformed = TypeVar("Transformed")
Result = TypeVar("Result")

NUM_AHEAD = 2
"""Maximum number of pictures that wait behind each stage."""

_POLL_SECONDS = 0.1
"""Time between two looks at whether the pipeline is to stop."""

Stage = Callable[[Iterator[Any]], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, Result]):
    """The result or the error of one item.

    Attributes:
        item: the item.
        result: the value that `write` returned; None after an error.
        error: the exception that `read`, `transform` or `write` raised; None without one.
    """

    item: Item
    result: Result | None
    error: Exception | None


def run_pipeline(
    items: Iterable[Item],
    *,
    read: Callable[[Item], Loaded],
    transform: Callable[[Sequence[Loaded]], Sequence[Transformed]],
    write: Callable[[Item, Transformed], Result],
    batching: Batching[Loaded] = ONE_BY_ONE,
    num_ahead: int = NUM_AHEAD,
) -> Generator[Outcome[Item, Result], None, None]:
    """Read, transform and write items, the three overlapping; yield their outcomes in order.

    An error ends one item only: where a batch fails, its items are transformed again one by one.
    An error in `items` itself ends the pipeline, after the outcomes before it. Closing the
    generator stops the pipeline: items that wait are dropped, items in hand are finished.

    Args:
        items: taken one by one in the thread that reads, as they are needed.
        read: turns an item into an input of `transform`.
        transform: turns a batch into as many results.
        write: saves a result.
        batching: which inputs may go through `transform` together.
        num_ahead: maximum number of items that wait before `transform`, and behind it.
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
    """Items through stages that overlap; yields what the last stage makes, in order.

    An error in a stage ends the pipeline and is raised here, after the results before it. Closing
    the generator stops the pipeline: items that wait are dropped, items in hand are finished.

    Args:
        items: taken in the thread of the first stage, as they are needed.
        stages: the first takes items, each further one the results of the one before; each runs
            in a thread of its own.
        num_ahead: maximum number of results that wait behind each stage.
    """
    stop = threading.Event()
    running: list[_Ahead] = []
    try:
        results = iter(items)
        for stage in stages:
            results = _Ahead(stage(results), num_ahead=num_ahead, stop=stop)
            running.append(results)
        yield from results
    finally:
        # First stop, then join: a thread before a full queue would never end. And join: callers
        # close the files that the threads use.
        stop.set()
        for thread in running:
            thread.join()


class _Ahead:
    """An iterator that a thread runs ahead of its reader; errors are raised to the reader.

    Args:
        items: the iterator that the thread runs through.
        num_ahead: maximum number of items that wait to be taken.
        stop: once it is set, the thread ends after the item in hand and the iterator is at its end.
    """

    def __init__(self, items: Iterator[Any], *, num_ahead: int, stop: threading.Event) -> None:
        self._stop = stop
        # An item, in a tuple as it may be None itself; an error; or None at the end.
        self._waiting: queue.Queue[tuple[Any] | BaseException | None] = queue.Queue(num_ahead)
        # A daemon: a read that hangs in a library must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, args=(items,), daemon=True)
        self._thread.start()

    def __iter__(self) -> "_Ahead":
        return self

    def __next__(self) -> Any:
        # A queue cannot be woken by `stop`, so both ends look at it now and then.
        while not self._stop.is_set():
            try:
                waiting = self._waiting.get(timeout=_POLL_SECONDS)
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
                del item  # or its picture would stay in memory while the next one is computed
                if self._stop.is_set():
                    break
            else:
                self._put(None)
        except BaseException as error:  # of any kind, or the reader would wait for ever
            self._put(error)
        finally:
            if isinstance(items, Generator):
                items.close()  # in this thread, which can wait for its batches in flight

    def _put(self, waiting: tuple[Any] | BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                self._waiting.put(waiting, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return


@dataclass(frozen=True, slots=True)
class _Work:
    """An item between two stages: its value by now, or the error that ended it."""

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
    if batch[0].error is not None:  # the load of a failed item has no kind: it comes alone
        return batch
    try:
        results = transform([work.value for work in batch])
        return [_Work(work.item, value) for work, value in zip(batch, results, strict=True)]
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
