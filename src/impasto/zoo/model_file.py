"""Model files: one ONNX file each, holding graph, weights and card.

Every file is checked before a runtime opens it: it is complete, self-contained, one of ours, and
uses only operators that we write (`impasto.zoo.graph`). Reading needs neither torch nor onnx.
"""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from impasto.errors import ModelFileError
from impasto.system.input_files import read_given_file
from impasto.zoo.card import ModelCard
from impasto.zoo.graph import check_graph
from impasto.zoo.onnx_wire import read_onnx

MODEL_METADATA_KEY = "impasto.card"
"""Key of the card's JSON in the ONNX file's metadata."""

MAX_MODEL_BYTES = 512 * 2**20
"""Larger files are refused; the shipped style has less than one megabyte."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A verified model file.

    Attributes:
        path: of the file; None for a model from memory.
        data: the bytes of the ONNX file.
        card: the model card inside it.
        sha256: of the bytes, hexadecimal.
    """

    path: Path | None
    data: bytes = field(repr=False, compare=False)
    card: ModelCard = field(repr=False, compare=False)
    sha256: str

    def __str__(self) -> str:
        """The path of the file, or the name on the card, for messages."""
        return str(self.path) if self.path is not None else self.card.name


def read_model_file(path: str | os.PathLike[str]) -> ModelFile:
    """Read and check a model file, without running it.

    Raises:
        ModelFileError: the file is missing, unreadable, empty, larger than `MAX_MODEL_BYTES`,
            damaged, not ours, of a newer format, or uses external data or unknown operators.
    """
    path = Path(path)
    try:
        data = read_given_file(path, max_bytes=MAX_MODEL_BYTES)
    except FileNotFoundError:
        raise ModelFileError(
            f"{path}: expected a model file (.onnx), but it is not there"
        ) from None
    except OSError as error:
        raise ModelFileError(
            f"{path}: cannot be read ({error.strerror}); use a model that was made by "
            "'impasto train'"
        ) from None
    if not data:
        raise ModelFileError(f"{path}: the file is empty; get the model file again")
    return model_from_bytes(data, path=path)


def model_from_bytes(data: bytes, *, path: Path | None = None) -> ModelFile:
    """Check the bytes of a model file; messages name its `path`.

    Raises:
        ModelFileError: as `read_model_file`.
    """
    try:
        model = read_onnx(data)
        if MODEL_METADATA_KEY not in model.metadata:
            raise ModelFileError(
                "an ONNX model, but not one of Impasto's: it carries no model card; "
                "use a model that was made by 'impasto train'"
            )
        card = ModelCard.from_json(model.metadata[MODEL_METADATA_KEY])
        check_graph(model, card)
    except ModelFileError as error:
        # The checks know bytes and no file, so their messages get its name here.
        raise ModelFileError(f"{path or 'the model'}: {error}") from None
    return ModelFile(path=path, data=data, card=card, sha256=hashlib.sha256(data).hexdigest())
