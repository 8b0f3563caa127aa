"""Stages in threads: in order, bounded, with their errors, and ending when they are told to."""

import threading
import time
import weakref
from contextlib import closing
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.runtime.batching import Batching, Load
from impasto.runtime.pipeline import run_pipeline, run_stages

MODULUS = 3


def fail_on(remainder, error):
    def step(number):
        if number % MODULUS == remainder:
            raise error(str(number))
        return number

    return step


def each(function):
    return lambda batch: [function(given) for given in batch]


def outcomes(items, *, read=int, transform=int, write=lambda _, made: made, **settings):
    return list(run_pipeline(items, read=read, transform=each(transform), write=write, **settings))


def by_kind(kind, *, batch_size=1, num_requests=1, share=0.0):
    return Batching(batch_size, num_requests, lambda item: Load(kind(item), share))


# Items, one by one


@given(st.lists(st.integers(), max_size=12), st.integers(1, 4))
def test_every_item_comes_out_once_and_in_order(items, num_ahead):
    found = outcomes(items, transform=lambda number: 2 * number, num_ahead=num_ahead)
    assert [(found.item, found.result) for found in found] == [(n, 2 * n) for n in items]


@pytest.mark.parametrize(("batch_size", "num_requests"), [(1, 1), (4, 1), (2, 2)])
@pytest.mark.parametrize("step", ["read", "transform", "write"])
def test_an_error_in_a_step_is_that_of_one_item(step, batch_size, num_requests):
    failing = fail_on(1, OSError)
    found = outcomes(
        range(7),
        **{step: (lambda _, made: failing(made)) if step == "write" else failing},
        batching=by_kind(lambda _: "all", batch_size=batch_size, num_requests=num_requests),
    )
    assert [str(outcome.error) for outcome in found if outcome.error] == ["1", "4"]
    assert [outcome.result for outcome in found] == [0, None, 2, 3, None, 5, 6]


def test_an_error_of_the_items_themselves_ends_the_work_after_those_before():
    done = []

    def items():
        yield from (1, 2)
        raise OSError("no third")

    work = run_pipeline(items(), read=int, transform=list, write=lambda _, made: made)
    with pytest.raises(OSError, match="no third"):
        done.extend(outcome.result for outcome in work)
    assert done == [1, 2]


def test_a_batch_of_another_length_than_its_results_is_an_error_of_each():
    found = list(
        run_pipeline(
            range(2),
            read=int,
            transform=lambda _: [],
            write=lambda _, made: made,
            batching=by_kind(lambda _: "all", batch_size=2),
        )
    )
    assert [type(outcome.error) for outcome in found] == [ValueError, ValueError]


class Held:
    """Something whose lifetime can be seen."""


@pytest.mark.parametrize(
    ("batch_size", "num_requests", "most"),
    [
        (1, 1, 8),  # 3 read, 1 and its result in work, 3 to be written
        (3, 1, 12),  # 3 read, 3 and their results in work, 3 to be written
        (1, 2, 10),  # 3 read, 2 and their results in work, 3 to be written
    ],
)
def test_only_a_few_items_are_in_memory_at_once(batch_size, num_requests, most):
    alive, seen = weakref.WeakSet(), []

    def new(_):
        held = Held()
        alive.add(held)
        seen.append(len(alive))
        return held

    def write(*_):
        time.sleep(0.002)  # the slowest, so that what waits piles up

    found = outcomes(
        range(40),
        read=new,
        transform=new,
        write=write,
        num_ahead=2,
        batching=by_kind(lambda _: "all", batch_size=batch_size, num_requests=num_requests),
    )
    assert all(outcome.error is None for outcome in found)
    assert max(seen) <= most
    assert len(alive) == 0


def test_the_next_is_read_while_one_is_transformed_and_the_last_written():
    read, written = threading.Event(), threading.Event()
    waited = []

    def reading(number):
        if number == 2:
            read.set()
        return number

    def transform(number):
        if number == 1:  # goes on only when the next was read and the last was written
            waited.extend([read.wait(20), written.wait(20)])
        return number

    outcomes(range(3), read=reading, transform=transform, write=lambda *_: written.set())
    assert waited == [True, True]


def test_each_step_has_a_thread_and_none_is_the_callers():
    threads = {}

    def step(name, value):
        threads[name] = threading.current_thread()
        return value

    outcomes(
        [0],
        read=lambda item: step("read", item),
        transform=lambda given: step("transform", given),
        write=lambda _, made: step("write", made),
    )
    assert len({threading.current_thread(), *threads.values()}) == 4


def test_who_stops_listening_stops_the_work():
    before = threading.active_count()
    read, written = [], []
    pipeline = run_pipeline(
        range(100),
        read=lambda item: read.append(item) or item,
        transform=list,
        write=lambda _, made: written.append(made),
    )
    assert next(pipeline).item == 0
    pipeline.close()
    assert len(read) < 20
    assert written == list(range(len(written)))  # what was begun is whole
    assert threading.active_count() == before


@pytest.mark.parametrize("num_requests", [1, 2])
def test_an_interruption_comes_through(num_requests):
    def interrupted(_):
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        outcomes(range(5), transform=interrupted, batching=by_kind(int, num_requests=num_requests))
    assert threading.active_count() == before


# Items together


@given(
    st.lists(st.integers(0, 2), max_size=12), st.integers(1, 4), st.integers(1, 3), st.floats(0, 2)
)
def test_batches_change_no_result_and_no_order(items, batch_size, num_requests, share):
    batching = by_kind(int, batch_size=batch_size, num_requests=num_requests, share=share)
    found = outcomes(items, transform=lambda number: 2 * number, batching=batching)
    assert [(found.item, found.result) for found in found] == [(n, 2 * n) for n in items]


def test_of_a_batch_that_fails_only_what_is_at_fault_fails():
    batches = []

    def transform(batch):
        batches.append(list(batch))
        return each(fail_on(1, ValueError))(batch)

    found = run_pipeline(
        range(3),
        read=int,
        transform=transform,
        write=lambda _, made: made,
        batching=by_kind(lambda _: "all", batch_size=3),
    )
    assert [outcome.result for outcome in found] == [0, None, 2]
    assert batches == [[0, 1, 2], [0], [1], [2]]


# Stages


def doubled(numbers):
    return (2 * number for number in numbers)


def test_items_come_in_their_order_through_several_stages():
    stages = (doubled, partial(map, lambda number: number + 1), iter)
    assert list(run_stages(range(50), *stages, num_ahead=3)) == list(range(1, 100, 2))


def test_no_more_is_made_ahead_than_asked_for():
    made = []

    def count():
        for n in range(100):
            made.append(n)
            yield n

    with closing(run_stages(count(), iter, num_ahead=2)) as ahead:
        assert [next(ahead) for _ in range(3)] == [0, 1, 2]
    assert len(made) <= 3 + 2 + 1  # taken, waiting, in hand


def test_an_error_is_raised_after_the_items_before_it_and_ends_the_stages_after_it():
    seen = []

    def look(numbers):
        for number in numbers:
            seen.append(number)
            yield number

    ahead = run_stages((1, 0, 2), partial(map, lambda n: 1 // n), look, num_ahead=4)
    assert next(ahead) == 1
    with pytest.raises(ZeroDivisionError):
        next(ahead)
    assert seen == [1]


def test_a_stage_that_is_stopped_is_closed_in_its_thread():
    closed_in = []

    def stage(numbers):
        try:
            yield from numbers
        finally:
            closed_in.append(threading.current_thread())

    with closing(run_stages(range(100), stage, num_ahead=1)) as ahead:
        next(ahead)
    assert len(closed_in) == 1
    assert closed_in[0] is not threading.current_thread()
