"""Which pictures go through a model together, and how many batches are under way at once.

Pictures of one size that follow each other make a batch. Together, those under way take no more
memory than they may: each says what share of it one like it needs.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from impasto.errors import SettingError

Given = TypeVar("Given")
Other = TypeVar("Other")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Load:
    """What an item asks of a model.

    Attributes:
        kind: items of one kind that follow each other may go together; None goes alone.
        share: of what may be under way at once, 1 being all of it; more than that goes alone too.
    """

    kind: Hashable
    share: float


@dataclass(frozen=True, slots=True)
class Batching(Generic[Given]):
    """How items are put together.

    Attributes:
        batch_size: at most so many to a batch.
        num_requests: at most so many batches are under way at once.
        load: of one item.

    Raises:
        SettingError: fewer than one.
    """

    batch_size: int = 1
    num_requests: int = 1
    load: Callable[[Given], Load] = lambda _: Load(None, 0.0)

    def __post_init__(self) -> None:
        for name in ("batch_size", "num_requests"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} is {getattr(self, name)}, expected 1 or more")

    def by(self, load: Callable[[Other], Load]) -> "Batching[Other]":
        """The same for other items, whose load is this."""
        return Batching(self.batch_size, self.num_requests, load)


ONE_BY_ONE: Batching[Any] = Batching()


def batches(
    items: Iterable[Given], batching: Batching[Given]
) -> Iterator[tuple[list[Given], float]]:
    """The items in batches, in order, each with its share of what may be under way at once.

    A batch that is full is given out before another item is asked for.
    """
    batch: list[Given] = []
    kind: Hashable = None
    share = 0.0
    for item in items:
        load = batching.load(item)
        if batch and (load.kind != kind or share + load.share > 1):
            yield _taken(batch), share
            share = 0.0
        kind, share = load.kind, share + load.share
        batch.append(item)
        del item  # or it would stay in memory until the next is there
        if kind is None or len(batch) == batching.batch_size:
            yield _taken(batch), share
            share = 0.0
    if batch:
        yield _taken(batch), share


def transform_batches(
    items: Iterable[Given],
    *,
    transform: Callable[[Sequence[Given]], Sequence[Made]],
    batching: Batching[Given],
) -> Iterator[Made]:
    """What `transform` makes of items, in order.

    Args:
        items: taken as they are needed.
        transform: a batch to as many results; called in up to `num_requests` threads at once.
        batching: how items are put together.
    """
    under_way: deque[tuple[float, Future[Sequence[Made]]]] = deque()
    with ThreadPoolExecutor(batching.num_requests, "transform") as pool:
        for batch, share in batches(items, batching):
            while under_way and sum(each for each, _ in under_way) + share > 1:
                yield from _made(under_way)
            under_way.append((share, pool.submit(transform, batch)))
            del batch
            if len(under_way) == batching.num_requests:
                yield from _made(under_way)
        while under_way:
            yield from _made(under_way)


def _taken(batch: list[Given]) -> list[Given]:
    """The batch, which nobody else holds any more: its pictures can go when they are done."""
    taken = batch.copy()
    batch.clear()
    return taken


def _made(under_way: deque[tuple[float, Future[Sequence[Made]]]]) -> Iterator[Made]:
    """The results of the batch that was begun first; each is let go when it is taken."""
    results = deque(under_way.popleft()[1].result())
    while results:
        yield results.popleft()
