"""The network of pytorch/examples' fast_neural_style, by its published structure, and our twin.

Source: pytorch/examples, fast_neural_style/neural_style/transformer_net.py: convolutions padded by
reflection, instance norm with scale and shift, five residual blocks, nearest-neighbour upsampling,
pictures in 0 to 255, no squashing at the end.
"""

import torch
from torch import Tensor, nn

from impasto.networks.architecture import NetworkArchitecture
from impasto.networks.style_transfer import StyleTransferNetwork

CHANNELS = (32, 64, 128)


def convolution(num_inputs: int, num_outputs: int, size: int, stride: int = 1) -> nn.Module:
    """Return a convolution behind a reflection padding."""
    return nn.Sequential(
        nn.ReflectionPad2d(size // 2), nn.Conv2d(num_inputs, num_outputs, size, stride)
    )


def block(num_inputs: int, num_outputs: int, size: int, stride: int = 1) -> nn.Module:
    """Return convolution, instance norm and ReLU."""
    return nn.Sequential(
        convolution(num_inputs, num_outputs, size, stride),
        nn.InstanceNorm2d(num_outputs, affine=True),
        nn.ReLU(),
    )


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            block(channels, channels, 3),
            convolution(channels, channels, 3),
            nn.InstanceNorm2d(channels, affine=True),
        )

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.layers(features) + features
        return result


def build_published() -> nn.Module:
    """Return the network of the examples, with fresh weights."""
    full, half, quarter = CHANNELS
    return nn.Sequential(
        block(3, full, 9),
        block(full, half, 3, 2),
        block(half, quarter, 3, 2),
        *(Residual(quarter) for _ in range(5)),
        nn.Upsample(scale_factor=2, mode="nearest"),
        block(quarter, half, 3),
        nn.Upsample(scale_factor=2, mode="nearest"),
        block(half, full, 3),
        convolution(full, 3, 9),
    ).eval()


def build_twin(published: nn.Module) -> StyleTransferNetwork:
    """Return our network of the same widths with the same weights; it adds a tanh at the end."""
    ours = StyleTransferNetwork(NetworkArchitecture(channels=CHANNELS)).eval()
    weights = list(published.state_dict().values())
    names = list(ours.state_dict())
    for name, value in zip(names, weights, strict=True):
        assert ours.state_dict()[name].shape == value.shape, name
    ours.load_state_dict(dict(zip(names, weights, strict=True)))
    return ours


def stylize(published: nn.Module, picture: Tensor) -> Tensor:
    """Run the network as the examples' script does: eager, float32, 0 to 255."""
    with torch.no_grad():
        output: Tensor = published(picture.mul(255))
    return output
