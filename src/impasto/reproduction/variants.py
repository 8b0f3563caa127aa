"""The default style network with one idea of section 3.4 taken out of it, and the paper's own."""

from collections.abc import Callable, Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from impasto.networks.architecture import NetworkArchitecture
from impasto.networks.blocks import ConvolutionBlock, ResidualBlock
from impasto.networks.style_transfer import (
    OUTPUT_AMPLITUDE,
    PaperStyleTransferNetwork,
    StyleTransferNetwork,
)
from impasto.tensors import Pictures

Channels = tuple[int, int, int]

NUM_BLOCKS = 5
FACTOR = 4
"""By which the default network's body is smaller than the picture."""


class FlatNetwork(nn.Module):
    """All at full size: neither downsampling nor upsampling, otherwise the default."""

    def __init__(self, channels: Channels) -> None:
        """Build the network with fresh weights."""
        super().__init__()
        full, half, quarter = channels
        self.body = nn.Sequential(
            ConvolutionBlock(3, full, 9),
            ConvolutionBlock(full, half, 3),
            ConvolutionBlock(half, quarter, 3),
            *(ResidualBlock(quarter) for _ in range(NUM_BLOCKS)),
            ConvolutionBlock(quarter, half, 3),
            ConvolutionBlock(half, full, 3),
        )
        self.to_rgb = _to_rgb(full)

    def forward(self, pictures: Pictures) -> Pictures:
        """Return N×3×H×W pictures from such."""
        return _in_range(self.to_rgb(self.body(pictures)))


class ResizedNetwork(nn.Module):
    """The colours are made at quarter size and then merely resized, otherwise the default."""

    def __init__(self, channels: Channels) -> None:
        """Build the network with fresh weights."""
        super().__init__()
        full, half, quarter = channels
        self.body = nn.Sequential(
            ConvolutionBlock(3, full, 9),
            ConvolutionBlock(full, half, 3, stride=2),
            ConvolutionBlock(half, quarter, 3, stride=2),
            *(ResidualBlock(quarter) for _ in range(NUM_BLOCKS)),
        )
        self.to_rgb = _to_rgb(quarter)

    def forward(self, pictures: Pictures) -> Pictures:
        """Return N×3×H×W pictures from such."""
        small = self.to_rgb(self.body(pictures))
        size = pictures.shape[2:]
        return _in_range(F.interpolate(small, size=size, mode="bilinear", align_corners=False))


def _to_rgb(num_channels: int) -> nn.Conv2d:
    return nn.Conv2d(num_channels, 3, 9, padding=4, padding_mode="reflect")


def _in_range(values: Tensor) -> Tensor:
    output: Tensor = 0.5 + OUTPUT_AMPLITUDE * values.tanh()
    return output


def _without_residual(channels: Channels) -> nn.Module:
    network = StyleTransferNetwork(NetworkArchitecture(channels=channels))
    quarter = channels[2]
    # Two for each residual block, so that only the connection is missing and not depth.
    network.residual_blocks = nn.Sequential(
        *(ConvolutionBlock(quarter, quarter, 3) for _ in range(2 * NUM_BLOCKS))
    )
    return network


VARIANTS: Mapping[str, Callable[[Channels], nn.Module]] = {
    "default": lambda channels: StyleTransferNetwork(NetworkArchitecture(channels=channels)),
    "no residual connections": _without_residual,
    "no downsampling": FlatNetwork,
    "no learnt upsampling": ResizedNetwork,
    "the paper's": lambda channels: PaperStyleTransferNetwork(
        NetworkArchitecture(kind="paper", channels=channels)
    ),
}
"""By name, from channels at full, half and quarter size to a network with fresh weights."""
