"""The terms of the style objective for pictures as `impasto stylize` writes them.

Photographs are centre-cropped with their short side at a given size, stylized by the runtime and
rounded to 8 bits; features are float32; terms are those of the default preset, unweighted. The
target is a painting with its short side at 256 pixels, as in training.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from impasto.data.paintings import load_painting
from impasto.evaluation.style_measures import PRESET, StyleScorer, total_variation
from impasto.losses.perceptual import feature_reconstruction_loss

SHORT_SIDE = 256

__all__ = ["PRESET", "SHORT_SIDE", "StyleTerms", "total_variation"]


class StyleTerms:
    """The terms of pictures against a set of paintings, as arrays.

    Attributes:
        names: of the paintings, in order.
    """

    def __init__(self, paintings: dict[str, Path]) -> None:
        self.names = list(paintings)
        self._scorer = StyleScorer(
            {name: load_painting(file, short_side=SHORT_SIDE) for name, file in paintings.items()}
        )

    def features(self, picture: Tensor) -> dict[str, Tensor]:
        return self._scorer.features(picture)

    def styles(self, features: dict[str, Tensor]) -> NDArray[np.float64]:
        """The style reconstruction loss against each painting."""
        return np.array(list(self._scorer.style_losses(features).values()))

    def content(self, features: dict[str, Tensor], photograph: dict[str, Tensor]) -> float:
        layer = PRESET.content_layer
        return float(feature_reconstruction_loss(features[layer], photograph[layer]))
