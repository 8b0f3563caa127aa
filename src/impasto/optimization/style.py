"""Which picture to search for: a photograph in a painting's style, and its objective at each level.

The objective is that of a training (`impasto.losses.style_objective`). The search: `run`.
"""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from impasto.data.paintings import load_painting
from impasto.images.files.io import Picture
from impasto.losses.loss_network import LossNetwork
from impasto.losses.style_objective import (
    LossTerms,
    ObjectiveSettings,
    StyleTransferObjective,
    layers_of,
)
from impasto.optimization.picture_optimizer import (
    Level,
    Objective,
    OptimizationSettings,
    resized,
)


@dataclass(frozen=True, slots=True)
class StyleOptimization:
    """What to optimise, and how.

    Attributes:
        photograph: the content.
        painting: the style, any picture file.
        objective: layers, weights and normalisers.
        settings: method, iterations and seed.
        size: pixels of the longer side; None keeps the photograph's.
        start: `noise`, or `content`: the photograph.
        painting_short_side: pixels the painting's short side is resized to.
        multi_level: begin large pictures at a small level.
        device: `auto`, `cpu` or `cuda`.
        bf16: compute convolutions in bf16; the result differs a little from that of float32.
    """

    photograph: Picture
    painting: Path
    objective: ObjectiveSettings
    settings: OptimizationSettings
    size: int | None = None
    start: Literal["noise", "content"] = "noise"
    painting_short_side: int = 256
    multi_level: bool = True
    device: Literal["auto", "cpu", "cuda"] = "auto"
    bf16: bool = False


class StyleObjectives:
    """The objectives of one photograph and one painting, one for each level."""

    def __init__(
        self,
        photograph: Tensor,
        painting: Path,
        settings: ObjectiveSettings,
        *,
        painting_short_side: int = 256,
        bf16: bool = False,
    ) -> None:
        """Compute the painting's Gram matrices once.

        Args:
            photograph: 1×3×H×W in [0, 1], at full size, on the device to compute on.
            painting: any picture file.
            settings: layers, weights and normalisers.
            painting_short_side: pixels the painting's short side is resized to.
            bf16: compute convolutions in bf16, the rest in float32.
        """
        self.photograph, self.bf16 = photograph, bf16
        network = LossNetwork(layers_of(settings.preset), padding=settings.padding)
        target = load_painting(painting, short_side=painting_short_side)
        self._objective = StyleTransferObjective(
            network, target, preset=settings.preset, weights=settings.weights
        ).to(photograph.device)
        self._settings = settings

    def at(self, level: Level) -> Objective:
        """Return the objective for pictures of that height and width."""
        content = resized(self.photograph, level)
        # Network and Gram matrices are shared by all levels; the normalisers are this level's own.
        objective = copy.copy(self._objective)
        if self._settings.normalisers is not None:
            objective.normalisers = self._settings.normalisers
        elif self._settings.preset.balanced:
            objective.normalisers = self._objective.measure_normalisers([content])

        def loss(picture: Tensor) -> LossTerms:
            with torch.autocast(picture.device.type, torch.bfloat16, enabled=self.bf16):
                terms: LossTerms = objective(picture, content)
                return terms

        return loss
