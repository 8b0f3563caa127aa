import numpy as np
import pytest
import torch

from impasto.errors import PictureError, WeightsError
from impasto.losses.loss_network import LossNetwork
from impasto.losses.perceptual import gram_matrix
from impasto.optimization.inversion import invert_features, invert_style
from impasto.optimization.picture_optimizer import OptimizationSettings
from training_fixtures import draw


def target(seed=1, size=32):
    array = np.asarray(draw(seed, size, size), np.float32) / 255
    return torch.from_numpy(array).permute(2, 0, 1)[None].contiguous()


def settings(iterations):
    return OptimizationSettings(num_iterations=iterations)


def test_a_shallow_layer_gives_the_picture_back():
    picture = target()
    inversion = invert_features(picture, "relu1_1", settings(60), smoothness=0)
    # Noise is a third away on average.
    assert (inversion - picture).abs().mean() < 0.06


def test_gram_matrices_come_near_while_the_picture_does_not():
    picture = target()
    inversion = invert_style(picture, ("relu1_2", "relu2_2"), settings(60), smoothness=0)
    network = LossNetwork(("relu1_2",), padding="reflect")
    noise = torch.rand(picture.shape, generator=torch.Generator().manual_seed(0))
    gram, reached, at_start = (
        gram_matrix(network(pictures)["relu1_2"]) for pictures in (picture, inversion, noise)
    )
    assert (reached - gram).norm() < 0.1 * (at_start - gram).norm()
    assert (inversion - picture).abs().mean() > 0.1


def test_smoothness_takes_noise_away():
    def roughness(smoothness):
        inversion = invert_features(target(), "relu3_1", settings(15), smoothness=smoothness)
        return float((inversion[..., 1:] - inversion[..., :-1]).square().mean())

    assert roughness(5.0) < 0.5 * roughness(0.0)


def test_what_is_no_picture_or_no_layer_is_refused():
    with pytest.raises(PictureError, match="the target"):
        invert_features(torch.rand(1, 3, 8, 8) * 255, "relu1_1", settings(2))
    with pytest.raises(WeightsError, match="relu7_1"):
        invert_style(target(), ("relu7_1",), settings(2))
