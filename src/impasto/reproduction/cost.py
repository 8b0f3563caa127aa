"""Multiply-adds and receptive field of a network."""

import torch
from torch import Tensor, nn

from impasto.networks.blocks import InstanceNorm

FIELD_SIZE = 192
"""Height and width of the pictures for measuring receptive fields; larger fields are cut."""


def multiply_adds(network: nn.Module, size: int) -> int:
    """Return the multiply-adds of a network's convolutions on a picture of size×size pixels."""
    counts: list[int] = []

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))
        weights = module.weight[0, 0].numel() * module.in_channels * module.out_channels
        # All weights are applied at each position of a convolution's output, of a transposed
        # one's input.
        positions = inputs[0] if isinstance(module, nn.ConvTranspose2d) else output
        counts.append(weights // module.groups * positions.shape[2] * positions.shape[3])

    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, kinds)]
    try:
        with torch.no_grad():
            network(torch.rand(1, 3, size, size))
    finally:
        for hook in hooks:
            hook.remove()
    return sum(counts)


def receptive_field(network: nn.Module) -> int:
    """Return the side, in pixels, of the square that one pixel of a network's output depends on.

    It is measured by the gradient, with all weights positive and without normalisation, which
    depends on the whole picture. The network has a last convolution `to_rgb`; its weights are
    overwritten. Where the field depends on the pixel's position in the grid, the largest counts.
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            # Positive, so that no path cancels another; a mean, so that many layers neither
            # overflow nor vanish, which would look as if nothing depended on the pixel.
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            nn.init.constant_(module.bias, 0.0) if module.bias is not None else None
    _without_norms(network)
    outputs: list[Tensor] = []
    last = network.get_submodule("to_rgb")
    # Before the tanh: where that is saturated, its gradient is 0.
    hook = last.register_forward_hook(lambda _, __, output: outputs.append(output))
    picture = torch.rand(1, 3, FIELD_SIZE, FIELD_SIZE, requires_grad=True)
    network(picture)
    hook.remove()
    middle = outputs[0].shape[3] // 2
    sides = []
    for column in range(middle, middle + 4):  # the four positions in the grid of two strides
        (gradient,) = torch.autograd.grad(
            outputs[0][0, :, middle, column].sum(), picture, retain_graph=True
        )
        columns = (gradient[0].abs().sum(dim=(0, 1)) > 0).nonzero()
        sides.append(int(columns.max() - columns.min()) + 1)
    return max(sides)


def _without_norms(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, (InstanceNorm, nn.BatchNorm2d)):
            setattr(module, name, nn.Identity())
        else:
            _without_norms(child)
