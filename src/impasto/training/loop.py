"""The training loop: one for every task, readable from top to bottom.

Decisions: Lightning Fabric brings device, precision and processes. Whatever changes the weights
depends on the recipe and the checkpoint, never on the clock, so a run that is killed and resumed
ends in the same weights as an unbroken one (on a CPU, with the same number of threads). A loss
that is not finite, or explodes, rolls the run back to its last checkpoint with half the learning
rate; the photographs move on. Contact sheets go by the clock, since people look at them.

A GPU waits whenever a number is read from it. So the loop reads the numbers of several steps at
once there, and of every step on a CPU. Only steps that were read, and were healthy, are logged,
saved or drawn.
"""

import contextlib
import math
import threading
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from impasto.data.stream import CropStream, SkippedPhotograph
from impasto.errors import TrainingError, TrainingInterrupted
from impasto.training.checkpoint import (
    Checkpoint,
    TrainingState,
    restore_checkpoint,
    save_checkpoint,
    take_checkpoint,
)
from impasto.training.device_batches import batches_for, pictures_on
from impasto.training.devices import describe_hardware
from impasto.training.logs import TrainingLog
from impasto.training.progress import OnProgress, Progress, StepSums, ignore_progress
from impasto.training.recording import RecordedStep, StepRecorder, recorder_for
from impasto.training.schedule import learning_rate_at, stage_at
from impasto.training.sections import Stage, TrainingRecipe
from impasto.training.sheet import write_contact_sheet
from impasto.training.step import (
    StepResult,
    TrainingStep,
    fetch_results,
    make_optimizer,
    process_means,
    running_mean,
    usual_steps_per_reading,
)
from impasto.training.task import TrainingTask

CHECKPOINT_NAME = "checkpoint.safetensors"
MAX_ROLLBACKS = 8
STEPS_BEFORE_EXPLOSION_CHECK = 20


class Trainer:
    """A training that runs: task, network, optimiser, stream and state.

    Attributes:
        state: step, position and running means, as the checkpoint stores them.
        stop_requested: set it, from a signal or another thread, to stop after the current step.
    """

    network: nn.Module
    optimizer: Optimizer

    def __init__(
        self,
        fabric: Fabric,
        task: TrainingTask,
        recipe: TrainingRecipe,
        stream: CropStream,
        folder: Path,
        *,
        sheet_photographs: NDArray[np.float32],
        checkpoint: Checkpoint | None = None,
        on_progress: OnProgress = ignore_progress,
        steps_per_reading: int | None = None,
        recorder: StepRecorder | None = None,
        photograph_bytes: int | None = None,
    ) -> None:
        """Set the task up on its device, from the start or from a checkpoint.

        Args:
            fabric: launched.
            task: network and objective.
            recipe: stages, optimiser and loop.
            stream: crops for this process.
            folder: for checkpoint, logs and contact sheets; it exists.
            sheet_photographs: N×3×H×W in [0, 1], for the contact sheets.
            checkpoint: to continue from.
            on_progress: called in the main process with every log line and event.
            steps_per_reading: most steps whose numbers wait on the device; None: as suits it.
            recorder: that records steps; None takes plain ones, but on a single GPU.
            photograph_bytes: of the device's memory, for photographs; None: as suits it.

        Raises:
            CheckpointError: when the checkpoint is not of this task's network.
        """
        self.fabric, self.task, self.recipe = fabric, task, recipe
        self.stream, self.folder, self.on_progress = stream, folder, on_progress
        task.objective.to(fabric.device)
        task.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = make_optimizer(
            task.network, learning_rate=recipe.optimizer.learning_rate, device=fabric.device
        )
        self.network, self.optimizer = fabric.setup(task.network, optimizer)
        self.state = TrainingState(recipe=recipe.model_dump(mode="json"))
        if checkpoint is not None:
            self.state = restore_checkpoint(checkpoint, task.network, self.optimizer)
        clip = recipe.optimizer.gradient_clip
        self._step = TrainingStep(fabric, task, self.network, self.optimizer, gradient_clip=clip)
        self._step.start_from(self.state.running_gradient)
        recorder = recorder or recorder_for(fabric, task)
        self._steps = RecordedStep(self._step, task, recorder, on_event=self._report)
        self._source = batches_for(
            stream, fabric.device, max_bytes=photograph_bytes, on_event=self._report
        )
        self._unread: list[StepResult] = []
        self._steps_per_reading = steps_per_reading or usual_steps_per_reading(fabric.device)
        self._record_hardware()
        self.stop_requested = threading.Event()
        self._skipped_before = self.state.skipped
        self._sheet_photographs = pictures_on(fabric.device, sheet_photographs)
        self._sums = StepSums()
        self._next_sheet = 0.0

    def _record_hardware(self) -> None:
        """Add this machine to those of the state, unless there is nothing left to train."""
        hardware = describe_hardware(self.fabric)
        if self.state.step < self.recipe.num_steps and hardware not in self.state.hardware:
            self.state.hardware = (*self.state.hardware, hardware)

    @property
    def skipped(self) -> tuple[SkippedPhotograph, ...]:
        """The distinct photographs passed over since the training began, by name."""
        by_name = {skip.name: skip for skip in (*self._skipped_before, *self.stream.skipped)}
        return tuple(sorted(by_name.values()))

    def fit(self) -> TrainingState:
        """Train to the last step, saving a checkpoint at the end, and return the state.

        Raises:
            TrainingInterrupted: after `stop_requested` was set; the state is saved.
            TrainingError: when the loss keeps exploding, or the logs cannot be written.
            CheckpointError: when a checkpoint cannot be written.
        """
        with contextlib.ExitStack() as stack:
            if self.fabric.is_global_zero:
                self._log = TrainingLog(self.folder, first_step=self.state.step)
                stack.enter_context(contextlib.closing(self._log))
            self._set_normalisers()
            self._good = take_checkpoint(self.task.network, self.optimizer, self.state)
            self._show_contact_sheet()
            while self.state.step < self.recipe.num_steps:
                self._run_stage()
            self._show_contact_sheet()
        return self.state

    def _set_normalisers(self) -> None:
        """Measure the terms' normalisers, or take those of the checkpoint."""
        normalisation = self.task.normalisation
        if normalisation is None:
            return
        if self.state.normalisers is None:
            with contextlib.closing(self._batches()) as batches, self.fabric.autocast():
                photographs = [next(batches)[0] for _ in range(normalisation.num_batches)]
                measured = normalisation.measure(photographs)
            means = process_means(measured.model_dump(), self.fabric)
            self.state.normalisers = type(measured)(**means)
            divisors = ", ".join(f"{name} {value:.3g}" for name, value in means.items())
            self._report(f"probe: terms are divided by {divisors}")
        normalisation.apply(self.state.normalisers)

    def _run_stage(self) -> None:
        """Train until the stage ends, or the loss explodes and the run is rolled back."""
        stage = stage_at(self.state.step, self.recipe.stages)
        self._sums = StepSums()
        with contextlib.closing(self._batches()) as batches:
            while self._is_in(stage):
                if not self._unread:
                    self._stop_if_asked()
                waited = time.perf_counter()
                photographs, self.state.position = next(batches)
                self._sums.data_seconds += time.perf_counter() - waited
                self._take_step(photographs)
                if self._is_time_to_read(stage) and not (
                    self._read_steps() and self._after_steps(stage.batch_size)
                ):
                    self._roll_back()
                    break
        self._count_seconds()

    @property
    def _next_step(self) -> int:
        """Number of the next step to take; the state counts only those that were read."""
        return self.state.step + len(self._unread)

    def _is_in(self, stage: Stage) -> bool:
        """Whether the next step belongs to this stage."""
        step, recipe = self._next_step, self.recipe
        return step < recipe.num_steps and stage_at(step, recipe.stages) is stage

    def _batches(self) -> Generator[tuple[Tensor, int], None, None]:
        """Return the stage's batches on the device, with the position after each."""
        stage = stage_at(self.state.step, self.recipe.stages)
        return self._source.batches(
            position=self.state.position, batch_size=stage.batch_size, crop_size=stage.crop_size
        )

    def _take_step(self, photographs: Tensor) -> None:
        """Take one optimiser step, whose numbers are read later."""
        # Set anew at every step, so that a resumed or rolled back run has no schedule to restore.
        self._rate = self.state.rate_factor * learning_rate_at(
            self._next_step, self.recipe.stages, self.recipe.optimizer
        )
        self._step.set_rate(self._rate)
        self._unread.append(self._steps.take(photographs, position=self.state.position))

    def _is_time_to_read(self, stage: Stage) -> bool:
        """Whether to read now: enough steps wait, or something is to be logged or saved."""
        loop, step = self.recipe.loop, self._next_step
        return (
            len(self._unread) >= self._steps_per_reading
            or step % loop.log_every_steps == 0
            or step % loop.checkpoint_every_steps == 0
            or not self._is_in(stage)
        )

    def _read_steps(self) -> bool:
        """Add the steps taken since the last reading to state and sums.

        Returns:
            Whether all were healthy. If not, the state ends before the first that was not, and the
            weights are to be rolled back.
        """
        weighted, unweighted = self._step.weighted_names, self._step.unweighted_names
        results, self._unread = self._unread, []
        for losses, (length, running) in fetch_results(results, self.fabric):
            total = losses[0]
            if not (self._is_healthy(total) and math.isfinite(length)):
                return False
            state, terms = self.state, losses[1 + len(weighted) :]
            state.step += 1
            state.running_loss = running_mean(state.running_loss, total)
            for name, value in zip(unweighted, terms, strict=True):
                state.running_terms[name] = running_mean(state.running_terms.get(name), value)
            state.running_gradient = running
            self._sums.add({"total": total, **dict(zip(weighted, losses[1:], strict=False))})
        return True

    def _is_healthy(self, total: float) -> bool:
        """Whether a loss, the same in every process, is finite and not an explosion."""
        running = self.state.running_loss
        # Early losses fall so fast that their running mean says nothing about the next one.
        if running is None or self.state.step < STEPS_BEFORE_EXPLOSION_CHECK:
            return math.isfinite(total)
        return total < running * self.recipe.loop.explosion_factor

    def _after_steps(self, batch_size: int) -> bool:
        """Log, save and draw when it is time; False when the weights are not finite."""
        loop, step = self.recipe.loop, self.state.step
        is_last = step == self.recipe.num_steps
        if step % loop.log_every_steps == 0 or is_last:
            self._write_log(batch_size)
        if step % loop.checkpoint_every_steps == 0 or is_last:
            if not self._keep_good_state():
                return False
            self._save()
            self._score()
        if time.monotonic() > self._next_sheet:
            self._show_contact_sheet()
        return True

    def _write_log(self, batch_size: int) -> None:
        sums, seconds = self._sums, self._count_seconds()
        losses, pace = sums.means(), sums.num_steps / seconds
        steps_left = self.recipe.num_steps - self.state.step
        if self.fabric.is_global_zero:
            record = {
                **losses,
                "learning_rate": self._rate,
                "pictures_per_second": round(pace * batch_size, 3),
                "data_share": round(sums.data_seconds / seconds, 4),
                "seconds": round(self.state.seconds, 2),
            }
            self._log.write(self.state.step, record)
        self._report("", losses, pace * batch_size, steps_left / max(pace, 1e-9))

    def _count_seconds(self) -> float:
        """Add the seconds since the last report to the training's, and return them."""
        seconds = self._sums.seconds()
        self.state.seconds += seconds
        self._sums = StepSums()
        return seconds

    def _roll_back(self) -> None:
        """Go back to the last good state with half the learning rate.

        Raises:
            TrainingError: after `MAX_ROLLBACKS` times.
        """
        bad, good = self.state, self._good
        num_rollbacks, bad_step = bad.num_rollbacks + 1, bad.step + 1
        if num_rollbacks > MAX_ROLLBACKS:
            raise TrainingError(
                f"the loss exploded {num_rollbacks} times, last at step {bad_step}; "
                f"lower optimizer.learning_rate (it is {self.recipe.optimizer.learning_rate:g})"
            )
        self.state = restore_checkpoint(good, self.task.network, self.optimizer)
        self._step.start_from(self.state.running_gradient)
        self._steps.forget()
        self.state.position, self.state.seconds = bad.position, bad.seconds
        self.state.num_rollbacks, self.state.rate_factor = num_rollbacks, bad.rate_factor / 2
        message = (
            f"the loss exploded at step {bad_step}: back to step {self.state.step} "
            f"with {self.state.rate_factor:g} of the learning rate"
        )
        if self.fabric.is_global_zero:
            self._log.go_back(self.state.step)
            self._log.write(self.state.step, {"event": message})
        self._report(message)

    def _keep_good_state(self) -> bool:
        """Keep the state to go back to; False, keeping the one before, when it is not finite."""
        self.state.skipped = self.skipped
        state = take_checkpoint(self.task.network, self.optimizer, self.state)
        if not all(bool(torch.isfinite(tensor).all()) for tensor in state.tensors.values()):
            return False
        self._good = state
        return True

    def _save(self) -> None:
        if self.fabric.is_global_zero:
            save_checkpoint(self._good, self.folder / CHECKPOINT_NAME)

    def _score(self) -> None:
        """Log the task's scores, if it has any."""
        if not self.fabric.is_global_zero:
            return
        with self.fabric.autocast():
            scores = self.task.scores(self._sheet_photographs)
        if scores:
            self._log.write(self.state.step, scores)
            named = ", ".join(f"{name} {value:.3g}" for name, value in scores.items())
            self._report(f"step {self.state.step}: {named}")

    def _stop_if_asked(self) -> None:
        asked = self.stop_requested.is_set()
        if self.fabric.world_size > 1:
            # All have to stop at the same step, or the others would wait for its gradients.
            asked = process_means({"asked": float(asked)}, self.fabric)["asked"] > 0
        if not asked:
            return
        self._count_seconds()
        self._keep_good_state()
        self._save()
        step = self._good.state.step
        raise TrainingInterrupted(f"stopped at step {step} of {self.recipe.num_steps}")

    def _show_contact_sheet(self) -> None:
        self._next_sheet = time.monotonic() + 60 * self.recipe.loop.contact_sheet_minutes
        if not self.fabric.is_global_zero:
            return
        with self.fabric.autocast():
            sheet = self.task.contact_sheet(self._sheet_photographs)
        latest = write_contact_sheet(sheet, self.folder, step=self.state.step)
        self._report(f"contact sheet: {latest}")

    def _report(
        self,
        message: str,
        losses: dict[str, float] | None = None,
        pictures_per_second: float = 0.0,
        seconds_left: float | None = None,
    ) -> None:
        if not self.fabric.is_global_zero:
            return
        self.on_progress(
            Progress(
                step=self.state.step,
                num_steps=self.recipe.num_steps,
                losses=losses or {},
                pictures_per_second=pictures_per_second,
                seconds_left=seconds_left,
                message=message,
            )
        )
