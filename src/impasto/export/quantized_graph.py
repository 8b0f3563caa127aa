"""The graph of an int8 model: which convolutions can be quantized, and the rewritten graph.

Convolutions read 8-bit activations (unsigned, one scale per tensor) and 7-bit weights (one scale
per output channel), written as QuantizeLinear and DequantizeLinear, which runtimes turn into
integer arithmetic. `impasto.export.quantization` chooses the convolutions, and says why both
modules are written by hand.
Source: Jacob et al. 2018, section 2.1; ONNX operators QuantizeLinear and DequantizeLinear.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

WEIGHT_BITS = 7
"""A processor without VNNI adds two 8-bit products in 16 bits, which saturate: 255 · 127 · 2 >
32767. With 8-bit weights the shipped styles lost 11 dB to that on such a processor; with 7 bits
they lose 0.1 dB on every processor, and all processors compute the same."""

_LARGEST_WEIGHT = 2 ** (WEIGHT_BITS - 1) - 1
_LARGEST_ACTIVATION = 255

_MOVES = {"Identity", "Pad", "Resize", "Slice"}
"""Operators that only move or repeat values. Between a tensor and the convolution that reads it,
they work on 8 bits as well."""


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution that can be quantized.

    Attributes:
        name: the network's name of its weights, without `.weight`.
        source: the tensor whose values it reads, possibly padded, resized or sliced before.
        output: the tensor it computes.
        num_products: multiplications for each value of the output.
    """

    name: str
    source: str
    output: str
    num_products: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Measurements of the graph on photographs.

    Attributes:
        ranges: the lowest and highest value of every source tensor.
        work: the multiplications for a picture of every convolution, by name.
    """

    ranges: dict[str, tuple[float, float]]
    work: dict[str, float]


def find_convolutions(data: bytes) -> list[Convolution]:
    """The convolutions of a model file's graph that can be quantized, in their order."""
    graph = onnx.load_model_from_string(data).graph
    makers = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    convolutions = []
    for node in graph.node:
        if node.op_type == "Conv" and (weights := _weights_name(node, makers, constants)):
            source, _ = _source_of(node, makers)
            convolutions.append(
                Convolution(
                    name=weights.removesuffix(".weight"),
                    source=source,
                    output=node.output[0],
                    num_products=prod(constants[weights].dims[1:]),
                )
            )
    return convolutions


def measuring_graph(data: bytes) -> bytes:
    """A graph that computes, for a batch, one row of numbers for `read_measurements`."""
    model = onnx.load_model_from_string(data)
    convolutions = find_convolutions(data)
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "measure:one"))
    parts = []
    for number, source in enumerate(_sources(convolutions)):
        for operator in ("ReduceMin", "ReduceMax"):
            parts.append(f"measure:{operator}:{number}")
            graph.node.append(helper.make_node(operator, [source], [f"{parts[-1]}:value"]))
            graph.node[-1].attribute.append(helper.make_attribute("keepdims", 0))
    for number, convolution in enumerate(convolutions):
        parts.append(f"measure:size:{number}")
        count = f"{parts[-1]}:count"
        graph.node.append(helper.make_node("Size", [convolution.output], [count]))
        graph.node.append(
            helper.make_node("Cast", [count], [f"{parts[-1]}:value"], to=TensorProto.FLOAT)
        )
    for part in parts:
        graph.node.append(helper.make_node("Reshape", [f"{part}:value", "measure:one"], [part]))
    graph.node.append(helper.make_node("Concat", parts, ["measurements"], axis=0))
    del graph.output[:]
    graph.output.append(
        helper.make_tensor_value_info("measurements", TensorProto.FLOAT, [len(parts)])
    )
    return bytes(model.SerializeToString())


def read_measurements(
    convolutions: Sequence[Convolution], rows: Sequence[NDArray[np.float32]]
) -> Calibration:
    """The calibration from the rows that `measuring_graph` computed, one for each batch."""
    table = np.stack(rows).astype(np.float64)
    sources = _sources(convolutions)
    ranges = {
        source: (float(table[:, 2 * i].min()), float(table[:, 2 * i + 1].max()))
        for i, source in enumerate(sources)
    }
    # The mean over batches: of pictures of one size, all have the same.
    sizes = table[:, 2 * len(sources) :].mean(axis=0)
    work = {
        convolution.name: float(size) * convolution.num_products
        for convolution, size in zip(convolutions, sizes, strict=True)
    }
    return Calibration(ranges, work)


def quantize_graph(
    data: bytes, calibration: Calibration, *, in_float: Collection[str], range_share: float = 1.0
) -> bytes:
    """The model with every convolution quantized except those named.

    Args:
        data: the content of the model file.
        calibration: the ranges of its activations.
        in_float: names of the convolutions that stay in float.
        range_share: share of each range that the steps cover; values outside are clipped. The
            input picture keeps its whole range.
    """
    model = onnx.load_model_from_string(data)
    graph = model.graph
    makers = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    inserted: dict[str, list[onnx.NodeProto]] = {}  # new nodes by the tensor that they read
    for node in [node for node in graph.node if node.op_type == "Conv"]:
        weights = _weights_name(node, makers, constants)
        if weights is None or weights.removesuffix(".weight") in in_float:
            continue
        source, reader = _source_of(node, makers)
        # Once for a tensor, however many convolutions read it: both then see the same 8 bits.
        if source not in inserted:
            inserted[source] = _quantize_activations(
                graph,
                source,
                calibration.ranges[source],
                share=1.0 if source == graph.input[0].name else range_share,
            )
        reader.input[0] = f"{source}:dequantized"
        inserted[weights] = _quantize_weights(graph, constants[weights])
        node.input[1] = f"{weights}:dequantized"
    # Each new node goes behind the one that computes its input: ONNX lists nodes in that order.
    computed = makers.keys()
    nodes = [node for name, new in inserted.items() if name not in computed for node in new]
    for node in graph.node:
        nodes.append(node)
        nodes += [new for output in node.output for new in inserted.get(output, [])]
    del graph.node[:]
    graph.node.extend(nodes)
    _remove_unused(graph)
    return bytes(model.SerializeToString(deterministic=True))


def with_metadata(data: bytes, entries: dict[str, str]) -> bytes:
    """The same graph with these metadata in place of its own."""
    model = onnx.load_model_from_string(data)
    helper.set_model_props(model, entries)
    return bytes(model.SerializeToString(deterministic=True))


def _sources(convolutions: Sequence[Convolution]) -> list[str]:
    return list(dict.fromkeys(convolution.source for convolution in convolutions))


def _weights_name(
    convolution: onnx.NodeProto,
    makers: dict[str, onnx.NodeProto],
    constants: dict[str, onnx.TensorProto],
) -> str | None:
    """The constant that holds a convolution's weights, before its cast; None without one."""
    name: str = convolution.input[1]
    if name in makers and makers[name].op_type == "Cast":
        name = makers[name].input[0]
    return name if name in constants else None


def _source_of(
    convolution: onnx.NodeProto, makers: dict[str, onnx.NodeProto]
) -> tuple[str, onnx.NodeProto]:
    """The tensor whose values a convolution reads, and the first node on the way that reads it.

    Where the ways to two convolutions share that node, both read the same 8-bit tensor.
    """
    reader = convolution
    source: str = convolution.input[0]
    while source in makers and makers[source].op_type in _MOVES:
        # A Resize that interpolates makes new values; without a mode it takes the nearest.
        modes = [a.s for a in makers[source].attribute if a.name == "mode"]
        if makers[source].op_type == "Resize" and modes not in ([], [b"nearest"]):
            break
        reader = makers[source]
        source = reader.input[0]
    return source, reader


def _quantize_activations(
    graph: onnx.GraphProto, source: str, limits: tuple[float, float], *, share: float
) -> list[onnx.NodeProto]:
    # The range includes 0, so that padding with zeros is exact in 8 bits.
    low, high = min(limits[0], 0.0) * share, max(limits[1], 0.0) * share
    # A tensor that is zero on all photographs, as behind a dead ReLU, would divide by zero.
    scale = max(high - low, 1e-6) / _LARGEST_ACTIVATION
    values: dict[str, NDArray[np.generic]] = {
        f"{source}:scale": np.array(scale, np.float32),
        f"{source}:zero": np.array(round(-low / scale), np.uint8),
    }
    graph.initializer.extend(numpy_helper.from_array(v, name) for name, v in values.items())
    quantized = f"{source}:quantized"
    return [
        helper.make_node("QuantizeLinear", [source, *values], [quantized]),
        helper.make_node("DequantizeLinear", [quantized, *values], [f"{source}:dequantized"]),
    ]


def _quantize_weights(graph: onnx.GraphProto, tensor: onnx.TensorProto) -> list[onnx.NodeProto]:
    weights = numpy_helper.to_array(tensor).astype(np.float32)
    largest = np.abs(weights).reshape(len(weights), -1).max(axis=1)
    # By channel: a norm layer leaves the size of each channel's weights open, and one step for all
    # would fit the largest alone.
    scales = np.where(largest > 0, largest / _LARGEST_WEIGHT, 1).astype(np.float32)
    steps = np.round(weights / scales.reshape(-1, *[1] * (weights.ndim - 1)))
    values = {
        f"{tensor.name}:int8": steps.clip(-_LARGEST_WEIGHT, _LARGEST_WEIGHT).astype(np.int8),
        f"{tensor.name}:scale": scales,
        # Zero: with another zero point each sum of products would need a correction (section 2.3).
        f"{tensor.name}:zero": np.zeros(len(scales), np.int8),
    }
    graph.initializer.extend(numpy_helper.from_array(v, name) for name, v in values.items())
    return [
        helper.make_node("DequantizeLinear", list(values), [f"{tensor.name}:dequantized"], axis=0)
    ]


def _remove_unused(graph: onnx.GraphProto) -> None:
    """Drop the float weights that no node reads any more, and their casts."""
    # Backwards, so that a node is met after all that read it.
    used = {value.name for value in graph.output}
    nodes = []
    for node in reversed(graph.node):
        if used.intersection(node.output):
            nodes.append(node)
            used.update(node.input)
    constants = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:]
    graph.node.extend(reversed(nodes))
    del graph.initializer[:]
    graph.initializer.extend(constants)
