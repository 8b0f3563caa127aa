"""The normalisers of the style objectives: of one painting, and of any."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from impasto.losses.style_objective import LossNormalisers
from impasto.training.loss_window import cut

if TYPE_CHECKING:
    from impasto.training.any_painting_task import AnyPaintingTask
    from impasto.training.style_task import StyleTask


class StyleNormalisation:
    """Normalisers of a style objective, measured in the windows that the loss sees."""

    def __init__(self, task: "StyleTask | AnyPaintingTask") -> None:
        """Measure and set those of `task`."""
        self._task = task

    @property
    def num_batches(self) -> int:
        """Enough batches of the first stage for the pictures that the recipe asks for."""
        recipe = self._task.recipe
        return -(-recipe.objective.num_probe_pictures // recipe.stages[0].batch_size)

    def measure(self, batches: Sequence[Tensor]) -> LossNormalisers:
        """Return how large each term is on photographs; the objective stays as it is."""
        task = self._task
        return task.objective.measure_normalisers(
            cut(batch, task.window(batch, position)) for position, batch in enumerate(batches)
        )

    def apply(self, normalisers: LossNormalisers) -> None:
        """Divide the terms by these from now on."""
        self._task.objective.normalisers = normalisers
