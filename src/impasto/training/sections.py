"""The sections that every recipe has: photographs, stages, optimiser, loop, licences.

Every default names where it comes from; "measured" means the results under `benchmarks/`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from impasto.data.stream import StreamSettings
from impasto.losses.style_objective import NonNegative, Positive
from impasto.networks.architecture import Architecture
from impasto.zoo.card import Licences, Line

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[Line, Field(coerce_numbers_to_str=True)]

NO_MODEL = "none"
"""As `initialise_from`: start from random weights."""


def is_model_name(path: Path) -> bool:
    """Whether a path is a bare word, and so a model's name rather than its file."""
    return not path.suffix and not path.is_absolute() and len(path.parts) == 1


# A run may be resumed from another folder than the one it was started in.
AbsolutePath = Annotated[Path, AfterValidator(Path.absolute)]
ModelPath = Annotated[
    Path, AfterValidator(lambda path: path if is_model_name(path) else path.absolute())
]
OptionalModelPath = Annotated[
    ModelPath | None, BeforeValidator(lambda path: None if str(path) == NO_MODEL else path)
]


class Section(BaseModel):
    """Part of a recipe: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PhotosSection(Section):
    """The training photographs.

    Attributes:
        path: a folder of photographs, a folder of tar shards or one tar.
        description: what they are, for the model card.
        resize_ratio: short side of the resized photograph over the side of a crop (measured: 160
            for a crop of 128).
        synthetic_share: share of the pictures that are flat, dark, blurred or gradients. Without
            them the networks make blobs where pictures are flat.
        num_workers: threads that decode.
    """

    path: AbsolutePath
    description: Text = ""
    resize_ratio: Annotated[float, Field(ge=1, le=8)] = 1.25
    synthetic_share: Share = 0.1
    num_workers: Count = 2

    def stream_settings(self, *, seed: int) -> StreamSettings:
        """Return how these photographs become crops."""
        return StreamSettings(
            seed=seed,
            synthetic_share=self.synthetic_share,
            resize_ratio=self.resize_ratio,
            num_workers=self.num_workers,
        )


class Stage(Section):
    """A stretch of training at one crop size.

    Attributes:
        steps: optimiser steps.
        crop_size: height and width of the training pictures.
        batch_size: over all processes together; the paper has 4.
        learning_rate: the top of a cycle that begins with this stage; without it the stage
            continues the cycle of the stages before.
    """

    steps: Count
    crop_size: Annotated[int, Field(ge=16, le=2048)] = 128
    batch_size: Count = 4
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None


class OptimizerSection(Section):
    """Adam with one cycle of the learning rate.

    Attributes:
        learning_rate: at the top of the cycle. The paper holds 1e-3; one cycle to 2e-3 gets there
            in a sixteenth of its steps (measured).
        warmup_share: part of the steps that climb to it.
        start_divisor: the cycle starts at the rate over this.
        end_divisor: and ends at the rate over this.
        gradient_clip: a gradient longer than this many times the running mean of their lengths is
            shortened to it; the paper clips none, but a single odd picture can undo many steps.
    """

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    warmup_share: Share = 0.1
    start_divisor: Positive = 25.0
    end_divisor: Positive = 1000.0
    gradient_clip: Positive = 2.0


class LoopSection(Section):
    """How often the loop logs, saves and draws.

    Attributes:
        log_every_steps: steps between two lines in the log.
        checkpoint_every_steps: steps between two checkpoints; an exploded loss is rolled back to
            the last.
        contact_sheet_minutes: minutes between two contact sheets.
        explosion_factor: a loss this many times its running mean has exploded.
    """

    log_every_steps: Count = 10
    checkpoint_every_steps: Count = 100
    contact_sheet_minutes: NonNegative = 3.0
    explosion_factor: Annotated[float, Field(gt=1)] = 20.0


class TrainingRecipe(Section):
    """The recipe of any training; a subclass adds its task's sections.

    Attributes:
        seed: of the initial weights and of the order, crops and flips of the photographs.
        precision: `auto` takes bf16 where the processor has it.
        device: `auto` takes CUDA where there is any.
        initialise_from: a model to continue from, by file or name; its architecture replaces the
            recipe's. The word `none` starts from random weights.
        photos: the training photographs.
        stages: one after the other.
        optimizer: Adam and its learning rate.
        loop: how often to log, save and draw.
        licences: for the card; without them it says that they are not stated.
    """

    PATH_KEYS: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("photos", "path"),
        ("objective", "loss_network_weights"),
        ("initialise_from",),
    )
    """Keys whose values are paths: relative to a recipe's file, and only names on a card."""

    REQUIRED: ClassVar[Mapping[str, Any]] = {"photos": {"path": Path()}}
    """The sections without a default, with any value: enough to list the other defaults."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    precision: Literal["auto", "f32", "bf16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    initialise_from: OptionalModelPath = None
    photos: PhotosSection
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] = (Stage(steps=2000),)
    optimizer: OptimizerSection = OptimizerSection()
    loop: LoopSection = LoopSection()
    licences: Licences | None = None

    @property
    def num_steps(self) -> int:
        """Optimiser steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def architecture_from(self, started: Architecture) -> Architecture:
        """Return the architecture to train when the training starts from a model of `started`."""
        return started
