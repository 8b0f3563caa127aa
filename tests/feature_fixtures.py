"""Pictures and feature extractors for tests of what torch computes."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from impasto.losses.loss_network import LAYER_NAMES, LossNetwork

GOLDEN = Path(__file__).parent / "golden"
STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


class SmoothFeatures(nn.Module):
    """Stands in for VGG-16: four layers by the same names, tiny, without a kink, in float64."""

    def __init__(self, *, gain=1.0):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        sizes = [(4, 3), (5, 4), (6, 5), (7, 6)]
        self.kernels = [
            torch.randn(*size, 3, 3, generator=generator, dtype=torch.float64) / 3 for size in sizes
        ]
        self.gain = gain

    def forward(self, pictures):
        features = {}
        activations = pictures
        for name, kernel in zip(STYLE_LAYERS, self.kernels, strict=True):
            activations = F.softplus(F.conv2d(activations, kernel.to(pictures), padding=1))
            features[name] = self.gain * activations
        return features


class PixelFeatures(nn.Module):
    """Pictures are their own features: whatever is computed from them can be done by hand."""

    def forward(self, pictures):
        return {"pixels": pictures}


@cache
def vgg16():
    """VGG-16 with every layer; it has no state, so all tests can share it."""
    return LossNetwork(LAYER_NAMES)


def random_pictures(num_pictures=2, height=6, width=7, *, seed=0, dtype=torch.float64):
    """N×3×H×W of noise in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(num_pictures, 3, height, width, generator=generator, dtype=dtype)


def as_pictures(rgb):
    """1×3×H×W in [0, 1], float32, from H×W×3 in 0..255."""
    return torch.from_numpy(np.asarray(rgb, np.float32) / 255).permute(2, 0, 1)[None].contiguous()


def cat_crop():
    """Real texture with nothing to download, 1×3×64×64: red, green and blue are three crops of a
    grey photograph of a Persian cat."""
    with np.load(GOLDEN / "vgg16_persian_cat_crop.npz") as golden:
        return as_pictures(golden["rgb"])


def golden_objective_inputs():
    """What the golden loss terms are computed from: stylized, photograph, painting."""
    photograph = cat_crop()
    stylized = 0.5 * photograph + 0.5 * photograph.roll(1, dims=1)
    return stylized, photograph, photograph.flip(1)[..., :40, :].contiguous()


def fill_by_formula(network):
    """Give a network weights that no random generator decides; return it."""
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            wave = torch.sin(torch.arange(1, parameter.numel() + 1) * (index + 1.7)).float()
            fan_in = max(parameter[0].numel(), 1)
            scale, shift = (fan_in**-0.5, 0.0) if parameter.dim() == 4 else (0.1, 0.5)
            parameter.copy_((shift + scale * wave).view_as(parameter))
    return network
