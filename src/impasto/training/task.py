"""What the training loop asks of a task, as protocols.

A task joins a network, an objective and the pictures that show how far the training has come.
`style_task` and `super_resolution_task` are the two; the loop, the plan and the card know them
by what is here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from impasto.data.stream import SkippedPhotograph
from impasto.images.degradation_kind import Degradation
from impasto.losses.style_objective import LossNormalisers, LossTerms
from impasto.training.loss_window import LossSlices, LossWindow
from impasto.training.sections import Stage
from impasto.zoo.card import ModelCard, Painting, PaintingSet
from impasto.zoo.model_file import ModelFile

SecondsPerStep = Callable[[int], float]
"""Crop size in pixels to the seconds that a training step takes."""


@dataclass(frozen=True, slots=True)
class CardFields:
    """What only the task can say on a model's card.

    Attributes:
        title: for people; empty where the recipe gives none.
        scale: output size over input size.
        painting: the style learned; None for super-resolution.
        degradation: how the low resolution is made; None for style transfer.
        paintings: of a network for any painting; None for any other.
    """

    title: str
    scale: int = 1
    painting: Painting | None = None
    degradation: Degradation | None = None
    paintings: PaintingSet | None = None


class Normalisation(Protocol):
    """How the terms of an objective become comparable: each is divided by its normaliser."""

    @property
    def num_batches(self) -> int:
        """Batches of photographs to measure on, at least 1."""
        ...

    def measure(self, batches: Sequence[Tensor]) -> LossNormalisers:
        """Return the normalisers, measured on photographs; the objective stays as it is."""
        ...

    def apply(self, normalisers: LossNormalisers) -> None:
        """Divide the terms by these from now on."""
        ...


class TrainingTask(Protocol):
    """A network, an objective, and what differs between kinds of training."""

    @property
    def network(self) -> nn.Module:
        """The network that is trained."""
        ...

    @property
    def objective(self) -> nn.Module:
        """What is minimised; its parameters are frozen."""
        ...

    @property
    def normalisation(self) -> Normalisation | None:
        """How to normalise the terms; None where the weights apply to the terms themselves."""
        ...

    @property
    def skipped(self) -> tuple[SkippedPhotograph, ...]:
        """Files of the task's own, such as paintings, that cannot be read, and why."""
        ...

    @property
    def can_be_recorded(self) -> bool:
        """Whether a step reads nothing but its photographs and its window from outside."""
        ...

    def loss_terms(
        self,
        network: nn.Module,
        photographs: Tensor,
        *,
        position: int = 0,
        window: LossWindow | None = None,
    ) -> LossTerms:
        """Return the loss of `network` (this task's, possibly wrapped) on a batch.

        Args:
            network: to train.
            photographs: N×3×H×W in [0, 1].
            position: samples consumed by now; with the seed, it decides the window.
            window: in place of that of the position.
        """
        ...

    def window(self, pictures: Tensor, position: int) -> LossSlices:
        """Return the rows and columns of N×3×H×W crops that the loss is computed on."""
        ...

    def contact_sheet(self, photographs: Tensor) -> NDArray[np.float32]:
        """Return a picture of photographs and the network's output, H×W×3 in [0, 1]."""
        ...

    def scores(self, photographs: Tensor, /) -> dict[str, float]:
        """Return scores of the network by name, measured at every checkpoint; empty for none."""
        ...

    def plan(
        self, minutes: float, seconds_per_step: SecondsPerStep, num_processes: int, /
    ) -> list[Stage]:
        """Return the stages that fill the given minutes on this machine.

        Raises:
            RecipeError: when the time is too short.
        """
        ...

    def export(self, card: ModelCard, path: Path, *, replace: bool) -> ModelFile:
        """Write the network as a model file, and return it as read back.

        Args:
            card: of the model.
            path: of the file.
            replace: a file that is there; otherwise the model goes beside it.

        Raises:
            OutputAppearedError: a file is there and is not to be replaced.
            ExportError: the file's output is not torch's, or it cannot be written.
        """
        ...

    def start_from(self, model: ModelFile) -> None:
        """Take the weights of a model that fits the recipe's network, where their shapes fit.

        Raises:
            ModelFileError: the file does not hold them.
        """
        ...

    def card_fields(self) -> CardFields:
        """Return what only this task can say on the model's card."""
        ...
