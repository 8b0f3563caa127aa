"""How far networks look: what halos of tiles rest on."""

import pytest
import torch
from torch import nn

from impasto.networks.architecture import (
    NetworkArchitecture,
    PaperSuperResolutionArchitecture,
    SrcnnArchitecture,
    SubpixelArchitecture,
)
from impasto.networks.blocks import InstanceNorm
from impasto.networks.building import build_network

ARCHITECTURES = [
    NetworkArchitecture(channels=(1, 1, 1), num_residual_blocks=2),
    NetworkArchitecture(kind="paper", channels=(1, 1, 1)),
    SubpixelArchitecture(scale=2, channels=1, num_residual_blocks=3),
    SubpixelArchitecture(scale=8, channels=1, num_residual_blocks=1),
    PaperSuperResolutionArchitecture(scale=2, channels=1, num_residual_blocks=2),
    PaperSuperResolutionArchitecture(scale=8, channels=1, num_residual_blocks=1),
    SrcnnArchitecture(scale=2, channels=(1, 1), kernel_sizes=(9, 5, 5)),
    SrcnnArchitecture(scale=8, channels=(1, 1)),
]


def positive(architecture):
    """A network whose parts only ever add, so that whatever is looked at leaves a gradient."""
    network = build_network(architecture).double().eval()
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, InstanceNorm):  # it looks at everything; tiles see to that
                setattr(module, name, nn.Identity())
    for parameter in network.parameters():
        parameter.data = torch.full_like(parameter, 0.1)
    return network


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_a_network_looks_no_further_than_it_says(architecture):
    network = positive(architecture)
    last = getattr(network, "to_rgb", network)  # before the tanh, which would flatten gradients
    made = []
    last.register_forward_hook(lambda _module, _given, output: made.append(output))
    width = 2 * architecture.receptive_radius + 40
    picture = torch.full((1, 3, 48, width // 4 * 4), 0.5).double().requires_grad_()
    network(picture)
    scale = getattr(architecture, "scale", 1)
    for column in range(width // 2, width // 2 + architecture.stride):
        for part in {0, scale - 1}:
            (gradient,) = torch.autograd.grad(
                made[0][0, :, 24 * scale, column * scale + part].sum(), picture, retain_graph=True
            )
            seen = gradient[0].abs().sum(dim=(0, 1)).nonzero().flatten() - column
            assert seen.abs().max() <= architecture.receptive_radius
            assert seen.abs().max() > architecture.receptive_radius - 8
