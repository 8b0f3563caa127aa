"""A trained network becomes a model file, compared with torch before it is written.

The graph comes from torch's own exporter; weights are then stored in fp16 under their parameter
names, each followed by a cast, so that the same file can start a fine-tuning or be rebuilt. That
is why torch's own optimisation of the graph stays off: it folds norms into convolutions and keeps
one of several equal weights; runtimes do the same when they load the file.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnxscript.optimizer
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from impasto.errors import ExportError, ModelFileError, OutputExistsError
from impasto.files import reason_of, write_whole
from impasto.networks.architecture import Architecture
from impasto.networks.building import build_network
from impasto.runtime.backends.openvino_backend import OpenVinoBackend
from impasto.runtime.backends.torch_network import load_network
from impasto.zoo.card import ModelCard
from impasto.zoo.model_file import MODEL_METADATA_KEY, ModelFile, model_from_bytes, read_model_file
from impasto.zoo.style_table import is_style_network

OPSET = 18
INPUT_NAME, OUTPUT_NAME = "image", "result"
NETWORK_PREFIX = "network."
COMPARED_SIZES = ((128, 128), (96, 200), (131, 77))
"""Heights and widths at which a file must agree with torch; the last is odd."""
MIN_PSNR = 50.0
MAX_GREY_LEVELS = 2.0


class _Deployed(nn.Module):
    """A network as the file holds it: its output clipped to the range of a picture."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.network(image)
        return result.clamp(0.0, 1.0)


def export_model(
    network: nn.Module, card: ModelCard, path: Path, *, replace: bool = True
) -> ModelFile:
    """Write a network and its card as one model file, and return it as read back.

    Args:
        network: on the processor.
        card: of the model.
        path: of the file.
        replace: a file that is there; otherwise the model goes beside it.

    Raises:
        OutputAppearedError: a file is there and is not to be replaced.
        ExportError: when the file's output is not torch's: under 50 dB, or any pixel off by more
            than 2 grey levels, at any of three sizes. Nothing is written then. Also when the file
            cannot be written.
    """
    if not path.parent.is_dir():
        raise ExportError(f"cannot write {path}: there is no folder {path.parent}; make it first")
    data = model_bytes(network, card)
    model_from_bytes(data)
    check_parity(network, data)
    return write_model(data, path, replace=replace)


def write_model(data: bytes, path: Path, *, replace: bool) -> ModelFile:
    """Write the bytes of a model file, and return it as read back.

    Args:
        data: of the file.
        path: of the file.
        replace: a file that is there; otherwise the model goes beside it.

    Raises:
        OutputAppearedError: a file is there and is not to be replaced.
        ExportError: the file cannot be written.
    """
    try:
        write_whole(path, data, replace=replace)
    except OutputExistsError:
        raise
    except OSError as error:
        reason = reason_of(error, num_bytes=len(data))
        raise ExportError(f"cannot write {path}: {reason}") from error
    return read_model_file(path)


def model_bytes(network: nn.Module, card: ModelCard) -> bytes:
    """Return the bytes of a model file, not yet compared with torch.

    Float32 weights are stored as float16, with a cast to float32 in front of their use.

    Raises:
        ExportError: when a weight does not fit float16.
    """
    # Before the export, which takes seconds: in float16 such weights would be infinite.
    for name, value in network.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value.half()).all()):
            raise ExportError(f"the weights {name} do not fit float16; train the network again")
    model = _graph_of(network)
    graph = model.graph
    # Constants that the exporter made have other names, and stay float32: they are no weights.
    names = {
        tensor.name: tensor.name.removeprefix(NETWORK_PREFIX)
        for tensor in graph.initializer
        if tensor.name.startswith(NETWORK_PREFIX) and tensor.data_type == TensorProto.FLOAT
    }
    for tensor in graph.initializer:
        if tensor.name in names:
            half = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(half, names[tensor.name]))
    for node in graph.node:
        inputs = [f"{names[i]}:f32" if i in names else i for i in node.input]
        del node.input[:]
        node.input.extend(inputs)
    # ONNX wants nodes in the order of their inputs, so the casts come first.
    casts = [
        helper.make_node("Cast", [name], [f"{name}:f32"], to=TensorProto.FLOAT)
        for name in names.values()
    ]
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    entry = model.metadata_props.add()
    entry.key, entry.value = MODEL_METADATA_KEY, card.to_json()
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _graph_of(network: nn.Module) -> onnx.ModelProto:
    plain = build_like(network)
    architecture: Architecture = plain.architecture  # type: ignore[assignment]
    # Odd where the network takes odd sizes, whose borders are the hard ones. Two pictures, since
    # torch.export takes a size of 1 for a constant.
    size = 67 if architecture.size_multiple == 1 else 132
    dynamic = torch.export.Dim.DYNAMIC
    with quiet_exporter():
        program = torch.onnx.export(
            _Deployed(plain).eval(),
            (torch.rand(2, 3, size, size + 16),),
            dynamo=True,
            verbose=False,
            optimize=False,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            dynamic_shapes={"image": {0: dynamic, 2: dynamic, 3: dynamic}},
        )
        if program is None:
            raise ExportError("torch's exporter returned nothing; is onnxscript installed?")
        # Of the exporter's optimisation only what leaves every weight as it is.
        onnxscript.optimizer.fold_constants(program.model)
        onnxscript.optimizer.remove_unused_nodes(program.model)
    model: onnx.ModelProto = program.model_proto
    for tensor in (*model.graph.input, *model.graph.output):
        for axis, name in ((0, "batch"), (2, "height"), (3, "width")):
            tensor.type.tensor_type.shape.dim[axis].dim_param = name
    # The exporter's notes go: they say where torch's code and ours lies on this machine, and the
    # same weights should give the same bytes on any.
    del model.graph.value_info[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del model.graph.metadata_props[:]
    model.producer_name, model.producer_version, model.doc_string = "impasto", "", ""
    return model


def build_like(network: nn.Module) -> nn.Module:
    """Return a float32 copy of a network, on the processor, in evaluation mode."""
    # Built anew, not deep-copied: hooks, compiled code and other types of a training stay behind.
    copy = build_network(network.architecture)  # type: ignore[arg-type]
    copy.load_state_dict({name: value.cpu() for name, value in network.state_dict().items()})
    return copy.eval()


def check_parity(network: nn.Module, data: bytes) -> float:
    """Compare a model file's output, in f32, with torch's; return the lowest PSNR in dB.

    Raises:
        ExportError: when they disagree by more than rounding the weights explains.
    """
    reference = _Deployed(build_like(network)).eval()
    # In f32, so that what differs is the file and not the arithmetic of this processor.
    backend = OpenVinoBackend(data, precision="f32")
    worst = float("inf")
    architecture: Architecture = network.architecture  # type: ignore[assignment]
    scale, multiple = getattr(architecture, "scale", 1), architecture.size_multiple
    for size in COMPARED_SIZES:
        height, width = (side // scale // multiple * multiple for side in size)
        # Smooth parts, an edge and noise: on any one of them alone, some faults would not show.
        rng = np.random.default_rng(height * 10_000 + width)
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        periods = np.array([11, 13, 19])[:, None, None]
        planes = 0.5 + 0.4 * np.sin(rows / 17) * np.cos(columns / periods)
        planes = planes + (columns > width / 2) * 0.1 + rng.normal(0, 0.05, (3, height, width))
        picture: NDArray[np.float32] = np.clip(planes, 0, 1).astype(np.float32)[None]
        with torch.no_grad():
            expected = reference(torch.from_numpy(picture)).numpy()
        difference = np.abs(backend.run(picture) - expected)
        psnr = float(-10 * np.log10(max(float(np.square(difference).mean()), 1e-12)))
        levels = 255 * float(difference.max())
        worst = min(worst, psnr)
        if psnr < MIN_PSNR or levels > MAX_GREY_LEVELS:
            raise ExportError(
                f"the model file differs from torch at {width}×{height}: {psnr:.1f} dB, "
                f"{levels:.1f} grey levels at worst; expected at least {MIN_PSNR:g} dB and at most "
                f"{MAX_GREY_LEVELS:g}: nothing was written"
            )
    return worst


def upgrade_model(path: Path, output: Path, *, replace: bool = True) -> ModelFile:
    """Rebuild a model file's graph from its architecture and named weights, without training.

    The card keeps its content and takes the current format version.

    Args:
        path: the model file.
        output: the file to write, perhaps the same.
        replace: as for `export_model`.

    Raises:
        ModelFileError: when the file is not ours, or is a network for any painting; ExportError
            when the new graph disagrees.
    """
    model = read_model_file(path)
    if is_style_network(model):  # its styles are in no weights, and would be lost
        raise ModelFileError(
            f"{path} is a network for any painting, which cannot be rebuilt from its weights; use "
            "it as it is"
        )
    card = ModelCard.model_validate({**model.card.model_dump(exclude={"format_version"})})
    return export_model(load_network(model), card, output, replace=replace)


def write_scores(path: Path, scores: Mapping[str, object]) -> ModelFile:
    """Put results of an evaluation into a model file's card; the graph stays as it is.

    Args:
        path: the model file, which is replaced.
        scores: by name; those on the card of the same name are replaced.

    Raises:
        ModelFileError: the file is not ours, or cannot be written.
    """
    model = read_model_file(path)
    fields = model.card.model_dump(exclude={"format_version"})
    card = ModelCard.model_validate(fields | {"scores": {**model.card.scores, **scores}})
    # The card alone: a graph exported anew by another torch could differ from the one measured.
    graph = onnx.load_model_from_string(model.data)
    for entry in graph.metadata_props:
        if entry.key == MODEL_METADATA_KEY:
            entry.value = card.to_json()
    data: bytes = graph.SerializeToString(deterministic=True)
    try:
        write_whole(path, data)
    except OSError as error:
        reason = reason_of(error, num_bytes=len(data))
        raise ModelFileError(f"{path}: cannot be written ({reason})") from None
    return model_from_bytes(data, path=path)


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Silence the exporter's remarks about optional packages and its own internals."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
