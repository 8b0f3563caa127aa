"""An untrained VGG-16: the loss network's architecture with random weights."""

import math
from pathlib import Path

import torch
from safetensors.torch import save as serialise

from impasto.files import write_whole
from impasto.losses.loss_network import LAYER_NAMES, NUM_CHANNELS_BY_BLOCK


def write_untrained_weights(path: Path, *, seed: int = 0) -> None:
    """Write weights that a loss network can be built from, in place of the trained ones.

    Kernels are normal with variance 2 over the number of inputs, in half precision as the trained
    ones are kept; biases are 0.

    Raises:
        OSError: the place cannot be written to.

    Source: He et al. 2015, *Delving Deep into Rectifiers*, equation 10.
    """
    chance = torch.Generator().manual_seed(seed)
    tensors, num_inputs = {}, 3
    for layer in LAYER_NAMES:
        num_outputs = NUM_CHANNELS_BY_BLOCK[int(layer[4]) - 1]  # relu3_2 is in the third block
        name = layer.replace("relu", "conv")
        kernel = torch.randn(num_outputs, num_inputs, 3, 3, generator=chance)
        # With this variance activations keep their size through 13 layers of ReLU; smaller ones
        # would fade, and the deep losses with them.
        tensors[f"{name}.weight"] = (kernel * math.sqrt(2 / (9 * num_inputs))).half()
        tensors[f"{name}.bias"] = torch.zeros(num_outputs)
        num_inputs = num_outputs
    write_whole(path, serialise(tensors))
