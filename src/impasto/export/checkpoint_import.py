"""Checkpoints that other programs have trained become model files.

So far those of PyTorch's example `fast_neural_style`. They are pickles, read by torch with
`weights_only`: tensors and nothing that could run.
"""

import hashlib
import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import impasto
from impasto.errors import CheckpointError, ModelFileError
from impasto.export.model_export import export_model
from impasto.networks.architecture import FastNeuralStyleArchitecture
from impasto.networks.fast_neural_style import FastNeuralStyleNetwork
from impasto.system.input_files import read_given_file
from impasto.zoo.card import ImportRecord, Licences, ModelCard, as_line, model_name
from impasto.zoo.model_file import MAX_MODEL_BYTES, ModelFile

PROGRAM = "fast_neural_style of pytorch/examples"

_UNUSED = re.compile(r"(.+\.)?in\d\.(running_mean|running_var|num_batches_tracked)")
"""Written by old versions of torch, though instance norm has no use for them."""

_WRAPPER = "module."
"""Before every name, where `nn.DataParallel` or its like was saved."""

UNSTATED_LICENCES = Licences(
    code="not stated",
    weights="not stated",
    painting="not stated",
    training_photographs="not stated",
    commercial_use="unclear",
    note="a checkpoint states no licences; ask whoever trained it",
)


def import_checkpoint(
    path: Path,
    output: Path,
    *,
    name: str | None = None,
    title: str | None = None,
    replace: bool = True,
) -> ModelFile:
    """Write a checkpoint of `fast_neural_style` as a model file, and return it as read back.

    Args:
        path: the checkpoint, as the example saves it: the network's state.
        output: the model file to write.
        name: of the model; by default from the output's name.
        title: for people; by default from the checkpoint's name.
        replace: a file that is there; otherwise the model goes beside it.

    Raises:
        OutputAppearedError: a file is there and is not to be replaced.
        CheckpointError: the file is missing, no checkpoint, holds more than tensors, or those of
            another network.
        ModelFileError: the name is unfit.
        ExportError: the model file disagrees with the network, or cannot be written.
    """
    if name is not None and name != model_name(name):
        raise ModelFileError(
            f"{name[:80]!r} cannot be a model's name; expected 1 to 64 small letters, digits, "
            f"'_' or '-', with a letter or digit first and last"
        )
    state, digest = _read(path)
    network = FastNeuralStyleNetwork()
    network.load_state_dict(_fitting(state, network.state_dict(), path))
    card = ModelCard(
        name=name or model_name(output.stem),
        title=as_line(title or path.stem.replace("_", " "))[:200],
        task="style-transfer",
        created=datetime.now(UTC).date().isoformat(),
        architecture=FastNeuralStyleArchitecture(),
        imported=ImportRecord(program=PROGRAM, file=as_line(path.name), sha256=digest),
        licences=UNSTATED_LICENCES,
        impasto_version=impasto.__version__,
    )
    return export_model(network.eval(), card, output, replace=replace)


def _read(path: Path) -> tuple[dict[str, Any], str]:
    """What a checkpoint holds, names to values, and the file's SHA-256."""
    try:
        # Read once: torch and the digest see the same bytes, whoever writes to the file meanwhile.
        data = read_given_file(path, max_bytes=MAX_MODEL_BYTES)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror}); expected a checkpoint (.pth) of {PROGRAM}, "
            f"which has some 7 MB"
        ) from None
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises nearly anything on bytes that are no checkpoint
        # One class of error for damaged pickles and for those that would run code.
        holds_code = "weights_only" in str(error) or "Unsupported" in str(error)
        reason = "it holds more than tensors" if holds_code else "torch cannot read it"
        raise CheckpointError(
            f"{path} is no checkpoint that can be imported ({reason}); expected the state of a "
            f"network as {PROGRAM} saves it"
        ) from None
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise CheckpointError(
            f"{path} holds a {type(state).__name__}; expected the state of a network, names to "
            f"tensors, as {PROGRAM} saves it"
        )
    return state, hashlib.sha256(data).hexdigest()


def _fitting(state: dict[str, Any], expected: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The weights as the network has them; refuses those of any other."""
    # nn.DataParallel and its like save the network under a name of their own; wrappers can nest.
    while state and all(name.startswith(_WRAPPER) for name in state):
        state = {name.removeprefix(_WRAPPER): value for name, value in state.items()}
    weights = {name: value for name, value in state.items() if not _UNUSED.fullmatch(name)}
    missing, foreign = expected.keys() - weights.keys(), weights.keys() - expected.keys()
    if missing or foreign:
        problem = f"lacks {min(missing)}" if missing else f"has {min(foreign)[:80]!r} besides"
        raise CheckpointError(
            f"{path} is a checkpoint of another network (it {problem}); expected one of {PROGRAM}"
        )
    # Checked here, though load_state_dict checks shapes: its message lists all layers, and it takes
    # integers and NaN.
    for name, value in weights.items():
        shape = tuple(expected[name].shape)
        if not isinstance(value, Tensor) or not value.is_floating_point():
            raise CheckpointError(f"{path}: {name} is no tensor of floats; get the file again")
        if tuple(value.shape) != shape:
            raise CheckpointError(
                f"{path} is a checkpoint of another network ({name} has the shape "
                f"{tuple(value.shape)}, expected {shape}); expected one of {PROGRAM}"
            )
        if not bool(torch.isfinite(value).all()):
            raise CheckpointError(f"{path}: {name} holds NaN or infinity; get the file again")
    return {name: value.float() for name, value in weights.items()}
