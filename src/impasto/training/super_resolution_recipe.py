"""A super-resolution recipe: everything such a training depends on, as one TOML file.

Every default names where it comes from; "measured" means the results under `benchmarks/`.
"""

from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from impasto.data.stream import StreamSettings
from impasto.images.degradation_kind import Degradation
from impasto.losses.style_objective import NonNegative
from impasto.losses.super_resolution_objective import (
    SUPER_RESOLUTION_PRESETS,
    SuperResolutionLoss,
    SuperResolutionPreset,
)
from impasto.networks.architecture import (
    NUM_ENLARGEMENT_CHANNELS,
    Architecture,
    PaperSuperResolutionArchitecture,
    SubpixelArchitecture,
    SuperResolutionArchitecture,
)
from impasto.training.sections import (
    AbsolutePath,
    OptimizerSection,
    PhotosSection,
    Section,
    Share,
    Stage,
    Text,
    TrainingRecipe,
)


class HighResolutionSection(PhotosSection):
    """The training photographs, as the truth to be restored.

    Attributes:
        resize_ratio: None cuts patches at the photographs' own resolution; a number scales the
            short side to that many patches first, which takes away noise and JPEG blocks.
        synthetic_share: share of synthetic pictures; they teach nothing about detail.
        turn: rotate every patch by a random multiple of 90 degrees.
    """

    resize_ratio: Annotated[float, Field(ge=1, le=8)] | None = None  # type: ignore[assignment]
    synthetic_share: Share = 0.0
    turn: bool = True

    def stream_settings(self, *, seed: int) -> StreamSettings:
        """Return how these photographs become patches."""
        return replace(super().stream_settings(seed=seed), rotate=self.turn)


class SuperResolutionObjectiveSection(Section):
    """The objective.

    Attributes:
        loss: `l1` and `pixel` compare pixels, `feature` is the paper's, `mix` joins L1 and several
            layers.
        feature_weight: of the feature terms, in place of the preset's.
        layer_weights: of single layers, on top of `feature_weight`, in place of the preset's.
        grid_weight: of the grid loss, in place of the preset's.
        spectrum_weight: of the distance of local power spectra, in place of the preset's.
        grid_spectrum_weight: of that of the power at a grid's frequencies, likewise.
        window_margin: pixels by which the window that the loss sees is smaller than a patch, in
            place of the preset's.
        loss_network_weights: another VGG-16 file in place of the shipped one.
    """

    loss: SuperResolutionLoss = "l1"
    feature_weight: NonNegative | None = None
    layer_weights: dict[str, NonNegative] | None = None
    grid_weight: NonNegative | None = None
    spectrum_weight: NonNegative | None = None
    grid_spectrum_weight: NonNegative | None = None
    window_margin: Annotated[int, Field(ge=0, le=256)] | None = None
    loss_network_weights: AbsolutePath | None = None

    @model_validator(mode="after")
    def _weights_are_of_layers_that_count(self) -> Self:
        layers = SUPER_RESOLUTION_PRESETS[self.loss].layers
        unknown = sorted(set(self.layer_weights or {}) - set(layers))
        if unknown:
            raise ValueError(
                f"layer_weights name {', '.join(unknown)}; the loss {self.loss} has "
                f"{', '.join(layers) or 'no layers'}"
            )
        return self

    @property
    def preset(self) -> SuperResolutionPreset:
        """The loss's preset with this section's weights in place of its own."""
        own = {
            "feature_weight": self.feature_weight,
            "layer_weights": self.layer_weights,
            "grid_weight": self.grid_weight,
            "spectrum_weight": self.spectrum_weight,
            "grid_spectrum_weight": self.grid_spectrum_weight,
            "window_margin": self.window_margin,
        }
        changes = {name: value for name, value in own.items() if value is not None}
        return SUPER_RESOLUTION_PRESETS[self.loss].model_copy(update=changes)


class SuperResolutionRecipe(TrainingRecipe):
    """A super-resolution training.

    Attributes:
        task: always super-resolution.
        title: for the model card.
        photos: the truth.
        degradation: how the low resolution is computed from it: `bicubic` as in the benchmarks, or
            `blur-bicubic` as in the paper.
        network: the architecture to train; its scale is the training's.
        start: of the paper's network: `random` as in the paper, or `enlargement`, with weights that
            enlarge linearly and batch norm's statistics held.
        objective: the loss.
        stages: `crop_size` is the side of a high-resolution patch; 16 patches of 128 at a time
            (measured).
        optimizer: by which steps; the paper's rate of 1e-3, as the top of a cycle.
    """

    task: Literal["super-resolution"] = "super-resolution"
    title: Text = ""
    photos: HighResolutionSection
    degradation: Degradation = "bicubic"
    network: SuperResolutionArchitecture = SubpixelArchitecture(scale=4)
    start: Literal["random", "enlargement"] = "random"
    objective: SuperResolutionObjectiveSection = SuperResolutionObjectiveSection()
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] = (
        Stage(steps=10_000, crop_size=128, batch_size=16),
    )
    optimizer: OptimizerSection = OptimizerSection(learning_rate=1e-3)

    @field_validator("network", mode="before")
    @classmethod
    def _subpixel_by_four_unless_told(cls, network: Any) -> Any:
        return {"kind": "subpixel", "scale": 4, **network} if isinstance(network, dict) else network

    @model_validator(mode="after")
    def _start_fits_the_network(self) -> Self:
        network = self.network
        if self.start == "enlargement" and not (
            isinstance(network, PaperSuperResolutionArchitecture)
            and network.channels >= NUM_ENLARGEMENT_CHANNELS
        ):
            raise ValueError(
                'start = "enlargement" is for the network "paper-super-resolution" of '
                f"{NUM_ENLARGEMENT_CHANNELS} channels or more; given: {network.kind!r}; leave "
                "start out"
            )
        return self

    @model_validator(mode="after")
    def _patches_divide_by_the_scale(self) -> Self:
        scale = self.network.scale
        sizes = [stage.crop_size for stage in self.stages]
        if any(size % scale or size < 4 * scale for size in sizes):
            raise ValueError(
                f"super-resolution ×{scale} takes crop sizes of {4 * scale} or more that divide "
                f"by {scale}; given: {sizes}"
            )
        return self

    def architecture_from(self, started: Architecture) -> Architecture:
        """Return the started model's architecture at this recipe's scale.

        Only the layers that enlarge depend on the scale; the others serve every one.
        """
        return started.model_copy(update={"scale": self.network.scale})
