import numpy as np
import pytest

from impasto.reproduction.bootstrap import bootstrap_band, bootstrap_interval


def test_equal_values_leave_no_doubt():
    assert bootstrap_interval([2.0] * 5) == (2.0, 2.0)


def test_the_interval_of_a_mean_is_near_the_normal_one():
    # 400 values of standard deviation 1: the mean's is 1/20, and 95 % lie within 1.96 of those.
    values = np.random.default_rng(0).standard_normal(400)
    low, high = bootstrap_interval(values)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert low < values.mean() < high


def test_rows_are_drawn_whole():
    rows = [[1.0, 10.0], [2.0, 20.0]]
    low, high = bootstrap_interval(rows, lambda drawn: float((drawn[:, 1] / drawn[:, 0]).max()))
    assert (low, high) == (10.0, 10.0)


def test_a_band_lies_around_the_mean_curve():
    curves = np.random.default_rng(1).standard_normal((30, 4)) + np.arange(4)
    low, high = bootstrap_band(curves)
    assert (low < curves.mean(axis=0)).all()
    assert (high > curves.mean(axis=0)).all()
