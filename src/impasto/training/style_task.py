"""What is trained: a task joins a network, an objective and the pictures to judge it by.

The loop (`impasto.training.loop`) knows tasks only by the `Task` protocol.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from impasto.data.paintings import load_painting
from impasto.images.contact_sheet import contact_sheet
from impasto.losses.loss_network import LossNetwork
from impasto.losses.perceptual import grid_loss
from impasto.losses.style_objective import (
    LossScales,
    LossTerms,
    StyleTransferObjective,
    find_preset,
    layers_of,
)
from impasto.networks.style_transfer import build_style_network
from impasto.tensors import to_array
from impasto.training.loss_window import Window, judged_window
from impasto.training.recipe import StyleRecipe


class Task(Protocol):
    """What the loop needs to know of a training."""

    @property
    def network(self) -> nn.Module:
        """What is trained."""
        ...

    @property
    def objective(self) -> nn.Module:
        """What judges it, frozen."""
        ...

    @property
    def num_probe_batches(self) -> int:
        """How many batches the probe wants; 0 when nothing is to be probed."""
        ...

    def probe(self, batches: Sequence[Tensor]) -> LossScales:
        """Measure the terms' scales on photographs, take them on and return them."""
        ...

    def take_scales(self, scales: LossScales) -> None:
        """Take on scales measured before."""
        ...

    def loss_terms(
        self, network: nn.Module, photographs: Tensor, *, position: int = 0
    ) -> LossTerms:
        """Run `network` (this task's, possibly wrapped) on a batch and judge the result.

        What is random in that depends on the seed and on `position`, the samples consumed by now.
        """
        ...

    def contact_sheet(self, photographs: Tensor) -> NDArray[np.float32]:
        """Show photographs and what the network makes of them, H×W×3 in [0, 1]."""
        ...


class StyleTask:
    """One painting, one network."""

    network: nn.Module
    objective: StyleTransferObjective

    def __init__(self, recipe: StyleRecipe) -> None:
        """Build network, loss network and objective; the seed decides the network's start.

        Raises:
            PictureFileError: when the painting cannot be read.
            WeightsError: when the loss network's weights do not fit.
        """
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.network = build_style_network(recipe.network)
        self.painting = load_painting(recipe.painting.file, short_side=recipe.painting.short_side)
        preset = find_preset(recipe.objective.preset)
        loss_network = LossNetwork(
            layers_of(preset),
            weights=recipe.objective.loss_network_weights,
            pooling=recipe.objective.pooling,
            padding=recipe.objective.padding,
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.objective = StyleTransferObjective(
            loss_network, self.painting, preset=preset, weights=recipe.style_weights()
        )

    @property
    def num_probe_batches(self) -> int:
        """Enough batches of the first stage for the pictures the recipe asks for."""
        if not self.recipe.is_balanced:
            return 0
        return -(-self.recipe.objective.num_probe_pictures // self.recipe.stages[0].batch_size)

    def probe(self, batches: Sequence[Tensor]) -> LossScales:
        """Measure the terms' scales on photographs, take them on and return them."""
        windows = [self._window(batch, position) for position, batch in enumerate(batches)]
        scales = self.objective.measure_scales(
            batch[:, :, rows, columns]
            for batch, (rows, columns) in zip(batches, windows, strict=True)
        )
        self.take_scales(scales)
        return scales

    def take_scales(self, scales: LossScales) -> None:
        """Divide the terms by these from now on."""
        self.objective.scales = scales

    def loss_terms(
        self, network: nn.Module, photographs: Tensor, *, position: int = 0
    ) -> LossTerms:
        """Run `network` on N×3×H×W photographs and judge a window of the result against them."""
        stylized = network(photographs)
        rows, columns = self._window(photographs, position)
        terms: LossTerms = self.objective(
            stylized[:, :, rows, columns], photographs[:, :, rows, columns]
        )
        weight = self.recipe.objective.grid_weight
        return terms.plus("grid", grid_loss(stylized), weight=weight) if weight else terms

    def _window(self, pictures: Tensor, position: int) -> Window:
        return judged_window(
            *pictures.shape[2:],
            margin=self.recipe.objective.window_margin,
            seed=self.recipe.seed,
            position=position,
        )

    def contact_sheet(self, photographs: Tensor) -> NDArray[np.float32]:
        """Show the painting, photographs and what the network makes of them, in two rows."""
        training = self.network.training
        self.network.eval()
        with torch.no_grad():
            stylized = self.network(photographs).clamp(0, 1)
        self.network.train(training)
        painting = to_array(self.painting[0])
        return contact_sheet(
            [
                [painting, *(to_array(picture) for picture in photographs)],
                [painting, *(to_array(picture) for picture in stylized)],
            ],
            cell_size=256,
        )
