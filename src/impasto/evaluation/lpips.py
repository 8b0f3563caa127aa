"""LPIPS, with weights from the user; none are shipped.

Its heads were fitted to human judgements on torchvision's VGG-16. The loss network holds the
original VGG-16, which was trained differently and takes pictures in another range: with its
features the heads compute another number, which must not be called LPIPS.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from impasto.errors import PictureError, WeightsError
from impasto.evaluation.features import to_tensor
from impasto.evaluation.measures import Column, Measure, Scorer
from impasto.evaluation.picture_sets import TestPicture
from impasto.losses.loss_network import NUM_CHANNELS_BY_BLOCK, NUM_CONVOLUTIONS_BY_BLOCK
from impasto.metrics.fidelity import Protocol
from impasto.system.input_files import open_given_file

MINIMUM_SIZE = 16
"""In pixels each way: the fifth block has one pixel left of it."""

# ImageNet's means and deviations, for pictures in [-1, 1]: 2 · 0.485 − 1 = −0.030, and so on.
_SHIFT = (-0.030, -0.088, -0.188)
_SPREAD = (0.458, 0.448, 0.450)
_TINY = 1e-10  # of LPIPS' own code, which adds it to the length and not under the root


def _convolution_keys() -> list[list[str]]:
    """Return the names of each block's convolutions in torchvision's VGG-16."""
    position, blocks = 0, []
    for num_convolutions in NUM_CONVOLUTIONS_BY_BLOCK:
        blocks.append([f"features.{position + 2 * i}" for i in range(num_convolutions)])
        position += 2 * num_convolutions + 1  # a ReLU after each, a pooling after all
    return blocks


CONVOLUTION_KEYS = _convolution_keys()
HEAD_KEYS = [f"lin{block}.model.1.weight" for block in range(len(NUM_CHANNELS_BY_BLOCK))]


class Lpips(nn.Module):
    """The learned distance of Zhang et al. 2018, version 0.1, `vgg`.

    Features after the last ReLU of each block are divided by their length over the channels;
    squared differences are weighed by channel, averaged over positions and summed over blocks.

    Source: Zhang et al. 2018, *The Unreasonable Effectiveness of Deep Features as a Perceptual
    Metric*, section 3.
    """

    shift: Tensor
    spread: Tensor

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the weights, by the names they have in torchvision and in LPIPS.

        Args:
            tensors: `features.N.weight` and `features.N.bias` for N = 0, 2, 5, 7, 10, 12, 14, 17,
                19, 21, 24, 26, 28, and `lin0.model.1.weight` to `lin4.model.1.weight`, 1×C×1×1.

        Raises:
            WeightsError: one is missing or of another shape, or a head is negative somewhere.
        """
        super().__init__()
        self.blocks = nn.ModuleList()
        num_inputs = 3
        for keys, num_channels in zip(CONVOLUTION_KEYS, NUM_CHANNELS_BY_BLOCK, strict=True):
            block = nn.Sequential()
            for key in keys:
                convolution = nn.Conv2d(num_inputs, num_channels, 3, padding=1)
                for kind, parameter in convolution.named_parameters():
                    _copy(tensors, f"{key}.{kind}", parameter)
                block.extend([convolution, nn.ReLU()])
                num_inputs = num_channels
            self.blocks.append(block)
        for index, (key, num_channels) in enumerate(
            zip(HEAD_KEYS, NUM_CHANNELS_BY_BLOCK, strict=True)
        ):
            head = torch.empty(1, num_channels, 1, 1)
            _copy(tensors, key, head)
            # LPIPS' heads were fitted under the constraint that none is negative; with others the
            # "distance" of different pictures could be 0 or less.
            if bool((head < 0).any()):
                raise WeightsError(f"LPIPS: {key} is negative somewhere; expected LPIPS' own heads")
            self.register_buffer(f"head{index}", head)
        self.register_buffer("shift", torch.tensor(_SHIFT).view(1, 3, 1, 1))
        self.register_buffer("spread", torch.tensor(_SPREAD).view(1, 3, 1, 1))
        self.requires_grad_(False)
        self.eval()

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Each block's features, N×C×H'×W', of length 1 over the channels.

        Args:
            pictures: N×3×H×W, float RGB in [0, 1]; [-1, 1], which LPIPS expects, is made of it
                here.

        Raises:
            PictureError: values outside [0, 1].
        """
        # The range is refused, because LPIPS itself takes any and then returns another number.
        if float(pictures.min()) < 0 or float(pictures.max()) > 1:
            raise PictureError("LPIPS was given values outside [0, 1]; expected RGB in [0, 1]")
        activations = (2 * pictures - 1 - self.shift) / self.spread
        features = []
        for index, block in enumerate(self.blocks):
            if index:
                activations = F.max_pool2d(activations, 2)
            activations = block(activations)
            length = activations.square().sum(dim=1, keepdim=True).sqrt()
            features.append(activations / (length + _TINY))
        return features

    def distance(self, features: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
        """The distance of each picture, N, from what `features` returned."""
        total = torch.zeros(features[0].shape[0])
        for index, (one, other) in enumerate(zip(features, target, strict=True)):
            head = self.get_buffer(f"head{index}")
            total = total + ((one - other).square() * head).sum(dim=1).mean(dim=(1, 2))
        return total

    def forward(self, pictures: Tensor, truth: Tensor) -> Tensor:
        """The distance of each picture from its truth, N; 0 for equal ones.

        Args:
            pictures: N×3×H×W, float RGB in [0, 1].
            truth: the same shape.
        """
        return self.distance(self.features(pictures), self.features(truth))


def read_lpips(files: Sequence[Path]) -> Lpips:
    """Return LPIPS from one or several safetensors files that together hold all its weights.

    Raises:
        WeightsError: a file cannot be read, or the weights do not fit.
    """
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            open_given_file(file).close()  # safetensors would wait for who writes to a pipe
            tensors |= load_file(file)
        except (OSError, SafetensorError, ValueError) as error:
            raise WeightsError(
                f"{file} cannot be read as safetensors ({error}); expected torchvision's VGG-16 "
                "and LPIPS' heads"
            ) from None
    return Lpips(tensors)


def lpips_measure(protocol: Protocol, network: Lpips) -> Measure:
    """Return LPIPS as a measure.

    Args:
        protocol: says how much of the border is cut.
        network: with its weights.
    """
    protocol_text = (
        "Zhang et al. 2018, vgg, by the weights given, on RGB rounded to 8 bits, "
        f"{protocol.shave} pixels cut from each border"
    )

    def scorer_for(picture: TestPicture) -> Scorer:
        with torch.no_grad():
            target = network.features(to_tensor(picture.truth, protocol.shave))

        def scorer(upscaled: NDArray[np.float32]) -> tuple[float, ...]:
            with torch.no_grad():
                features = network.features(to_tensor(upscaled, protocol.shave))
                return (float(network.distance(features, target)[0]),)

        return scorer

    return Measure((Column("lpips", "LPIPS", 4, protocol_text),), MINIMUM_SIZE, scorer_for)


def _copy(tensors: Mapping[str, Tensor], key: str, parameter: Tensor) -> None:
    tensor = tensors.get(key)
    if tensor is None or tensor.shape != parameter.shape or not tensor.is_floating_point():
        actual = "missing" if tensor is None else f"{tensor.dtype} of shape {tuple(tensor.shape)}"
        raise WeightsError(
            f"LPIPS: {key} is {actual}; expected a float type and shape {tuple(parameter.shape)}: "
            "give torchvision's VGG-16 and LPIPS' heads as safetensors"
        )
    with torch.no_grad():
        parameter.copy_(tensor)
