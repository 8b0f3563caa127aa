"""What a network is made of, as data: enough to build it again from a recipe or a model card.

Nothing here imports torch, so that cards can be read where only pictures are made.
The modules themselves are built in `impasto.networks.style_transfer`.
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
        return 44 if self.kind == "paper" else MINIMUM_SIZE

    @property
    def size_multiple(self) -> int:
        """What height and width must divide by; whoever runs the network pads to it."""
        return 4 if self.kind == "paper" else 1
