"""The network of PyTorch's example `fast_neural_style`, so that what it has trained can be used.

It is the paper's network but for instance norm, reflection padding and resize-convolution, and it
ends in a plain convolution. Its parts bear the names that its checkpoints have. Nothing here is
trained; `impasto.networks.style_transfer` holds the networks that are.
"""

import torch.nn.functional as F
from torch import nn

from impasto.errors import PictureError
from impasto.networks.architecture import FastNeuralStyleArchitecture
from impasto.networks.blocks import InstanceNorm
from impasto.tensors import Features, LayerFeatures, Pictures, check_picture_shape

PIXEL_RANGE = 255.0
"""Pictures go in and come out in [0, 255]."""

EPSILON = 1e-5
"""Added to the variance: the default of torch, which the example leaves as it is."""


class PaddedConvolution(nn.Module):
    """Reflection padding by half the kernel and a convolution, optionally at twice the size."""

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        kernel_size: int,
        *,
        stride: int = 1,
        doubles: bool = False,
    ) -> None:
        """Build the layer; `doubles` repeats every pixel twice along both axes first."""
        super().__init__()
        self.doubles = doubles
        self.conv2d = nn.Conv2d(
            num_inputs,
            num_outputs,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            padding_mode="reflect",
        )

    def forward(self, features: Features) -> LayerFeatures:
        """Return N×C'×H'×W' features, of the same size, half or twice as large."""
        if self.doubles:
            features = F.interpolate(features, scale_factor=2.0, mode="nearest")
        return self.conv2d(features)  # type: ignore[no-any-return]


class NormalisedResidualBlock(nn.Module):
    """Two 3×3 convolutions, each with its norm, added to their input; ReLU after the first."""

    def __init__(self, num_channels: int) -> None:
        """Build a block of `num_channels` in and out."""
        super().__init__()
        self.conv1 = PaddedConvolution(num_channels, num_channels, 3)
        self.in1 = InstanceNorm(num_channels, epsilon=EPSILON)
        self.conv2 = PaddedConvolution(num_channels, num_channels, 3)
        self.in2 = InstanceNorm(num_channels, epsilon=EPSILON)

    def forward(self, features: Features) -> Features:
        """Return features of the same shape."""
        residual = F.relu(self.in1(self.conv1(features)))
        return features + self.in2(self.conv2(residual))  # type: ignore[no-any-return]


class FastNeuralStyleNetwork(nn.Module):
    """What a checkpoint of `fast_neural_style` fills; height and width must divide by 4.

    Source: PyTorch's examples, `fast_neural_style`; it follows Johnson et al. 2016 and Ulyanov et
    al. 2016.
    """

    def __init__(self, architecture: FastNeuralStyleArchitecture | None = None) -> None:
        """Build the network with fresh weights."""
        super().__init__()
        self.architecture = architecture or FastNeuralStyleArchitecture()
        full, half, quarter = self.architecture.channels
        self.conv1, self.in1 = PaddedConvolution(3, full, 9), _norm(full)
        self.conv2, self.in2 = PaddedConvolution(full, half, 3, stride=2), _norm(half)
        self.conv3, self.in3 = PaddedConvolution(half, quarter, 3, stride=2), _norm(quarter)
        self.res1, self.res2, self.res3, self.res4, self.res5 = (
            NormalisedResidualBlock(quarter) for _ in range(5)
        )
        # The example calls these deconv, and so do its checkpoints; they resize and convolve.
        self.deconv1, self.in4 = PaddedConvolution(quarter, half, 3, doubles=True), _norm(half)
        self.deconv2, self.in5 = PaddedConvolution(half, full, 3, doubles=True), _norm(full)
        self.deconv3 = PaddedConvolution(full, 3, 9)

    def forward(self, pictures: Pictures) -> Pictures:
        """Return N×3×H×W pictures from N×3×H×W in [0, 1], H and W dividing by 4; not clipped.

        Raises:
            PictureError: when rank, channels or type are wrong, or height or width does not divide
                by 4 or is below 16.
        """
        check_picture_shape(pictures)
        height, width = pictures.shape[2:]
        if height % 4 or width % 4 or min(height, width) < self.architecture.minimum_size:
            raise PictureError(
                f"the network was given {width}×{height}; expected height and width of at least "
                f"{self.architecture.minimum_size} that divide by 4: crop or pad the pictures"
            )
        features = F.relu(self.in1(self.conv1(pictures * PIXEL_RANGE)))
        features = F.relu(self.in2(self.conv2(features)))
        features = F.relu(self.in3(self.conv3(features)))
        for block in (self.res1, self.res2, self.res3, self.res4, self.res5):
            features = block(features)
        features = F.relu(self.in4(self.deconv1(features)))
        features = F.relu(self.in5(self.deconv2(features)))
        return self.deconv3(features) / PIXEL_RANGE  # type: ignore[no-any-return]


def _norm(num_channels: int) -> InstanceNorm:
    return InstanceNorm(num_channels, epsilon=EPSILON)
