"""Projected L-BFGS: minimise a smooth function of a tensor within bounds.

Every step is clipped to the bounds, as in Johnson et al. 2016, section 4.1. A step leads to the
minimum of the quadratic model (`quadratic_model`) within the bounds: entries that a bound holds
stay, and entries that would leave the bounds go to them, so that clipping changes next to nothing.
"""

import torch
from torch import Tensor

from impasto.optimization.minimizer import Bounds, Evaluate, MinimizerState
from impasto.optimization.quadratic_model import Pairs, QuadraticModel

SUFFICIENT_DECREASE = 1e-4
"""Share of the decrease that the slope predicts which a step must reach: Armijo's condition."""

SHORTEST_STEP = 1e-4
"""Share of a direction below which the line search gives up."""

MINIMUM_CURVATURE = 1e-10
"""A pair is ignored when its curvature is below this share of the product of its lengths."""

FIRST_STEP = 0.02
"""Mean length of the first step, as a share of the range between the bounds. With 0.1 pictures
ended 1 to 2 % higher, after 100 evaluations from noise (measured)."""


class Lbfgs:
    """A minimisation by projected L-BFGS; see `Minimizer`.

    Attributes:
        pairs: steps and the changes of the gradient along them.
    """

    def __init__(
        self,
        evaluate: Evaluate,
        start: Tensor,
        *,
        bounds: Bounds,
        history_size: int,
        max_evaluations: int,
    ) -> None:
        """Evaluate the function at the start, clipped to the bounds.

        Args:
            evaluate: the function.
            start: of any shape.
            bounds: of every entry.
            history_size: pairs to remember.
            max_evaluations: in all, the one at the start included; a line search ends there.
        """
        self._evaluate, self._bounds = evaluate, bounds
        self._history_size, self._max_evaluations = history_size, max_evaluations
        self.best = bounds.clip(start.detach())
        self.value, self._gradient = evaluate(self.best)
        self.num_evaluations = 1
        self.pairs = Pairs()

    def step(self) -> bool:
        """Take one step, with as many evaluations as its line search needs; the value never rises.

        Returns:
            False where not even a step along the gradient lowers the value.
        """
        if self.pairs:
            model = QuadraticModel(self.pairs, self._gradient)
            direction = model.minimum(self.best, self._bounds)
            # Nearly parallel pairs make the model's systems singular: no number, and no error.
            if bool(torch.isfinite(direction).all()) and self._search(direction):
                return True
            # The search ended for want of evaluations, which says nothing of the direction.
            if self.num_evaluations >= self._max_evaluations:
                return True
            # Pairs from another region can contradict each other: start again from the gradient.
            self.pairs.clear()
        return self._search(self._first_direction())

    def state(self) -> MinimizerState:
        """Return the best point, the gradient there, and the pairs."""
        tensors = {"best": self.best, "best_gradient": self._gradient}
        for index, (step, change) in enumerate(
            zip(self.pairs.steps, self.pairs.changes, strict=True)
        ):
            # Three digits, so that names sort by age in `restore`.
            tensors |= {f"step_{index:03d}": step, f"change_{index:03d}": change}
        return MinimizerState(
            tensors, {"value": self.value, "num_iterations": self.num_evaluations}
        )

    def restore(self, state: MinimizerState) -> None:
        """Continue from a state; tensors of other names are ignored."""
        tensors = state.tensors
        self.best, self._gradient = tensors["best"], tensors["best_gradient"]
        steps, changes = (
            [tensors[name] for name in sorted(tensors) if name.startswith(kind)]
            for kind in ("step_", "change_")
        )
        # Their products are not stored: summed again in the same order, they have the same bits.
        self.pairs = Pairs.of(steps, changes, max_pairs=self._history_size)
        self.value = state.numbers["value"]
        self.num_evaluations = int(state.numbers["num_iterations"])

    def _search(self, direction: Tensor) -> bool:
        """Shorten a step until it lowers the value enough, and take it."""
        # The whole step first, to the model's minimum; shorter ones only where the model is wrong.
        length = 1.0
        while self.num_evaluations < self._max_evaluations and length > SHORTEST_STEP:
            point = self._bounds.clip(self.best + length * direction)
            # Clipping bends the step, so its slope is measured along the step itself.
            step = point - self.best
            slope = _dot(step, self._gradient)
            # Clipped or by poor pairs, it leads uphill; no evaluation is spent on that.
            if slope >= 0:
                return False
            value, gradient = self._evaluate(point)
            self.num_evaluations += 1
            # Armijo's condition alone: Wolfe's second, on the slope, would cost evaluations, and
            # the pairs without positive curvature that it prevents are dropped by `_remember`.
            if value <= self.value + SUFFICIENT_DECREASE * slope:
                self._remember(step, gradient - self._gradient)
                self.best, self.value, self._gradient = point, value, gradient
                return True
            # The parabola through both values and the slope has its minimum here.
            lowest = -slope / (2 * (value - self.value - slope)) if value < float("inf") else 0.1
            # Between a tenth and a half of the length before: where the parabola is a poor guess,
            # the search would give up at once, or hardly shorten its step.
            length *= min(max(lowest, 0.1), 0.5)
        return False

    def _remember(self, step: Tensor, change: Tensor) -> None:
        curvature = _dot(step, change)
        lengths = _dot(step, step) ** 0.5, _dot(change, change) ** 0.5
        # Without positive curvature the model's Hessian would not stay positive definite.
        if curvature <= MINIMUM_CURVATURE * lengths[0] * lengths[1]:
            return
        self.pairs.add(step, change, max_pairs=self._history_size)

    def _first_direction(self) -> Tensor:
        """Return the steepest descent, scaled so that the average entry moves a little."""
        # Held entries would count in the mean, and be clipped back.
        held = self._bounds.hold(self.best, self._gradient)
        downhill = -self._gradient.masked_fill(held, 0)
        mean = float(downhill.abs().mean())
        span = self._bounds.upper - self._bounds.lower
        # A gradient of zeros gives a step of zeros, which the search refuses, and not NaN.
        return downhill * (FIRST_STEP * span / max(mean, 1e-30))


def _dot(first: Tensor, second: Tensor) -> float:
    """Return the dot product, summed in float64: differences of near values decide above."""
    return float(torch.sum(first * second, dtype=torch.float64))
