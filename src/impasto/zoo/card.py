"""The card of a model: what it does, how it was made, and its licences.

The card travels as JSON inside the model file (`impasto.zoo.model_file`), so every field is plain
data. Field names are part of the file format: a change of meaning raises `CARD_FORMAT`.
"""

import re
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import from_json

from impasto.errors import ModelFileError
from impasto.images.degradation_kind import Degradation
from impasto.networks.architecture import Architecture

CARD_FORMAT = 1
"""The newest card format this version of Impasto reads, and the one it writes."""

MAX_CARD_BYTES = 4 * 2**20
"""Longer cards are refused; a full recipe and its scores take some ten kilobytes."""

MODEL_NAME_PATTERN = r"^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$"
"""Names that are safe as a file name on every system and as a word in a shell."""


# Cards are printed to terminals, where control characters could hide or forge text.
Line = Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
ModelName = Annotated[str, StringConstraints(pattern=MODEL_NAME_PATTERN)]
IsoDate = Annotated[
    str,
    # `fromisoformat` takes other spellings as well, such as 20240131.
    StringConstraints(pattern=r"^\d{4}-\d\d-\d\d$"),
    AfterValidator(lambda text: date.fromisoformat(text).isoformat()),
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Task = Literal["style-transfer", "super-resolution"]


class _CardPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    # Written only where they are set: cards of before these fields stay as they are, byte for byte.
    unwritten_if_none: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_unset(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = dump(self)
        for name in self.unwritten_if_none:
            if getattr(self, name) is None:
                fields.pop(name, None)
        return fields


class Painting(_CardPart):
    """The painting whose style a model has learned.

    Attributes:
        title: as a caption would have it.
        artist: the painter, if known.
        year: as a caption would have it: `1889`, `c. 1831`.
        source: where the file came from.
        sha256: of the picture file.
        short_side: pixels of the painting's shorter side as the losses saw it.
    """

    title: Line
    artist: Line | None = None
    year: Annotated[Line, Field(coerce_numbers_to_str=True)] | None = None
    source: Line | None = None
    sha256: Sha256
    short_side: Annotated[int, Field(ge=1)]


class PaintingSet(_CardPart):
    """The paintings that a network for any painting has learnt from.

    Attributes:
        description: in words, with their licences.
        num_paintings: that were trained on.
        held_out: names of those that were scored and not trained on.
    """

    description: Line = ""
    num_paintings: Annotated[int, Field(ge=1)]
    held_out: list[Line] = []


class TrainingRecord(_CardPart):
    """How a model was trained: enough to train it again.

    Attributes:
        recipe: the full resolved recipe.
        dataset: the photographs, in words.
        num_photographs: usable ones; none where shards were not read to their end.
        steps: optimiser steps.
        planned_steps: of the recipe, where a time limit stopped the training before; none for a
            training that took them all, and then not written, so that older cards stay as they are.
        minutes: wall-clock time of the training.
        seed: of weights, shuffling and crops.
        hardware: processor or device, in words.
        versions: package name to version.
        loss_network_sha256: of the loss network's weights file.
        losses: unweighted loss terms by name, means over the last steps.
        scales: normalisers by name, the factors that make the loss terms comparable.
        initialised_from: name of the model that the training started from, if any.
    """

    recipe: dict[str, Any]
    dataset: Line
    num_photographs: Annotated[int, Field(ge=0)] | None
    steps: Annotated[int, Field(ge=0)]
    planned_steps: Annotated[int, Field(ge=1)] | None = None
    unwritten_if_none: ClassVar[frozenset[str]] = frozenset({"planned_steps"})
    minutes: Annotated[float, Field(ge=0)]
    seed: int
    hardware: Line
    versions: dict[Line, Line]
    loss_network_sha256: Sha256
    losses: dict[Line, float]
    scales: dict[Line, float] = {}
    initialised_from: Line | None = None


class ImportRecord(_CardPart):
    """The origin of a model that another program has trained.

    Attributes:
        program: that trained it.
        file: name of the imported file.
        sha256: of that file.
    """

    program: Line
    file: Line
    sha256: Sha256


class OwnLoopRecord(_CardPart):
    """That a model was trained in a loop of its maker's own: all that is known.

    Attributes:
        notes: how it was trained, in the maker's words; empty where nothing is stated.
        versions: package name to version, when the file was written.
    """

    notes: Line = ""
    versions: dict[Line, Line] = {}


class Licences(_CardPart):
    """The licence of each part of a model, and whether commercial use is clear.

    Attributes:
        code: licence of the program that made the model.
        weights: licence of the trained weights.
        painting: licence or state of the painting; none for models without one.
        training_photographs: licence of the training photographs.
        commercial_use: `clear`, `unclear` or `no`, of all parts together.
        note: the reason, in a sentence.
    """

    code: Line
    weights: Line
    painting: Line | None = None
    training_photographs: Line
    commercial_use: Literal["clear", "unclear", "no"]
    note: Line = ""


class QuantizationRecord(_CardPart):
    """How a model was quantized to int8, and how far its output moved.

    Attributes:
        made_from: sha256 of the f32 model's file.
        activation_bits: of the inputs of the quantized convolutions.
        weight_bits: of their weights.
        photographs: the calibration photographs, in words.
        num_photographs: number of calibration photographs.
        range_share: share of the measured activation ranges that the 8 bits cover.
        in_float: convolutions that stay in float, by the names of their weights.
        share_in_float: share of all multiplications that these convolutions do.
        checked: the pictures and sizes of the PSNR, in words.
        min_psnr: of the int8 output against the f32 output in dB, for the worst picture.
        median_psnr: likewise, for the median picture.
    """

    made_from: Sha256
    activation_bits: Annotated[int, Field(ge=2, le=16)]
    weight_bits: Annotated[int, Field(ge=2, le=16)]
    photographs: Line
    num_photographs: Annotated[int, Field(ge=1)]
    range_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    in_float: list[Line]
    share_in_float: Annotated[float, Field(ge=0, le=1)]
    checked: Line
    min_psnr: float
    median_psnr: float


class ModelCard(_CardPart):
    """Everything a model file says about itself.

    Attributes:
        format_version: of this card; newer than `CARD_FORMAT` is refused.
        name: short name, safe as a file name.
        title: name for display.
        task: style transfer or super-resolution.
        scale: output size over input size; 1 for style transfer.
        degradation: of the low-resolution training pictures; none for style transfer.
        created: ISO date.
        architecture: of the network.
        painting: the style target; none for super-resolution.
        paintings: of a network for any painting; none for any other, and then not written.
        training: how Impasto trained it; none for an imported model.
        imported: the origin of an imported model; none for one that Impasto trained.
        own_loop: how a model was trained in its maker's own loop; none for any other, and then not
            written, so that older cards stay as they are.
        licences: of its parts.
        scores: named results of an evaluation, each with its protocol.
        quantization: how it was quantized to int8; none for an f32 model.
        impasto_version: of the Impasto that wrote the file.
    """

    format_version: Annotated[int, Field(ge=1, le=CARD_FORMAT)] = CARD_FORMAT
    name: ModelName
    title: Line
    task: Task
    scale: Annotated[int, Field(ge=1, le=16)] = 1
    degradation: Degradation | None = None
    created: IsoDate
    architecture: Architecture
    painting: Painting | None = None
    paintings: PaintingSet | None = None
    training: TrainingRecord | None = None
    imported: ImportRecord | None = None
    own_loop: OwnLoopRecord | None = None
    unwritten_if_none: ClassVar[frozenset[str]] = frozenset({"own_loop", "paintings"})
    licences: Licences
    scores: dict[str, Any] = {}
    quantization: QuantizationRecord | None = None
    impasto_version: Line

    @model_validator(mode="after")
    def _scale_is_the_networks(self) -> Self:
        if self.task == "style-transfer" and self.scale != 1:
            raise ValueError("a style-transfer model has scale 1")
        scale = getattr(self.architecture, "scale", 1)
        if scale != self.scale:
            raise ValueError(f"the network upscales by {scale}, the card says {self.scale}")
        return self

    @model_validator(mode="after")
    def _has_one_origin(self) -> Self:
        if [self.training, self.imported, self.own_loop].count(None) != 2:
            raise ValueError("a card says either how its model was trained or where it came from")
        return self

    def to_json(self) -> str:
        """The card as one line of JSON, which `from_json` reads back to an equal card."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a card from JSON.

        Raises:
            ModelFileError: the text is no JSON, a field is missing, unknown or out of range, or the
                format is newer.
        """
        if len(text) > MAX_CARD_BYTES:
            raise ModelFileError(
                f"the model card has {len(text)} bytes, at most {MAX_CARD_BYTES} are expected; "
                f"get the model file again"
            )
        try:
            # JSON has no NaN, but its readers take one unless they are told not to.
            content = from_json(text, allow_inf_nan=False)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise ModelFileError("the model card is not a JSON object; get the model file again")
        # Before the fields: a newer format may have others, and the message must name the format.
        version = content.get("format_version")
        if isinstance(version, int) and version > CARD_FORMAT:
            raise ModelFileError(
                f"the model card has format {version}, this version of Impasto reads formats up "
                f"to {CARD_FORMAT}; update Impasto to use the model"
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise ModelFileError(
                f"the model card is not as expected at {first_problem(error)}; get the model "
                f"file again, or export it again"
            ) from None


def model_name(stem: str) -> str:
    """A file's stem as a model name: lower case, digits, `-` and `_`."""
    name = re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-_")[:64].rstrip("-_")
    return name or "style"


def as_line(text: str) -> str:
    """A text with `?` for each character that a card may not carry, such as a file's name."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def first_problem(error: ValidationError) -> str:
    """Where a stranger's file is wrong first, and how, in one line without its texts."""
    # Without the input: a stranger's card would put its texts into our message.
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    location = ".".join(str(part) for part in problem["loc"]) or "the top"
    readable = "".join(letter if letter.isprintable() else "?" for letter in location)
    return f"{readable[:100]}: {problem['msg'][0].lower()}{problem['msg'][1:]}"
