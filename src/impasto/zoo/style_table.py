"""Names and vectors of the styles in a network's file, as its metadata hold them.

Listing models needs these alone, and no numpy. What they mean for the graph: `style_vectors`.
"""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from impasto.errors import ModelFileError
from impasto.networks.architecture import AnyPaintingArchitecture
from impasto.zoo.card import MODEL_NAME_PATTERN, Line, Painting
from impasto.zoo.model_file import ModelFile
from impasto.zoo.onnx_wire import read_onnx

STYLES_KEY = "impasto.styles"
"""Key of the styles' JSON in the ONNX file's metadata."""

STYLE_CONSTANTS = ("styles.offset", "styles.slope", "styles.encoder")
"""Names of the file's constants that hold the map (float32 K, float16 K×V) and the encoder's ONNX
file (bytes)."""

MAX_NAMED_STYLES = 1000

Base64 = Annotated[str, StringConstraints(max_length=64 * 2**20, pattern=r"^[A-Za-z0-9+/]*=*$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NamedStyle(_Part):
    """A style that has a name in the file.

    Attributes:
        title: for display.
        vector: float32 of the style vector, base64.
        constants: float16 of norm constants that were tuned, base64; empty where those of the
            vector are the style's.
        painting: that it was learnt from.
    """

    title: Line
    vector: Base64
    constants: Base64 = ""
    painting: Painting


class StyleTable(_Part):
    """What the metadata hold.

    Attributes:
        parameters: names of the graph's constants that a style sets, in the order of the norm
            constants.
        styles: by name.
    """

    parameters: Annotated[list[Line], Field(min_length=1, max_length=1000)]
    styles: Annotated[dict[str, NamedStyle], Field(max_length=MAX_NAMED_STYLES)] = {}

    @field_validator("styles")
    @classmethod
    def _names_are_fit(cls, styles: dict[str, NamedStyle]) -> dict[str, NamedStyle]:
        if unfit := [name for name in styles if not re.fullmatch(MODEL_NAME_PATTERN, name)]:
            raise ValueError(f"{unfit[0]!r} cannot be a style's name")
        return styles


def is_style_network(model: ModelFile) -> bool:
    """Whether a model file holds a network for any painting; one tuned for one style does not."""
    has_architecture = isinstance(model.card.architecture, AnyPaintingArchitecture)
    return has_architecture and STYLES_KEY in read_onnx(model.data).metadata


def read_style_table(model: ModelFile) -> StyleTable:
    """The names and vectors in a network's file.

    Raises:
        ModelFileError: they are not as expected.
    """
    try:
        return StyleTable.model_validate_json(read_onnx(model.data).metadata.get(STYLES_KEY, ""))
    except ValueError:
        raise ModelFileError(
            f"{model}: its styles are not as expected; get the model file again"
        ) from None
