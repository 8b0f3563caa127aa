"""Adam within bounds: every step is clipped, and the best point so far is remembered.

Source: Kingma and Ba 2015, algorithm 1.
"""

import torch
from torch import Tensor

from impasto.optimization.minimizer import Bounds, Evaluate, MinimizerState

DECAY_OF_MEAN, DECAY_OF_SQUARE = 0.9, 0.999
EPSILON = 1e-12
"""Far below the usual 1e-8: the many pixels of a picture share one objective, so that the gradient
of each is small."""


class Adam:
    """A minimisation by Adam; see `Minimizer`."""

    def __init__(
        self, evaluate: Evaluate, start: Tensor, *, bounds: Bounds, learning_rate: float
    ) -> None:
        """Evaluate the function at the start, clipped to the bounds.

        Args:
            evaluate: the function.
            start: of any shape.
            bounds: of every entry.
            learning_rate: in the unit of the entries.
        """
        self._evaluate, self._bounds, self._learning_rate = evaluate, bounds, learning_rate
        self.best = self._point = bounds.clip(start.detach())
        self.value, self._gradient = evaluate(self.best)
        self.num_evaluations = 1
        self._mean, self._square = torch.zeros_like(start), torch.zeros_like(start)

    def step(self) -> bool:
        """Take one step of one evaluation; always return True."""
        # In place, since a moment is as large as the picture: `restore` takes tensors of its own.
        self._mean.lerp_(self._gradient, 1 - DECAY_OF_MEAN)
        self._square.lerp_(self._gradient.square(), 1 - DECAY_OF_SQUARE)
        # Every evaluation is a step, so their number is the algorithm's t.
        mean = self._mean / (1 - DECAY_OF_MEAN**self.num_evaluations)
        square = self._square / (1 - DECAY_OF_SQUARE**self.num_evaluations)
        step = mean / (square.sqrt() + EPSILON)  # ε outside the root, as in algorithm 1
        self._point = self._bounds.clip(self._point - self._learning_rate * step)
        value, self._gradient = self._evaluate(self._point)
        self.num_evaluations += 1
        # Adam has no line search: a step may raise the value, so the newest point is not the best.
        if value < self.value:
            self.best, self.value = self._point, value
        return True

    def state(self) -> MinimizerState:
        """Return the best and the newest point, the gradient there, and both moments."""
        tensors = {
            "best": self.best,
            "point": self._point,
            "gradient": self._gradient,
            "moment_1": self._mean,
            "moment_2": self._square,
        }
        return MinimizerState(
            tensors, {"value": self.value, "num_iterations": self.num_evaluations}
        )

    def restore(self, state: MinimizerState) -> None:
        """Continue from a state; its tensors are changed from now on."""
        tensors = state.tensors
        self.best, self._point, self._gradient = (
            tensors[name] for name in ("best", "point", "gradient")
        )
        self._mean, self._square = tensors["moment_1"], tensors["moment_2"]
        self.value = state.numbers["value"]
        self.num_evaluations = int(state.numbers["num_iterations"])
