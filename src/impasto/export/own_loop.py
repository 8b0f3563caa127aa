"""A network trained in a loop of one's own becomes a model file.

`save_model` is the public door, also as `impasto.save_model`. The card holds what its maker states
and nothing else; `model_export` writes the file.
"""

from datetime import UTC, datetime
from pathlib import Path

from torch import nn

import impasto
from impasto.errors import ExportError
from impasto.export.model_export import export_model
from impasto.files import exists_already
from impasto.images.degradation_kind import Degradation
from impasto.networks.building import NETWORK_CLASSES, architecture_of
from impasto.system.machine import package_versions
from impasto.zoo.card import Licences, ModelCard, OwnLoopRecord, Painting, as_line, model_name
from impasto.zoo.model_file import ModelFile

RECORDED_PACKAGES = ("torch", "onnx", "openvino", "numpy")

UNSTATED_LICENCES = Licences(
    code="not stated",
    weights="not stated",
    painting="not stated",
    training_photographs="not stated",
    commercial_use="unclear",
    note="whoever trained the network states no licences",
)


def save_model(
    network: nn.Module,
    path: Path | str,
    *,
    title: str,
    notes: str = "",
    painting: Painting | None = None,
    degradation: Degradation | None = None,
    licences: Licences | None = None,
    overwrite: bool = False,
) -> ModelFile:
    """Write a network that you trained yourself as a model file, and return the file.

    Args:
        network: one of Impasto's, on any device and in any mode; it stays as it is.
        path: ends in `.onnx`; the name before that becomes the model's name.
        title: for people.
        notes: how the network was trained, in a line.
        painting: the style learned, for the card.
        degradation: how the low resolution was made that super-resolution learned from.
        licences: terms of use; without them the card says that they are not stated.
        overwrite: replace a file that exists.

    Raises:
        ExportError: when the network is not one of Impasto's, the path does not end in `.onnx`,
            the file's output differs from the network's, or the file cannot be written.
        OutputExistsError: when the file exists and may not be overwritten.
    """
    path = Path(path)
    architecture = architecture_of(network)
    # A subclass or a wrapper may compute anything; the card's architecture would not describe it.
    if architecture is None:
        known = ", ".join(one.__name__ for one in NETWORK_CLASSES)
        raise ExportError(
            f"the network is a {type(network).__name__}; expected one of {known}: unwrap it, or "
            "write another network with torch.onnx.export"
        )
    if path.suffix != ".onnx":
        raise ExportError(f"the output is {path}; expected a file name that ends in .onnx")
    # Looked at first as well, so that nobody waits for an export only to be refused.
    if path.exists() and not overwrite:
        raise exists_already(path)
    scale = getattr(architecture, "scale", None)
    card = ModelCard(
        name=model_name(path.stem),
        title=as_line(title),
        task="style-transfer" if scale is None else "super-resolution",
        scale=scale or 1,
        degradation=degradation,
        created=datetime.now(UTC).date().isoformat(),
        architecture=architecture,
        painting=painting,
        own_loop=OwnLoopRecord(
            notes=as_line(notes),
            versions={"impasto": impasto.__version__, **package_versions(RECORDED_PACKAGES)},
        ),
        licences=licences or UNSTATED_LICENCES,
        impasto_version=impasto.__version__,
    )
    return export_model(network, card, path, replace=overwrite)
