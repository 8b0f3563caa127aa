"""Projected L-BFGS: a smooth function of a tensor made small within bounds.

It minimises any smooth function and knows nothing of pictures; `picture_optimizer` gives it one.
Every step is clipped to the bounds, as in Johnson et al. 2016, section 4.1. A step leads to where
the quadratic model (`quadratic_model`) is lowest. What is at a bound and pushed against it stays
there, and what would go beyond one is sent to it, so that clipping undoes next to nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from impasto.optimization.quadratic_model import Bounds, Pairs, QuadraticModel

Evaluate = Callable[[Tensor], tuple[float, Tensor]]
"""The value at a point, and the gradient there."""

SUFFICIENT_DECREASE = 1e-4
"""Of what the slope promises, a step has to keep this share: Armijo's condition."""

FEWEST_CURVATURE = 1e-10
"""A pair whose curvature is below this share of its lengths is not learnt from."""

FIRST_STEP = 0.02
"""Of the range between the bounds: the mean length of the very first step. With 0.1 pictures ended
1 to 2 % higher, after 100 evaluations from noise (measured)."""


@dataclass(slots=True)
class LbfgsState:
    """Where a minimisation stands: enough to go on from.

    Attributes:
        point: the best so far.
        value: there.
        gradient: there.
        pairs: steps and the changes of the gradient that they brought.
        num_evaluations: of value and gradient, so far.
    """

    point: Tensor
    value: float
    gradient: Tensor
    pairs: Pairs = field(default_factory=Pairs)
    num_evaluations: int = 1


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

    if state.pairs:
        direction = QuadraticModel(state.pairs, state.gradient).lowest(state.point, bounds)
        if bool(torch.isfinite(direction).all()) and search(direction):
            return True
        if state.num_evaluations >= budget:
            return True
        state.pairs.clear()
    return search(_first_direction(state, bounds))


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
    state.pairs.add(step, change, most=history_size)


def _first_direction(state: LbfgsState, bounds: Bounds) -> Tensor:
    """Return the way down, of a length that moves the average entry a little."""
    downhill = -state.gradient.masked_fill(bounds.hold(state.point, state.gradient), 0)
    mean = float(downhill.abs().mean())
    return downhill * (FIRST_STEP * (bounds.upper - bounds.lower) / max(mean, 1e-30))


def _dot(first: Tensor, second: Tensor) -> float:
    return float(torch.sum(first * second, dtype=torch.float64))
