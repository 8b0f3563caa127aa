"""The terms of the style objective for pictures as `impasto stylize` writes them.

Photographs are centre-cropped with their short side at a given size, stylized by the runtime and
rounded to 8 bits; features are float32; terms are those of the default preset, unweighted. The
target is a painting with its short side at 256 pixels, as in training.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.data.paintings import load_painting
from impasto.losses.loss_network import LossNetwork
from impasto.losses.perceptual import feature_reconstruction_loss, gram_matrix, total_variation_loss
from impasto.losses.style_objective import PRESETS, layers_of

PRESET = PRESETS["default"]
SHORT_SIDE = 256


class StyleTerms:
    """A loss network and the Gram matrices of paintings, by name.

    Attributes:
        names: of the paintings, in order.
    """

    def __init__(self, paintings: dict[str, Path]) -> None:
        self.names = list(paintings)
        self._loss_network = LossNetwork(layers_of(PRESET))
        self._targets = [
            self.grams(self.features(load_painting(file, short_side=SHORT_SIDE)))
            for file in paintings.values()
        ]

    def features(self, picture: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            return dict(self._loss_network(picture))

    def grams(self, features: dict[str, Tensor]) -> list[Tensor]:
        return [gram_matrix(features[layer]) for layer in PRESET.style_layers]

    def styles(self, features: dict[str, Tensor]) -> NDArray[np.float64]:
        """The style reconstruction loss against each painting."""
        grams = self.grams(features)
        losses = [
            sum(float((a - b).square().mean()) for a, b in zip(grams, target, strict=True))
            for target in self._targets
        ]
        return np.array(losses)

    def content(self, features: dict[str, Tensor], photograph: dict[str, Tensor]) -> float:
        layer = PRESET.content_layer
        return float(feature_reconstruction_loss(features[layer], photograph[layer]))


def total_variation(picture: Tensor) -> float:
    loss = total_variation_loss(picture, reduction=PRESET.total_variation_reduction)
    return float(loss) * PRESET.pixel_range**2
