"""What every recipe has: photographs, stages, optimiser, loop, licences.

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
"""The word for a training that starts from weights of chance."""


def is_model_name(place: Path) -> bool:
    """Whether a place is a bare word, and so the name of a model in place of its file."""
    return not place.suffix and not place.is_absolute() and len(place.parts) == 1


def _absolute_unless_name(place: Path) -> Path:
    return place if is_model_name(place) else place.absolute()


def _none_for_the_word(place: Any) -> Any:
    return None if str(place) == NO_MODEL else place


# A run may be resumed from another folder than the one it was started in.
AbsolutePath = Annotated[Path, AfterValidator(Path.absolute)]
ModelPlace = Annotated[Path, AfterValidator(_absolute_unless_name)]
OptionalModelPlace = Annotated[ModelPlace | None, BeforeValidator(_none_for_the_word)]


class Section(BaseModel):
    """Part of a recipe: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PhotosSection(Section):
    """The training photographs.

    Attributes:
        path: a folder of photographs, a folder of tar shards or one tar.
        description: what they are, for the model card.
        resize_ratio: the short side is resized to this many crops before a crop is cut (measured:
            160 for a crop of 128).
        synthetic_share: how many pictures in a hundred, over 100, are flat, dark, blurred or
            gradients; without them the networks make blobs where pictures are flat.
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
        steps: how many.
        crop_size: height and width of the training pictures.
        batch_size: over all processes together; the paper has 4.
        learning_rate: the top of a cycle that begins with this stage; without it the stage goes
            on in the cycle of the ones before.
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
    """How often the loop does what is not training.

    Attributes:
        log_every_steps: a line in the log.
        checkpoint_every_steps: also what a loss that explodes is rolled back to.
        contact_sheet_minutes: between two contact sheets.
        explosion_factor: a loss this many times its running mean is rolled back.
    """

    log_every_steps: Count = 10
    checkpoint_every_steps: Count = 100
    contact_sheet_minutes: NonNegative = 3.0
    explosion_factor: Annotated[float, Field(gt=1)] = 20.0


class TrainingRecipe(Section):
    """What is the same in every training.

    Attributes:
        seed: of the weights' start and of the order, crops and flips of the photographs.
        precision: `auto` takes bf16 where the processor has it.
        device: `auto` takes CUDA where there is any.
        initialise_from: a model to continue from, by file or name; its architecture is taken too.
            The word `none` is for none.
        photos: what to learn on.
        stages: one after the other.
        optimizer: by which steps.
        loop: how often what is not training is done.
        licences: for the card; what is not said is said to be unclear.
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
    initialise_from: OptionalModelPlace = None
    photos: PhotosSection
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] = (Stage(steps=2000),)
    optimizer: OptimizerSection = OptimizerSection()
    loop: LoopSection = LoopSection()
    licences: Licences | None = None

    @property
    def num_steps(self) -> int:
        """All stages together."""
        return sum(stage.steps for stage in self.stages)

    def architecture_from(self, started: Architecture) -> Architecture:
        """Return the architecture to train when the training starts from a model of `started`."""
        return started
