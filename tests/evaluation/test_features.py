import numpy as np
import pytest
import torch
from torch import nn

from impasto.errors import WeightsError
from impasto.evaluation.features import FEATURE_LAYERS, feature_distance, feature_measure
from impasto.evaluation.picture_sets import TestPicture
from impasto.losses.loss_network import LossNetwork
from impasto.metrics.fidelity import Protocol

PROTOCOL = Protocol(scale=2)


def noise(height, width, seed=0):
    """8-bit levels, so that rounding changes nothing."""
    generator = np.random.default_rng(seed)
    return (generator.integers(0, 256, (height, width, 3)) / 255).astype(np.float32)


def as_picture(truth):
    return TestPicture("noise", truth, truth[::2, ::2], False)


def test_the_distance_is_worked_out_by_hand():
    # Truth (3, 4), length² 25; difference (0, 2), length² 4.
    truth = {"a": torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)}
    features = {"a": torch.tensor([3.0, 6.0]).view(1, 2, 1, 1)}
    assert feature_distance(features, truth, ["a"]) == (pytest.approx(4 / 25),)
    assert feature_distance(truth, truth, ["a"]) == (0.0,)
    assert feature_distance({"a": 0 * truth["a"]}, truth, ["a"]) == (1.0,)


class Halves(nn.Module):
    """A loss network whose only layer is the picture itself."""

    def forward(self, pictures):
        return {"picture": pictures}


def test_the_border_is_cut_and_levels_are_rounded():
    truth = noise(12, 10)
    upscaled = truth.copy()
    upscaled[:2] = 1 - upscaled[:2]  # all within the border of 2
    upscaled[5, 5, 0] = np.clip(truth[5, 5, 0] + 0.4 / 255, 0, 1)  # rounded away
    measure = feature_measure(PROTOCOL, layers=["picture"], loss_network=Halves())
    scorer = measure.scorer_for(as_picture(truth))
    assert scorer(upscaled) == (0.0,)
    upscaled[6, 5] = 1 - truth[6, 5]
    inside = truth[2:-2, 2:-2].astype(np.float64)
    expected = ((1 - 2 * truth[6, 5].astype(np.float64)) ** 2).sum() / (inside**2).sum()
    assert scorer(upscaled) == (pytest.approx(expected, rel=1e-5),)


def test_the_layers_are_those_of_the_loss_network():
    truth, upscaled = noise(24, 28), noise(24, 28, seed=1)
    measure = feature_measure(PROTOCOL)
    assert [column.key for column in measure.columns] == [f"feature_{x}" for x in FEATURE_LAYERS]
    distances = measure.scorer_for(as_picture(truth))(upscaled)
    network = LossNetwork(FEATURE_LAYERS)
    pictures = torch.from_numpy(np.stack([upscaled, truth])).permute(0, 3, 1, 2)[..., 2:-2, 2:-2]
    features = network(pictures.contiguous())
    for layer, distance in zip(FEATURE_LAYERS, distances, strict=True):
        one, other = features[layer]
        expected = float(((one - other) ** 2).sum() / (other**2).sum())
        assert distance == pytest.approx(expected, rel=1e-4)


def test_an_unknown_layer_is_refused():
    with pytest.raises(WeightsError, match="relu9_9"):
        feature_measure(PROTOCOL, layers=["relu9_9"])
