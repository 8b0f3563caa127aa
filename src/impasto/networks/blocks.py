"""The parts the image transformation networks are built from.

Residual blocks follow Gross and Wilber 2016 as the paper does: no ReLU after the sum.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.tensors import Features, LayerFeatures

Norm = Literal["instance", "batch"]
PaddingMode = Literal["reflect", "zeros"]

INSTANCE_NORM_EPSILON = 1e-3
"""Added to the variance. Larger than the usual 1e-5, so that a picture without contrast is not
blown up into its rounding errors: fifteen layers multiply them by up to 1/√ε each."""


class ReflectionConvolution(nn.Conv2d):
    """A convolution that pads with the picture's mirror image, also fast under autocast.

    Autocast pads in float32 on a CPU, and converts before and after; here the padding is in the
    convolution's own type. Without autocast this is torch's `padding_mode="reflect"`.
    """

    def __init__(
        self, num_inputs: int, num_outputs: int, kernel_size: int, *, stride: int = 1
    ) -> None:
        """Pad by half the kernel, so that stride 1 keeps the size."""
        super().__init__(
            num_inputs,
            num_outputs,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            padding_mode="reflect",
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return N×C'×⌈H/stride⌉×⌈W/stride⌉ features."""
        device = features.device.type
        if not torch.is_autocast_enabled(device):
            return super().forward(features)
        rounded = features.to(torch.get_autocast_dtype(device))
        half = self.kernel_size[0] // 2
        with torch.autocast(device, enabled=False):
            padded = F.pad(rounded, (half,) * 4, mode="reflect")
        return F.conv2d(padded, self.weight, self.bias, self.stride)


class InstanceNorm(nn.Module):
    """Instance normalisation with a learnt scale and shift per channel.

    The statistics are of each picture alone, also at inference (Ulyanov et al. 2016).
    """

    def __init__(self, num_channels: int, *, epsilon: float = INSTANCE_NORM_EPSILON) -> None:
        """Start at scale 1 and shift 0; `epsilon` is added to the variance."""
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))

    def forward(self, features: Features) -> Features:
        """Return N×C×H×W features with mean `bias` and standard deviation `weight`."""
        return F.instance_norm(features, weight=self.weight, bias=self.bias, eps=self.epsilon)


class ConvolutionBlock(nn.Module):
    """Reflection padding, convolution, normalisation, ReLU; with a stride it halves the size."""

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        kernel_size: int,
        *,
        stride: int = 1,
        norm: Norm = "instance",
        padding_mode: PaddingMode = "reflect",
    ) -> None:
        """Pad by half the kernel, so that stride 1 keeps the size."""
        super().__init__()
        self.convolution: nn.Conv2d = (
            ReflectionConvolution(num_inputs, num_outputs, kernel_size, stride=stride)
            if padding_mode == "reflect"
            else nn.Conv2d(
                num_inputs, num_outputs, kernel_size, stride=stride, padding=kernel_size // 2
            )
        )
        self.norm = make_norm(norm, num_outputs)

    def forward(self, features: Features) -> LayerFeatures:
        """Return N×C'×⌈H/stride⌉×⌈W/stride⌉ features."""
        return F.relu(self.norm(self.convolution(features)))


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions added to their input, ReLU after the first only.

    Unpadded, as in the paper's style network, it takes two pixels off every side.
    """

    def __init__(
        self,
        num_channels: int,
        *,
        padded: bool = True,
        norm: Norm = "instance",
        padding_mode: PaddingMode = "reflect",
    ) -> None:
        """Build a block of `num_channels` in and out."""
        super().__init__()
        padding = 1 if padded else 0
        self.crop = 0 if padded else 2
        self.convolution1 = _convolution3(num_channels, padding, padding_mode)
        self.norm1 = make_norm(norm, num_channels)
        self.convolution2 = _convolution3(num_channels, padding, padding_mode)
        self.norm2 = make_norm(norm, num_channels)

    def forward(self, features: Features) -> LayerFeatures:
        """Return features of the same size, or 4 less in height and width when unpadded."""
        residual = F.relu(self.norm1(self.convolution1(features)))
        residual = self.norm2(self.convolution2(residual))
        height, width = features.shape[2:]
        # Unpadded convolutions take two pixels off every side, so the identity loses them too.
        identity = features[..., self.crop : height - self.crop, self.crop : width - self.crop]
        result: Tensor = identity + residual
        return result


class ResizeConvolutionBlock(nn.Module):
    """Nearest-neighbour upsampling by 2, then a `ConvolutionBlock`.

    Departs from the paper, whose fractional strides leave checkerboards (Odena et al. 2016).
    """

    def __init__(self, num_inputs: int, num_outputs: int, kernel_size: int = 3) -> None:
        """Build the block with instance norm."""
        super().__init__()
        self.block = ConvolutionBlock(num_inputs, num_outputs, kernel_size)

    def forward(self, features: Features, height: int, width: int) -> LayerFeatures:
        """Return N×C'×height×width features; height and width are 2H or 2H − 1 of the input."""
        doubled = F.interpolate(features, scale_factor=2.0, mode="nearest")
        # Halving rounds odd sizes up, so doubling gives a row or column too many.
        result: Tensor = self.block(doubled[..., :height, :width])
        return result


class FractionalStrideBlock(nn.Module):
    """A 3×3 convolution of stride 1/2 (transposed), batch norm and ReLU: doubles the size."""

    def __init__(self, num_inputs: int, num_outputs: int) -> None:
        """Build the block as the paper's networks have it."""
        super().__init__()
        # Without output_padding the size would be 2H − 1.
        self.convolution = nn.ConvTranspose2d(
            num_inputs, num_outputs, 3, stride=2, padding=1, output_padding=1
        )
        self.norm = nn.BatchNorm2d(num_outputs)

    def forward(self, features: Features) -> LayerFeatures:
        """Return N×C'×2H×2W features."""
        return F.relu(self.norm(self.convolution(features)))


def make_norm(norm: Norm, num_channels: int) -> nn.Module:
    """Return a fresh normalisation layer: `instance` or `batch`."""
    return InstanceNorm(num_channels) if norm == "instance" else nn.BatchNorm2d(num_channels)


def _convolution3(num_channels: int, padding: int, padding_mode: PaddingMode) -> nn.Conv2d:
    if padding and padding_mode == "reflect":
        return ReflectionConvolution(num_channels, num_channels, 3)
    return nn.Conv2d(num_channels, num_channels, 3, padding=padding)
