"""The super-resolution networks: the paper's own, SRCNN, and our default.

All take low-resolution RGB pictures in [0, 1] and return them `scale` times as large.
Bicubic enlargement and colour conversion are part of them, so that a model file needs nothing else.
"""

import math
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.errors import PictureError
from impasto.images.colour import LUMA_WEIGHTS
from impasto.images.resize import resize_matrix
from impasto.networks.architecture import (
    MINIMUM_LOW_RESOLUTION,
    NUM_ENLARGEMENT_CHANNELS,
    PaperSuperResolutionArchitecture,
    SrcnnArchitecture,
    SubpixelArchitecture,
    SuperResolutionArchitecture,
)
from impasto.networks.blocks import ConvolutionBlock, FractionalStrideBlock, ResidualBlock
from impasto.tensors import Features, Pictures, check_picture_shape

KERNEL_RADIUS = 2
"""Pixels that the bicubic kernel reads to each side of the nearest one."""

BRIGHT, MIDDLE_SLOPE, BRIGHT_SLOPE = 0.8, 2.3, 4.6
"""artanh(2p − 1) by straight lines: a slope of 2.3, and 4.6 more above 0.8 and below 0.2."""


class BicubicEnlargement(nn.Module):
    """Bicubic enlargement as a convolution: MATLAB's `imresize` by a whole number."""

    kernels: Tensor

    def __init__(self, scale: int) -> None:
        """Compute a kernel for each of the scale² positions within an input pixel."""
        super().__init__()
        self.scale = scale
        # Read from the matrix that resizes a short line, in its middle, where no border has a part:
        # MATLAB's rules are stated there and nowhere else.
        centre = 2 * KERNEL_RADIUS
        axis = torch.from_numpy(resize_matrix(2 * centre + 1, (2 * centre + 1) * scale))
        taps = axis[
            centre * scale : (centre + 1) * scale,
            centre - KERNEL_RADIUS : centre + KERNEL_RADIUS + 1,
        ]
        kernels = torch.einsum("py,qx->pqyx", taps, taps).flatten(0, 1)[:, None].float()
        # Not persistent: the scale determines them, so that checkpoints need not hold them.
        self.register_buffer("kernels", kernels.repeat(3, 1, 1, 1), persistent=False)

    def forward(self, pictures: Pictures) -> Pictures:
        """Return N×3×(H·scale)×(W·scale) from N×3×H×W; not clipped."""
        continued = _mirrored(_mirrored(pictures, -1), -2)
        return F.pixel_shuffle(F.conv2d(continued, self.kernels, groups=3), self.scale)


class ResidualConvolutions(nn.Module):
    """Two 3×3 convolutions with a ReLU between, added to their input; no normalisation.

    Source: Lim et al. 2017 (EDSR), who show that batch norm costs super-resolution quality.
    """

    def __init__(self, num_channels: int) -> None:
        """Build a block of `num_channels` in and out."""
        super().__init__()
        self.convolution1 = nn.Conv2d(num_channels, num_channels, 3, padding=1)
        self.convolution2 = nn.Conv2d(num_channels, num_channels, 3, padding=1)

    def forward(self, features: Features) -> Features:
        """Return features of the same shape."""
        result: Tensor = features + self.convolution2(F.relu(self.convolution1(features)))
        return result


class SubpixelNetwork(nn.Module):
    """Our default: residual blocks at low resolution, a sub-pixel enlargement, bicubic beneath.

    What it returns before any training is the bicubic enlargement itself.

    Departs from the paper: no batch norm, no transposed convolution (Shi et al. 2016 rearrange
    channels into pixels), no tanh, and only the difference to bicubic is learnt.
    """

    def __init__(self, architecture: SubpixelArchitecture) -> None:
        """Build the network with fresh weights."""
        super().__init__()
        self.architecture = architecture
        channels, scale = architecture.channels, architecture.scale
        self.enlarge = BicubicEnlargement(scale)
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.blocks = nn.Sequential(
            *(ResidualConvolutions(channels) for _ in range(architecture.num_residual_blocks))
        )
        self.tail = nn.Conv2d(channels, 3 * scale**2, 3, padding=1)
        # The tail learns from its first step, since its input is not zero; the layers before it
        # follow once its weights are not.
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, pictures: Pictures) -> Pictures:
        """Return N×3×(H·scale)×(W·scale) pictures from N×3×H×W in [0, 1]; not clipped.

        Raises:
            PictureError: when rank, channels or type are wrong, or a side is below 4 pixels.
        """
        _check(pictures)
        # Around zero, the padding with zeros is a grey border, not a black one.
        features = self.head(pictures - 0.5)
        features = features + self.blocks(features)
        detail = F.pixel_shuffle(self.tail(features), self.architecture.scale)
        result: Tensor = self.enlarge(pictures) + detail
        return result


class PaperSuperResolutionNetwork(nn.Module):
    """The paper's network: residual blocks at low resolution, convolutions of stride 1/2.

    The output lies in [0, 1], the paper's [0, 255] scaled.

    Source: Johnson et al. 2016, section 3.1, and table 2 of the supplement.
    """

    def __init__(self, architecture: PaperSuperResolutionArchitecture) -> None:
        """Build the network with fresh weights."""
        super().__init__()
        self.architecture = architecture
        channels = architecture.channels
        self.encode = ConvolutionBlock(3, channels, 9, norm="batch", padding_mode="zeros")
        self.residual_blocks = nn.Sequential(
            *(
                ResidualBlock(channels, norm="batch", padding_mode="zeros")
                for _ in range(architecture.num_residual_blocks)
            )
        )
        num_doublings = int(math.log2(architecture.scale))
        self.decode = nn.Sequential(
            *(FractionalStrideBlock(channels, channels) for _ in range(num_doublings))
        )
        self.to_rgb = nn.Conv2d(channels, 3, 9, padding=4)
        self._batch_norm_is_frozen = False

    def forward(self, pictures: Pictures) -> Pictures:
        """Return N×3×(H·scale)×(W·scale) pictures in [0, 1] from N×3×H×W in [0, 1].

        Raises:
            PictureError: when rank, channels or type are wrong, or a side is below 4 pixels.
        """
        _check(pictures)
        decoded = self.decode(self.residual_blocks(self.encode(pictures)))
        result: Tensor = 0.5 + 0.5 * self.to_rgb(decoded).tanh()
        return result

    def start_as_enlargement(self) -> None:
        """Take weights that enlarge linearly, and hold batch norm's statistics where they are.

        Nine of its channels carry the colours and their very bright and very dark parts, which
        undo the slope of the tanh; the others begin at random and do not reach the output yet. A
        network that starts at random must first learn to copy colours, through a batch norm whose
        statistics, of few patches, change them with every step. With fixed statistics, batch norm
        is a scale and a shift, both learnt.

        Departs from the paper, which starts at random and has 200,000 steps.
        """
        state = self.state_dict()  # shares its memory with the weights
        for name, weights in state.items():
            if weights.dim() == 4:
                nn.init.kaiming_normal_(weights)
                state[name.replace("weight", "bias")].zero_()
            elif name.endswith("norm2.weight"):
                weights.zero_()  # a residual block adds nothing yet
        carried = range(NUM_ENLARGEMENT_CHANNELS)
        colours = torch.arange(3)
        first, offsets = state["encode.convolution.weight"], state["encode.convolution.bias"]
        first[carried] = 0
        # The three groups become c, relu(c − 0.8) and relu(0.2 − c) of each colour c.
        for group, (slope, offset) in enumerate(((1, 0.0), (1, -BRIGHT), (-1, 1 - BRIGHT))):
            first[3 * group + colours, colours, 4, 4] = slope
            offsets[3 * group + colours] = offset
        # With a stride of 1/2 these taps interpolate linearly: a pixel, or half of two neighbours.
        taps = torch.tensor([0.5, 1, 0.5])
        for index in range(len(self.decode)):
            doubling = state[f"decode.{index}.convolution.weight"]
            doubling[:, carried] = 0
            doubling[carried, carried] = torch.outer(taps, taps)
        # Doubling puts pixels at 0, ½, 1, … of the small ones, which is too far to the lower right
        # by half a pixel for ×2 and by three halves for ×4: the last kernel moves them back.
        corner = 4 - self.architecture.scale // 2
        last = state["to_rgb.weight"].zero_()
        middle = last[:, :, corner : corner + 2, corner : corner + 2]
        for group, steep in enumerate((MIDDLE_SLOPE, BRIGHT_SLOPE, -BRIGHT_SLOPE)):
            middle[colours, 3 * group + colours] = steep / 4
        state["to_rgb.bias"].fill_(-MIDDLE_SLOPE / 2)
        self._batch_norm_is_frozen = True
        self.train(self.training)  # the norms change their mode now, not at the next call

    def train(self, mode: bool = True) -> Self:
        """Set the mode, but of batch norm's only where its statistics may change."""
        super().train(mode)
        if self._batch_norm_is_frozen:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


class SrcnnNetwork(nn.Module):
    """SRCNN: three convolutions on the luminance of the bicubic enlargement.

    The colours are those of the enlargement: what changes is added to red, green and blue alike,
    which leaves Cb and Cr as they are.

    Source: Dong et al. 2014. Departs from it in that borders are padded, so that the size is kept.
    """

    luminance: Tensor

    def __init__(self, architecture: SrcnnArchitecture) -> None:
        """Build the network with fresh weights."""
        super().__init__()
        self.architecture = architecture
        first, second = architecture.channels
        kernels = architecture.kernel_sizes
        self.enlarge = BicubicEnlargement(architecture.scale)
        self.extract = nn.Conv2d(1, first, kernels[0], padding=kernels[0] // 2)
        self.map = nn.Conv2d(first, second, kernels[1], padding=kernels[1] // 2)
        self.reconstruct = nn.Conv2d(second, 1, kernels[2], padding=kernels[2] // 2)
        weights = torch.tensor(LUMA_WEIGHTS).view(1, 3, 1, 1)
        self.register_buffer("luminance", weights, persistent=False)

    def forward(self, pictures: Pictures) -> Pictures:
        """Return N×3×(H·scale)×(W·scale) pictures from N×3×H×W in [0, 1]; not clipped.

        Raises:
            PictureError: when rank, channels or type are wrong, or a side is below 4 pixels.
        """
        _check(pictures)
        enlarged = self.enlarge(pictures)
        luminance = (enlarged * self.luminance).sum(dim=1, keepdim=True)
        features = F.relu(self.map(F.relu(self.extract(luminance))))
        result: Tensor = enlarged + (self.reconstruct(features) - luminance)
        return result


def build_super_resolution_network(architecture: SuperResolutionArchitecture) -> nn.Module:
    """Return the network that an architecture describes, with fresh weights."""
    if isinstance(architecture, SubpixelArchitecture):
        return SubpixelNetwork(architecture)
    if isinstance(architecture, SrcnnArchitecture):
        return SrcnnNetwork(architecture)
    return PaperSuperResolutionNetwork(architecture)


def _mirrored(pictures: Tensor, axis: int) -> Tensor:
    """Continue an axis by its mirror image at both ends, the last pixel twice: … 1 0 | 0 1 …."""
    # MATLAB's border repeats the last pixel; torch's own reflection leaves it out.
    first = pictures.narrow(axis, 0, KERNEL_RADIUS).flip(axis)
    last = pictures.narrow(axis, pictures.shape[axis] - KERNEL_RADIUS, KERNEL_RADIUS).flip(axis)
    return torch.cat((first, pictures, last), dim=axis)


def _check(pictures: Tensor) -> None:
    check_picture_shape(pictures)
    if min(pictures.shape[2:]) < MINIMUM_LOW_RESOLUTION:
        raise PictureError(
            f"the network was given {pictures.shape[3]}×{pictures.shape[2]}; expected height and "
            f"width of at least {MINIMUM_LOW_RESOLUTION}: pad the pictures"
        )
