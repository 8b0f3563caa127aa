"""The targets by name, and how one is measured and written down."""

from collections.abc import Callable, Mapping
from pathlib import Path

from impasto.errors import CheckpointError, TrainingInterrupted, UnknownModelError
from impasto.evaluation.circumstances import circumstances
from impasto.files import reason_of
from impasto.reproduction import (
    architecture,
    comparisons,
    inversions,
    loss_network,
    objective,
    semantics,
    shift,
    speed,
    super_resolution,
)
from impasto.reproduction.claim import Settings, Target
from impasto.reproduction.journal import Journal
from impasto.reproduction.publication import publish
from impasto.system.work_files import refuse_second_run

TARGETS: Mapping[str, Target] = {
    "speed": speed,
    "objective": objective,
    "inversions": inversions,
    "comparisons": comparisons,
    "super-resolution": super_resolution,
    "shift": shift,
    "architecture": architecture,
    "loss-network": loss_network,
    "semantics": semantics,
}
"""In the order of the paper, then of the report."""


def find_target(name: str) -> Target:
    """Return a target by name.

    Raises:
        UnknownModelError: there is none.
    """
    if name not in TARGETS:
        raise UnknownModelError(
            f"there is no target {name[:80]!r}; expected all, or some of {', '.join(TARGETS)}"
        )
    return TARGETS[name]


def reproduce(
    name: str,
    settings: Settings,
    folder: Path,
    *,
    command: str,
    minutes: float | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Measure a target and write what was found; return the files.

    Args:
        name: of the target.
        settings: what to measure it with.
        folder: for the files, and for the folder NAME.run with what was measured so far.
        command: that measures the same again, to be written down.
        minutes: after which no unit of work is begun; what there is by then is written.
        tell: is told of each unit of work that begins.

    Raises:
        UnknownModelError: there is no such target.
        ImpastoError: whatever else is wrong, in one line.
    """
    target = find_target(name)
    run_folder = folder / f"{name}.run"
    seconds = None if minutes is None else 60 * minutes

    def unwritable(error: OSError) -> CheckpointError:
        return CheckpointError(f"cannot keep a journal in {run_folder}: {reason_of(error)}")

    try:
        with refuse_second_run(
            run_folder, work="measurement", refusal=CheckpointError, unwritable=unwritable
        ):
            journal = Journal(run_folder, seconds=seconds, tell=tell)
            result = target.run(settings, journal)
    except TrainingInterrupted as stop:
        reason = str(stop).partition(";")[0]
        how = f"{reason}; go on with the same command"
        raise TrainingInterrupted(how, signal_number=stop.signal_number) from None
    return publish(
        name,
        target.CLAIM,
        result,
        folder,
        measured=circumstances(command),
        num_left=journal.num_left,
    )
