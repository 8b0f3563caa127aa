"""From an architecture to a network with fresh weights, and from a network to its architecture."""

from torch import nn

from impasto.networks.any_painting import StyledNetwork
from impasto.networks.architecture import (
    AnyPaintingArchitecture,
    Architecture,
    FastNeuralStyleArchitecture,
    NetworkArchitecture,
)
from impasto.networks.fast_neural_style import FastNeuralStyleNetwork
from impasto.networks.style_transfer import (
    PaperStyleTransferNetwork,
    StyleTransferNetwork,
    build_style_network,
)
from impasto.networks.super_resolution import (
    PaperSuperResolutionNetwork,
    SrcnnNetwork,
    SubpixelNetwork,
    build_super_resolution_network,
)

NETWORK_CLASSES = (
    StyleTransferNetwork,
    PaperStyleTransferNetwork,
    FastNeuralStyleNetwork,
    StyledNetwork,
    SubpixelNetwork,
    PaperSuperResolutionNetwork,
    SrcnnNetwork,
)


def build_network(architecture: Architecture) -> nn.Module:
    """Return the network that an architecture describes."""
    if isinstance(architecture, NetworkArchitecture):
        return build_style_network(architecture)
    if isinstance(architecture, FastNeuralStyleArchitecture):
        return FastNeuralStyleNetwork(architecture)
    if isinstance(architecture, AnyPaintingArchitecture):
        return StyledNetwork(architecture)
    return build_super_resolution_network(architecture)


def architecture_of(network: nn.Module) -> Architecture | None:
    """Return the architecture that a network was built from; None where it is not one of ours.

    A subclass is not one of ours: its architecture would not say what its `forward` computes.
    """
    for known in NETWORK_CLASSES:
        if type(network) is known:
            architecture: Architecture = network.architecture
            return architecture
    return None
