"""The claims by name; measure one and write its result."""

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
from impasto.reproduction.claim import Claim, Settings
from impasto.reproduction.journal import Journal
from impasto.reproduction.publication import publish
from impasto.system.work_files import refuse_second_run

CLAIMS: Mapping[str, Claim] = {
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


def find_claim(name: str) -> Claim:
    """Return a claim by name.

    Raises:
        UnknownModelError: there is none.
    """
    if name not in CLAIMS:
        raise UnknownModelError(
            f"there is no target {name[:80]!r}; expected all, or some of {', '.join(CLAIMS)}"
        )
    return CLAIMS[name]


def reproduce(
    name: str,
    settings: Settings,
    folder: Path,
    *,
    command: str,
    minutes: float | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Measure a claim and write its result; return the files.

    Args:
        name: of the claim.
        settings: what to measure it with.
        folder: for the files, and for the folder NAME.run with the journal.
        command: that repeats the measurement; it is written into the result.
        minutes: after which no unit of work is begun; the result then holds those done.
        tell: called with a line for each unit of work that begins.

    Raises:
        UnknownModelError: there is no such claim.
        ImpastoError: anything else that is wrong, in one line.
    """
    claim = find_claim(name)
    run_folder = folder / f"{name}.run"
    seconds = None if minutes is None else 60 * minutes

    def unwritable(error: OSError) -> CheckpointError:
        return CheckpointError(f"cannot keep a journal in {run_folder}: {reason_of(error)}")

    try:
        # Two runs would measure the same units twice, and mix the lines of their curves.
        with refuse_second_run(
            run_folder, work="measurement", refusal=CheckpointError, unwritable=unwritable
        ):
            journal = Journal(run_folder, seconds=seconds, tell=tell)
            result = claim.run(settings, journal)
    except TrainingInterrupted as stop:
        # A training's own advice would resume the training, and not the claim.
        reason = str(stop).partition(";")[0]
        how = f"{reason}; go on with the same command"
        raise TrainingInterrupted(how, signal_number=stop.signal_number) from None
    return publish(
        name,
        claim.STATEMENT,
        result,
        folder,
        measured=circumstances(command),
        num_left=journal.num_left,
    )
