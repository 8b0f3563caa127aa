"""A recipe: everything a style training depends on, as one TOML file.

Paths in a recipe file are relative to that file. Every default names where it comes from;
"measured" means the results under `benchmarks/`.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from impasto.errors import RecipeError
from impasto.networks.architecture import NetworkArchitecture
from impasto.objectives import PRESETS, NonNegative, Positive, StyleWeights
from impasto.zoo.card import Licences, Line

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[Line, Field(coerce_numbers_to_str=True)]


def _is_model_name(place: Path) -> bool:
    """Whether a place is a bare word, and so the name of a model in place of its file."""
    return not place.suffix and not place.is_absolute() and len(place.parts) == 1


def _absolute_unless_name(place: Path) -> Path:
    return place if _is_model_name(place) else place.absolute()


# A run may be resumed from another folder than the one it was started in.
AbsolutePath = Annotated[Path, AfterValidator(Path.absolute)]
ModelPlace = Annotated[Path, AfterValidator(_absolute_unless_name)]


class Section(BaseModel):
    """Part of a recipe: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class ObjectiveSection(Section):
    """What is minimised.

    Attributes:
        preset: `default`, `arxiv`, `eccv` or `released`: layers, reductions, weights.
        weights: in place of the preset's; used as they are, without a probe.
        style_balance: leans a balanced preset: 2 doubles the weight of style.
        grid_weight: of the grid loss beside the preset's terms; without it, a pattern of 4 pixels
            is left that no other term sees (measured).
        window_margin: how many pixels less than a crop are judged, in a window whose place
            changes; judged up to the border, networks paint a frame there (measured).
        num_probe_pictures: photographs the probe looks at.
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


class StyleRecipe(Section):
    """A style training.

    Attributes:
        seed: of the weights' start and of the order, crops and flips of the photographs.
        precision: `auto` takes bf16 where the processor has it.
        device: `auto` takes CUDA where there is any.
        initialise_from: a model to continue from, by file or name; its architecture is taken too.
        painting: what to learn.
        photos: what to learn on.
        network: what learns.
        objective: by which measure.
        stages: one after the other; 128² first because a step there costs a fifth of one at 256²
            (measured).
        optimizer: by which steps.
        loop: how often what is not training is done.
        licences: for the card; what is not said is said to be unclear.
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    precision: Literal["auto", "f32", "bf16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    initialise_from: ModelPlace | None = None
    painting: PaintingSection
    photos: PhotosSection
    network: NetworkArchitecture = NetworkArchitecture()
    objective: ObjectiveSection = ObjectiveSection()
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] = (
        Stage(steps=2000, crop_size=128),
        Stage(steps=250, crop_size=256),
    )
    optimizer: OptimizerSection = OptimizerSection()
    loop: LoopSection = LoopSection()
    licences: Licences | None = None

    @model_validator(mode="after")
    def _crops_suit_the_network(self) -> Self:
        sizes = [stage.crop_size for stage in self.stages]
        if self.network.kind == "paper" and any(size % 4 or size <= 40 for size in sizes):
            raise ValueError(
                f"the paper's network takes crop sizes above 40 that divide by 4; given: {sizes}"
            )
        return self

    @property
    def num_steps(self) -> int:
        """All stages together."""
        return sum(stage.steps for stage in self.stages)

    @property
    def is_balanced(self) -> bool:
        """Whether the probe decides the scale of the terms."""
        return self.objective.weights is None and PRESETS[self.objective.preset].balanced

    def style_weights(self) -> StyleWeights:
        """Return the weights of the terms, leant by `style_balance`."""
        weights = self.objective.weights or PRESETS[self.objective.preset].weights
        return weights.model_copy(update={"style": weights.style * self.objective.style_balance})


def load_recipe(file: Path | None, settings: Sequence[str] = (), **given: Any) -> StyleRecipe:
    """Return the recipe of a file with settings laid over it.

    Args:
        file: a TOML recipe, or None for the defaults.
        settings: `key=value` with dotted keys, as `--set` takes them; the value is TOML, or text.
        given: dotted keys with `__` for the dot; None means not given.

    Raises:
        RecipeError: when the file is unreadable, a key unknown, or a value out of range.
    """
    table = {} if file is None else _read_toml(file)
    for name, value in given.items():
        if value is not None:
            _put(table, name.split("__"), value)
    for setting in settings:
        key, separator, text = setting.partition("=")
        keys = [part.strip() for part in key.split(".")]
        if not separator or not all(keys):
            raise RecipeError(f"--set was given {setting!r}; expected key=value, such as seed=1")
        _put(table, keys, _toml_value(text.strip()))
    return parse_recipe(table)


def parse_recipe(table: Mapping[str, Any]) -> StyleRecipe:
    """Return the recipe of a table.

    Raises:
        RecipeError: naming the first key that is wrong.
    """
    try:
        return StyleRecipe.model_validate(table)
    except ValidationError as error:
        more = f"; and {error.error_count() - 1} more" if error.error_count() > 1 else ""
        raise RecipeError(f"recipe: {_in_words(error.errors()[0])}{more}") from error


def _in_words(problem: ErrorDetails) -> str:
    place = problem["loc"]
    key = ".".join(str(part) for part in place)
    if problem["type"] == "extra_forbidden":
        known = _default_at(place[:-1])
        expected = f"; expected one of {', '.join(known)}" if isinstance(known, dict) else ""
        return f"{key} is unknown{expected}"
    message = problem["msg"].removeprefix("Value error, ")
    if not place:
        return message
    message = message[0].lower() + message[1:]
    if problem["type"] == "missing":
        return f"{key}: {message}"
    given = repr(problem["input"])
    return f"{key}: {message} (given: {given if len(given) <= 80 else given[:80] + '…'})"


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecipeError(f"the recipe {file} is not TOML: {error}") from error
    for section, key in (
        (table.get("painting"), "file"),
        (table.get("photos"), "path"),
        (table.get("objective"), "loss_network_weights"),
        (table, "initialise_from"),
    ):
        if isinstance(section, dict) and isinstance(section.get(key), str):
            place = Path(section[key])
            is_name = key == "initialise_from" and _is_model_name(place)
            section[key] = place if is_name else file.parent / place
    return table


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _put(table: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    """Set a value by its path; a number in the path is a place in a list, given or the default."""
    node: Any = table
    for depth, key in enumerate(keys, start=1):
        if not isinstance(node, (dict, list)):
            raise RecipeError(f"--set {'.'.join(keys)}: {key!r} is below a value, not a section")
        place: Any = _place(node, key, keys) if isinstance(node, list) else key
        if depth == len(keys):
            node[place] = value
            return
        if isinstance(node, dict) and place not in node:
            default = _default_at(keys[:depth])
            node[place] = default if isinstance(default, list) else {}
        node = node[place]


def _place(node: list[Any], key: str, keys: Sequence[str]) -> int:
    if not (key.isascii() and key.isdigit()) or int(key) >= len(node):
        raise RecipeError(
            f"--set {'.'.join(keys)}: {key!r} is no place in a list of {len(node)}; "
            "expected a number from 0"
        )
    return int(key)


def _default_at(keys: Sequence[str | int]) -> Any:
    """Return a fresh copy of the default of a section, list or value; None where there is none."""
    recipe = StyleRecipe(painting=PaintingSection(file=Path()), photos=PhotosSection(path=Path()))
    node: Any = recipe.model_dump(mode="json")
    for key in keys:
        if isinstance(node, list):
            node = node[int(key)] if str(key).isdecimal() and int(key) < len(node) else None
        else:
            node = node.get(key) if isinstance(node, dict) else None
    return node
