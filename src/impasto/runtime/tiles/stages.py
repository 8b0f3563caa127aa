"""The stages of a network that runs in tiles: plain records of their inputs and outputs.

`stage_graph` builds their graphs, `staged_backend` compiles and runs them, and `staged_run` takes
a picture through them.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Mean and variance of a norm layer's input by channel, C float64 each."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Feature:
    """Features between two stages, or entering a norm layer.

    Attributes:
        name: the name of the graph's node that computes them.
        channels: their number of channels.
        stride: pixels of the picture for one step of the features.
    """

    name: str
    channels: int
    stride: int


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the graph.

    Attributes:
        norm: the norm layer whose input it measures, counted from 0; None for the last stage,
            which computes the picture.
        inputs: features that it reads, besides the picture.
        passed_on: features that the next stage reads.
        measured: the norm layer's input.
        num_known: for a stage that contains norm layers: the number of layers, from the first on,
            whose statistics are known before it. It computes the others itself, and so needs the
            whole picture in one tile.
    """

    norm: int | None
    inputs: tuple[Feature, ...]
    passed_on: tuple[Feature, ...]
    measured: Feature | None = None
    num_known: int | None = None

    @property
    def computed(self) -> tuple[Feature, ...]:
        """Features that it passes on and has not read."""
        return tuple(feature for feature in self.passed_on if feature not in self.inputs)

    @property
    def features(self) -> tuple[Feature, ...]:
        """All features that it reads, passes on or measures."""
        return (*self.inputs, *self.passed_on, *(() if self.measured is None else (self.measured,)))


def join_inner_stages(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages, with those in the middle that use only the smallest features joined to one.

    The joined stage runs on the picture as a whole. Its features take a fraction of those at full
    size (a quarter, for the shipped styles), and it costs no more than without tiles.

    Args:
        stages: in their order.
    """
    largest = max((feature.stride for stage in stages for feature in stage.features), default=1)
    # A stage without inputs reads the picture, which is larger than any strided feature.
    inner = [
        stage
        for stage in stages
        if stage.inputs and all(feature.stride == largest for feature in stage.features)
    ]
    # Without strides, features of the whole picture are as large as any: joining would need the
    # memory that tiles are to save.
    if len(inner) < 2 or largest == 1:
        return stages
    first, last = inner[0], inner[-1]
    begin, end = stages.index(first), stages.index(last) + 1
    assert stages[begin:end] == tuple(inner), "norm layers follow one another"
    joined = replace(last, inputs=first.inputs, num_known=first.norm)
    return (*stages[:begin], joined, *stages[end:])
