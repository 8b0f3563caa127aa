"""The distance of upscaled pictures from the truth in the loss network's features, by layer.

It needs torch. It is not LPIPS, because nothing in it is fitted to human judgements; see `lpips`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.evaluation.measures import Column, Measure, Scorer, shaved_levels
from impasto.evaluation.picture_sets import TestPicture
from impasto.losses.loss_network import FeatureExtractor, LossNetwork
from impasto.losses.perceptual import named_features
from impasto.metrics.fidelity import Protocol

FEATURE_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
"""The last layer of each block."""

_TINY = 1e-12  # deep layers can be silent on a flat truth


def feature_distance(
    features: dict[str, Tensor], target: dict[str, Tensor], layers: Sequence[str]
) -> tuple[float, ...]:
    """‖φ(ŷ) − φ(y)‖² / ‖φ(y)‖² at each layer: 0 for equal features, 1 for none at all.

    Args:
        features: 1×C×H×W by layer, of the upscaled picture.
        target: of the truth, of the same shapes.
        layers: in the order of the result.
    """
    return tuple(
        float((features[x] - target[x]).square().sum() / target[x].square().sum().clamp(min=_TINY))
        for x in layers
    )


def feature_measure(
    protocol: Protocol,
    *,
    layers: Sequence[str] = FEATURE_LAYERS,
    loss_network: FeatureExtractor | None = None,
    weights: Path | None = None,
) -> Measure:
    """Return the measure of the relative squared feature distance at each layer.

    Args:
        protocol: says how much of the border is cut.
        layers: of the loss network.
        loss_network: in place of VGG-16.
        weights: of VGG-16, in place of the shipped ones.

    Raises:
        WeightsError: an unknown layer, or weights that do not fit.
    """
    network = LossNetwork(layers, weights=weights) if loss_network is None else loss_network
    protocol_text = (
        "‖φ(ŷ) − φ(y)‖² / ‖φ(y)‖² at this layer of VGG-16 (Simonyan and Zisserman's own weights), "
        f"on RGB rounded to 8 bits, {protocol.shave} pixels cut from each border"
    )
    columns = tuple(Column(f"feature_{layer}", f"φ {layer}", 4, protocol_text) for layer in layers)

    def features_of(rgb: NDArray[np.float32]) -> dict[str, Tensor]:
        with torch.no_grad():
            return named_features(network, to_tensor(rgb, protocol.shave), tuple(layers))

    def scorer_for(picture: TestPicture) -> Scorer:
        target = features_of(picture.truth)
        return lambda upscaled: feature_distance(features_of(upscaled), target, layers)

    # Another loss network need not say how small a picture may be.
    return Measure(columns, getattr(network, "minimum_size", 1), scorer_for)


def to_tensor(rgb: NDArray[np.float32], border: int) -> Tensor:
    """Return 1×3×H×W in 8-bit levels k / 255, without `border` pixels on each side."""
    levels = shaved_levels(rgb, border)
    return torch.from_numpy(levels.transpose(2, 0, 1)[np.newaxis].copy())
