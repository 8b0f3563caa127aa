"""The checkpoint of an optimisation: its level, its optimiser's state, and what it belongs to.

The file is a sealed one (`impasto.training.sealed_file`). Its header holds a description of
pictures and settings; an optimisation continues only where that is the same.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from torch import Tensor

from impasto.errors import CheckpointError
from impasto.files import reason_of, write_whole
from impasto.optimization.minimizer import MinimizerState
from impasto.optimization.picture_optimizer import Level, SavedLevel
from impasto.optimization.style import StyleOptimization
from impasto.system.input_files import parse_json
from impasto.training.sealed_file import seal, unseal

HEADER_KEY = "impasto.optimization"

Description = dict[str, Any]
"""As JSON returns it."""


def description_of(
    optimization: StyleOptimization, photograph: Tensor, levels: list[Level]
) -> Description:
    """Return everything that must be equal for an optimisation to continue.

    Args:
        optimization: pictures and settings.
        photograph: 1×3×H×W, at full size; its mean stands for it.
        levels: of the pyramid.
    """
    objective = optimization.objective
    weights, normalisers = objective.weights, objective.normalisers
    # Without the device: tensors move to the one there is, so that another machine can continue.
    description = {
        "sizes": levels,
        "photograph": f"{float(photograph.double().mean()):.9f}",
        "painting": str(optimization.painting.absolute()),
        "painting_short_side": optimization.painting_short_side,
        "start": optimization.start,
        "bf16": optimization.bf16,
        "settings": dataclasses.asdict(optimization.settings),
        "preset": objective.preset.model_dump(mode="json"),
        "weights": weights and weights.model_dump(),
        "scales": normalisers and normalisers.model_dump(),
        "padding": objective.padding,
    }
    # Through JSON and back, so that tuples compare as the lists that a file returns.
    as_json: Description = json.loads(json.dumps(description))
    return as_json


def save_checkpoint(path: Path, description: Description, saved: SavedLevel) -> None:
    """Write a checkpoint; the one before stays until the new one is whole.

    Raises:
        CheckpointError: the file cannot be written.
    """
    # These keys are the file's format: renamed, checkpoints of unfinished runs would be refused.
    header = {"wanted": description, "scale": saved.level, "numbers": saved.state.numbers}
    data = seal(saved.state.tensors, {HEADER_KEY: json.dumps(header)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
    except OSError as error:
        reason = reason_of(error, num_bytes=len(data))
        raise CheckpointError(f"cannot write {path}: {reason}") from error


def load_checkpoint(path: Path, description: Description) -> SavedLevel:
    """Read a checkpoint.

    Raises:
        CheckpointError: there is none, it cannot be read, or its description is another.
    """
    anew = "begin without --resume"
    if not path.exists():
        raise CheckpointError(f"there is nothing to resume in {path}; {anew}")
    text, tensors = unseal(path, HEADER_KEY, anew=anew)
    header = parse_json(text)
    if header["wanted"] != description:
        raise CheckpointError(
            f"{path} was begun with other settings or pictures; resume with the same ones, or "
            "begin anew"
        )
    return SavedLevel(int(header["scale"]), MinimizerState(tensors, header["numbers"]))
