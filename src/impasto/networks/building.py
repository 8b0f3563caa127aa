"""From an architecture, whatever it is of, to a network with fresh weights."""

from torch import nn

from impasto.networks.architecture import (
    Architecture,
    FastNeuralStyleArchitecture,
    NetworkArchitecture,
)
from impasto.networks.fast_neural_style import FastNeuralStyleNetwork
from impasto.networks.style_transfer import build_style_network
from impasto.networks.super_resolution import build_super_resolution_network


def build_network(architecture: Architecture) -> nn.Module:
    """Return the network that an architecture describes."""
    if isinstance(architecture, NetworkArchitecture):
        return build_style_network(architecture)
    if isinstance(architecture, FastNeuralStyleArchitecture):
        return FastNeuralStyleNetwork(architecture)
    return build_super_resolution_network(architecture)
