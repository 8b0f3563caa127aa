"""Confidence intervals by bootstrap: draw the measured pictures again, with replacement."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

NUM_DRAWS = 2000
CONFIDENCE = 0.95

Statistic = Callable[[NDArray[np.float64]], float]


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean())


def bootstrap_interval(
    rows: ArrayLike, statistic: Statistic = _mean, *, seed: int = 0, num_draws: int = NUM_DRAWS
) -> tuple[float, float]:
    """Return the percentile interval, of 95 %, of a statistic of rows.

    Args:
        rows: N values, or N rows of values, one for each picture; at least one.
        statistic: of as many rows.
        seed: of the draws.
        num_draws: how many.

    Source: Efron 1979, *Bootstrap Methods: Another Look at the Jackknife*.
    """
    array = np.asarray(rows, dtype=np.float64)
    # Seeded, so that an interval changes only with its measurements.
    chance = np.random.default_rng(seed)
    # Whole rows: a photograph's network and its curve are drawn together or not at all.
    draws = chance.integers(len(array), size=(num_draws, len(array)))
    statistics = [statistic(array[draw]) for draw in draws]
    tail = 50 * (1 - CONFIDENCE)
    # The nearest draw, not a value between two: a statistic can be a count of iterations.
    low, high = np.percentile(statistics, [tail, 100 - tail], method="nearest")
    return float(low), float(high)


def bootstrap_band(rows: ArrayLike, *, seed: int = 0) -> NDArray[np.float64]:
    """Return lower and upper ends, 2×M, of the 95 % interval of the mean of N×M curves."""
    array = np.asarray(rows, dtype=np.float64)
    chance = np.random.default_rng(seed)
    # Fewer draws than for numbers in a table: a draw is a whole curve, and the band is for a plot.
    draws = chance.integers(len(array), size=(NUM_DRAWS // 4, len(array)))
    means = np.stack([array[draw].mean(axis=0) for draw in draws])
    tail = 50 * (1 - CONFIDENCE)
    band: NDArray[np.float64] = np.percentile(means, [tail, 100 - tail], axis=0)
    return band


def in_words(ends: Sequence[float]) -> str:
    """Return an interval as text for a table."""
    return " to ".join(f"{end:.3f}" for end in ends)
