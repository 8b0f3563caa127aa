"""Which pictures go through a model together, and how many batches are computed in parallel.

Pictures of one size that follow each other make a batch. Batches in flight share the memory: each
picture needs a share of it, and the shares in flight add up to 1 at most.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from impasto.errors import SettingError

Item = TypeVar("Item")
Other = TypeVar("Other")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Load:
    """How much of the memory an item takes, and which items it may go with.

    Attributes:
        kind: items of one kind that follow each other may go together; None goes alone.
        share: share of the memory for items in flight; an item above 1 goes alone too.
    """

    kind: Hashable
    share: float


@dataclass(frozen=True, slots=True)
class Batching(Generic[Item]):
    """How items are put together.

    Attributes:
        batch_size: maximum number of items in a batch.
        num_requests: maximum number of batches in flight.
        load: the load of one item.

    Raises:
        SettingError: a number below 1.
    """

    batch_size: int = 1
    num_requests: int = 1
    load: Callable[[Item], Load] = lambda _: Load(None, 0.0)

    def __post_init__(self) -> None:
        for name in ("batch_size", "num_requests"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} is {getattr(self, name)}, expected 1 or more")

    def by(self, load: Callable[[Other], Load]) -> "Batching[Other]":
        """The same numbers for other items, with their load."""
        return Batching(self.batch_size, self.num_requests, load)


ONE_BY_ONE: Batching[Any] = Batching()


def batches(items: Iterable[Item], batching: Batching[Item]) -> Iterator[tuple[list[Item], float]]:
    """The items in batches, in order, each batch with its share of the memory.

    A full batch is yielded before the next item is asked for.
    """
    batch: list[Item] = []
    kind: Hashable = None
    share = 0.0
    for item in items:
        load = batching.load(item)
        if batch and (load.kind != kind or share + load.share > 1):
            yield _moved(batch), share
            share = 0.0
        kind, share = load.kind, share + load.share
        batch.append(item)
        del item  # or it would stay in memory until the next one is read
        if kind is None or len(batch) == batching.batch_size:
            yield _moved(batch), share
            share = 0.0
    if batch:
        yield _moved(batch), share


def transform_batches(
    items: Iterable[Item],
    *,
    transform: Callable[[Sequence[Item]], Sequence[Result]],
    batching: Batching[Item],
) -> Iterator[Result]:
    """The results of items, in order.

    Args:
        items: read as they are needed.
        transform: turns a batch into as many results; called by up to `num_requests` threads.
        batching: how items are put together.
    """
    in_flight: deque[tuple[float, Future[Sequence[Result]]]] = deque()
    with ThreadPoolExecutor(batching.num_requests, "transform") as pool:
        for batch, share in batches(items, batching):
            # Wait for memory before the batch begins, and for a free thread before the next batch
            # is read: so no more pictures are in memory than are computed.
            # A share above 1 by itself begins as soon as nothing else is in flight.
            while in_flight and sum(other for other, _ in in_flight) + share > 1:
                yield from _oldest_results(in_flight)
            in_flight.append((share, pool.submit(transform, batch)))
            del batch
            if len(in_flight) == batching.num_requests:
                yield from _oldest_results(in_flight)
        while in_flight:
            yield from _oldest_results(in_flight)


def _moved(batch: list[Item]) -> list[Item]:
    """The batch in a list that its taker alone holds: its pictures can go when they are done."""
    moved = batch.copy()
    batch.clear()
    return moved


def _oldest_results(
    in_flight: deque[tuple[float, Future[Sequence[Result]]]],
) -> Iterator[Result]:
    """The results of the oldest batch; each is released when it is taken."""
    results = deque(in_flight.popleft()[1].result())
    while results:
        yield results.popleft()
