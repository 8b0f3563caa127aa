"""Projected L-BFGS: a smooth function of a tensor made small within bounds.

It minimises what `impasto.image_optimization` is about without knowing of pictures. Every step is
clipped to the bounds, as in Johnson et al. 2016, section 4.1. What is at a bound and pushed against
it is left out of the quasi-Newton direction (Bertsekas 1982), so that clipping does not undo it.
Source of the direction: Nocedal and Wright 2006, algorithms 7.4 and 7.5.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

Evaluate = Callable[[Tensor], tuple[float, Tensor]]
"""The value at a point, and the gradient there."""

SUFFICIENT_DECREASE = 1e-4
"""Of what the slope promises, a step has to keep this share: Armijo's condition."""

FEWEST_CURVATURE = 1e-10
"""A pair whose curvature is below this share of its lengths is not learnt from."""

FIRST_STEP = 0.1
"""Of the range between the bounds: the mean length of the very first step."""


@dataclass(slots=True)
class LbfgsState:
    """Where a minimisation stands: enough to go on from.

    Attributes:
        point: the best so far.
        value: there.
        gradient: there.
        steps: differences of points, oldest first.
        changes: of gradients, likewise.
        num_evaluations: of value and gradient, so far.
    """

    point: Tensor
    value: float
    gradient: Tensor
    steps: list[Tensor] = field(default_factory=list)
    changes: list[Tensor] = field(default_factory=list)
    num_evaluations: int = 1


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the greatest that each entry may be."""

    lower: float = 0.0
    upper: float = 1.0

    def clip(self, point: Tensor) -> Tensor:
        """Return the nearest point within."""
        return point.clamp(self.lower, self.upper)

    def free(self, point: Tensor, gradient: Tensor) -> Tensor:
        """Return 1 where an entry may move against its gradient, 0 where a bound is in its way."""
        held = ((point <= self.lower) & (gradient > 0)) | ((point >= self.upper) & (gradient < 0))
        return (~held).to(point.dtype)


def begin(evaluate: Evaluate, start: Tensor, *, bounds: Bounds) -> LbfgsState:
    """Return the state at the start, clipped to the bounds: one evaluation."""
    point = bounds.clip(start.detach())
    value, gradient = evaluate(point)
    return LbfgsState(point, value, gradient)


def advance(
    state: LbfgsState, evaluate: Evaluate, *, bounds: Bounds, history_size: int, budget: int
) -> bool:
    """Take one step, of as many evaluations as its line search needs.

    Args:
        state: changed in place; its value never rises.
        evaluate: the function.
        bounds: of every entry.
        history_size: pairs of steps and changes to remember.
        budget: evaluations in all, those of the state included; at least one more.

    Returns:
        Whether it is worth going on: False where no step along the gradient itself is of use.
    """

    def search(direction: Tensor) -> bool:
        return _search(
            state, direction, evaluate, bounds=bounds, history_size=history_size, budget=budget
        )

    free = bounds.free(state.point, state.gradient)
    if state.steps:
        if search(_direction(state, free)):
            return True
        if state.num_evaluations >= budget:
            return True
        state.steps.clear()
        state.changes.clear()
    return search(_first_direction(state, free, bounds))


def _search(
    state: LbfgsState,
    direction: Tensor,
    evaluate: Evaluate,
    *,
    bounds: Bounds,
    history_size: int,
    budget: int,
) -> bool:
    """Shorten a step until it lowers the value enough, and take it."""
    length = 1.0
    while state.num_evaluations < budget and length > 1e-4:
        point = bounds.clip(state.point + length * direction)
        step = point - state.point
        slope = _dot(step, state.gradient)
        if slope >= 0:
            return False
        value, gradient = evaluate(point)
        state.num_evaluations += 1
        if value <= state.value + SUFFICIENT_DECREASE * slope:
            _remember(state, step, gradient - state.gradient, history_size)
            state.point, state.value, state.gradient = point, value, gradient
            return True
        # The parabola through both values and the slope has its lowest point here.
        lowest = -slope / (2 * (value - state.value - slope)) if value < float("inf") else 0.1
        length *= min(max(lowest, 0.1), 0.5)
    return False


def _remember(state: LbfgsState, step: Tensor, change: Tensor, history_size: int) -> None:
    curvature = _dot(step, change)
    if curvature <= FEWEST_CURVATURE * _dot(step, step) ** 0.5 * _dot(change, change) ** 0.5:
        return
    state.steps.append(step)
    state.changes.append(change)
    del state.steps[:-history_size], state.changes[:-history_size]


def _first_direction(state: LbfgsState, free: Tensor, bounds: Bounds) -> Tensor:
    """Return the way down, of a length that moves the average entry a little."""
    downhill = -state.gradient * free
    mean = float(downhill.abs().mean())
    return downhill * (FIRST_STEP * (bounds.upper - bounds.lower) / max(mean, 1e-30))


def _direction(state: LbfgsState, free: Tensor) -> Tensor:
    """Return minus the inverse Hessian, as the pairs have it, times the free gradient."""
    direction = -state.gradient * free
    pairs = [
        (step * free, change * free, curvature)
        for step, change in zip(state.steps, state.changes, strict=True)
        if (curvature := _dot(step * free, change)) > 0
    ]
    shares = []
    for step, change, curvature in reversed(pairs):
        share = _dot(step, direction) / curvature
        direction = direction - share * change
        shares.append(share)
    if pairs:
        _, change, curvature = pairs[-1]
        direction = direction * (curvature / _dot(change, change))
    for (step, change, curvature), share in zip(pairs, reversed(shares), strict=True):
        direction = direction + (share - _dot(change, direction) / curvature) * step
    return direction


def _dot(first: Tensor, second: Tensor) -> float:
    return float(torch.sum(first * second, dtype=torch.float64))
