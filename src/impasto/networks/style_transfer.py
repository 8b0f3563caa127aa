"""The style transfer networks: the paper's own, and our default.

Both take and give pictures in [0, 1]; the scaling of the last tanh lives here and nowhere else.
Source: Johnson et al. 2016, section 2 and supplementary material, table 1.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from impasto.errors import PictureError
from impasto.networks.architecture import MINIMUM_SIZE, NetworkArchitecture
from impasto.networks.blocks import (
    ConvolutionBlock,
    FractionalStrideBlock,
    ReflectionConvolution,
    ResidualBlock,
    ResizeConvolutionBlock,
)
from impasto.tensors import Pictures, check_picture_shape

PAPER_PADDING = 40
"""Five unpadded residual blocks take 5 · 4 pixels at quarter resolution off each axis: 2 · 40."""

OUTPUT_AMPLITUDE = 0.6
"""Half the range of the default network's output; above 0.5, so that black and white are reached
before the tanh saturates."""


class StyleTransferNetwork(nn.Module):
    """Our default: instance norm, reflection padding everywhere, resize-convolution.

    Any height and width from `MINIMUM_SIZE` up; the output has the size of the input, odd or even.

    Departs from the paper: instance norm (Ulyanov et al. 2016) in place of batch norm, resize-
    convolution (Odena et al. 2016) in place of fractional strides, padding inside every
    convolution in place of 40 pixels at the start, half the width.
    """

    def __init__(self, architecture: NetworkArchitecture | None = None) -> None:
        """Build the network with fresh weights."""
        super().__init__()
        self.architecture = architecture or NetworkArchitecture()
        full, half, quarter = self.architecture.channels
        self.encode_full = ConvolutionBlock(3, full, 9)
        self.encode_half = ConvolutionBlock(full, half, 3, stride=2)
        self.encode_quarter = ConvolutionBlock(half, quarter, 3, stride=2)
        self.residual_blocks = nn.Sequential(
            *(ResidualBlock(quarter) for _ in range(self.architecture.num_residual_blocks))
        )
        self.decode_half = ResizeConvolutionBlock(quarter, half)
        self.decode_full = ResizeConvolutionBlock(half, full)
        self.to_rgb = ReflectionConvolution(full, 3, 9)

    def forward(self, pictures: Pictures) -> Pictures:
        """Return the stylized pictures: N×3×H×W from N×3×H×W in [0, 1].

        The values lie in [-0.1, 1.1]. A model file clips them; training does not, so that values
        beyond the range keep a gradient.

        Raises:
            PictureError: when rank, channels or type are wrong, or height or width is below 16.
        """
        check_picture_shape(pictures)
        if min(pictures.shape[2:]) < MINIMUM_SIZE:
            raise PictureError(
                f"the network was given {pictures.shape[3]}×{pictures.shape[2]}; expected height "
                f"and width of at least {MINIMUM_SIZE}: enlarge or pad the pictures"
            )
        full = self.encode_full(pictures)
        half = self.encode_half(full)
        quarter = self.residual_blocks(self.encode_quarter(half))
        # The sizes on the way down: doubling alone cannot tell 2H from 2H − 1.
        decoded = self.decode_half(quarter, half.shape[2], half.shape[3])
        decoded = self.decode_full(decoded, full.shape[2], full.shape[3])
        output: Tensor = 0.5 + OUTPUT_AMPLITUDE * self.to_rgb(decoded).tanh()
        return output


class PaperStyleTransferNetwork(nn.Module):
    """The paper's network: reflection padding 40, batch norm, unpadded residual blocks.

    Height and width must divide by 4. The output lies in [0, 1], the paper's [0, 255] scaled.
    """

    def __init__(self, architecture: NetworkArchitecture | None = None) -> None:
        """Build the network with fresh weights; without an architecture, of width 32-64-128."""
        super().__init__()
        self.architecture = architecture or NetworkArchitecture(
            kind="paper", channels=(32, 64, 128)
        )
        full, half, quarter = self.architecture.channels
        # Zeros inside: the paper reflects the picture alone, at the start (supplement, table 1).
        self.encode = nn.Sequential(
            ConvolutionBlock(3, full, 9, norm="batch", padding_mode="zeros"),
            ConvolutionBlock(full, half, 3, stride=2, norm="batch", padding_mode="zeros"),
            ConvolutionBlock(half, quarter, 3, stride=2, norm="batch", padding_mode="zeros"),
        )
        self.residual_blocks = nn.Sequential(
            *(
                ResidualBlock(quarter, padded=False, norm="batch")
                for _ in range(self.architecture.num_residual_blocks)
            )
        )
        self.decode = nn.Sequential(
            FractionalStrideBlock(quarter, half), FractionalStrideBlock(half, full)
        )
        self.to_rgb = nn.Conv2d(full, 3, 9, padding=4)

    def forward(self, pictures: Pictures) -> Pictures:
        """Return the stylized pictures: N×3×H×W from N×3×H×W in [0, 1], H and W dividing by 4.

        Raises:
            PictureError: when rank, channels or type are wrong, or height or width does not divide
                by 4 or is 40 or less.
        """
        check_picture_shape(pictures)
        height, width = pictures.shape[2:]
        # Fractional strides double exactly, so a size that 4 does not divide would not come back;
        # and a reflection is shorter than the picture that it mirrors.
        if height % 4 or width % 4 or min(height, width) <= PAPER_PADDING:
            raise PictureError(
                f"the paper's network was given {width}×{height}; "
                f"expected height and width above {PAPER_PADDING} that divide by 4: crop the "
                "pictures"
            )
        padded = F.pad(pictures, (PAPER_PADDING,) * 4, mode="reflect")
        decoded = self.decode(self.residual_blocks(self.encode(padded)))
        output: Tensor = 0.5 + 0.5 * self.to_rgb(decoded).tanh()
        return output


def build_style_network(architecture: NetworkArchitecture) -> nn.Module:
    """Return the network that an architecture describes, with fresh weights."""
    if architecture.kind == "paper":
        return PaperStyleTransferNetwork(architecture)
    return StyleTransferNetwork(architecture)


__all__ = [
    "MINIMUM_SIZE",
    "PaperStyleTransferNetwork",
    "StyleTransferNetwork",
    "build_style_network",
]
