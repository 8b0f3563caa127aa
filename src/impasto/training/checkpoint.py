"""A checkpoint: one file from which a training continues exactly where it stopped.

It is a sealed file: weights and Adam's moments as tensors, the rest as JSON in its header.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn
from torch.optim import Optimizer

from impasto.data.stream import SkippedPhotograph
from impasto.errors import CheckpointError
from impasto.files import reason_of, write_whole
from impasto.losses.style_objective import LossNormalisers
from impasto.training.sealed_file import seal, unseal

HEADER_KEY = "impasto.checkpoint"
CHECKPOINT_FORMAT = 1

MOMENTS = {"step", "exp_avg", "exp_avg_sq"}
"""Adam's state for each parameter."""

NotNegative = Annotated[int, Field(ge=0)]


class TrainingState(BaseModel):
    """The state of a training, apart from its tensors.

    Attributes:
        format: of the checkpoint; newer than `CHECKPOINT_FORMAT` is refused.
        step: steps done.
        position: photographs consumed, over all processes.
        rate_factor: factor on the learning rate; every rollback halves it.
        num_rollbacks: how often a loss exploded.
        running_loss: running mean of the total, None before the first step.
        running_gradient: running mean of the gradient's length, None before the first step.
        running_terms: running means of the unweighted terms.
        seconds: spent training so far, over all sessions.
        hardware: processors and devices of these sessions, in words, each once.
        normalisers: of the loss terms; `scales` in the file.
        skipped: photographs passed over so far.
        recipe: the recipe, resolved.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    format: Annotated[int, Field(ge=1, le=CHECKPOINT_FORMAT)] = CHECKPOINT_FORMAT
    step: NotNegative = 0
    position: NotNegative = 0
    rate_factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    num_rollbacks: NotNegative = 0
    running_loss: float | None = None
    running_gradient: float | None = None
    running_terms: dict[str, float] = {}
    seconds: float = 0.0
    hardware: tuple[str, ...] = ()
    normalisers: LossNormalisers | None = Field(default=None, alias="scales")
    skipped: tuple[SkippedPhotograph, ...] = ()
    recipe: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A training's state and its tensors."""

    state: TrainingState
    tensors: dict[str, Tensor]


def take_checkpoint(network: nn.Module, optimizer: Optimizer, state: TrainingState) -> Checkpoint:
    """Return a copy, on the processor, of the weights, Adam's moments and the state."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    names = [name for name, _ in network.named_parameters()]
    for index, moments in optimizer.state_dict()["state"].items():
        for kind, value in moments.items():
            tensors[f"optimizer.{names[index]}.{kind}"] = torch.as_tensor(value)
    # Copies, even on the processor: the loop changes the weights in place and may roll back.
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
    moments = _moments_of(network, _below(checkpoint.tensors, "optimizer."))
    try:
        network.load_state_dict(_below(checkpoint.tensors, "network."))
    except RuntimeError as error:
        raise _not_of_this_network() from error
    # The groups stay this optimiser's: the learning rate comes from the schedule.
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return checkpoint.state.model_copy(deep=True)


def _moments_of(network: nn.Module, stored: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """Return Adam's moments by the number of their parameter, in that parameter's memory layout."""
    parameters = dict(network.named_parameters())
    numbers = {name: number for number, name in enumerate(parameters)}
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in stored.items():
        name, _, kind = key.rpartition(".")
        if name not in parameters or value.shape not in (parameters[name].shape, ()):
            raise _not_of_this_network()
        # Moments in another layout than the weights would make every step copy them.
        moment = value.clone() if value.dim() == 0 else torch.empty_like(parameters[name].detach())
        moments.setdefault(numbers[name], {})[kind] = moment.copy_(value)
    if any(set(kinds) != MOMENTS for kinds in moments.values()):
        raise _not_of_this_network()
    return moments


def _not_of_this_network() -> CheckpointError:
    return CheckpointError(
        "the checkpoint's weights are not those of this network; "
        "resume with the recipe it was made with"
    )


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint; a file of that name is replaced only once the new one is whole.

    Raises:
        CheckpointError: when it cannot be written.
    """
    data = seal(checkpoint.tensors, {HEADER_KEY: checkpoint.state.model_dump_json(by_alias=True)})
    try:
        write_whole(path, data)
    except OSError as error:
        reason = reason_of(error, num_bytes=len(data))
        raise CheckpointError(f"cannot write the checkpoint {path}: {reason}") from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: when it is missing, damaged, edited, or no checkpoint of ours.
    """
    header, tensors = unseal(path, HEADER_KEY, anew="begin the training anew with --overwrite")
    try:
        state = TrainingState.model_validate(json.loads(header))
    except (json.JSONDecodeError, RecursionError, ValidationError) as error:
        raise CheckpointError(
            f"the checkpoint {path} was made by another version of impasto; "
            "begin the training anew with --overwrite"
        ) from error
    return Checkpoint(state, tensors)


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
