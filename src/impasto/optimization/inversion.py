"""Invert the losses: search for pictures by their features, or by their Gram matrices, alone.

The search begins with white noise and ends with a picture that the loss cannot distinguish from the
target. Properties that both share are those that the loss sees; it leaves the others free.
Source: Johnson et al. 2016, figures 3 and 4; Mahendran and Vedaldi 2015.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from impasto.losses.loss_network import LossNetwork
from impasto.losses.perceptual import (
    feature_reconstruction_loss,
    gram_matrix,
    style_reconstruction_loss,
    total_variation_loss,
)
from impasto.losses.style_objective import PAPER_STYLE_LAYERS, LossTerms
from impasto.optimization.picture_optimizer import (
    Objective,
    OnOptimization,
    OptimizationSettings,
    optimize_picture,
    white_noise,
)
from impasto.tensors import Pictures, check_pictures

PAPER_FEATURE_LAYERS = ("relu2_2", "relu3_3", "relu4_3", "relu5_1", "relu5_3")
"""The layers of figure 3."""

PAPER_STYLE_SETS = tuple(PAPER_STYLE_LAYERS[:count] for count in range(1, 5))
"""The sets of layers of figure 4: one layer, two, three and four."""

FEATURE_SMOOTHNESS, STYLE_SMOOTHNESS = 0.5, 0.05
"""Weights of the total variation, where loss and total variation are divided by their values at the
start. The paper does not state its own. With less, deep layers leave noise that no layer sees."""


def invert_features(
    target: Pictures,
    layer: str,
    settings: OptimizationSettings,
    *,
    smoothness: float = FEATURE_SMOOTHNESS,
    on_progress: OnOptimization = lambda _: None,
) -> Tensor:
    """Return the picture, 1×3×H×W in [0, 1], whose features at a layer are nearest the target's.

    Args:
        target: 1×3×H×W in [0, 1].
        layer: of VGG-16.
        settings: method, iterations and the seed of the noise to begin with.
        smoothness: weight of the total variation.
        on_progress: called after every step.

    Raises:
        PictureError: when the target is no picture.
        WeightsError: when there is no such layer.
    """
    check_pictures(target, name="the target")
    # Padded with zeros, features near the border would be those of a grey frame.
    network = LossNetwork((layer,), padding="reflect").to(target.device)
    with torch.no_grad():
        features = network(target)[layer]

    def distance(pictures: Tensor) -> Tensor:
        return feature_reconstruction_loss(network(pictures)[layer], features)

    return _search(target, distance, settings, smoothness, on_progress)


def invert_style(
    target: Pictures,
    layers: Sequence[str],
    settings: OptimizationSettings,
    *,
    smoothness: float = STYLE_SMOOTHNESS,
    on_progress: OnOptimization = lambda _: None,
) -> Tensor:
    """Return the picture, 1×3×H×W in [0, 1], whose Gram matrices are nearest the target's.

    Args:
        target: 1×3×H×W in [0, 1].
        layers: of VGG-16; each counts as much as any other at the start.
        settings: method, iterations and the seed of the noise to begin with.
        smoothness: weight of the total variation.
        on_progress: called after every step.

    Raises:
        PictureError: when the target is no picture.
        WeightsError: when there is no such layer, or none is given.
    """
    check_pictures(target, name="the target")
    network = LossNetwork(tuple(layers), padding="reflect").to(target.device)
    with torch.no_grad():
        grams = {layer: gram_matrix(features) for layer, features in network(target).items()}
        noise = network(_noise(target, settings))
        # Undivided, the layer with the largest Gram entries would outweigh the others.
        at_start = {
            layer: style_reconstruction_loss(gram_matrix(noise[layer]), gram)
            for layer, gram in grams.items()
        }

    def distance(pictures: Tensor) -> Tensor:
        features = network(pictures)
        by_layer = [
            style_reconstruction_loss(gram_matrix(features[layer]), gram) / at_start[layer]
            for layer, gram in grams.items()
        ]
        return torch.stack(by_layer).mean()

    return _search(target, distance, settings, smoothness, on_progress)


def _search(
    target: Tensor,
    distance: Callable[[Tensor], Tensor],
    settings: OptimizationSettings,
    smoothness: float,
    on_progress: OnOptimization,
) -> Tensor:
    start = _noise(target, settings)
    objective = _smoothed(distance, start, smoothness)
    # One level alone: the target's features are those of its own size.
    size = (target.shape[2], target.shape[3])
    return optimize_picture(lambda _: objective, [size], start, settings, on_progress=on_progress)


def _smoothed(distance: Callable[[Tensor], Tensor], start: Tensor, smoothness: float) -> Objective:
    """Return distance plus total variation, each divided by its value at the start."""
    with torch.no_grad():
        distance_at_start = distance(start)
        variation_at_start = total_variation_loss(start, reduction="mean")

    def objective(pictures: Pictures) -> LossTerms:
        unweighted = {
            "distance": distance(pictures),
            "total_variation": total_variation_loss(pictures, reduction="mean"),
        }
        # They begin at 1 and at `smoothness` for every layer and size, so that one weight suits.
        weighted = {
            "distance": unweighted["distance"] / distance_at_start,
            "total_variation": unweighted["total_variation"] * (smoothness / variation_at_start),
        }
        return LossTerms(torch.stack(list(weighted.values())).sum(), weighted, unweighted)

    return objective


def _noise(target: Tensor, settings: OptimizationSettings) -> Tensor:
    height, width = target.shape[2:]
    return white_noise(height, width, seed=settings.seed).to(target.device)
