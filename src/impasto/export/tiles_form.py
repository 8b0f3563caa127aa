"""A model's graph with its instance norm statistics as an input, so that any runtime can run tiles.

Instance norm takes mean and variance over the whole picture, and a tile has only a part of it. In
this graph the statistics are an input, and their sums over a tile's core an output. It is for
browsers and other programs that have only the graph; Impasto's own tiles (`impasto.runtime.tiles`)
use the model file itself. Needs onnx, not torch.
"""

import io
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from impasto.errors import ExportError, ModelFileError, OutputExistsError
from impasto.files import reason_of, write_whole
from impasto.networks.architecture import NetworkArchitecture
from impasto.zoo.model_file import ModelFile, read_model_file

TILES_METADATA_KEY = "impasto.tiles"
"""Metadata key of the JSON for callers: halo, stride and the channels of each norm layer."""


def write_tiled_model(path: Path, output: Path, *, replace: bool = True) -> dict[str, object]:
    """Write the graph for tiles of a model file, and return its metadata.

    Inputs: `image` 1×3×H×W, `statistics` 2×C (means, variances of what enters the norm layers, all
    channels in a row) and `core` (top, bottom, left, right within the tile, int64). Outputs:
    `result`, and `moments` 3×C: sums over the core of x - mean and of (x - mean)², and the count.

    Args:
        path: the model file.
        output: the file to write.
        replace: overwrite an existing file; otherwise the graph is written beside it.

    Raises:
        OutputAppearedError: the file exists and `replace` is False.
        ModelFileError: the file is not ours, or its network has no instance norm.
        ExportError: the output cannot be written.
    """
    model_file = read_model_file(path)
    model, about = tiled_model(model_file)
    try:
        write_whole(output, model.SerializeToString(deterministic=True), replace=replace)
    except OutputExistsError:
        raise
    except OSError as error:
        raise ExportError(f"cannot write {output}: {reason_of(error)}") from error
    return about


def tiled_model(model_file: ModelFile) -> tuple[onnx.ModelProto, dict[str, object]]:
    """The graph for tiles of a model, and its metadata.

    Raises:
        ModelFileError: the network has no instance norm; its file runs tiles as it is.
    """
    architecture = model_file.card.architecture
    model = onnx.load_model(io.BytesIO(model_file.data), load_external_data=False)
    norms = [node for node in model.graph.node if node.op_type == "InstanceNormalization"]
    if not norms or not isinstance(architecture, NetworkArchitecture):
        raise ModelFileError(
            f"{model_file}: its network has no instance norm and needs no statistics; cut pictures "
            f"into tiles with {architecture.receptive_radius} pixels around each, and run the file "
            "as it is"
        )
    channels = [_num_channels(model.graph, node) for node in norms]
    # Full, half and quarter size, all residual blocks at a quarter, and back.
    strides = [1, 2, *[4] * (len(norms) - 4), 2, 1]
    _TiledGraph(model.graph).replace(norms, channels, strides)
    about: dict[str, object] = {
        "version": 1,
        # Rounded up to the stride, so that a tile with its halo begins where the grid does.
        "halo": -(-architecture.receptive_radius // architecture.stride) * architecture.stride,
        "stride": architecture.stride,
        "channels": channels,
    }
    entry = model.metadata_props.add()
    entry.key, entry.value = TILES_METADATA_KEY, json.dumps(about)
    onnx.checker.check_model(model, full_check=True)
    return model, about


def _num_channels(graph: onnx.GraphProto, norm: onnx.NodeProto) -> int:
    name = norm.input[1].removesuffix(":f32")
    return next(int(tensor.dims[0]) for tensor in graph.initializer if tensor.name == name)


class _TiledGraph:
    """Rewrites a graph: norm layers with statistics from outside in place of instance norm."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._new: list[onnx.NodeProto] = []

    def replace(self, norms: list[onnx.NodeProto], channels: list[int], strides: list[int]) -> None:
        """Replace the norm layers, and add the graph's new inputs and output."""
        self._graph.input.extend(
            [
                helper.make_tensor_value_info("statistics", TensorProto.FLOAT, [2, sum(channels)]),
                helper.make_tensor_value_info("core", TensorProto.INT64, [4]),
            ]
        )
        self._graph.output.append(
            helper.make_tensor_value_info("moments", TensorProto.FLOAT, [3, sum(channels)])
        )
        # Each norm layer's nodes take its own position: ONNX lists nodes in the order of inputs.
        replaced = {norm.name: [] for norm in norms}  # type: dict[str, list[onnx.NodeProto]]
        moments: list[str] = []
        begin = 0
        for number, (norm, num, stride) in enumerate(zip(norms, channels, strides, strict=True)):
            self._new = replaced[norm.name]
            moments.append(self._norm(norm, f"tiles.{number}", begin, num, stride))
            begin += num
        nodes = [new for node in self._graph.node for new in replaced.get(node.name, [node])]
        nodes.append(helper.make_node("Concat", moments, ["moments"], axis=1))
        del self._graph.node[:]
        self._graph.node.extend(nodes)

    def _norm(self, norm: onnx.NodeProto, name: str, begin: int, num: int, stride: int) -> str:
        """Add the nodes of one norm layer, and return the name of its moments 3×C."""
        features, scale, bias = norm.input
        epsilon = next(a.f for a in norm.attribute if a.name == "epsilon")
        by_channel = self._constant(f"{name}.shape", np.array([1, num, 1, 1]))
        parts = []
        for row, word in enumerate(("mean", "variance")):
            values = self._slice(
                "statistics", f"{name}.{word}_row", [row, begin], [row + 1, begin + num], [0, 1]
            )
            parts.append(self._node("Reshape", [values, by_channel], f"{name}.{word}"))
        mean, variance = parts
        # The mean goes first: folded into the shift, it would be subtracted from products as large,
        # and cost digits.
        centred = self._node("Sub", [features, mean], f"{name}.centred")
        floor = self._constant(f"{name}.epsilon", np.array(epsilon, np.float32))
        spread = self._node(
            "Sqrt", [self._node("Add", [variance, floor], f"{name}.spread")], f"{name}.deviation"
        )
        normal = self._node("Div", [centred, spread], f"{name}.normal")
        weight = self._node("Reshape", [scale, by_channel], f"{name}.scale")
        shift = self._node("Reshape", [bias, by_channel], f"{name}.bias")
        scaled = self._node("Mul", [normal, weight], f"{name}.scaled")
        self._node("Add", [scaled, shift], norm.output[0])
        # Moments about the mean that came in, not about zero: far from zero, the sums of squares
        # would lose in float32 what the variance is made of.
        core = self._core(centred, name, stride)
        axes = self._constant(f"{name}.axes", np.array([0, 2, 3]))
        square = self._node("Mul", [core, core], f"{name}.square")
        # Ones of the core's size, whose sum is the count: no operator of the model files gives it.
        zeros = self._node("Sub", [core, core], f"{name}.nothing")
        one = self._constant(f"{name}.one", np.array(1, np.float32))
        ones = self._node("Add", [zeros, one], f"{name}.ones")
        sums = [
            self._node("ReduceSum", [values, axes], f"{name}.sum{row}", keepdims=0)
            for row, values in enumerate((core, square, ones))
        ]
        flat = self._constant(f"{name}.row", np.array([1, num]))
        rows = [
            self._node("Reshape", [values, flat], f"{name}.row{row}")
            for row, values in enumerate(sums)
        ]
        return self._node("Concat", rows, f"{name}.moments", axis=0)

    def _core(self, values: str, name: str, stride: int) -> str:
        """The core of the features: its pixels divided by the stride.

        Both ends are rounded up, so that neighbouring cores share no feature and leave none out.
        """
        up = self._constant(f"{name}.up", np.array(stride - 1))
        step = self._constant(f"{name}.stride", np.array(stride))
        raised = self._node("Add", ["core", up], f"{name}.raised")
        positions = self._node("Div", [raised, step], f"{name}.places")
        ends = [
            self._slice(positions, f"{name}.{word}", [first], [4], [0], steps=[2])
            for first, word in enumerate(("starts", "stops"))
        ]
        axes = self._constant(f"{name}.core_axes", np.array([2, 3]))
        return self._node("Slice", [values, *ends, axes], f"{name}.core")

    def _slice(
        self,
        values: str,
        name: str,
        starts: list[int],
        stops: list[int],
        axes: list[int],
        *,
        steps: list[int] | None = None,
    ) -> str:
        settings = (("starts", starts), ("stops", stops), ("axes", axes), ("steps", steps))
        names = [
            self._constant(f"{name}.{word}", np.array(value))
            for word, value in settings
            if value is not None
        ]
        return self._node("Slice", [values, *names], name)

    def _constant(self, name: str, value: np.ndarray) -> str:
        self._graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: int) -> str:
        self._new.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output
