"""Add-on files: one painting's style for a network for any painting, tuned by a short training.

A file of some kilobytes of JSON, `NAME.style.json`: the norm constants that were tuned and the
style vector they began with, as base64 of little-endian float16. It needs the network that it was
tuned for, which it names by its SHA-256 and never changes. Training one:
`training.style_refinement`.
"""

import base64
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_core import from_json

from impasto.errors import ModelFileError, OutputExistsError
from impasto.files import reason_of, write_whole
from impasto.system.input_files import read_given_file
from impasto.zoo.card import (
    IsoDate,
    Line,
    ModelCard,
    ModelName,
    Painting,
    Sha256,
    first_problem,
)
from impasto.zoo.model_file import ModelFile
from impasto.zoo.style_vectors import StyleNetwork, Vector, encoded

STYLE_SUFFIX = ".style.json"
"""Of add-on files."""

STYLE_FORMAT = 1
"""The newest format of add-on files that this version of Impasto reads, and the one it writes."""

MAX_STYLE_BYTES = 2**20
"""Larger files are refused; one has some six kilobytes."""

_MAX_NUMBERS = 2**16


def _half_numbers(text: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float32)


def _finite(text: str) -> str:
    if not np.isfinite(_half_numbers(text)).all():
        raise ValueError("numbers that are not finite")
    return text


HalfNumbers = Annotated[
    str,
    StringConstraints(min_length=4, max_length=4 * _MAX_NUMBERS, pattern=r"^[A-Za-z0-9+/]*={0,2}$"),
    AfterValidator(_finite),
]
"""Base64 of little-endian float16, finite."""

NotNegative = Annotated[float, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BaseNetwork(_Part):
    """The network for any painting that an add-on is for.

    Attributes:
        name: on its card.
        sha256: of its model file.
    """

    name: ModelName
    sha256: Sha256


class StyleTraining(_Part):
    """How an add-on was trained.

    Attributes:
        photographs: in words.
        num_photographs: usable ones; none where shards were not read to their end.
        minutes: wall-clock time of the training.
        steps: optimiser steps.
        seed: of order and crops.
        hardware: processor or device, in words.
        losses: unweighted loss terms by name, means over the last steps.
    """

    photographs: Line
    num_photographs: Annotated[int, Field(ge=0)] | None
    minutes: NotNegative
    steps: Annotated[int, Field(ge=0)]
    seed: int
    hardware: Line
    losses: Annotated[dict[Line, float], Field(max_length=32)]


class StyleFile(_Part):
    """An add-on file.

    Attributes:
        format_version: newer than `STYLE_FORMAT` is refused.
        name: short name, safe as a file name.
        title: for display.
        created: ISO date.
        painting: that the style was learnt from.
        network: that it is for.
        vector: the style vector that the network's encoder gives for the painting.
        constants: the norm constants that were tuned.
        training: how.
        impasto_version: of the Impasto that wrote the file.
    """

    format_version: Annotated[int, Field(ge=1, le=STYLE_FORMAT)] = STYLE_FORMAT
    name: ModelName
    title: Line
    created: IsoDate
    painting: Painting
    network: BaseNetwork
    vector: HalfNumbers
    constants: HalfNumbers
    training: StyleTraining
    impasto_version: Line

    @classmethod
    def from_numbers(
        cls,
        vector: Vector,
        constants: NDArray[np.float32],
        *,
        network: StyleNetwork,
        card: ModelCard,
    ) -> Self:
        """The add-on of a training.

        Args:
            vector: the style vector it began with.
            constants: the norm constants it ended with, K.
            network: that it was trained on.
            card: of the training: name, title, painting and record.

        Raises:
            ModelFileError: constants too large for float16.
        """
        record = card.training
        assert card.painting is not None
        assert record is not None
        with np.errstate(over="ignore"):
            halves = constants.astype("<f2")
        if not np.isfinite(halves).all():
            raise ModelFileError(f"the style {card.name} does not fit float16; train it again")
        return cls(
            name=card.name,
            title=card.title,
            created=datetime.now(UTC).date().isoformat(),
            painting=card.painting,
            network=BaseNetwork(name=network.model.card.name, sha256=network.model.sha256),
            vector=encoded(vector.astype("<f2")),
            constants=encoded(halves),
            training=StyleTraining(
                photographs=record.dataset,
                num_photographs=record.num_photographs,
                minutes=record.minutes,
                steps=record.steps,
                seed=record.seed,
                hardware=record.hardware,
                losses=record.losses,
            ),
            impasto_version=card.impasto_version,
        )

    @property
    def norm_constants(self) -> NDArray[np.float32]:
        """The norm constants, K."""
        return _half_numbers(self.constants)

    @property
    def style_vector(self) -> Vector:
        """The style vector."""
        return _half_numbers(self.vector)

    def constants_for(self, network: StyleNetwork) -> NDArray[np.float32]:
        """The norm constants, K, for the network that they were tuned on.

        Raises:
            ModelFileError: the add-on is for another network, or does not fit this one.
        """
        if self.network.sha256 != network.model.sha256:
            raise ModelFileError(
                f"the style {self.name} is for the network {self.network.name} "
                f"({self.network.sha256[:12]}…), not for {network.model} "
                f"({network.model.sha256[:12]}…); use that one, or train the style again"
            )
        constants = self.norm_constants
        if constants.shape != network.offset.shape or len(self.style_vector) != network.vector_size:
            raise ModelFileError(
                f"the style {self.name} has {len(constants)} norm constants, the network "
                f"{network.model} takes {len(network.offset)}; train the style again"
            )
        return constants

    def in_network(self, network: StyleNetwork) -> ModelFile:
        """The model of this style: the network's graph with the add-on's norm constants.

        Raises:
            ModelFileError: as `constants_for`.
        """
        constants = self.constants_for(network)
        return network.in_style(constants, name=self.name, title=self.title, painting=self.painting)


def is_style_file(path: str | os.PathLike[str]) -> bool:
    """Whether a path has the name of an add-on file."""
    return os.fspath(path).endswith(STYLE_SUFFIX)


def name_without_suffix(path: Path) -> str:
    """A model file's or an add-on's name without its suffix."""
    return path.name.removesuffix(STYLE_SUFFIX) if is_style_file(path) else path.stem


def read_style_file(path: str | os.PathLike[str]) -> StyleFile:
    """Read and check an add-on file.

    Raises:
        ModelFileError: the file is missing, unreadable, larger than `MAX_STYLE_BYTES`, damaged, no
            add-on, or of a newer format.
    """
    try:
        data = read_given_file(path, max_bytes=MAX_STYLE_BYTES)
    except FileNotFoundError:
        raise ModelFileError(
            f"{path}: expected a style ({STYLE_SUFFIX}), but it is not there"
        ) from None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        # JSON has no NaN, but its readers take one unless they are told not to.
        content = from_json(data, allow_inf_nan=False)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ModelFileError(f"{path}: damaged, or no style of 'impasto train style'; get it again")
    # Before the fields: a newer format may have others, and the message must name the format.
    version = content.get("format_version")
    if isinstance(version, int) and version > STYLE_FORMAT:
        raise ModelFileError(
            f"{path}: the style has format {version}, this version of Impasto reads formats up to "
            f"{STYLE_FORMAT}; update Impasto to use it"
        )
    try:
        return StyleFile.model_validate(content, strict=True)
    except ValidationError as error:
        raise ModelFileError(
            f"{path}: the style is not as expected at {first_problem(error)}; get it again"
        ) from None


def write_style_file(style: StyleFile, path: Path, *, replace: bool = True) -> None:
    """Write an add-on file.

    Args:
        style: what to write.
        path: of the file.
        replace: a file that is there; otherwise the add-on goes beside it.

    Raises:
        OutputAppearedError: a file is there and is not to be replaced.
        ModelFileError: the file cannot be written.
    """
    data = style.model_dump_json(indent=1).encode() + b"\n"
    try:
        write_whole(path, data, replace=replace)
    except OutputExistsError:
        raise
    except OSError as error:
        reason = reason_of(error, num_bytes=len(data))
        raise ModelFileError(f"cannot write {path}: {reason}") from error


def style_file_model(path: str | os.PathLike[str], network: StyleNetwork) -> ModelFile:
    """The model of the style in an add-on file, in the network that it is for.

    Raises:
        ModelFileError: as `read_style_file` and `StyleFile.in_network`.
    """
    return read_style_file(path).in_network(network)
