"""Super-resolution as a task: degrade the truth, upscale it, compare the two.

The low resolution is made on the device, batch by batch, by the matrices of
`impasto.images.degradation`: one definition for training and evaluation.
"""

import functools
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from impasto.data.stream import SkippedPhotograph
from impasto.export.model_export import export_model
from impasto.images.contact_sheet import contact_sheet
from impasto.images.degradation import degradation_matrix
from impasto.images.degradation_kind import Degradation
from impasto.losses.style_objective import LossTerms
from impasto.losses.super_resolution_objective import (
    SuperResolutionObjective,
    build_super_resolution_objective,
)
from impasto.networks.super_resolution import (
    BicubicEnlargement,
    PaperSuperResolutionNetwork,
    build_super_resolution_network,
)
from impasto.runtime.backends.torch_network import take_fitting_weights
from impasto.tensors import Pictures, to_array
from impasto.training.loss_window import LossSlices, LossWindow, cut, loss_window
from impasto.training.plan import plan_patches
from impasto.training.sections import Stage
from impasto.training.super_resolution_recipe import SuperResolutionRecipe
from impasto.training.task import CardFields, SecondsPerStep
from impasto.zoo.card import ModelCard
from impasto.zoo.model_file import ModelFile


class SuperResolutionTask:
    """One scale, one network."""

    network: nn.Module
    objective: SuperResolutionObjective

    def __init__(self, recipe: SuperResolutionRecipe) -> None:
        """Build network and objective; the seed decides the network's start.

        Raises:
            WeightsError: when the loss network's weights do not fit.
        """
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.scale = recipe.network.scale
        self.network = build_super_resolution_network(recipe.network)
        if recipe.start == "enlargement":
            assert isinstance(self.network, PaperSuperResolutionNetwork)
            self.network.start_as_enlargement()
        self.objective = build_super_resolution_objective(
            recipe.objective.preset,
            scale=self.scale,
            weights=recipe.objective.loss_network_weights,
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def normalisation(self) -> None:
        """None: the weights apply to the terms themselves."""
        return None

    @property
    def skipped(self) -> tuple[SkippedPhotograph, ...]:
        """None: the task has no files of its own that may be missing."""
        return ()

    @property
    def can_be_recorded(self) -> bool:
        """Yes: a step reads its photographs and its window."""
        return True

    def loss_terms(
        self,
        network: nn.Module,
        photographs: Tensor,
        *,
        position: int = 0,
        window: LossWindow | None = None,
    ) -> LossTerms:
        """Return the loss of `network` on N×3×H×W photographs, degraded, in a window of each."""
        enlarged = network(self._degraded(photographs))
        window = window or self.window(photographs, position)
        terms: LossTerms = self.objective(cut(enlarged, window), cut(photographs, window))
        return terms

    def window(self, pictures: Tensor, position: int) -> LossSlices:
        """Return the rows and columns of N×3×H×W crops that the loss is computed on."""
        return loss_window(
            *pictures.shape[2:],
            margin=self.recipe.objective.preset.window_margin,
            seed=self.recipe.seed,
            position=position,
        )

    def contact_sheet(self, photographs: Tensor) -> NDArray[np.float32]:
        """Return four rows: low resolution, bicubic, the network's output, and the truth."""
        training = self.network.training
        self.network.eval()
        with torch.no_grad():
            low = self._degraded(photographs)
            enlarged = self.network(low).clamp(0, 1)
            bicubic = BicubicEnlargement(self.scale).to(low.device)(low).clamp(0, 1)
        self.network.train(training)
        rows = (F.interpolate(low, scale_factor=self.scale), bicubic, enlarged, photographs)
        size = photographs.shape[3]
        return contact_sheet([[to_array(p) for p in row] for row in rows], cell_size=size)

    def scores(self, _photographs: Tensor, /) -> dict[str, float]:
        """Return no scores: the losses say enough."""
        return {}

    def plan(
        self, minutes: float, seconds_per_step: SecondsPerStep, _num_processes: int, /
    ) -> list[Stage]:
        """Return the first stage with the steps that fill the given minutes on this machine.

        Raises:
            RecipeError: when the time is too short.
        """
        return plan_patches(minutes, seconds_per_step, stage=self.recipe.stages[0])

    def export(self, card: ModelCard, path: Path, *, replace: bool) -> ModelFile:
        """Write the network as a model file; see `TrainingTask`."""
        return export_model(self.network, card, path, replace=replace)

    def start_from(self, model: ModelFile) -> None:
        """Take a model's weights; see `TrainingTask`."""
        take_fitting_weights(self.network, model)

    def card_fields(self) -> CardFields:
        """Return title, scale and degradation."""
        recipe = self.recipe
        return CardFields(recipe.title, scale=self.scale, degradation=recipe.degradation)

    def _degraded(self, photographs: Tensor) -> Tensor:
        # Rounding to bf16 would move values by whole levels of 8 bits.
        with torch.autocast(photographs.device.type, enabled=False):
            return degrade_batch(
                photographs, scale=self.scale, degradation=self.recipe.degradation
            ).contiguous(memory_format=torch.channels_last)


def degrade_batch(pictures: Pictures, *, scale: int, degradation: Degradation) -> Tensor:
    """Return N×3×H/scale×W/scale pictures of 8-bit levels, as `images.degradation.degrade` does.

    Args:
        pictures: N×3×H×W float32 in [0, 1]; H and W multiples of the scale.
        scale: by how much width and height shrink.
        degradation: blurred first, or not.

    Raises:
        PictureError: when the scale does not divide a size.
    """
    height, width = pictures.shape[2:]
    rows = _matrix(height, scale, degradation, pictures.device)
    columns = _matrix(width, scale, degradation, pictures.device)
    shorter = _rounded(torch.einsum("hH,ncHW->nchW", rows, 255 * pictures.float()))
    return _rounded(torch.einsum("wW,nchW->nchw", columns, shorter)) / 255


def _rounded(levels: Tensor) -> Tensor:
    """To whole levels from 0 to 255, halves upwards."""
    return torch.floor(levels.clamp(0, 255) + 0.5)


@functools.lru_cache(maxsize=16)
def _matrix(size: int, scale: int, degradation: Degradation, device: torch.device) -> Tensor:
    return torch.from_numpy(degradation_matrix(size, scale, degradation)).float().to(device)
