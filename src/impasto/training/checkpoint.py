"""A checkpoint: everything a training needs to go on exactly where it was, in one file.

The file is safetensors: weights and Adam's moments as tensors, the rest as JSON in its header.
Never pickle, so a checkpoint from elsewhere cannot run code.
"""

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor, nn
from torch.optim import Optimizer

from impasto.errors import CheckpointError
from impasto.objectives import LossScales

HEADER_KEY = "impasto.checkpoint"
CHECKPOINT_FORMAT = 1


class TrainingState(BaseModel):
    """Where a training stands, beside its tensors.

    Attributes:
        step: steps done.
        position: photographs consumed, over all processes.
        rate_factor: what rollbacks have left of the learning rate.
        num_rollbacks: how often a loss exploded.
        running_loss: running mean of the total, None before the first step.
        running_gradient: running mean of the gradient's length, None before the first step.
        running_terms: running means of the unweighted terms.
        seconds: spent training so far, over all sessions.
        scales: what the probe found.
        recipe: the recipe, resolved.
    """

    model_config = ConfigDict(extra="forbid")

    format: int = CHECKPOINT_FORMAT
    step: int = 0
    position: int = 0
    rate_factor: float = 1.0
    num_rollbacks: int = 0
    running_loss: float | None = None
    running_gradient: float | None = None
    running_terms: dict[str, float] = {}
    seconds: float = 0.0
    scales: LossScales | None = None
    recipe: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A training's state and its tensors."""

    state: TrainingState
    tensors: dict[str, Tensor]


def take_checkpoint(network: nn.Module, optimizer: Optimizer, state: TrainingState) -> Checkpoint:
    """Return a copy, on the processor, of all that changes while training."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    names = [name for name, _ in network.named_parameters()]
    for index, moments in optimizer.state_dict()["state"].items():
        for kind, value in moments.items():
            tensors[f"optimizer.{names[index]}.{kind}"] = torch.as_tensor(value)
    copies = {
        name: value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, value in tensors.items()
    }
    return Checkpoint(state.model_copy(deep=True), copies)


def restore_checkpoint(
    checkpoint: Checkpoint, network: nn.Module, optimizer: Optimizer
) -> TrainingState:
    """Put weights and Adam's moments back, and return a copy of the state.

    Raises:
        CheckpointError: when the tensors are not those of this network.
    """
    weights = _below(checkpoint.tensors, "network.")
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            "the checkpoint's weights are not those of this network; "
            "resume with the recipe it was made with"
        ) from error
    moments = _below(checkpoint.tensors, "optimizer.")
    per_parameter: dict[int, dict[str, Tensor]] = {}
    for index, (name, _) in enumerate(network.named_parameters()):
        mine = {key.rpartition(".")[2]: value.clone() for key, value in moments.items()
                if key.rpartition(".")[0] == name}
        if mine:
            per_parameter[index] = mine
    optimizer.load_state_dict({**optimizer.state_dict(), "state": per_parameter})
    return checkpoint.state.model_copy(deep=True)


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint; a file of that name is replaced only once the new one is whole.

    Raises:
        CheckpointError: when it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    data = serialise(checkpoint.tensors, {HEADER_KEY: checkpoint.state.model_dump_json()})
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise CheckpointError(f"cannot write the checkpoint {path}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: when it is missing, damaged, or no checkpoint of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(HEADER_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"cannot read the checkpoint {path}: {error}; expected a file that a training wrote"
        ) from error
    if header is None:
        raise CheckpointError(f"{path} is a safetensors file but no checkpoint of a training")
    try:
        state = TrainingState.model_validate(json.loads(header))
    except (json.JSONDecodeError, ValidationError) as error:
        raise CheckpointError(
            f"the checkpoint {path} was made by another version of impasto or is damaged"
        ) from error
    return Checkpoint(state, tensors)


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix):]: value for name, value in tensors.items() if name.startswith(prefix)}
