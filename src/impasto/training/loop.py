"""The training loop: one for every task, readable from top to bottom.

Decisions: Lightning Fabric brings device, precision and processes. All that changes the weights
is a function of the recipe and the checkpoint, never of the clock, so a run that was killed and
resumed ends in the very weights of an unbroken one (on a CPU, with the same number of threads).
A loss that is not finite, or explodes, rolls the run back to its last checkpoint with half the
learning rate; the photographs move on. Contact sheets go by the clock, since people look at them.
"""

import contextlib
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from impasto.data.stream import CropStream
from impasto.errors import NotFiniteError, TrainingError, TrainingInterrupted
from impasto.images.io import save_picture
from impasto.images.picture import Picture
from impasto.objectives import LossTerms
from impasto.training.checkpoint import (
    Checkpoint,
    TrainingState,
    restore_checkpoint,
    save_checkpoint,
    take_checkpoint,
)
from impasto.training.logs import TrainingLog
from impasto.training.recipe import StyleRecipe
from impasto.training.schedule import learning_rate_at, stage_at
from impasto.training.tasks import Task

CHECKPOINT_NAME = "checkpoint.safetensors"
MAX_ROLLBACKS = 8
NUM_SHEET_PHOTOGRAPHS = 5
RUNNING_MEAN_SHARE = 0.02
STEPS_BEFORE_EXPLOSION_CHECK = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a training; `message` is empty but for events worth a line of their own.

    Attributes:
        step, num_steps: done, and to do in all.
        losses: running means of the weighted terms and their `total`.
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


def make_fabric(recipe: StyleRecipe) -> Fabric:
    """Return the Fabric of a recipe: device, precision, and the processes torchrun started.

    Raises:
        TrainingError: when a CUDA device is asked for and there is none.
    """
    cuda = torch.cuda.is_available()
    if recipe.device == "cuda" and not cuda:
        raise TrainingError("device is 'cuda' but no CUDA device is there; use 'auto' or 'cpu'")
    accelerator = "cuda" if cuda and recipe.device != "cpu" else "cpu"
    if accelerator == "cuda":
        torch.set_float32_matmul_precision("high")
    processes_here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    return Fabric(
        accelerator=accelerator,
        devices=processes_here,
        num_nodes=max(processes // processes_here, 1),
        strategy="ddp" if processes > 1 else "auto",
        precision="bf16-mixed" if _wants_bf16(recipe.precision, accelerator) else "32-true",
    )


def _wants_bf16(precision: str, accelerator: str) -> bool:
    if precision != "auto":
        return precision == "bf16"
    if accelerator == "cuda":
        return torch.cuda.is_bf16_supported()
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


class Trainer:
    """A task in training: everything that must live together while it runs."""

    def __init__(  # noqa: D417
        self,
        fabric: Fabric,
        task: Task,
        recipe: StyleRecipe,
        stream: CropStream,
        folder: Path,
        *,
        checkpoint: Checkpoint | None = None,
        on_progress: OnProgress = lambda progress: None,
    ) -> None:
        """Set the task up on its device, from the start or from a checkpoint.

        Args:
            folder: where checkpoint, logs and contact sheets go; it exists.
            checkpoint: to go on from.
            on_progress: called in the main process with every log line and event.
        """
        self.fabric, self.task, self.recipe = fabric, task, recipe
        self.stream, self.folder, self.on_progress = stream, folder, on_progress
        task.objective.to(fabric.device)
        task.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = Adam(task.network.parameters(), lr=recipe.optimizer.learning_rate)
        self.network, self.optimizer = _set_up(fabric, task.network, optimizer)
        self.state = TrainingState(recipe=recipe.model_dump(mode="json"))
        if checkpoint is not None:
            self.state = restore_checkpoint(checkpoint, task.network, self.optimizer)
        self.stop_requested = threading.Event()
        self._since_log = _Window()
        self._sheet_photographs: Tensor | None = None
        self._next_sheet = 0.0

    def fit(self) -> TrainingState:
        """Train to the last step, saving a checkpoint at the end, and return the state.

        Raises:
            TrainingInterrupted: after `stop_requested` was set; the state is saved.
            TrainingError: when the loss keeps exploding.
        """
        with contextlib.closing(TrainingLog(self.folder, first_step=self.state.step)) as self._log:
            self._probe()
            self._good = take_checkpoint(self.task.network, self.optimizer, self.state)
            self._show_contact_sheet()
            while self.state.step < self.recipe.num_steps:
                self._run_stage()
            self._save()
            self._show_contact_sheet()
        return self.state

    def _probe(self) -> None:
        """Find the terms' scales, or take those of the checkpoint."""
        if self.state.scales is not None:
            self.task.take_scales(self.state.scales)
            return
        if self.task.num_probe_batches == 0:
            return
        with contextlib.closing(self._batches()) as batches, self.fabric.autocast():
            probed = [next(batches)[0] for _ in range(self.task.num_probe_batches)]
            scales = self.task.probe(probed)
        means = {
            name: float(self.fabric.all_reduce(torch.tensor(value, dtype=torch.float64)))  # type: ignore[arg-type]
            for name, value in scales.model_dump().items()
        }
        self.state.scales = type(scales)(**means)
        self.task.take_scales(self.state.scales)
        shown = ", ".join(f"{name} {value:.3g}" for name, value in means.items())
        self._report(f"probe: terms are divided by {shown}")

    def _run_stage(self) -> None:
        """Train until the stage ends, or the loss explodes and the run is rolled back."""
        stage = stage_at(self.state.step, self.recipe.stages)
        self._since_log = _Window()
        with contextlib.closing(self._batches()) as batches:
            while (
                self.state.step < self.recipe.num_steps
                and stage_at(self.state.step, self.recipe.stages) is stage
            ):
                self._stop_if_asked()
                waited = time.perf_counter()
                photographs, position = next(batches)
                self._since_log.data_seconds += time.perf_counter() - waited
                self.state.position = position
                if not self._take_step(photographs):
                    self._roll_back()
                    return
                self._after_step(stage.batch_size)

    def _batches(self) -> Iterator[tuple[Tensor, int]]:
        """Yield batches on the device with the position after each."""
        stage = stage_at(self.state.step, self.recipe.stages)
        batches = self.stream.batches(
            position=self.state.position, batch_size=stage.batch_size, crop_size=stage.crop_size
        )
        with contextlib.closing(batches):
            for batch in batches:
                pictures = torch.from_numpy(batch.pictures).to(
                    self.fabric.device, memory_format=torch.channels_last
                )
                yield pictures, batch.next_position

    def _take_step(self, photographs: Tensor) -> bool:
        """Take one optimiser step; False, with no weight changed, when loss or gradient is not
        healthy."""
        try:
            with self.fabric.autocast():
                terms = self.task.loss_terms(self.network, photographs)
            total = terms.total.detach()
        except NotFiniteError:
            total = torch.tensor(float("nan"), device=self.fabric.device)
        mean_total = float(self.fabric.all_reduce(total))  # type: ignore[arg-type]
        if not self._is_healthy(mean_total):
            return False
        self.fabric.backward(terms.total)
        if not self._clip_gradient():
            self.optimizer.zero_grad()
            return False
        rate = learning_rate_at(self.state.step, self.recipe.num_steps, self.recipe.optimizer)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * self.state.rate_factor
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._count_step(mean_total, terms)
        return True

    def _clip_gradient(self) -> bool:
        """Shorten a gradient far longer than usual; False when it is not finite."""
        parameters = list(self.task.network.parameters())
        gradients = [p.grad for p in parameters if p.grad is not None]
        length = torch.nn.utils.get_total_norm(gradients)
        if not bool(torch.isfinite(length)):
            return False
        usual = self.state.running_gradient
        if usual is not None:
            limit = self.recipe.optimizer.gradient_clip * usual
            torch.nn.utils.clip_grads_with_norm_(parameters, limit, length)
            length = length.clamp(max=limit)
        self.state.running_gradient = _running(usual, float(length))
        return True

    def _is_healthy(self, total: float) -> bool:
        """Whether a loss, the same in every process, is one to learn from."""
        running = self.state.running_loss
        if running is None or self.state.step < STEPS_BEFORE_EXPLOSION_CHECK:
            return total == total and total < float("inf")
        return total < running * self.recipe.loop.explosion_factor

    def _count_step(self, total: float, terms: LossTerms) -> None:
        state = self.state
        state.step += 1
        state.running_loss = _running(state.running_loss, total)
        for name, value in terms.unweighted.items():
            state.running_terms[name] = _running(
                state.running_terms.get(name), float(value.detach())
            )
        self._since_log.add({"total": total, **{n: float(v.detach()) for n, v in terms.weighted.items()}})

    def _after_step(self, batch_size: int) -> None:
        """Log, save and draw when it is time."""
        loop, step = self.recipe.loop, self.state.step
        if step % loop.log_every_steps == 0 or step == self.recipe.num_steps:
            self._write_log(batch_size)
        if step % loop.checkpoint_every_steps == 0:
            self._save()
        if time.monotonic() > self._next_sheet:
            self._show_contact_sheet()

    def _write_log(self, batch_size: int) -> None:
        window, self._since_log = self._since_log, _Window()
        seconds = window.seconds()
        self.state.seconds += seconds
        losses = window.means()
        pace = window.num_steps / max(seconds, 1e-9)
        steps_left = self.recipe.num_steps - self.state.step
        if self.fabric.is_global_zero:
            rate = self.optimizer.param_groups[0]["lr"]
            record = {
                **losses,
                "learning_rate": rate,
                "pictures_per_second": round(pace * batch_size, 3),
                "data_share": round(window.data_seconds / max(seconds, 1e-9), 4),
                "seconds": round(self.state.seconds, 2),
            }
            self._log.write(self.state.step, record)
        self._report("", losses, pace * batch_size, steps_left / max(pace, 1e-9))

    def _roll_back(self) -> None:
        """Go back to the last good state with half the learning rate.

        Raises:
            TrainingError: after `MAX_ROLLBACKS` times.
        """
        position, rollbacks = self.state.position, self.state.num_rollbacks + 1
        factor, bad_step = self.state.rate_factor / 2, self.state.step + 1
        if rollbacks > MAX_ROLLBACKS:
            raise TrainingError(
                f"the loss exploded {rollbacks} times, last at step {bad_step}; "
                f"lower optimizer.learning_rate (it is {self.recipe.optimizer.learning_rate:g})"
            )
        seconds = self.state.seconds
        self.state = restore_checkpoint(self._good, self.task.network, self.optimizer)
        self.state.position, self.state.seconds = position, seconds
        self.state.num_rollbacks, self.state.rate_factor = rollbacks, factor
        message = (
            f"the loss exploded at step {bad_step}: back to step {self.state.step} "
            f"with {factor:g} of the learning rate"
        )
        if self.fabric.is_global_zero:
            self._log.write(self.state.step, {"event": message})
        self._report(message)

    def _save(self) -> None:
        """Take a checkpoint, unless the weights went bad in the very last step."""
        checkpoint = take_checkpoint(self.task.network, self.optimizer, self.state)
        if not all(bool(torch.isfinite(tensor).all()) for tensor in checkpoint.tensors.values()):
            return
        self._good = checkpoint
        if self.fabric.is_global_zero:
            save_checkpoint(checkpoint, self.folder / CHECKPOINT_NAME)

    def _stop_if_asked(self) -> None:
        # Every process has to stop at the same step, or the others would wait for its gradients.
        asked = torch.tensor(float(self.stop_requested.is_set()), device=self.fabric.device)
        if not float(self.fabric.all_reduce(asked, reduce_op="sum")):  # type: ignore[arg-type]
            return
        self._save()
        raise TrainingInterrupted(f"stopped at step {self.state.step} of {self.recipe.num_steps}")

    def _show_contact_sheet(self) -> None:
        self._next_sheet = time.monotonic() + 60 * self.recipe.loop.contact_sheet_minutes
        if not self.fabric.is_global_zero:
            return
        if self._sheet_photographs is None:
            self._sheet_photographs = self._fixed_photographs()
        with self.fabric.autocast():
            sheet = self.task.contact_sheet(self._sheet_photographs)
        sheets = self.folder / "contact_sheets"
        sheets.mkdir(exist_ok=True)
        picture = Picture(rgb=sheet, alpha=None)
        for path in (
            sheets / f"step-{self.state.step:06d}.jpg",
            self.folder / "contact_sheet.jpg",
        ):
            save_picture(picture, path, overwrite=True)
        self._report(f"contact sheet: {self.folder / 'contact_sheet.jpg'}")

    def _fixed_photographs(self) -> Tensor:
        """Return the first pictures of the stream, the same in every session of a run."""
        stage = max(self.recipe.stages, key=lambda stage: stage.crop_size)
        batches = self.stream.batches(
            position=0,
            batch_size=NUM_SHEET_PHOTOGRAPHS * self.fabric.world_size,
            crop_size=stage.crop_size,
        )
        with contextlib.closing(batches):
            pictures = torch.from_numpy(next(batches).pictures)
        return pictures.to(self.fabric.device, memory_format=torch.channels_last)

    def _report(
        self,
        message: str,
        losses: dict[str, float] | None = None,
        pictures_per_second: float = 0.0,
        seconds_left: float | None = None,
    ) -> None:
        if self.fabric.is_global_zero:
            self.on_progress(
                Progress(
                    self.state.step,
                    self.recipe.num_steps,
                    losses or {},
                    pictures_per_second,
                    seconds_left,
                    message,
                )
            )


class _Window:
    """Sums since the last log line."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.data_seconds = 0.0
        self.num_steps = 0
        self._sums: dict[str, float] = {}

    def add(self, losses: dict[str, float]) -> None:
        self.num_steps += 1
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def means(self) -> dict[str, float]:
        return {name: value / max(self.num_steps, 1) for name, value in self._sums.items()}

    def seconds(self) -> float:
        return time.perf_counter() - self.started


def _set_up(
    fabric: Fabric, network: nn.Module, optimizer: Optimizer
) -> tuple[nn.Module, Optimizer]:
    wrapped, wrapped_optimizer = fabric.setup(network, optimizer)
    return wrapped, wrapped_optimizer


def _running(mean: float | None, value: float) -> float:
    return value if mean is None else mean + RUNNING_MEAN_SHARE * (value - mean)


@contextlib.contextmanager
def stop_on_signals(stop_requested: threading.Event) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM ask for a stop after the current step; a second Ctrl-C is at once."""

    def ask(number: int, frame: FrameType | None) -> None:
        if stop_requested.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop_requested.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def describe_hardware(fabric: Fabric) -> str:
    """Return what a training ran on, in words, for logs and cards."""
    if fabric.device.type == "cuda":
        return f"{fabric.world_size} × {torch.cuda.get_device_name(fabric.device)}"
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {torch.get_num_threads() * fabric.world_size} threads"
