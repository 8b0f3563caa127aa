"""Architectures as data: enough to build a network again from a recipe or a model card.

Nothing here imports torch, so that inference can read cards. The modules are in `style_transfer`,
`fast_neural_style` and `super_resolution` of this room.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MINIMUM_SIZE = 16
"""The smallest height and width, in pixels, that the default style network takes."""

Channels = Annotated[int, Field(ge=1, le=1024)]


class NetworkArchitecture(BaseModel):
    """A style network by its parts.

    `default` pads by reflection, normalises each picture by its own statistics and upsamples by
    nearest neighbour before a convolution. `paper` is the network of Johnson et al. 2016 to the
    letter: reflection padding of 40, batch norm, unpadded residual blocks, fractional strides.

    Attributes:
        kind: `default` or `paper`.
        channels: feature maps at full, half and quarter resolution; the paper has 32, 64, 128.
        num_residual_blocks: residual blocks at quarter resolution; the paper has 5. The `paper`
            network's padding of 40 makes up for exactly five unpadded blocks, so it takes no
            other number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["default", "paper"] = "default"
    channels: tuple[Channels, Channels, Channels] = (16, 32, 64)
    num_residual_blocks: Annotated[int, Field(ge=0, le=64)] = 5

    @model_validator(mode="after")
    def _paper_has_five_blocks(self) -> Self:
        if self.kind == "paper" and self.num_residual_blocks != 5:
            raise ValueError("the paper's network has exactly 5 residual blocks")
        return self

    @property
    def minimum_size(self) -> int:
        """The smallest height and width, in pixels, that the network takes."""
        # The first multiple of 4 above the padding of 40: a reflection is shorter than its picture.
        return 44 if self.kind == "paper" else MINIMUM_SIZE

    @property
    def size_multiple(self) -> int:
        """The divisor of the heights and widths that the network takes; predictors pad to it."""
        return 4 if self.kind == "paper" else 1

    @property
    def receptive_radius(self) -> int:
        """Half the receptive field of an output pixel, in pixels, apart from instance norm.

        Kernels of 9 at both ends, two strides and two enlargements take 14 at full resolution
        and less than a cell of 4 to the next stride; each block takes two pixels of a quarter.
        """
        return 14 + 3 + 8 * self.num_residual_blocks

    @property
    def stride(self) -> int:
        """Tiles begin at multiples of this; elsewhere their features lie between the picture's."""
        return 4


class _StyleArchitecture(BaseModel):
    """What the style networks have in common that take sizes divisible by 4."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def minimum_size(self) -> int:
        """The smallest height and width, in pixels, that the network takes."""
        return MINIMUM_SIZE

    @property
    def size_multiple(self) -> int:
        """The divisor of the heights and widths that the network takes; predictors pad to it."""
        return 4

    @property
    def stride(self) -> int:
        """Tiles begin at multiples of this; elsewhere their features lie between the picture's."""
        return 4


class FastNeuralStyleArchitecture(_StyleArchitecture):
    """The style network of PyTorch's example `fast_neural_style`, which comes in one shape.

    Attributes:
        channels: feature maps at full, half and quarter resolution.
        num_residual_blocks: residual blocks at quarter resolution.
    """

    kind: Literal["fast-neural-style"] = "fast-neural-style"
    channels: tuple[Literal[32], Literal[64], Literal[128]] = (32, 64, 128)
    num_residual_blocks: Literal[5] = 5

    @property
    def receptive_radius(self) -> int:
        """Half the receptive field of an output pixel, in pixels: as in the default network."""
        return NetworkArchitecture().receptive_radius


class AnyPaintingArchitecture(_StyleArchitecture):
    """The network for any painting: encoder, style vector and image transformation network.

    Attributes:
        channels: feature maps at half and quarter resolution; or at full, half and quarter, and
            then the network begins and ends by 9×9 convolutions at full resolution.
        num_residual_blocks: residual blocks at quarter resolution.
        style_size: learnt numbers of a style vector.
        encoder_channels: feature maps of the encoder at half the resolution and each half of that.
        hidden_size: numbers before the encoder's last layer.
    """

    kind: Literal["any-painting"] = "any-painting"
    channels: tuple[Channels, Channels] | tuple[Channels, Channels, Channels] = (32, 64)
    num_residual_blocks: Annotated[int, Field(ge=0, le=64)] = 5
    style_size: Channels = 128
    encoder_channels: tuple[Channels, Channels, Channels, Channels, Channels] = (
        32,
        64,
        128,
        192,
        256,
    )
    hidden_size: Channels = 512

    @property
    def receptive_radius(self) -> int:
        """Half the receptive field of an output pixel, in pixels, apart from instance norm."""
        return NetworkArchitecture(num_residual_blocks=self.num_residual_blocks).receptive_radius


StyleArchitecture = Annotated[
    NetworkArchitecture | AnyPaintingArchitecture, Field(discriminator="kind")
]
"""The architecture of a network that `impasto train style` trains."""

Scale = Literal[2, 4, 8]
"""Output size over input size of super-resolution."""

MINIMUM_LOW_RESOLUTION = 4
"""The smallest height and width, in pixels, that the super-resolution networks take."""


class _SuperResolutionArchitecture(BaseModel):
    """The fields of every super-resolution network.

    Attributes:
        scale: output size over input size.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: Scale

    @property
    def minimum_size(self) -> int:
        """The smallest height and width, in pixels, that the network takes."""
        return MINIMUM_LOW_RESOLUTION

    @property
    def size_multiple(self) -> int:
        """1: the network takes any height and width."""
        return 1

    @property
    def stride(self) -> int:
        """A tile may begin at any pixel."""
        return 1


class SubpixelArchitecture(_SuperResolutionArchitecture):
    """Our default: all work at low resolution, added to the bicubic enlargement.

    Attributes:
        channels: feature maps.
        num_residual_blocks: of two convolutions each.
    """

    kind: Literal["subpixel"] = "subpixel"
    channels: Channels = 48
    num_residual_blocks: Annotated[int, Field(ge=0, le=64)] = 8

    @property
    def receptive_radius(self) -> int:
        """Half the receptive field of an output pixel, in pixels of the low resolution."""
        # Head and tail reach one pixel each; the two of bicubic enlargement lie within.
        return 2 + 2 * self.num_residual_blocks


NUM_ENLARGEMENT_CHANNELS = 9
"""Of the paper's network when it starts as an enlargement: three for each colour."""


class PaperSuperResolutionArchitecture(_SuperResolutionArchitecture):
    """The network of Johnson et al. 2016, table 2 of the supplement.

    Attributes:
        channels: feature maps; the paper has 64.
        num_residual_blocks: the paper has 4.
    """

    kind: Literal["paper-super-resolution"] = "paper-super-resolution"
    channels: Channels = 64
    num_residual_blocks: Annotated[int, Field(ge=0, le=64)] = 4

    @property
    def receptive_radius(self) -> int:
        """Half the receptive field of an output pixel, in pixels of the low resolution.

        A kernel of 9, the blocks, at most one pixel for all enlargements, a kernel of 9 at the end.
        """
        return 4 + 2 * self.num_residual_blocks + 1 + 2


class SrcnnArchitecture(_SuperResolutionArchitecture):
    """SRCNN (Dong et al. 2014): three convolutions on the enlarged luminance.

    Attributes:
        channels: feature maps of the first two convolutions; the paper has 64 and 32.
        kernel_sizes: of the three; the paper has 9-1-5, and 9-5-5 as its best.
    """

    kind: Literal["srcnn"] = "srcnn"
    channels: tuple[Channels, Channels] = (64, 32)
    kernel_sizes: tuple[Literal[9], Literal[1, 3, 5], Literal[5]] = (9, 1, 5)

    @property
    def receptive_radius(self) -> int:
        """Half the receptive field of an output pixel, in pixels of the low resolution."""
        # Rounded up to whole small pixels; one more for the position within one, two for bicubic.
        enlarged = sum(kernel // 2 for kernel in self.kernel_sizes)
        return -(-enlarged // self.scale) + 1 + 2


SuperResolutionArchitecture = Annotated[
    SubpixelArchitecture | PaperSuperResolutionArchitecture | SrcnnArchitecture,
    Field(discriminator="kind"),
]

Architecture = Annotated[
    NetworkArchitecture
    | FastNeuralStyleArchitecture
    | AnyPaintingArchitecture
    | SubpixelArchitecture
    | PaperSuperResolutionArchitecture
    | SrcnnArchitecture,
    Field(discriminator="kind"),
]
"""The architecture of any network here."""
