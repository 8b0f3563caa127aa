"""The stages that a picture in tiles goes through: what each starts from, and what it leaves.

Plain records; their graphs are in `stage_graph`, and running them is in `tile_backend`.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Mean and variance of what enters a norm layer, by channel: C float64 each."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Feature:
    """Features that a stage leaves for later ones.

    Attributes:
        name: of the graph's node that makes them.
        channels: of the features.
        stride: pixels of the picture to one step of the features.
    """

    name: str
    channels: int
    stride: int


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the graph.

    Attributes:
        norm: the layer measured at its end, counted from 0; None for the stage of the picture.
        given: features that it starts from, besides the picture.
        left: features that the next stage starts from.
        measured: what enters the norm layer.
        num_known: norm layers, from the first on, whose statistics are known where it begins. It
            computes those between them and `norm` by itself, and so needs the picture whole.
    """

    norm: int | None
    given: tuple[Feature, ...]
    left: tuple[Feature, ...]
    measured: Feature | None = None
    num_known: int | None = None

    @property
    def made(self) -> tuple[Feature, ...]:
        """Features that it leaves and was not given."""
        return tuple(feature for feature in self.left if feature not in self.given)

    @property
    def features(self) -> tuple[Feature, ...]:
        """All that it is given, measures or leaves."""
        return (*self.given, *self.left, *(() if self.measured is None else (self.measured,)))


def join_inner_stages(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages, with those in the middle that see only the smallest features made one.

    That one is run on the picture as a whole: its features take a fraction of those at full size
    (of the shipped styles, a quarter), and it costs what a network without tiles costs.

    Args:
        stages: in their order.
    """
    largest = max((feature.stride for stage in stages for feature in stage.features), default=1)
    inner = [
        stage
        for stage in stages
        if stage.given and all(feature.stride == largest for feature in stage.features)
    ]
    if len(inner) < 2 or largest == 1:
        return stages
    first, last = inner[0], inner[-1]
    begin, end = stages.index(first), stages.index(last) + 1
    assert stages[begin:end] == tuple(inner), "norm layers follow one another"
    joined = replace(last, given=first.given, num_known=first.norm)
    return (*stages[:begin], joined, *stages[end:])
