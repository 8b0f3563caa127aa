"""One training step: loss, gradient and update, without a look at a value.

Everything that a step computes stays on its device, so that the processor can prepare the next
steps meanwhile. The loop reads the results of several steps at once, and judges them then.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from impasto.errors import NotFiniteError
from impasto.losses.style_objective import LossTerms
from impasto.tensors import unchecked_values
from impasto.training.loss_window import LossWindow
from impasto.training.task import TrainingTask

RUNNING_MEAN_SHARE = 0.02
STEPS_PER_READING = 10
"""On a GPU. Fewer would make it wait more often, more would undo more work after an explosion."""
_TINY = 1e-6
"""Added to a gradient's length before the division, as torch's own clipping does."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """The numbers of one step, float64 on the device.

    Attributes:
        losses: the total, then the weighted and the unweighted terms in the order of their names;
            of this process's photographs.
        gradient: length of the gradient before it was shortened, and the running mean after it.
    """

    losses: Tensor
    gradient: Tensor


class TrainingStep:
    """The work of one step; it waits for no result.

    Attributes:
        weighted_names: of the weighted terms, known after the first step.
        unweighted_names: of the unweighted ones.
    """

    def __init__(
        self,
        fabric: Fabric,
        task: TrainingTask,
        network: nn.Module,
        optimizer: Optimizer,
        *,
        gradient_clip: float,
    ) -> None:
        """Train `network`, which Fabric may have wrapped.

        Args:
            fabric: for precision and processes.
            task: whose loss to lower.
            network: in training mode; the task's, or a copy of it.
            optimizer: of the network's parameters.
            gradient_clip: longest gradient, in running means of the lengths.
        """
        self._fabric, self._task, self._network = fabric, task, network
        self._optimizer, self._gradient_clip = optimizer, gradient_clip
        self._parameters = list(network.parameters())
        # NaN until there is a length. Updated in place, since a recorded step knows its address.
        self._usual_length = torch.full((), torch.nan, dtype=torch.float64, device=fabric.device)
        self.weighted_names: tuple[str, ...] = ()
        self.unweighted_names: tuple[str, ...] = ()

    def start_from(self, running_gradient: float | None) -> None:
        """Take the running mean of the gradient's length from a state; None before any step."""
        self._usual_length.fill_(torch.nan if running_gradient is None else running_gradient)

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next step."""
        for group in self._optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def take(
        self, photographs: Tensor, *, position: int = 0, window: LossWindow | None = None
    ) -> StepResult:
        """Lower the loss on N×3×H×W photographs by one step.

        Args:
            photographs: in [0, 1], on the device.
            position: samples consumed by now.
            window: that the loss is computed on; None takes that of the position.

        Raises:
            NotFiniteError: when a task raises it, and there are other processes, which would wait
                for this one's gradient.
        """
        self._optimizer.zero_grad()
        try:
            terms = self._loss_terms(photographs, position, window)
        except NotFiniteError:
            if self._fabric.world_size > 1:
                raise
            not_finite = torch.full_like(self._usual_length, torch.nan).expand(2)
            return StepResult(not_finite[:1], not_finite)
        self._fabric.backward(terms.total)
        gradient = self._clip_gradient()
        self._optimizer.step()
        self.weighted_names = tuple(terms.weighted)
        self.unweighted_names = tuple(terms.unweighted)
        losses = [terms.total, *terms.weighted.values(), *terms.unweighted.values()]
        return StepResult(torch.stack([loss.detach().double() for loss in losses]), gradient)

    def _loss_terms(
        self, photographs: Tensor, position: int, window: LossWindow | None
    ) -> LossTerms:
        with self._fabric.autocast(), unchecked_values():
            if window is None:
                return self._task.loss_terms(self._network, photographs, position=position)
            return self._task.loss_terms(self._network, photographs, window=window)

    def _clip_gradient(self) -> Tensor:
        """Shorten a gradient far longer than usual; return its length and the running mean."""
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        length = torch.nn.utils.get_total_norm(gradients)
        usual = self._usual_length
        # A mean of 0 would clip every gradient to nothing, and NaN is none yet.
        limit = torch.where(usual > 0, usual * self._gradient_clip, torch.inf).to(length.dtype)
        factor = (limit * (length + _TINY).reciprocal()).clamp(max=1.0)
        torch._foreach_mul_(gradients, factor)
        clipped = torch.minimum(length, limit).double()
        running = usual + RUNNING_MEAN_SHARE * (clipped - usual)
        usual.copy_(torch.where(usual.isnan(), clipped, running))
        return torch.stack([length.double(), usual])


def fetch_results(
    results: Sequence[StepResult], fabric: Fabric
) -> list[tuple[list[float], list[float]]]:
    """Return losses, as means over all processes, and gradient of each step."""
    losses = torch.cat([result.losses for result in results])
    if fabric.world_size > 1:
        losses = fabric.all_reduce(losses)  # type: ignore[assignment]
    # One copy for all, since a device waits for each.
    numbers = iter(torch.cat([losses, *(result.gradient for result in results)]).tolist())
    by_step = [list(itertools.islice(numbers, len(result.losses))) for result in results]
    return [(losses_of, list(itertools.islice(numbers, 2))) for losses_of in by_step]


def process_means(values: Mapping[str, Tensor | float], fabric: Fabric) -> dict[str, float]:
    """Return means over all processes by name, fetched at once: a device waits for each."""
    numbers = [
        torch.as_tensor(value, dtype=torch.float64, device=fabric.device).detach()
        for value in values.values()
    ]
    stacked = torch.stack(numbers)
    if fabric.world_size > 1:
        stacked = fabric.all_reduce(stacked)  # type: ignore[assignment]
    return dict(zip(values, stacked.tolist(), strict=True))


def usual_steps_per_reading(device: torch.device) -> int:
    """Return how many steps' numbers are read at once on a device."""
    return STEPS_PER_READING if device.type == "cuda" else 1


def running_mean(mean: float | None, value: float) -> float:
    """Return the running mean after one more value; None is the mean of none."""
    return value if mean is None else mean + RUNNING_MEAN_SHARE * (value - mean)


def make_optimizer(network: nn.Module, *, learning_rate: float, device: torch.device) -> Adam:
    """Return Adam for a network that will train on `device`.

    On CUDA its learning rate and step counts are on the device too, so that a step can be recorded.
    """
    if device.type != "cuda":
        return Adam(network.parameters(), lr=learning_rate)
    rate = torch.tensor(learning_rate, device=device)
    return Adam(network.parameters(), lr=rate, fused=True, capturable=True)
