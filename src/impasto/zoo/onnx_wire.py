"""A strict reader of ONNX files: the few parts that Impasto's own models have, and nothing else.

It works without the `onnx` package and without a runtime: listing models stays fast, and an unsafe
file is refused before a runtime opens it. Weights are measured, never copied. The schema fixes the
nesting, so no file can make the reader recurse. `impasto.zoo.operators` checks the operators.
Field numbers: onnx/onnx.proto.
"""

import struct
from dataclasses import dataclass, field
from math import prod

from impasto.errors import ModelFileError
from impasto.zoo.protobuf import (
    Message,
    MessageReader,
    as_bytes,
    as_float,
    as_floats,
    as_integer,
    as_integers,
    as_text,
    malformed,
    one,
)

FLOAT32, UINT8, INT8, INT64, FLOAT16 = 1, 2, 3, 7, 10
"""`TensorProto.DataType` of the constants in our models."""

OPSET = 18
"""The version of the standard operators in our models."""

MAX_RANK = 4
"""The most dimensions of a constant; kernels have four."""

MAX_SHORT_ROW = 8
"""Constants of at most this many numbers are decoded: they say where to cut or how to pad."""

_IR_VERSIONS = range(8, 20)
_BYTES_PER_ELEMENT = {FLOAT32: 4, UINT8: 1, INT8: 1, INT64: 8, FLOAT16: 2}
_LETTERS = {FLOAT32: "f", UINT8: "B", INT8: "b", INT64: "q", FLOAT16: "e"}

# Fields that a message may have. Those that hold data are read; documentation is not.
_MODEL = {1, 2, 3, 4, 5, 6, 7, 8, 14}
_GRAPH = {1, 2, 5, 10, 11, 12, 16}
_NODE = {1, 2, 3, 4, 5, 6, 7, 9}
_ATTRIBUTE = {1, 2, 3, 4, 5, 7, 8, 13, 20}
# Values come as raw bytes (field 9) alone. With float_data and the like beside them, a runtime and
# this reader could see different weights.
_TENSOR = {1, 2, 8, 9, 12, 16}
# These have a reason to tell. Every other unknown field is refused by its number.
_REFUSED = {
    "a model": {20: "a training graph", 25: "functions of its own"},
    "a graph": {15: "sparse tensors", 13: "shapes of its own for what it computes"},
    "a node": {},
    "an attribute": {
        6: "control flow (a graph inside an operator)",
        11: "control flow (a graph inside an operator)",
        22: "sparse tensors",
        23: "sparse tensors",
    },
    "a constant": {
        13: "weights that lie in another file (external data)",
        14: "weights that lie in another file (external data)",
    },
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """A constant of the graph.

    Attributes:
        name: of an initializer; empty inside an attribute.
        data_type: `TensorProto.DataType`.
        shape: its lengths, each 1 or more.
        data: its values, little-endian; their number is the product of the shape.
    """

    name: str
    data_type: int
    shape: tuple[int, ...]
    data: memoryview = field(repr=False, compare=False)

    def row(self) -> tuple[float, ...] | None:
        """Its numbers; None where there are more than `MAX_SHORT_ROW`."""
        num = prod(self.shape)
        if num > MAX_SHORT_ROW:
            return None
        return struct.unpack(f"<{num}{_LETTERS[self.data_type]}", self.data)


Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | Tensor


@dataclass(frozen=True, slots=True)
class Node:
    """A step of the computation.

    Attributes:
        operator: its name, `domain::name` outside the standard domain.
        name: of this node, which may have none.
        inputs: names of its input values, empty where an optional one is left out.
        outputs: names of its output values.
        attributes: by name.
    """

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute]


@dataclass(frozen=True, slots=True)
class ValueInfo:
    """An input or output: name, `TensorProto.DataType` and shape, with None for an open length."""

    name: str
    data_type: int
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """The content of an ONNX file.

    Attributes:
        metadata: key to value.
        nodes: the steps of the computation, each after those that compute its inputs.
        initializers: the named constants of the graph.
        inputs: of the graph.
        outputs: of the graph.
    """

    metadata: dict[str, str]
    nodes: tuple[Node, ...]
    initializers: tuple[Tensor, ...]
    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]


def read_onnx(data: bytes) -> OnnxModel:
    """Read an ONNX file's bytes.

    Raises:
        ModelFileError: the file is malformed or cut short, has no graph or another opset, or uses
            a value that no step computes or that two compute; or it has parts that no image
            network needs: control flow, functions, external data, sparse or text tensors, training
            graphs.
    """
    return _OnnxReader().model(memoryview(data))


class _OnnxReader:
    """Reads the messages of an ONNX file."""

    def __init__(self) -> None:
        self._messages = MessageReader()
        self._attributes: dict[
            bytes, tuple[str, Attribute]
        ] = {}  # most appear many times in a file

    def model(self, buffer: memoryview) -> OnnxModel:
        fields = self._read(buffer, _MODEL, "a model")
        metadata: dict[str, str] = {}
        for entry in fields.get(14, []):
            pair = self._messages.read(
                as_bytes(entry), known={1, 2}, name="an entry of the metadata"
            )
            key, value = as_text(one(pair, 1)), as_text(one(pair, 2))
            # With two cards, one program would show the first and another the second.
            if key in metadata:
                raise malformed(f"the metadata key {key[:60]!r} appears twice")
            metadata[key] = value
        if 7 not in fields:
            raise malformed("there is no graph")
        graph = self._graph(as_bytes(one(fields, 7)), metadata)
        self._check_versions(fields)
        return graph

    def _check_versions(self, fields: Message) -> None:
        operator_sets = [
            self._messages.read(as_bytes(value), known={1, 2}, name="an operator set")
            for value in fields.get(8, [])
        ]
        versions = [(as_text(one(s, 1)), as_integer(one(s, 2))) for s in operator_sets]
        if versions not in ([("", OPSET)], [("ai.onnx", OPSET)]):
            shown = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in versions)
            raise ModelFileError(
                f"it is written in the operators of {shown[:80] or 'no version'}, expected "
                f"ai.onnx {OPSET}; use a model that was made by 'impasto train'"
            )
        if as_integer(one(fields, 1)) not in _IR_VERSIONS:
            raise malformed(f"it is of ONNX's format {as_integer(one(fields, 1))}")

    def _graph(self, buffer: memoryview, metadata: dict[str, str]) -> OnnxModel:
        fields = self._read(buffer, _GRAPH, "a graph")
        model = OnnxModel(
            metadata=metadata,
            nodes=tuple(self._node(as_bytes(node)) for node in fields.get(1, [])),
            initializers=tuple(self._tensor(as_bytes(tensor)) for tensor in fields.get(5, [])),
            inputs=tuple(self._value_info(as_bytes(value)) for value in fields.get(11, [])),
            outputs=tuple(self._value_info(as_bytes(value)) for value in fields.get(12, [])),
        )
        _check_links(model)
        return model

    def _node(self, buffer: memoryview) -> Node:
        fields = self._read(buffer, _NODE, "a node")
        operator, domain = as_text(one(fields, 4)), as_text(one(fields, 7))
        attributes: dict[str, Attribute] = {}
        for value in fields.get(5, []):
            packed = bytes(as_bytes(value))
            if packed not in self._attributes:
                self._attributes[packed] = self._attribute(as_bytes(value))
            name, attribute = self._attributes[packed]
            if name in attributes:
                raise malformed(f"the attribute {name[:60]!r} appears twice")
            attributes[name] = attribute
        return Node(
            # The domain becomes part of the name, so that the table of operators refuses all
            # others.
            operator=operator if domain in ("", "ai.onnx") else f"{domain}::{operator}",
            name=as_text(one(fields, 3)),
            inputs=tuple(as_text(name) for name in fields.get(1, [])),
            outputs=tuple(as_text(name) for name in fields.get(2, [])),
            attributes=attributes,
        )

    def _attribute(self, buffer: memoryview) -> tuple[str, Attribute]:
        fields = self._read(buffer, _ATTRIBUTE, "an attribute")
        name, kind = as_text(one(fields, 1)), as_integer(one(fields, 20))
        # From AttributeProto's type to the field of its value: f, i, s, t, floats, ints.
        number = {1: 2, 2: 3, 3: 4, 4: 5, 6: 7, 7: 8}.get(kind)
        # A value in a second field would count for a reader that goes by fields and not by the
        # type.
        held = fields.keys() - {1, 13, 20}
        if number is None or held - {number}:
            raise malformed(f"the attribute {name[:60]!r} is of the type {kind}")
        value: Attribute
        if kind == 1:
            value = as_float(one(fields, number))
        elif kind == 2:
            value = as_integer(one(fields, number))
        elif kind == 3:
            value = as_text(one(fields, number))
        elif kind == 4:
            value = self._tensor(as_bytes(one(fields, number)))
        elif kind == 6:
            value = as_floats(fields.get(number, []))
        else:
            value = as_integers(fields.get(number, []))
        return name, value

    def _tensor(self, buffer: memoryview) -> Tensor:
        fields = self._read(buffer, _TENSOR, "a constant")
        tensor = Tensor(
            name=as_text(one(fields, 8)),
            data_type=as_integer(one(fields, 2)),
            shape=as_integers(fields.get(1, [])),
            data=as_bytes(one(fields, 9)),
        )
        _check_tensor(tensor)
        return tensor

    def _value_info(self, buffer: memoryview) -> ValueInfo:
        read = self._messages.read
        fields = read(buffer, known={1, 2, 3, 4}, name="an input or output")
        kind = read(as_bytes(one(fields, 2)), known={1, 6}, name="a type")
        tensor = read(as_bytes(one(kind, 1)), known={1, 2}, name="a type")
        shape: tuple[int | None, ...] | None = None
        if 2 in tensor:
            lengths = read(as_bytes(one(tensor, 2)), known={1}, name="a shape").get(1, [])
            dimensions = [
                read(as_bytes(length), known={1, 2, 3}, name="a length") for length in lengths
            ]
            shape = tuple(as_integer(one(d, 1)) if 1 in d else None for d in dimensions)
        return ValueInfo(as_text(one(fields, 1)), as_integer(one(tensor, 1)), shape)

    def _read(self, buffer: memoryview, known: set[int], name: str) -> Message:
        refused = _REFUSED[name]
        fields = self._messages.read(buffer, known=known | refused.keys(), name=name)
        for number, part in refused.items():
            # Field 14 of a constant may say, by its default 0, that the data are in this file.
            is_default = (name, number, fields.get(number)) == ("a constant", 14, [0])
            if number in fields and not is_default:
                raise ModelFileError(
                    f"the model holds {part}, which no Impasto model does; "
                    f"use a model that was made by 'impasto train'"
                )
        return fields


def _check_tensor(tensor: Tensor) -> None:
    """Refuse a constant whose bytes do not fill its shape exactly."""
    name, shape = tensor.name[:60], tensor.shape
    if tensor.data_type not in _BYTES_PER_ELEMENT:
        raise malformed(f"the constant {name!r} has the data type {tensor.data_type}")
    if len(shape) > MAX_RANK or min(shape, default=1) < 1:
        raise malformed(
            f"the constant {name!r} has the shape {shape[: MAX_RANK + 1]}, expected at most "
            f"{MAX_RANK} lengths of 1 or more"
        )
    # A runtime would read beyond data that are shorter than their shape.
    if len(tensor.data) != prod(shape) * _BYTES_PER_ELEMENT[tensor.data_type]:
        raise malformed(f"the constant {name!r} of shape {shape} has {len(tensor.data)} bytes")


def _check_links(model: OnnxModel) -> None:
    """Every value must be an input, a constant, or the output of exactly one earlier step."""
    sources = [tensor.name for tensor in model.initializers]
    sources += [value.name for value in model.inputs]
    known = {"", *sources}
    if len(known) != len(sources) + 1:
        raise malformed("two constants or inputs have one name, or one has none")
    names = [node.name for node in model.nodes if node.name]
    if len(set(names)) != len(names):
        raise malformed("two of its operators have one name")
    # In the file's order: a step takes only what stands before it, so there is no cycle.
    for node in model.nodes:
        if missing := set(node.inputs) - known:
            raise malformed(f"nothing makes the value {min(missing)[:60]!r}")
        for name in node.outputs:
            if name in known:
                raise malformed(f"the value {name[:60]!r} is made twice")
            known.add(name)
    if missing := {value.name for value in model.outputs} - known:
        raise malformed(f"nothing makes the output {min(missing)[:60]!r}")
