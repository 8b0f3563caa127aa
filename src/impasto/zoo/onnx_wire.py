"""A strict reader of the few parts of an ONNX file that must be known before it is run.

Listing models should load no runtime, and a stranger's file should be refused before a runtime
opens it; so the protocol-buffer wire format is read here, without the `onnx` package. Weights are
measured, never copied. Nesting is fixed by the schema, so no file can make the reader recurse.
Field numbers: onnx/onnx.proto. Wire format: protobuf.dev/programming-guides/encoding.
"""

from dataclasses import dataclass
from math import prod

from impasto.errors import ModelFileError

FLOAT32 = 1
"""`TensorProto.DataType` of float32."""

MAX_FIELDS = 500_000
"""More protocol-buffer fields than this are refused; our largest network has some thousands."""

_MAX_FIELD_NUMBER = 2**29 - 1
_MAX_RANK = 16
_BYTES_PER_ELEMENT = {
    1: 4,  # float32
    2: 1,  # uint8
    3: 1,  # int8
    4: 2,  # uint16
    5: 2,  # int16
    6: 4,  # int32
    7: 8,  # int64
    9: 1,  # bool
    10: 2,  # float16
    11: 8,  # float64
    12: 4,  # uint32
    13: 8,  # uint64
    16: 2,  # bfloat16
}
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5

_Value = int | memoryview | None  # a varint, a string of bytes, or a fixed number (not needed)
_Message = dict[int, list[_Value]]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A constant of the graph: name, `TensorProto.DataType`, shape, and where its values are."""

    name: str
    data_type: int
    shape: tuple[int, ...]
    is_external: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A step of the computation.

    Attributes:
        operator: its name, `domain::name` outside the standard domain.
        inputs: names of the values it takes, empty where an optional one is left out.
        outputs: names of the values it makes.
        is_external: the values of a constant inside it lie in another file.
    """

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    is_external: bool


@dataclass(frozen=True, slots=True)
class ValueInfo:
    """An input or output: name, `TensorProto.DataType` and shape, None where a length is open."""

    name: str
    data_type: int
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True, slots=True)
class OnnxSummary:
    """What an ONNX file holds, as far as it must be known before it is run.

    Attributes:
        metadata: key to value.
        nodes: the steps of the computation, each after those whose values it takes.
        initializers: the named constants of the graph.
        inputs: what has to be given; constants that old files also list are left out.
        outputs: what comes out.
    """

    metadata: dict[str, str]
    nodes: tuple[Node, ...]
    initializers: tuple[Tensor, ...]
    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]

    @property
    def has_external_data(self) -> bool:
        """Some constant's values lie in another file."""
        return any(tensor.is_external for tensor in self.initializers) or any(
            node.is_external for node in self.nodes
        )


def read_onnx(data: bytes) -> OnnxSummary:
    """Read the summary of an ONNX file's bytes.

    Raises:
        ModelFileError: malformed or cut short, no graph, values that nothing makes, or parts no
            image network needs: control flow, functions, sparse or text tensors, training graphs.
    """
    return _Reader().model(memoryview(data))


class _Reader:
    """Reads messages, counting fields so that a small file cannot keep us busy for long."""

    def __init__(self) -> None:
        self._fields_left = MAX_FIELDS

    def model(self, buffer: memoryview) -> OnnxSummary:
        fields = self.message(buffer)
        for number, part in ((20, "a training graph"), (25, "functions of its own")):
            _refuse(fields, number, part)
        metadata: dict[str, str] = {}
        for entry in fields.get(14, []):
            key, value = self._string_pair(_bytes(entry))
            if key in metadata:
                raise _malformed(f"the metadata key {key[:60]!r} appears twice")
            metadata[key] = value
        if 7 not in fields:
            raise _malformed("there is no graph")
        return self._graph(_bytes(_one(fields, 7)), metadata)

    def _graph(self, buffer: memoryview, metadata: dict[str, str]) -> OnnxSummary:
        fields = self.message(buffer)
        _refuse(fields, 15, "sparse tensors")
        initializers = tuple(self._tensor(_bytes(tensor)) for tensor in fields.get(5, []))
        constants = {tensor.name for tensor in initializers}
        inputs = [self._value_info(_bytes(value)) for value in fields.get(11, [])]
        summary = OnnxSummary(
            metadata=metadata,
            nodes=tuple(self._node(_bytes(node)) for node in fields.get(1, [])),
            initializers=initializers,
            inputs=tuple(value for value in inputs if value.name not in constants),
            outputs=tuple(self._value_info(_bytes(value)) for value in fields.get(12, [])),
        )
        _check_links(summary)
        return summary

    def _node(self, buffer: memoryview) -> Node:
        fields = self.message(buffer)
        operator, domain = _text(_one(fields, 4)), _text(_one(fields, 7))
        is_external = False
        for attribute in fields.get(5, []):
            parts = self.message(_bytes(attribute))
            for number in (6, 11):
                _refuse(parts, number, "control flow (a graph inside an operator)")
            for number in (22, 23):
                _refuse(parts, number, "sparse tensors")
            for tensor in [*parts.get(5, []), *parts.get(10, [])]:
                is_external |= self._tensor(_bytes(tensor)).is_external
        return Node(
            operator=operator if domain in ("", "ai.onnx") else f"{domain}::{operator}",
            inputs=tuple(_text(name) for name in fields.get(1, [])),
            outputs=tuple(_text(name) for name in fields.get(2, [])),
            is_external=is_external,
        )

    def _tensor(self, buffer: memoryview) -> Tensor:
        fields = self.message(buffer)
        tensor = Tensor(
            name=_text(_one(fields, 8)),
            data_type=_integer(_one(fields, 2)),
            shape=_shape(fields.get(1, [])),
            is_external=13 in fields or _integer(_one(fields, 14)) != 0,
        )
        if tensor.data_type not in _BYTES_PER_ELEMENT:
            raise _malformed(
                f"the constant {tensor.name[:60]!r} has the data type {tensor.data_type}"
            )
        if not tensor.is_external:
            _check_payload(tensor, fields)
        return tensor

    def _value_info(self, buffer: memoryview) -> ValueInfo:
        fields = self.message(buffer)
        kind = self.message(_bytes(_one(fields, 2)))
        tensor = self.message(_bytes(_one(kind, 1)))
        shape: tuple[int | None, ...] | None = None
        if 2 in tensor:
            dimensions = self.message(_bytes(_one(tensor, 2))).get(1, [])
            shape = tuple(self._dimension(_bytes(dimension)) for dimension in dimensions)
        return ValueInfo(_text(_one(fields, 1)), _integer(_one(tensor, 1)), shape)

    def _dimension(self, buffer: memoryview) -> int | None:
        fields = self.message(buffer)
        return _integer(_one(fields, 1)) if 1 in fields else None

    def _string_pair(self, buffer: memoryview) -> tuple[str, str]:
        fields = self.message(buffer)
        return _text(_one(fields, 1)), _text(_one(fields, 2))

    def message(self, buffer: memoryview) -> _Message:
        """All fields of one message by number, in their order; nested messages stay bytes."""
        fields: _Message = {}
        position = 0
        while position < len(buffer):
            self._fields_left -= 1
            if self._fields_left < 0:
                raise _malformed(f"there are more than {MAX_FIELDS} fields")
            tag, position = _varint(buffer, position)
            value, position = _value(buffer, position, tag & 7)
            if not 1 <= tag >> 3 <= _MAX_FIELD_NUMBER:
                raise _malformed(f"there is a field with the number {tag >> 3}")
            fields.setdefault(tag >> 3, []).append(value)
        return fields


def _value(buffer: memoryview, position: int, wire_type: int) -> tuple[_Value, int]:
    """One field's value and the position after it."""
    if wire_type == _VARINT:
        return _varint(buffer, position)
    if wire_type == _LENGTH:
        length, position = _varint(buffer, position)
    elif wire_type in (_FIXED32, _FIXED64):
        length = 4 if wire_type == _FIXED32 else 8
    else:
        raise _malformed(f"there is a field of the wire type {wire_type}")
    end = position + length
    if end > len(buffer):
        raise _malformed("a field runs past its end, so the file is probably cut short")
    return (buffer[position:end] if wire_type == _LENGTH else None), end


def _varint(buffer: memoryview, position: int) -> tuple[int, int]:
    """An unsigned 64-bit number and the position after it."""
    number = 0
    for shift in range(0, 70, 7):
        if position >= len(buffer):
            raise _malformed("a number runs past its end, so the file is probably cut short")
        byte = buffer[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    else:
        raise _malformed("a number has more than ten bytes")
    if number >= 2**64:
        raise _malformed("a number has more than 64 bits")
    return number, position


def _one(fields: _Message, number: int) -> _Value:
    """The value of a field that may appear once; None where it is absent."""
    values = fields.get(number)
    if values is None:
        return None
    if len(values) > 1:
        raise _malformed(f"the field {number} appears {len(values)} times instead of once")
    if values[0] is None:
        raise _malformed(f"the field {number} has a fixed width")
    return values[0]


def _bytes(value: _Value) -> memoryview:
    if isinstance(value, int):
        raise _malformed("a number stands where bytes should be")
    return memoryview(b"") if value is None else value


def _integer(value: _Value) -> int:
    if isinstance(value, memoryview):
        raise _malformed("bytes stand where a number should be")
    return 0 if value is None else value


def _text(value: _Value) -> str:
    try:
        return str(_bytes(value), "utf-8")
    except UnicodeDecodeError:
        raise _malformed("a text is not valid UTF-8") from None


def _shape(values: list[_Value]) -> tuple[int, ...]:
    """Lengths from single numbers or packed ones."""
    lengths: list[int] = []
    for value in values:
        if isinstance(value, memoryview):
            position = 0
            while position < len(value) and len(lengths) <= _MAX_RANK:
                length, position = _varint(value, position)
                lengths.append(length)
        else:
            lengths.append(_integer(value))
    if len(lengths) > _MAX_RANK:
        raise _malformed(f"a constant has more than {_MAX_RANK} dimensions")
    if any(length >= 2**63 for length in lengths):  # a negative number, read without its sign
        raise _malformed("a constant has a negative length")
    return tuple(lengths)


def _check_payload(tensor: Tensor, fields: _Message) -> None:
    """Raw values must fill the shape exactly; packed ones take at least a byte each."""
    num_elements = prod(tensor.shape)
    if 9 in fields:
        num_bytes = len(_bytes(_one(fields, 9)))
        is_complete = num_bytes == num_elements * _BYTES_PER_ELEMENT[tensor.data_type]
    else:
        values = [value for number in (4, 5, 7, 10, 11) for value in fields.get(number, [])]
        num_bytes = sum(len(value) if isinstance(value, memoryview) else 1 for value in values)
        is_complete = num_elements <= num_bytes
    if not is_complete:
        raise _malformed(
            f"the constant {tensor.name[:60]!r} of shape {tensor.shape} has {num_bytes} bytes"
        )


def _check_links(summary: OnnxSummary) -> None:
    """Every value must be given, constant, or made by an earlier step."""
    known = {"", *(tensor.name for tensor in summary.initializers)}
    known.update(value.name for value in summary.inputs)
    for node in summary.nodes:
        if missing := set(node.inputs) - known:
            raise _malformed(f"nothing makes the value {min(missing)[:60]!r}")
        known.update(node.outputs)
    if missing := {value.name for value in summary.outputs} - known:
        raise _malformed(f"nothing makes the output {min(missing)[:60]!r}")


def _refuse(fields: _Message, number: int, part: str) -> None:
    if number in fields:
        raise ModelFileError(
            f"the model holds {part}, which no Impasto model does; "
            f"use a model that was made by 'impasto train'"
        )


def _malformed(why: str) -> ModelFileError:
    return ModelFileError(f"not a sound ONNX file ({why}); get the model file again")
