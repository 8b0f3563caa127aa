"""The model that an unfinished run has written: a record, by which the run knows it again.

A training that a time limit stops writes its model and stays resumable. Resumed, it may replace
that model, but no other file.
"""

import hashlib
import math
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from impasto.errors import TrainingError
from impasto.files import reason_of, write_whole
from impasto.zoo.card import Sha256

RECORD_NAME = "written_model.json"


class WrittenModel(BaseModel):
    """What a run remembers of the model it wrote.

    Attributes:
        sha256: of the model file.
        export_seconds: that curve, export and comparison with torch took.
    """

    model_config = ConfigDict(frozen=True)

    sha256: Sha256
    export_seconds: Annotated[float, Field(ge=0, lt=math.inf)]


def record_model(folder: Path, output: Path, *, export_seconds: float) -> None:
    """Remember in a run's folder that the file at `output` is the run's own.

    Raises:
        TrainingError: when the record cannot be written.
    """
    record = WrittenModel(sha256=_sha256_of(output), export_seconds=export_seconds)
    try:
        write_whole(folder / RECORD_NAME, record.model_dump_json().encode() + b"\n")
    except OSError as error:
        raise TrainingError(f"cannot write in {folder}: {reason_of(error)}") from error


def recorded_model(folder: Path) -> WrittenModel | None:
    """Return a run's record; None where there is none that can be read."""
    try:
        return WrittenModel.model_validate_json((folder / RECORD_NAME).read_bytes())
    except (OSError, ValidationError):
        return None


def forget_model(folder: Path) -> None:
    """Remove a run's record: from then on, its output is a finished model.

    Raises:
        TrainingError: when the record cannot be removed.
    """
    try:
        (folder / RECORD_NAME).unlink(missing_ok=True)
    except OSError as error:
        raise TrainingError(f"cannot remove a file in {folder}: {reason_of(error)}") from error


def is_own_model(output: Path, folder: Path) -> bool:
    """Whether the file at `output` is, byte for byte, the one that the run wrote."""
    record = recorded_model(folder)
    return record is not None and output.is_file() and _sha256_of(output) == record.sha256


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
