import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.runtime.pipeline import run_pipeline

MODULUS = 3


def fail_on(remainder, error):
    def step(number):
        if number % MODULUS == remainder:
            raise error(str(number))
        return number

    return step


def outcomes(items, *, read=int, transform=int, write=lambda _, made: made, **settings):
    return list(run_pipeline(items, read=read, transform=transform, write=write, **settings))


@given(st.lists(st.integers(), max_size=12), st.integers(1, 4))
def test_every_item_comes_out_once_and_in_order(items, num_ahead):
    found = outcomes(items, transform=lambda number: 2 * number, num_ahead=num_ahead)
    assert [(found.item, found.result) for found in found] == [(n, 2 * n) for n in items]


@pytest.mark.parametrize("step", ["read", "transform", "write"])
def test_an_error_in_a_step_is_that_of_one_item(step):
    failing = fail_on(1, OSError)
    found = outcomes(
        range(7), **{step: (lambda _, made: failing(made)) if step == "write" else failing}
    )
    assert [str(outcome.error) for outcome in found if outcome.error] == ["1", "4"]
    assert [outcome.result for outcome in found] == [0, None, 2, 3, None, 5, 6]


def test_only_a_few_items_are_in_hand_at_once():
    lock, in_hand, most = threading.Lock(), 0, 0

    def read(number):
        nonlocal in_hand, most
        with lock:
            in_hand += 1
            most = max(most, in_hand)
        return number

    def write(_, made):
        nonlocal in_hand
        with lock:
            in_hand -= 1

    outcomes(range(40), read=read, write=write, num_ahead=2)
    assert (in_hand, most <= 7) == (0, True)  # 3 read, 1 in work, 3 to be written


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


def test_reading_and_writing_are_not_in_the_thread_of_the_model():
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
    assert threads["transform"] is threading.current_thread()
    assert len(set(threads.values())) == 3


def test_who_stops_listening_stops_the_work():
    read = []
    pipeline = run_pipeline(
        range(100),
        read=lambda item: read.append(item) or item,
        transform=int,
        write=lambda _, made: made,
    )
    assert next(pipeline).result == 0
    pipeline.close()
    assert len(read) < 20
    assert threading.active_count() < 20


def test_an_interruption_comes_through():
    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outcomes(range(5), transform=interrupted)
