"""The time limit of a training: when its steps must end, so that the model is written in time."""

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from impasto.errors import SettingError, TrainingInterrupted
from impasto.training.interruption import stop_on_signals
from impasto.training.loop import Trainer
from impasto.training.written_model import recorded_model

DEFAULT_RESERVE_SECONDS = 30.0
"""For writing the model, where the run has not written one yet: some seconds on a free machine,
several times as long where other trainings end at the same moment."""

RESERVE_MARGIN = 1.25
"""Factor on the seconds that the last writing took."""

MAX_RESERVE_SHARE = 0.5
"""Share of the limit that the reserve never exceeds, so that a short limit still trains."""


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """A number of minutes, and the moment from which they count.

    Attributes:
        minutes: for the whole command: setting up, training and writing the model.
        started: `time.monotonic()` at the command's start.

    Raises:
        SettingError: when the minutes are not a finite number above 0.
    """

    minutes: float
    started: float

    def __post_init__(self) -> None:
        if not 0 < self.minutes < math.inf:
            raise SettingError(
                f"the time limit is {self.minutes:g} minutes; expected a number above 0, such as 30"
            )

    @property
    def minutes_used(self) -> float:
        """Minutes since the command's start."""
        return (time.monotonic() - self.started) / 60

    def note(self, stop: str, continuing: str) -> str:
        """The line for a training that the limit stopped: where, and how to continue it."""
        return f"{stop} after {self.minutes_used:.1f} minutes; model written; {continuing}"

    def seconds_to_train(self, export_seconds: float | None) -> float:
        """Return the seconds from now until the steps must end, at least 0.

        Args:
            export_seconds: that the run's last writing of a model took; None where there was none.
        """
        reserve = DEFAULT_RESERVE_SECONDS
        if export_seconds is not None:
            reserve = RESERVE_MARGIN * export_seconds
        reserve = min(reserve, MAX_RESERVE_SHARE * 60 * self.minutes)
        return max(60 * (self.minutes - self.minutes_used) - reserve, 0.0)


def fit_within(trainer: Trainer, limit: TimeLimit | None) -> str:
    """Train to the last step or to the time limit, whichever is first; signals stop it too.

    Returns:
        At which step of how many the time limit stopped it; empty where all steps were taken. The
        checkpoint is saved in both cases.

    Raises:
        TrainingInterrupted: after a signal, with its number; the state is saved.
        ImpastoError: as for `Trainer.fit`.
    """
    fabric, requested = trainer.fabric, trainer.stop_requested
    is_over = threading.Event()
    with contextlib.ExitStack() as stack:
        heard = stack.enter_context(stop_on_signals(requested))
        if limit is not None and fabric.is_global_zero:  # one clock for all processes
            record = recorded_model(trainer.folder)
            seconds = limit.seconds_to_train(None if record is None else record.export_seconds)
            is_over = stack.enter_context(stop_after(seconds, requested))
        try:
            trainer.fit()
        except TrainingInterrupted as stop:
            is_time = is_over.is_set() and not heard.is_asked
            if limit is not None:
                # All processes have left the loop at the same step; the first one knows why.
                is_time = fabric.broadcast(is_time)
            if not is_time:
                raise TrainingInterrupted(str(stop), signal_number=heard.first) from None
            return str(stop)
    return ""


@contextlib.contextmanager
def stop_after(seconds: float, stop_requested: threading.Event) -> Iterator[threading.Event]:
    """Set `stop_requested` once the seconds are over; yield an event that is set then too."""
    is_over = threading.Event()

    def stop() -> None:
        is_over.set()
        stop_requested.set()

    timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), stop)
    timer.daemon = True
    timer.start()
    try:
        yield is_over
    finally:
        timer.cancel()
        timer.join()
