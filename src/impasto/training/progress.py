"""How a training reports itself, and the sums that its reports are made of."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a training; `message` is empty but for events worth a line of their own.

    Attributes:
        step: done.
        num_steps: to do in all.
        losses: means, since the report before, of the weighted terms and their `total`.
        pictures_per_second: over the last steps, all processes together.
        seconds_left: at the pace of the last steps.
        message: an event: the probe's result, a rollback, a contact sheet.
    """

    step: int
    num_steps: int
    losses: dict[str, float]
    pictures_per_second: float = 0.0
    seconds_left: float | None = None
    message: str = ""


OnProgress = Callable[[Progress], None]


def ignore_progress(_: Progress) -> None:
    """Report to nobody."""


class StepSums:
    """Sums over the training steps since it was made.

    Attributes:
        data_seconds: spent waiting for photographs.
        num_steps: counted so far.
    """

    def __init__(self) -> None:
        """Start the clock."""
        self.data_seconds = 0.0
        self.num_steps = 0
        self._started = time.perf_counter()
        self._sums: dict[str, float] = {}

    def add(self, losses: dict[str, float]) -> None:
        """Count a step with these losses."""
        self.num_steps += 1
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def means(self) -> dict[str, float]:
        """Return each loss averaged over the steps."""
        return {name: value / max(self.num_steps, 1) for name, value in self._sums.items()}

    def seconds(self) -> float:
        """Return the seconds since the start, at least a nanosecond."""
        return max(time.perf_counter() - self._started, 1e-9)
