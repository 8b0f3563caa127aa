"""What goes together: neighbours of one kind, no more than asked for, and than there is room."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.runtime.batching import ONE_BY_ONE, Batching, Load, batches, transform_batches


def batching(*, share=0.0, **numbers):
    """Of words: those of one length are of one kind, empty ones of none."""
    return Batching(load=lambda word: Load(len(word) or None, share), **numbers)


def grouped(words, **settings):
    return [batch for batch, _ in batches(words, batching(**settings))]


def test_neighbours_of_one_kind_go_together():
    words = ["a", "b", "cc", "d", "ee", "ff", "gg"]
    assert grouped(words, batch_size=2) == [["a", "b"], ["cc"], ["d"], ["ee", "ff"], ["gg"]]


def test_one_at_a_time_is_what_is_done_unless_told():
    assert [batch for batch, _ in batches("aab", ONE_BY_ONE)] == [["a"], ["a"], ["b"]]


def test_what_has_no_kind_goes_alone():
    assert grouped(["", "", "a", "b", ""], batch_size=4) == [[""], [""], ["a", "b"], [""]]


def test_no_batch_takes_more_than_there_is():
    # Three of 0.3 are 0.9; a fourth would be 1.2.
    found = list(batches(["a"] * 4, batching(batch_size=8, share=0.3)))
    assert [(len(batch), round(share, 6)) for batch, share in found] == [(3, 0.9), (1, 0.3)]
    assert grouped(["a", "b"], batch_size=8, share=1.5) == [["a"], ["b"]]  # too much, yet alone


def test_a_full_batch_is_given_out_before_another_item_is_asked_for():
    asked = []

    def words():
        for word in "abcd":
            asked.append(word)
            yield word

    assert next(batches(words(), batching(batch_size=2)))[0] == ["a", "b"]
    assert asked == ["a", "b"]


@given(st.lists(st.text("ab", max_size=2)), st.integers(1, 4), st.floats(0, 1))
def test_batches_are_the_items_in_their_order(words, batch_size, share):
    found = grouped(words, batch_size=batch_size, share=share)
    assert [word for batch in found for word in batch] == words
    assert all(len(batch) <= batch_size and len(set(map(len, batch))) == 1 for batch in found)


def most_at_once(num_items, **settings):
    """How many batches were under way at once, where each waits a while for company."""
    lock, company = threading.Lock(), threading.Condition()
    under_way, most = 0, 0

    def transform(batch):
        nonlocal under_way, most
        with company:
            under_way += 1
            most = max(most, under_way)
            company.notify_all()
            company.wait_for(lambda: under_way > 1, timeout=0.1)
        with lock:
            under_way -= 1
        return batch

    list(transform_batches("a" * num_items, transform=transform, batching=batching(**settings)))
    return most


def test_as_many_batches_are_under_way_as_asked_for():
    assert most_at_once(4, num_requests=2) == 2
    assert most_at_once(3, num_requests=1) == 1


def test_no_more_batches_are_under_way_than_there_is_room_for():
    assert most_at_once(3, num_requests=3, share=0.6) == 1
    assert most_at_once(4, num_requests=3, share=0.5) == 2


def test_results_keep_their_order_whichever_is_done_first():
    second_done = threading.Event()

    def transform(batch):
        if batch == ["a"]:
            assert second_done.wait(20)
        else:
            second_done.set()
        return [word.upper() for word in batch]

    settings = {"transform": transform, "batching": batching(num_requests=2)}
    assert list(transform_batches(["a", "bb"], **settings)) == ["A", "BB"]


@pytest.mark.parametrize("numbers", [{"batch_size": 0}, {"num_requests": 0}])
def test_numbers_below_one_are_refused(numbers):
    with pytest.raises(ValueError, match=r"(batch_size|num_requests) is 0, expected 1 or more"):
        Batching(**numbers)
