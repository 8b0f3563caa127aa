"""Work ahead: in order, bounded, with its errors, and ending when it is told to."""

import threading

import pytest

from impasto.runtime.pipelining import Ahead


def test_items_come_in_their_order_through_several_stages():
    stop = threading.Event()
    doubled = Ahead((2 * n for n in range(50)), num_ahead=2, stop=stop)
    assert list(Ahead((n + 1 for n in doubled), num_ahead=3, stop=stop)) == list(range(1, 100, 2))


def test_no_more_is_made_ahead_than_asked_for():
    made = []

    def count():
        for n in range(100):
            made.append(n)
            yield n

    stop = threading.Event()
    ahead = Ahead(count(), num_ahead=2, stop=stop)
    assert [next(ahead) for _ in range(3)] == [0, 1, 2]
    stop.set()
    ahead.join()
    assert len(made) <= 3 + 2 + 1  # taken, waiting, in hand


def test_an_error_is_raised_after_the_items_before_it():
    def fail():
        yield 1
        raise ValueError("no second")

    ahead = Ahead(fail(), num_ahead=4, stop=threading.Event())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="no second"):
        next(ahead)


def test_an_error_passes_through_the_stages_after_it():
    stop = threading.Event()
    first = Ahead((1 // n for n in (1, 0)), num_ahead=1, stop=stop)
    second = Ahead((n for n in first), num_ahead=1, stop=stop)
    with pytest.raises(ZeroDivisionError):
        list(second)


def test_a_stopped_stage_gives_nothing_more():
    stop = threading.Event()
    ahead = Ahead(iter(range(10)), num_ahead=1, stop=stop)
    stop.set()
    ahead.join()
    assert list(ahead) == []
