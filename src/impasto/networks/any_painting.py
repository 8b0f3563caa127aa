"""The network for any painting: one image transformation network that a style vector steers.

Every instance norm takes its scale and shift from the style vector (Dumoulin et al. 2017; from a
picture of the painting as in Ghiasi et al. 2017). The last norm takes the painting's own colours:
its mean and its covariance of red, green and blue, so that the palette need not be learnt.

All scales, shifts and colours of a style are its *norm constants*, K numbers. They are an affine
function of the style vector, so vectors can be mixed, and a fixed style is a network with
constants: `StyledNetwork`, which a model file holds.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.errors import PictureError
from impasto.networks.architecture import AnyPaintingArchitecture
from impasto.networks.blocks import InstanceNorm, ReflectionConvolution
from impasto.networks.style_transfer import OUTPUT_AMPLITUDE
from impasto.tensors import Pictures, check_picture_shape

NUM_COLOUR_NUMBERS = 12
"""Of a style vector: the mean colour, then the root of the colours' covariance, row by row."""

NUM_DEVIATIONS = 64 + 128 + 256 + 512
"""Channels of the loss network's style layers."""

_SMALLEST_VARIANCE = 1e-5
"""Added to the colours' variances: a painting of one colour has a root too."""


class StyledNetwork(nn.Module):
    """An image transformation network in one style, or in the style of given constants.

    With three channel numbers it begins and ends at full resolution by 9×9 convolutions, as the
    paper's network does. With two it begins by a strided 5×5 convolution and ends by a sub-pixel
    one, and computes nothing at full resolution but colours.
    """

    def __init__(self, architecture: AnyPaintingArchitecture | None = None) -> None:
        """Build the network with fresh weights; the style is neutral."""
        super().__init__()
        self.architecture = architecture or AnyPaintingArchitecture()
        *full, half, quarter = self.architecture.channels
        self.begins_at_full_resolution = bool(full)
        if full:
            self.encode_full = ReflectionConvolution(3, full[0], 9)
            self.encode_full_norm = InstanceNorm(full[0])
            self.encode_half = ReflectionConvolution(full[0], half, 3, stride=2)
        else:
            self.encode_half = ReflectionConvolution(3, half, 5, stride=2)
        self.encode_half_norm = InstanceNorm(half)
        self.encode_quarter = ReflectionConvolution(half, quarter, 3, stride=2)
        self.encode_quarter_norm = InstanceNorm(quarter)
        self.blocks = nn.ModuleList(
            _Block(quarter) for _ in range(self.architecture.num_residual_blocks)
        )
        self.decode_half = ReflectionConvolution(quarter, half, 3)
        self.decode_half_norm = InstanceNorm(half)
        if full:
            self.decode_full = ReflectionConvolution(half, full[0], 3)
            self.decode_full_norm = InstanceNorm(full[0])
            self.to_rgb = ReflectionConvolution(full[0], 3, 9)
        else:
            # Twelve numbers for each pixel of half the size: a 2×2 square of colours.
            self.to_rgb = ReflectionConvolution(half, 12, 5)
        num_colours = self.to_rgb.out_channels
        # Of twelve, each position in the square has mean 0 and deviation 1: no grid of 2 pixels.
        self.rgb_norm = InstanceNorm(num_colours)
        self.colours = nn.Conv2d(num_colours, num_colours, 1)

    def forward(self, pictures: Pictures, constants: Tensor | None = None) -> Pictures:
        """Return the stylized pictures: N×3×H×W from N×3×H×W in [0, 1], H and W dividing by 4.

        The values lie in [-0.1, 1.1]. A model file clips them; training does not, so that values
        beyond the range keep a gradient.

        Args:
            pictures: photographs.
            constants: N×K, a style for each picture; None is the network's own style.

        Raises:
            PictureError: when rank, channels or type are wrong, or height or width does not divide
                by 4 or is below 16.
        """
        check_picture_shape(pictures)
        height, width = pictures.shape[2:]
        smallest = self.architecture.minimum_size
        if height % 4 or width % 4 or min(height, width) < smallest:
            raise PictureError(
                f"the network was given {width}×{height}; expected height and width of at least "
                f"{smallest} that divide by 4: crop or pad the pictures"
            )
        styled = None if constants is None else iter(torch.split(constants, self._sizes(), dim=1))
        features = pictures
        if self.begins_at_full_resolution:
            features = F.relu(_norm(self.encode_full(features), self.encode_full_norm, styled))
        features = F.relu(_norm(self.encode_half(features), self.encode_half_norm, styled))
        features = F.relu(_norm(self.encode_quarter(features), self.encode_quarter_norm, styled))
        for block in self.blocks:
            features = block(features, styled)
        features = self.decode_half(_doubled(features))
        features = F.relu(_norm(features, self.decode_half_norm, styled))
        if self.begins_at_full_resolution:
            features = self.decode_full(_doubled(features))
            features = F.relu(_norm(features, self.decode_full_norm, styled))
        normal = _norm(self.to_rgb(features), self.rgb_norm, None)
        coloured = self.colours(normal) if styled is None else _coloured(normal, *styled)
        # The painting's colours as they are up to 0.8 or so, then bent into the range.
        output: Tensor = 0.5 + OUTPUT_AMPLITUDE * ((coloured - 0.5) / OUTPUT_AMPLITUDE).tanh()
        return output if self.begins_at_full_resolution else F.pixel_shuffle(output, 2)

    def constant_parameters(self) -> dict[str, nn.Parameter]:
        """Return the parameters that a style sets, by name, in the order of the constants."""
        norms = ["encode_full_norm"] if self.begins_at_full_resolution else []
        norms += ["encode_half_norm", "encode_quarter_norm"]
        for index in range(len(self.blocks)):
            norms += [f"blocks.{index}.norm1", f"blocks.{index}.norm2"]
        norms += ["decode_half_norm"]
        norms += ["decode_full_norm"] if self.begins_at_full_resolution else []
        names = [f"{norm}.{part}" for norm in norms for part in ("weight", "bias")]
        return {name: self.get_parameter(name) for name in (*names, *COLOUR_PARAMETERS)}

    def style_constants(self) -> Tensor:
        """Return the constants of the network's own style, K."""
        return torch.cat([each.flatten() for each in self.constant_parameters().values()])

    def set_style(self, constants: Tensor) -> None:
        """Take a style's constants, K, as the network's own."""
        with torch.no_grad():
            parts = torch.split(constants, self._sizes())
            for parameter, part in zip(self.constant_parameters().values(), parts, strict=True):
                parameter.copy_(part.view_as(parameter))

    def tune_constants_only(self) -> None:
        """Freeze every weight but the constants.

        Of a square of colours the four positions stay alike: free ones would learn a grid.
        """
        constants = self.constant_parameters()
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name in constants)
        for name in COLOUR_PARAMETERS:
            constants[name].register_hook(_alike)  # type: ignore[no-untyped-call]

    def _sizes(self) -> list[int]:
        return [parameter.numel() for parameter in self.constant_parameters().values()]


COLOUR_PARAMETERS = ("colours.weight", "colours.bias")
"""The last of the constants: a matrix and an offset for normalised colours.

Of a 2×2 square of colours the matrix has 12 rows, and treats the four positions alike."""


class _Block(nn.Module):
    """A residual block of two 3×3 convolutions, ReLU after the first only."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.convolution1 = ReflectionConvolution(num_channels, num_channels, 3)
        self.norm1 = InstanceNorm(num_channels)
        self.convolution2 = ReflectionConvolution(num_channels, num_channels, 3)
        self.norm2 = InstanceNorm(num_channels)

    def forward(self, features: Tensor, styled: Iterator[Tensor] | None) -> Tensor:
        residual = F.relu(_norm(self.convolution1(features), self.norm1, styled))
        result: Tensor = features + _norm(self.convolution2(residual), self.norm2, styled)
        return result


def _norm(features: Tensor, norm: InstanceNorm, styled: Iterator[Tensor] | None) -> Tensor:
    """Normalise N×C×H×W features, with the norm's own or the next two of a style's constants."""
    if styled is None:
        own: Tensor = norm(features)
        return own
    scale, shift = (next(styled).to(features.dtype)[:, :, None, None] for _ in range(2))
    return torch.addcmul(shift, F.instance_norm(features, eps=norm.epsilon), scale)


def _coloured(normal: Tensor, matrices: Tensor, offsets: Tensor) -> Tensor:
    """Multiply N×C×H×W colours by N matrices, and add N offsets, in float32."""
    num_colours = offsets.shape[1]
    matrices = matrices.view(-1, num_colours, num_colours)
    # As a product over pixels, which is as it lies in memory with channels last.
    pixels = normal.permute(0, 2, 3, 1).flatten(1, 2).float()
    mixed = torch.baddbmm(offsets.float()[:, None], pixels, matrices.float().transpose(1, 2))
    height, width = normal.shape[2:]
    return mixed.reshape(-1, height, width, num_colours).permute(0, 3, 1, 2)


def _alike(gradient: Tensor) -> Tensor:
    """Average a gradient of colours over the positions of a square, of a matrix or an offset."""
    num_positions = gradient.shape[0] // 3
    if gradient.dim() == 1:
        return gradient.view(3, -1).mean(dim=1).repeat_interleave(num_positions)
    mixed = gradient.view(3, num_positions, 3, num_positions).diagonal(dim1=1, dim2=3).mean(dim=2)
    positions = torch.eye(num_positions, dtype=gradient.dtype, device=gradient.device)
    return torch.einsum("ij,pq->ipjq", mixed, positions).reshape(gradient.shape)


def _doubled(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0, mode="nearest")


class StyleEncoder(nn.Module):
    """From a painting to the learnt part of its style vector.

    Convolutions without norms, whose means and deviations at every resolution go through two
    linear layers. It takes any size, and the size of the strokes in pixels is part of the style.
    """

    def __init__(self, architecture: AnyPaintingArchitecture | None = None) -> None:
        """Build the encoder with fresh weights."""
        super().__init__()
        self.architecture = architecture or AnyPaintingArchitecture()
        channels = self.architecture.encoder_channels
        inputs = (3, *channels[:-1])
        self.convolutions = nn.ModuleList(
            nn.ModuleList(
                [
                    ReflectionConvolution(before, num, 5 if level == 0 else 3, stride=2),
                    # A second one where it is cheap: at half resolution it is not.
                    *([ReflectionConvolution(num, num, 3)] if level > 0 else []),
                ]
            )
            for level, (before, num) in enumerate(zip(inputs, channels, strict=True))
        )
        for module in self.convolutions.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        num_statistics = 2 * sum(channels)
        self.hidden = nn.Linear(num_statistics, self.architecture.hidden_size)
        self.to_vector = nn.Linear(self.architecture.hidden_size, self.architecture.style_size)

    def forward(self, paintings: Pictures) -> Tensor:
        """Return N×`style_size` numbers for N×3×H×W paintings in [0, 1], of 16 pixels or more."""
        vector: Tensor = self.to_vector(self.hidden_numbers(paintings))
        return vector

    def hidden_numbers(self, paintings: Pictures) -> Tensor:
        """Return N×`hidden_size` numbers, before the last layer."""
        features = (paintings - 0.5) * 4
        statistics = []
        for level in self.convolutions:
            for convolution in level:  # type: ignore[attr-defined]
                features = F.relu(convolution(features))
            means = features.float().mean(dim=(2, 3))
            squares = features.float().square().mean(dim=(2, 3))
            statistics += [means, (squares - means.square()).clamp(min=0).add(1e-4).sqrt()]
        hidden: Tensor = F.relu(self.hidden(torch.cat(statistics, dim=1)))
        return hidden


class AnyPaintingNetwork(nn.Module):
    """Encoder, transformation, and the map from style vectors to norm constants.

    Attributes:
        encoder: of paintings.
        transformation: the image transformation network; its own scales and shifts are those of a
            style vector of zeros.
        style_map: from the learnt part of a style vector to what it adds to the constants.
        to_deviations: the encoder's guess of the loss network's features of a painting.
    """

    def __init__(self, architecture: AnyPaintingArchitecture | None = None) -> None:
        """Build the network with fresh weights."""
        super().__init__()
        self.architecture = architecture or AnyPaintingArchitecture()
        self.encoder = StyleEncoder(self.architecture)
        self.transformation = StyledNetwork(self.architecture)
        self._num_norm_constants = sum(
            parameter.numel()
            for name, parameter in self.transformation.constant_parameters().items()
            if name not in COLOUR_PARAMETERS
        )
        num_outputs = self._num_norm_constants + NUM_COLOUR_NUMBERS
        self.style_map = nn.Linear(self.architecture.style_size, num_outputs, bias=False)
        # Only for training: what the loss network sees is a good thing for the encoder to see.
        self.to_deviations = nn.Linear(self.architecture.hidden_size, NUM_DEVIATIONS)
        nn.init.normal_(self.style_map.weight, std=0.3 / self.architecture.style_size**0.5)
        with torch.no_grad():
            # At first the colours are the painting's own.
            for name in COLOUR_PARAMETERS:
                self.transformation.get_parameter(name).zero_()
            self.style_map.weight[-NUM_COLOUR_NUMBERS:] = 0

    def forward(self, pictures: Pictures, paintings: Pictures) -> tuple[Pictures, Tensor]:
        """Return stylized pictures, and the encoder's guess of the loss network's features.

        Args:
            pictures: photographs, k·N×3×H×W.
            paintings: N×3×h×w; picture i takes the style of painting i modulo N.

        Returns:
            The stylized pictures, k·N×3×H×W; N×960 logarithms of root mean squares, of the
            features of relu1_2, relu2_2, relu3_3 and relu4_3.
        """
        hidden = self.encoder.hidden_numbers(paintings)
        learnt = self.encoder.to_vector(hidden).float()
        vectors = torch.cat([learnt, colour_numbers(paintings)], dim=1)
        constants = self.constants(vectors).repeat(len(pictures) // len(paintings), 1)
        return self.transformation(pictures, constants), self.to_deviations(hidden)

    def encode(self, paintings: Pictures) -> Tensor:
        """Return the style vectors of N×3×h×w paintings in [0, 1], N×`vector_size`."""
        return torch.cat([self.encoder(paintings).float(), colour_numbers(paintings)], dim=1)

    def constants(self, vectors: Tensor) -> Tensor:
        """Return the norm constants of style vectors, N×K from N×`vector_size`."""
        learnt, colours = torch.split(
            vectors, [self.architecture.style_size, NUM_COLOUR_NUMBERS], dim=1
        )
        added = self.style_map(learnt).float()
        num_norms = self._num_norm_constants
        norms = self.transformation.style_constants()[:num_norms] + added[:, :num_norms]
        means, roots = torch.split(colours + added[:, num_norms:], [3, 9], dim=1)
        num_positions = self.transformation.to_rgb.out_channels // 3
        positions = torch.eye(num_positions, device=vectors.device)
        matrices = torch.einsum("nij,pq->nipjq", roots.view(-1, 3, 3), positions)
        offsets = means.repeat_interleave(num_positions, dim=1)
        return torch.cat([norms, matrices.flatten(1), offsets], dim=1)


def colour_numbers(paintings: Pictures) -> Tensor:
    """Return mean and symmetric root of the covariance of colours, N×12 float32.

    Args:
        paintings: N×3×h×w in [0, 1].
    """
    pixels = paintings.detach().float().flatten(2)
    means = pixels.mean(dim=2)
    centred = pixels - means[:, :, None]
    covariance = centred @ centred.transpose(1, 2) / pixels.shape[2]
    covariance = covariance + _SMALLEST_VARIANCE * torch.eye(3, device=pixels.device)
    # The symmetric root: unlike a triangular one it treats colours alike, and mixes smoothly.
    variances, axes = torch.linalg.eigh(covariance)
    roots = axes @ torch.diag_embed(variances.clamp(min=0).sqrt()) @ axes.transpose(1, 2)
    return torch.cat([means, roots.flatten(1)], dim=1)
