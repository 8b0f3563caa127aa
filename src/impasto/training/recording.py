"""Record a training step once and replay it: a CUDA graph, which the processor only launches.

A recorded step reads its photographs and its window from tensors of fixed addresses, so every step
copies its own into them. The first steps of a batch shape are plain steps, which allocate memory
and choose algorithms; the next one is recorded. Without a recorder every step is a plain one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from lightning.fabric import Fabric
from torch import Tensor

from impasto.training.step import StepResult, TrainingStep
from impasto.training.task import TrainingTask

WARM_UP_STEPS = 3
"""As torch asks for before a capture."""

Work = Callable[[], StepResult]


class StepRecorder(Protocol):
    """Something that records the work of a step."""

    def warm_up(self, work: Work, /) -> StepResult:
        """Do the work once, as it will be recorded."""
        ...

    def record(self, work: Work, /) -> Work:
        """Return what repeats the work; nothing is done yet.

        Raises:
            RuntimeError: when the work cannot be recorded.
        """
        ...


class CudaGraphRecorder:
    """Records a CUDA graph."""

    def __init__(self, device: torch.device) -> None:
        """Record on `device`."""
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def warm_up(self, work: Work) -> StepResult:
        """Do the work on a stream of its own, as torch asks for."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = work()
        current.wait_stream(self._stream)
        return result

    def record(self, work: Work) -> Work:
        """Capture the work; see `StepRecorder`."""
        graph = torch.cuda.CUDAGraph()
        # Other threads may use the device meanwhile, to fetch photographs.
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            result = work()

        def replay() -> StepResult:
            graph.replay()
            return result

        return replay


def recorder_for(fabric: Fabric, task: TrainingTask) -> StepRecorder | None:
    """Return what records the steps of a training: a recorder for a single GPU, else None."""
    if fabric.device.type != "cuda" or fabric.world_size > 1 or not task.can_be_recorded:
        return None
    return CudaGraphRecorder(fabric.device)


@dataclass(slots=True)
class _Plan:
    """What is fixed while batches have one shape."""

    photographs: Tensor
    window: tuple[Tensor, Tensor]
    steps_warmed_up: int = 0
    replay: Work | None = None


class RecordedStep:
    """Takes steps: plain ones first, then a recorded one again and again."""

    def __init__(
        self,
        step: TrainingStep,
        task: TrainingTask,
        recorder: StepRecorder | None,
        *,
        on_event: Callable[[str], None],
    ) -> None:
        """Take steps of `step`.

        Args:
            step: the work.
            task: says which window belongs to a position.
            recorder: None takes plain steps only.
            on_event: told in one line why nothing is recorded.
        """
        self._step, self._task, self._recorder = step, task, recorder
        self._on_event = on_event
        self._plan: _Plan | None = None

    def forget(self) -> None:
        """Record anew: weights or moments have been put elsewhere."""
        self._plan = None

    def take(self, photographs: Tensor, *, position: int) -> StepResult:
        """Lower the loss on N×3×H×W photographs by one step, `position` samples being consumed."""
        if self._recorder is None:
            return self._step.take(photographs, position=position)
        plan = self._filled_plan(photographs, position)
        if plan.steps_warmed_up < WARM_UP_STEPS:
            plan.steps_warmed_up += 1
            return self._recorder.warm_up(lambda: self._work(plan))
        if plan.replay is None:
            try:
                plan.replay = self._recorder.record(lambda: self._work(plan))
            except RuntimeError as error:
                self._recorder = self._plan = None
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                self._on_event(f"steps are not recorded as a graph: {reason}")
                return self._step.take(photographs, position=position)
        result = plan.replay()
        # A replay writes to the same addresses every time.
        return StepResult(result.losses.clone(), result.gradient.clone())

    def _work(self, plan: _Plan) -> StepResult:
        return self._step.take(plan.photographs, window=plan.window)

    def _filled_plan(self, photographs: Tensor, position: int) -> _Plan:
        """Return the plan for this shape, with these photographs and this window in it."""
        slices = self._task.window(photographs, position)
        window = [
            # From pinned memory the copy does not wait for the steps before it.
            _pinned(torch.arange(one.start, one.stop), photographs.device)
            for one in slices
        ]
        plan = self._plan
        if plan is None or plan.photographs.shape != photographs.shape:
            indices = [one.to(photographs.device, copy=True) for one in window]
            plan = _Plan(torch.empty_like(photographs), (indices[0], indices[1]))
            self._plan = plan
        plan.photographs.copy_(photographs)
        for fixed, one in zip(plan.window, window, strict=True):
            fixed.copy_(one, non_blocking=True)
        return plan


def _pinned(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.pin_memory() if device.type == "cuda" else tensor
