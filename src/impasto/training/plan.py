"""The stages that fill a number of minutes, from the measured pace of the machine.

Two thirds of the time go to small crops, where a style is learnt at a quarter of the cost, and
one to larger ones with a cycle of their own, where its fine texture is. Below
`FEW_STEPS` at the usual size, smaller crops and halved batches buy more steps. No schedule is
longer than the paper's 40,000 steps. The split is that of the shipped styles; other splits were
not compared. What was: `runs/short_trainings.sh` and `runs/time_and_photos.sh`.
"""

import copy
import time

import torch
from lightning.fabric import Fabric

from impasto.errors import RecipeError
from impasto.training.recording import (
    WARM_UP_STEPS,
    RecordedStep,
    StepRecorder,
    recorder_for,
)
from impasto.training.sections import Stage
from impasto.training.step import (
    TrainingStep,
    fetch_results,
    make_optimizer,
    usual_steps_per_reading,
)
from impasto.training.task import SecondsPerStep, TrainingTask

USUAL_CROP, SMALL_CROP = 160, 128
MORE_PIXELS = 128
"""How much longer a large crop's side is than a small one's: with a margin of 32 pixels, the loss
sees windows of 128² and then of 256²."""
SMALL_CROPS_SHARE = 2 / 3
FRESH_RATES, STARTED_RATES = (None, 1e-3), (1e-3, 5e-4)
"""At the top of the cycles of small and of large crops, None being the recipe's. From another style
on, half the usual rates ended better (measured)."""
FEW_STEPS = 200
FEWEST_STEPS = 20
MOST_STEPS = 40_000
MOST_PATCH_STEPS = 200_000
"""The paper's, for super-resolution."""
TIMED_STEPS = 4
"""To measure the pace; on a GPU as many are timed as are read at once."""
OVERHEAD_SECONDS = 20.0
"""The probe, contact sheets and the writing of the model; of a minute or less, a third."""

REFINEMENT_OVERHEAD_SECONDS = 10.0
"""Likewise where only norm constants are tuned: fewer photographs are probed, and no graph is
written."""


def plan_stages(
    minutes: float,
    seconds_per_step: SecondsPerStep,
    *,
    batch_size: int = 4,
    num_processes: int = 1,
    started: bool = False,
) -> list[Stage]:
    """Return the stages of a style training that fill the given minutes.

    Args:
        minutes: from the start of the training to the model file.
        seconds_per_step: of a crop size, for such a batch.
        batch_size: over all processes together; halved, where that divides among them, when
            little can be done in the time.
        num_processes: that share a batch.
        started: whether the training starts from another style.

    Raises:
        RecipeError: when not even `FEWEST_STEPS` fit.
    """
    seconds = 60 * minutes - min(OVERHEAD_SECONDS, 20 * minutes)
    crop = USUAL_CROP
    if _num_steps(seconds * SMALL_CROPS_SHARE, seconds_per_step(crop)) < FEW_STEPS:
        crop = SMALL_CROP
        if batch_size % (2 * num_processes) == 0:
            batch_size //= 2
            seconds *= 2  # a step takes half as long
    small = _num_steps(seconds * SMALL_CROPS_SHARE, seconds_per_step(crop))
    large = _num_steps(seconds * (1 - SMALL_CROPS_SHARE), seconds_per_step(crop + MORE_PIXELS))
    if small < FEWEST_STEPS:
        needed = minutes * FEWEST_STEPS / max(small, 1)
        raise RecipeError(
            f"{minutes:g} minutes are too few for a style here: {small} steps; give at least "
            f"{needed:.2g}, and {'ten' if started else 'thirty'} for a good one on two cores"
        )
    small_rate, large_rate = STARTED_RATES if started else FRESH_RATES
    return [
        Stage(steps=small, crop_size=crop, batch_size=batch_size, learning_rate=small_rate),
        Stage(
            steps=max(large, 1),
            crop_size=crop + MORE_PIXELS,
            batch_size=batch_size,
            learning_rate=large_rate,
        ),
    ]


def plan_refinement(
    minutes: float, seconds_per_step: SecondsPerStep, *, stage: Stage
) -> list[Stage]:
    """Return the stage that tunes norm constants for the given minutes.

    Args:
        minutes: from the start of the training to the add-on file.
        seconds_per_step: of a crop size, for the stage's batches.
        stage: whose crops, batches and learning rate to keep.

    Raises:
        RecipeError: when not even `FEWEST_STEPS` fit.
    """
    seconds = 60 * minutes - min(REFINEMENT_OVERHEAD_SECONDS, 20 * minutes)
    steps = _num_steps(seconds, seconds_per_step(stage.crop_size))
    if steps < FEWEST_STEPS:
        raise RecipeError(
            f"{minutes:g} minutes are too few to tune a style here: {steps} steps; give at least "
            f"{minutes * FEWEST_STEPS / max(steps, 1):.2g}"
        )
    return [stage.model_copy(update={"steps": steps})]


def plan_patches(minutes: float, seconds_per_step: SecondsPerStep, *, stage: Stage) -> list[Stage]:
    """Return the stage of a super-resolution training that fills the given minutes.

    Args:
        minutes: from the start of the training to the model file.
        seconds_per_step: of a crop size, for the stage's batches.
        stage: whose crops and batches to keep.

    Raises:
        RecipeError: when not even `FEWEST_STEPS` fit.
    """
    seconds = 60 * minutes - min(OVERHEAD_SECONDS, 20 * minutes)
    steps = int(seconds / seconds_per_step(stage.crop_size))
    if steps < FEWEST_STEPS:
        raise RecipeError(
            f"{minutes:g} minutes are too few for super-resolution here: {steps} steps; give at "
            f"least {minutes * FEWEST_STEPS / max(steps, 1):.2g}"
        )
    return [stage.model_copy(update={"steps": min(steps, MOST_PATCH_STEPS)})]


def measured_pace(
    fabric: Fabric,
    task: TrainingTask,
    *,
    batch_size: int,
    num_steps: int = TIMED_STEPS,
    recorder: StepRecorder | None = None,
) -> SecondsPerStep:
    """Return the seconds of a training step by its crop size, measured on this machine.

    The steps are the loop's: recorded where it records them, and read as often as it reads them.
    Only one size is measured, on a copy of the network: the work grows with the pixels.

    Args:
        fabric: launched.
        task: whose step to measure; its network stays as it is.
        batch_size: over all processes together.
        num_steps: fewest that are timed, after half as many that are not.
        recorder: that records steps; None takes plain ones, but on a single GPU.
    """
    device = fabric.device
    # A copy keeps gradients and batch norm's statistics of these crops out of the training.
    network = copy.deepcopy(task.network).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    task.objective.to(device)
    share = max(batch_size // fabric.world_size, 1)
    chance = torch.Generator().manual_seed(0)
    crops = torch.rand(share, 3, USUAL_CROP, USUAL_CROP, generator=chance).to(device)
    crops = crops.to(memory_format=torch.channels_last)
    # At a rate of 0 the terms, not yet normalised, cannot drive the copy out of the numbers.
    optimizer = make_optimizer(network, learning_rate=0.0, device=device)
    step = TrainingStep(fabric, task, network, optimizer, gradient_clip=1.0)
    recorder = recorder or recorder_for(fabric, task)
    # Where recording fails, the training's own steps will say so.
    steps = RecordedStep(step, task, recorder, on_event=lambda _: None)
    per_reading = usual_steps_per_reading(device)

    def take(num_steps: int) -> None:
        for _ in range(0, num_steps, per_reading):
            fetch_results([steps.take(crops, position=0) for _ in range(per_reading)], fabric)

    # The first steps also allocate memory, choose algorithms and record.
    take(num_steps // 2 if recorder is None else WARM_UP_STEPS + num_steps // 2)
    num_steps = max(num_steps, per_reading)
    started = time.perf_counter()
    take(num_steps)
    # All processes have to plan the same stages.
    mean = torch.tensor((time.perf_counter() - started) / num_steps, device=device)
    seconds = float(fabric.all_reduce(mean))  # type: ignore[arg-type]
    return lambda crop_size: seconds * (crop_size / USUAL_CROP) ** 2


def _num_steps(seconds: float, seconds_per_step: float) -> int:
    return min(int(seconds / seconds_per_step), MOST_STEPS)
