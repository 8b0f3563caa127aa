"""What L-BFGS and Adam share: the function, its bounds, and three methods to drive them by.

A minimiser lowers any smooth function of a tensor and knows nothing of pictures; `lbfgs` and `adam`
are the two there are, and `picture_optimizer` gives them a picture.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

Evaluate = Callable[[Tensor], tuple[float, Tensor]]
"""Returns the value at a point, and the gradient there."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The lowest and the highest value of an entry."""

    lower: float = 0.0
    upper: float = 1.0

    def clip(self, point: Tensor) -> Tensor:
        """Return the nearest point within the bounds."""
        return point.clamp(self.lower, self.upper)

    def are_exceeded(self, point: Tensor) -> Tensor:
        """Return a mask of the entries that are outside."""
        return (point < self.lower) | (point > self.upper)

    def hold(self, point: Tensor, gradient: Tensor) -> Tensor:
        """Return a mask of the entries at a bound that downhill would push beyond it."""
        down = (point <= self.lower) & (gradient > 0)
        return down | ((point >= self.upper) & (gradient < 0))


@dataclass(frozen=True, slots=True)
class MinimizerState:
    """Everything a minimiser needs to continue, bit for bit.

    Attributes:
        tensors: by name, all of the point's shape; `best` is the best point.
        numbers: `value`, the function at the best point, and `num_iterations`, its evaluations.
    """

    tensors: dict[str, Tensor]
    numbers: dict[str, float]


class Minimizer(Protocol):
    """A minimisation in progress.

    Attributes:
        best: the point with the lowest value so far.
        value: the function there.
        num_evaluations: of value and gradient so far, the one at the start included.
    """

    best: Tensor
    value: float
    num_evaluations: int

    def step(self) -> bool:
        """Take one step; return False when no further step can lower the value."""
        ...

    def state(self) -> MinimizerState:
        """Return everything needed to continue later; the tensors are not copied."""
        ...

    def restore(self, state: MinimizerState) -> None:
        """Continue from a state of the same method, with tensors on the point's device."""
        ...
