"""The recipe of the network for any painting. What all recipes share is in `sections`."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from impasto.losses.style_objective import NonNegative, StyleWeights
from impasto.networks.architecture import AnyPaintingArchitecture
from impasto.training.sections import (
    AbsolutePath,
    Count,
    LoopSection,
    Section,
    Share,
    Stage,
    Text,
    TrainingRecipe,
)


class PaintingsSection(Section):
    """The paintings to learn from.

    Attributes:
        path: a folder of paintings, nested or not.
        description: what they are, for the model card.
        held_out: names of paintings that are not trained on, but scored; files' names without
            folder and suffix.
        identity_share: share of the pictures whose style is the photograph itself. The network
            learns from them to leave a photograph as it is.
    """

    path: AbsolutePath
    description: Text = ""
    held_out: tuple[Text, ...] = ()
    identity_share: Share = 0.1


class AnyPaintingObjectiveSection(Section):
    """The objective.

    Attributes:
        weights: of content, style and total variation.
        identity_weight: of the mean absolute difference where a photograph is its own style.
        statistics_weight: of the encoder's guess of the loss network's features.
        grid_weight: of the grid loss, as for a single style.
        consistency_weight: of the mean squared difference between the picture of a photograph that
            is moved a little and made noisy, and the moved picture; 0 leaves the term out.
        window_margin: pixels by which the window that the loss sees is smaller than a crop.
        num_probe_pictures: photographs on which the normalisers are measured.
        loss_network_weights: another VGG-16 file in place of the shipped one.
    """

    weights: StyleWeights = StyleWeights(content=1.0, style=5.0, total_variation=0.005)
    identity_weight: NonNegative = 20.0
    statistics_weight: NonNegative = 1.0
    grid_weight: NonNegative = 1000.0
    consistency_weight: NonNegative = 0.0
    window_margin: Annotated[int, Field(ge=0, le=256)] = 32
    num_probe_pictures: Count = 32
    loss_network_weights: AbsolutePath | None = None


class AnyPaintingRecipe(TrainingRecipe):
    """A training of the network for any painting.

    Attributes:
        task: always any painting.
        title: for the model card.
        paintings: the styles.
        network: the architecture to train.
        objective: the loss.
        stages: as for a single style; many more steps, for many more styles.
        loop: a checkpoint also scores the paintings held out, which takes some seconds.
    """

    PATH_KEYS: ClassVar = (*TrainingRecipe.PATH_KEYS, ("paintings", "path"))
    REQUIRED: ClassVar = {**TrainingRecipe.REQUIRED, "paintings": {"path": Path()}}

    task: Literal["any-painting"] = "any-painting"
    title: Text = "Any painting"
    paintings: PaintingsSection
    network: AnyPaintingArchitecture = AnyPaintingArchitecture()
    objective: AnyPaintingObjectiveSection = AnyPaintingObjectiveSection()
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] = (
        Stage(steps=16_000, crop_size=160),
        Stage(steps=2_000, crop_size=288, learning_rate=1e-3),
    )
    loop: LoopSection = LoopSection(checkpoint_every_steps=500)

    @model_validator(mode="after")
    def _crops_divide_by_four(self) -> Self:
        sizes = [stage.crop_size for stage in self.stages]
        if any(size % 4 for size in sizes):
            raise ValueError(
                f"the network for any painting takes crop sizes that divide by 4; given: {sizes}"
            )
        return self
