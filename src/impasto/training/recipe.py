"""A style's recipe: everything a training depends on, as one TOML file.

Every default names where it comes from; "measured" means the results under `benchmarks/`. What
all recipes share is in `sections`; `recipe_file` reads them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from impasto.losses.style_objective import PRESETS, NonNegative, Positive, StyleWeights
from impasto.networks.architecture import (
    AnyPaintingArchitecture,
    NetworkArchitecture,
    StyleArchitecture,
)
from impasto.training.sections import (
    AbsolutePath,
    Count,
    Section,
    Stage,
    Text,
    TrainingRecipe,
)


class PaintingSection(Section):
    """The style target.

    Attributes:
        file: the painting, any picture file.
        short_side: pixels it is resized to; it sets how large brush strokes come out. The paper's
            networks saw 256.
        title: for the model card.
        artist: likewise.
        year: likewise.
        source: likewise, where the file came from.
    """

    file: AbsolutePath
    short_side: Annotated[int, Field(ge=32, le=4096)] = 256
    title: Text = ""
    artist: Text = ""
    year: Text = ""
    source: Text = ""


class ObjectiveSection(Section):
    """The objective.

    Attributes:
        preset: `default`, `arxiv`, `eccv` or `released`: layers, reductions, weights.
        weights: in place of the preset's; applied to the terms themselves, without normalisers.
        style_balance: factor on the weight of style.
        grid_weight: of the grid loss beside the preset's terms; without it, a pattern of 4 pixels
            is left that no other term sees (measured).
        window_margin: pixels by which the window that the loss sees is smaller than a crop; it
            moves every step. If the loss always includes the border, networks paint a frame there
            (measured).
        num_probe_pictures: photographs on which the normalisers are measured.
        loss_network_weights: another VGG-16 file in place of the shipped one.
        pooling: the loss network's: `max` as trained, `average` as Gatys et al. suggest.
        padding: the loss network's: `zeros` as trained and in the paper; with it, styles painted a
            frame that `reflect` does away with (measured).
    """

    preset: Literal["default", "arxiv", "eccv", "released"] = "default"
    weights: StyleWeights | None = None
    style_balance: Positive = 1.0
    grid_weight: NonNegative = 1000.0
    window_margin: Annotated[int, Field(ge=0, le=256)] = 32
    num_probe_pictures: Count = 32
    loss_network_weights: AbsolutePath | None = None
    pooling: Literal["max", "average"] = "max"
    padding: Literal["zeros", "reflect"] = "reflect"


class StyleRecipe(TrainingRecipe):
    """A style training.

    Attributes:
        task: always style transfer.
        painting: the style target.
        network: the architecture to train; that of a network for any painting comes with a model to
            start from.
        tune: `constants` trains the norm constants of a network for any painting, and leaves every
            other weight as it is; `all` trains all weights.
        objective: the loss.
        stages: the loss sees windows of 128² first, because a step there costs a fifth of one at
            256² (measured); the last stage has a cycle of the learning rate of its own.
    """

    PATH_KEYS: ClassVar = (*TrainingRecipe.PATH_KEYS, ("painting", "file"))
    REQUIRED: ClassVar = {**TrainingRecipe.REQUIRED, "painting": {"file": Path()}}

    task: Literal["style-transfer"] = "style-transfer"
    painting: PaintingSection
    network: StyleArchitecture = NetworkArchitecture()
    tune: Literal["all", "constants"] = "all"
    objective: ObjectiveSection = ObjectiveSection()
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] = (
        Stage(steps=2000, crop_size=160),
        Stage(steps=240, crop_size=288, learning_rate=1e-3),
    )

    @field_validator("network", mode="before")
    @classmethod
    def _default_unless_told(cls, network: Any) -> Any:
        return {"kind": "default", **network} if isinstance(network, dict) else network

    @model_validator(mode="after")
    def _constants_have_a_network(self) -> Self:
        if self.tune == "constants" and self.initialise_from is None:
            raise ValueError(
                'tune = "constants" tunes a network for any painting; name it in initialise_from'
            )
        return self

    @model_validator(mode="after")
    def _crops_suit_the_network(self) -> Self:
        sizes = [stage.crop_size for stage in self.stages]
        if isinstance(self.network, AnyPaintingArchitecture) and any(s % 4 for s in sizes):
            raise ValueError(
                f"a network for any painting takes crop sizes that divide by 4; given: {sizes}"
            )
        if self.network.kind == "paper" and any(size % 4 or size <= 40 for size in sizes):
            raise ValueError(
                f"the paper's network takes crop sizes above 40 that divide by 4; given: {sizes}"
            )
        return self

    @property
    def is_balanced(self) -> bool:
        """Whether each term is divided by its normaliser."""
        return self.objective.weights is None and PRESETS[self.objective.preset].balanced

    def style_weights(self) -> StyleWeights:
        """Return the weights of the terms, style's times `style_balance`."""
        weights = self.objective.weights or PRESETS[self.objective.preset].weights
        return weights.model_copy(update={"style": weights.style * self.objective.style_balance})


REFINEMENT: Mapping[str, Any] = {
    "tune": "constants",
    "objective__num_probe_pictures": 8,
    "stages": [{"steps": 200, "crop_size": 128, "batch_size": 2, "learning_rate": 3e-2}],
}
"""What the command line sets where norm constants are tuned: by keys with `__` for the dot.

A rate of 3e-2 ended lower than 1e-2 after 150 steps, for two paintings (measured). A step of two
crops of 128² costs a third of one of four at 160². A probe of eight photographs costs as much as
three steps.
"""
