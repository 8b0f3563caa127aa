import datetime

import numpy

from impasto.evaluation.circumstances import circumstances
from impasto.evaluation.timing import median_seconds


def test_circumstances_say_when_where_and_by_what():
    measured = circumstances("impasto reproduce speed")
    assert measured.date == datetime.datetime.now(datetime.UTC).date().isoformat()
    assert measured.hardware.endswith("cores")
    assert measured.versions["numpy"] == numpy.__version__
    assert str(measured).endswith("Command: `impasto reproduce speed`.")
    assert measured.as_dict()["command"] == "impasto reproduce speed"


def test_candidates_are_run_in_turns():
    order = []
    seconds = median_seconds(
        {"a": lambda: order.append("a"), "b": lambda: order.append("b")},
        num_rounds=3,
        num_warmups=1,
    )
    assert order == ["a", "b"] * 4
    assert set(seconds) == {"a", "b"}
    assert min(seconds.values()) >= 0


def test_seconds_are_the_median_by_the_clock():
    # Started and ended at (0, 1), (1, 3) and (3, 103): 1, 2 and 100 seconds.
    times = iter([0.0, 1.0, 1.0, 3.0, 3.0, 103.0])
    seconds = median_seconds(
        {"a": lambda: None}, num_rounds=3, num_warmups=0, clock=lambda: next(times)
    )
    assert seconds == {"a": 2.0}
