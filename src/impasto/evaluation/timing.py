"""Compare how long functions take: in turns, by the median."""

import statistics
import time
from collections.abc import Callable, Mapping


def median_seconds(
    candidates: Mapping[str, Callable[[], object]],
    *,
    num_rounds: int,
    num_warmups: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Time each candidate in turn, round by round, so that all share a drift of the machine.

    Args:
        candidates: functions by name.
        num_rounds: how often each is timed, at least once.
        num_warmups: runs of each beforehand that do not count.
        clock: seconds; `time.process_time` counts this process's threads alone.

    Returns:
        The median seconds of each.
    """
    # First runs compile, allocate and fill caches, which no later run does.
    for run in candidates.values():
        for _ in range(num_warmups):
            run()
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(num_rounds):
        for name, run in candidates.items():
            started = clock()
            run()
            times[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in times.items()}
