"""Shape inference for the operators of `impasto.zoo.operators`, for a picture of one size.

There is one rule per operator. It refuses inputs that our exporters never write, and returns the
shape of the output: channels and ranks must agree, weights must fit, and the positions of cuts and
the amounts of padding must be constants, or sizes within the features. Sizes are plain numbers, so
`impasto.zoo.graph` applies the rules once for each size of picture that it tries.
"""

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from impasto.zoo.onnx_wire import FLOAT16, FLOAT32, INT8, INT64, UINT8, Attribute, Node, Tensor

Shape = tuple[int, ...]

MAX_PADDING = 40
"""Pixels at each side: the paper's style network begins with this padding."""

_LARGEST_CONSTANT = 256
_SMALLEST_SCALE = 2.0**-126  # of normal float32 numbers
_KERNEL_SIZES = (1, 3, 5, 9)
_ROW_OF_PADS = 8


class MisfitError(Exception):
    """An operator does not fit its inputs; never leaves `impasto.zoo`."""


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of a value of the graph before it is computed.

    Attributes:
        data_type: `TensorProto.DataType`.
        shape: for the size of picture that is tried.
        numbers: of a short constant, or computed from sizes; None where they are not known.
        tensor: the constant, perhaps before a cast; None where the value is computed.
    """

    data_type: int
    shape: Shape
    numbers: tuple[float, ...] | None = None
    tensor: Tensor | None = None


def constant(tensor: Tensor) -> Value:
    """The value of a constant."""
    return Value(tensor.data_type, tensor.shape, tensor.row(), tensor)


def infer(node: Node, inputs: Sequence[Value | None]) -> Value:
    """The output of a node that `operators.check_node` has passed.

    Args:
        node: the operator and its attributes.
        inputs: in their order; None for an optional one that is left out.

    Raises:
        MisfitError: the operator does not fit these inputs.
    """
    return _RULES[node.operator](node.attributes, [value for value in inputs if value is not None])


_Attributes = dict[str, Attribute]
_Rule = Callable[[_Attributes, list[Value]], Value]

_RULES: dict[str, _Rule] = {}


def _rule_of(*operators: str) -> Callable[[_Rule], _Rule]:
    """Enter a function into the table of rules."""

    def enter(rule: _Rule) -> _Rule:
        _RULES.update(dict.fromkeys(operators, rule))
        return rule

    return enter


def _need(condition: bool, why: str) -> None:
    if not condition:
        raise MisfitError(why)


def _features(value: Value) -> Shape:
    """The shape of features or a picture, which are float32, computed, N×C×H×W."""
    is_features = value.data_type == FLOAT32 and value.tensor is None and len(value.shape) == 4
    _need(is_features, f"it is given the shape {value.shape}, expected features N×C×H×W")
    return value.shape


def _constant_of(value: Value, data_type: int, shape: Shape) -> Tensor:
    """The tensor of a value, which must be a constant of this type and shape."""
    fits = value.tensor is not None and (value.data_type, value.shape) == (data_type, shape)
    _need(fits, f"it is given the shape {value.shape}, expected a constant of shape {shape}")
    assert value.tensor is not None
    return value.tensor


def _numbers(value: Value, data_type: int, shape: Shape) -> tuple[float, ...]:
    """The numbers of a value, which must be a short constant of this type and shape."""
    _constant_of(value, data_type, shape)
    assert value.numbers is not None
    return value.numbers


def _elementwise(operator: str) -> _Rule:
    def rule(_: _Attributes, inputs: list[Value]) -> Value:
        first, second = inputs
        if first.data_type == INT64:
            return _computed_size(operator, first, second)
        constants = [value for value in inputs if value.tensor is not None]
        if not constants:
            _need(operator in ("Add", "Sub"), "both of its inputs are computed")
            return _sum_of_features(_features(first), _features(second))
        _need(len(constants) == 1, "both of its inputs are constants")
        # A computed divisor may be 0, and NaN would reach the picture.
        _need(operator != "Div" or constants == [second], "it divides by what is computed")
        shape = _features(second if constants == [first] else first)
        return _features_and_constant(shape, constants[0], is_divisor=operator == "Div")

    return rule


_RULES.update({operator: _elementwise(operator) for operator in ("Add", "Sub", "Mul", "Div")})


def _sum_of_features(first: Shape, second: Shape) -> Value:
    """Two of one shape, or one of the two with a single channel."""
    _need(
        first[:1] + first[2:] == second[:1] + second[2:]
        and (first[1] == second[1] or 1 in (first[1], second[1])),
        f"the shapes {first} and {second} do not go together",
    )
    # The shapes differ in channels alone, so the greater tuple is the wider one.
    return Value(FLOAT32, max(first, second))


def _features_and_constant(shape: Shape, other: Value, *, is_divisor: bool) -> Value:
    """The constant is one number for all channels, or one for each."""
    if other.shape:
        _need(not is_divisor, "it divides by more than one number")
        # A single channel may also become as many as the constant has: ONNX broadcasts both ways.
        channels = other.shape[1] if len(other.shape) == 4 else 0
        _constant_of(other, FLOAT32, (1, shape[1], 1, 1) if shape[1] != 1 else (1, channels, 1, 1))
        return Value(FLOAT32, (shape[0], channels, *shape[2:]))
    (number,) = _numbers(other, FLOAT32, ())
    # Processors may take a subnormal divisor for 0.
    _need(not is_divisor or abs(number) >= _SMALLEST_SCALE, "it divides by nothing")
    return Value(FLOAT32, shape)


def _computed_size(operator: str, first: Value, second: Value) -> Value:
    """A size of the picture and a constant, which say where a later operator cuts."""
    is_computed = [value.tensor is None for value in (first, second)]
    _need(
        (first.shape, second.shape) == ((), ()) and second.data_type == INT64,
        "it is given whole numbers that are no sizes",
    )
    _need(sorted(is_computed) == [False, True], "it is given two sizes, or none")
    assert first.numbers is not None
    assert second.numbers is not None
    left, right = int(first.numbers[0]), int(second.numbers[0])
    # The sizes that are tried stand for all others only while constants are small beside them.
    _need(abs(right if is_computed[0] else left) <= _LARGEST_CONSTANT, "its constant is too large")
    if operator == "Div":
        # ONNX cuts quotients off towards 0 and Python rounds them down: they agree from 0 on.
        _need(is_computed[0] and right >= 1 and left >= 0, f"it divides {left} by {right}")
        result = left // right
    else:
        _need(operator in ("Add", "Sub"), "it is given sizes")
        result = left + right if operator == "Add" else left - right
    _need(result >= 0, f"it makes the size {result}")
    return Value(INT64, (), (result,))


@_rule_of("Relu", "Tanh")
def _activation(_: _Attributes, inputs: list[Value]) -> Value:
    return Value(FLOAT32, _features(inputs[0]))


@_rule_of("Clip")
def _clip(_: _Attributes, inputs: list[Value]) -> Value:
    limits = [_numbers(value, FLOAT32, ()) for value in inputs[1:]]
    _need(limits == [(0.0,), (1.0,)], "it does not clip to 0 and 1")
    return Value(FLOAT32, _features(inputs[0]))


@_rule_of("Conv")
def _convolution(attributes: _Attributes, inputs: list[Value]) -> Value:
    num, channels, *sizes = _features(inputs[0])
    kernel = inputs[1].shape
    _need(
        len(kernel) == 4 and kernel[2] == kernel[3] and kernel[2] in _KERNEL_SIZES,
        f"its kernel has the shape {kernel}",
    )
    _constant_of(inputs[1], FLOAT32, kernel)
    _need(attributes.get("kernel_shape", kernel[2:]) == kernel[2:], "its kernel has another size")
    group = attributes.get("group", 1)
    assert isinstance(group, int)
    _need(
        channels == kernel[1] * group and kernel[0] % group == 0,
        f"its kernel {kernel} in {group} groups does not fit {channels} channels",
    )
    if len(inputs) == 3:
        _constant_of(inputs[2], FLOAT32, kernel[:1])
    # `operators` has checked that the four pads are the same, and the two strides.
    pads, strides = attributes.get("pads", (0,)), attributes.get("strides", (1,))
    assert isinstance(pads, tuple)
    assert isinstance(strides, tuple)
    padding, step = int(pads[0]), int(strides[0])
    steps = [size + 2 * padding - kernel[2] for size in sizes]
    _need(min(steps) >= 0, f"its kernel is larger than the features {sizes}")
    return Value(FLOAT32, (num, kernel[0], *(size // step + 1 for size in steps)))


@_rule_of("ConvTranspose")
def _transposed_convolution(_: _Attributes, inputs: list[Value]) -> Value:
    num, channels, height, width = _features(inputs[0])
    kernel = inputs[1].shape
    outputs = kernel[1] if len(kernel) == 4 else 0
    _constant_of(inputs[1], FLOAT32, (channels, outputs, 3, 3))
    _constant_of(inputs[2], FLOAT32, (outputs,))
    return Value(FLOAT32, (num, outputs, 2 * height, 2 * width))


@_rule_of("InstanceNormalization", "BatchNormalization")
def _normalization(_: _Attributes, inputs: list[Value]) -> Value:
    shape = _features(inputs[0])
    for value in inputs[1:]:
        _constant_of(value, FLOAT32, shape[1:2])
    return Value(FLOAT32, shape)


@_rule_of("ReduceSum")
def _sum_over_channels(_: _Attributes, inputs: list[Value]) -> Value:
    num, _channels, *sizes = _features(inputs[0])
    _need(_numbers(inputs[1], INT64, (1,)) == (1,), "it does not sum over the channels")
    return Value(FLOAT32, (num, 1, *sizes))


@_rule_of("Pad")
def _reflection_padding(_: _Attributes, inputs: list[Value]) -> Value:
    num, channels, *sizes = _features(inputs[0])
    pads = _numbers(inputs[1], INT64, (_ROW_OF_PADS,))
    padding = int(pads[2])
    _need(
        pads == (0, 0, padding, padding) * 2 and 0 <= padding <= MAX_PADDING,
        f"it pads by {pads}, expected the same at all sides, at most {MAX_PADDING}",
    )
    # Reflection takes pixels from inside; more of them would be read from outside the features.
    _need(padding < min(sizes), f"it reflects {padding} of {min(sizes)} pixels")
    return Value(FLOAT32, (num, channels, *(size + 2 * padding for size in sizes)))


@_rule_of("Resize")
def _nearest_resize(_: _Attributes, inputs: list[Value]) -> Value:
    num, channels, height, width = _features(inputs[0])
    scales = _numbers(inputs[1], FLOAT32, (4,))
    _need(scales == (1, 1, 2, 2), f"it resizes by {scales}, expected 2 in height and width")
    return Value(FLOAT32, (num, channels, 2 * height, 2 * width))


@_rule_of("DepthToSpace")
def _depth_to_space(attributes: _Attributes, inputs: list[Value]) -> Value:
    num, channels, height, width = _features(inputs[0])
    block = attributes["blocksize"]
    assert isinstance(block, int)
    _need(channels % block**2 == 0, f"{channels} channels make no blocks of {block}")
    return Value(FLOAT32, (num, channels // block**2, block * height, block * width))


@_rule_of("Slice")
def _slice(_: _Attributes, inputs: list[Value]) -> Value:
    shape = list(_features(inputs[0]))
    start, end = map(_position, inputs[1:3])
    axis, step = (int(_numbers(value, INT64, (1,))[0]) for value in inputs[3:])
    _need(axis in (-2, -1, 2, 3), f"it cuts along the axis {axis}")
    if step == -1:  # the whole axis, reversed
        # With a step of -1 the least int64 means: down to the first value.
        _need((start, end) == (-1, -(2**63)), "it turns round a part")
    else:
        _need(
            # A runtime clamps positions beyond the axis; our exporters write none.
            step == 1 and 0 <= start < end <= shape[axis],
            f"it cuts {start} to {end} by {step} of {shape[axis]}",
        )
        shape[axis] = end - start
    return Value(FLOAT32, tuple(shape))


def _position(value: Value) -> int:
    fits = (value.data_type, value.shape) == (INT64, (1,)) and value.numbers is not None
    _need(fits, "it is told where to cut by what is no size")
    assert value.numbers is not None
    return int(value.numbers[0])


@_rule_of("Concat")
def _concatenation(attributes: _Attributes, inputs: list[Value]) -> Value:
    shapes = [list(_features(value)) for value in inputs]
    axis = attributes["axis"]
    assert isinstance(axis, int)
    whole = sum(shape[axis] for shape in shapes)
    for shape in shapes:
        shape[axis] = whole
    _need(shapes.count(shapes[0]) == len(shapes), "what it puts together has several sizes")
    return Value(FLOAT32, tuple(shapes[0]))


@_rule_of("Shape")
def _size(attributes: _Attributes, inputs: list[Value]) -> Value:
    start, end = attributes["start"], attributes["end"]
    assert isinstance(start, int)
    assert isinstance(end, int)
    _need(end == start + 1, "it takes more than one size")
    return Value(INT64, (1,), (_features(inputs[0])[start],))


@_rule_of("Squeeze")
def _number_of_row(_: _Attributes, inputs: list[Value]) -> Value:
    return Value(INT64, (), (_position(inputs[0]),))


@_rule_of("Reshape")
def _row_of_number(_: _Attributes, inputs: list[Value]) -> Value:
    size, new_shape = inputs
    is_size = (size.data_type, size.shape, size.tensor) == (INT64, (), None)
    _need(is_size, "it is given more than a size")
    _need(_numbers(new_shape, INT64, (1,)) == (-1,), "it does not make a row of one number")
    return Value(INT64, (1,), size.numbers)


@_rule_of("Constant")
def _constant_node(attributes: _Attributes, _: list[Value]) -> Value:
    (value,) = attributes.values()
    if isinstance(value, Tensor):
        return constant(value)
    assert isinstance(value, tuple)
    # `value_ints` and `value_floats` have no type of their own: these are the standard's.
    data_type, letter = (INT64, "q") if isinstance(value[0], int) else (FLOAT32, "f")
    data = memoryview(struct.pack(f"<{len(value)}{letter}", *value))
    return constant(Tensor("", data_type, (len(value),), data))


@_rule_of("Cast")
def _cast_weights(_: _Attributes, inputs: list[Value]) -> Value:
    (weights,) = inputs
    is_half = weights.data_type == FLOAT16 and weights.tensor is not None
    _need(is_half, "it casts what are no float16 weights")
    return Value(FLOAT32, weights.shape, weights.numbers, weights.tensor)


@_rule_of("QuantizeLinear")
def _quantize(_: _Attributes, inputs: list[Value]) -> Value:
    shape = _features(inputs[0])
    _check_scales(_constant_of(inputs[1], FLOAT32, ()))
    _constant_of(inputs[2], UINT8, ())
    return Value(UINT8, shape)


@_rule_of("DequantizeLinear")
def _dequantize(attributes: _Attributes, inputs: list[Value]) -> Value:
    quantized, scales, zero = inputs
    if quantized.tensor is None:
        _need(quantized.data_type == UINT8, "it is given what is not quantized")
        _check_scales(_constant_of(scales, FLOAT32, ()))
        _constant_of(zero, UINT8, ())
        return Value(FLOAT32, quantized.shape)
    _need(
        quantized.data_type == INT8 and len(quantized.shape) == 4, "its weights are no int8 kernel"
    )
    _need("axis" in attributes, "its scales are not by output channel")
    _check_scales(_constant_of(scales, FLOAT32, quantized.shape[:1]))
    zeros = _constant_of(zero, INT8, quantized.shape[:1])
    # Our quantization of weights is symmetric.
    _need(not any(zeros.data), "its weights have another zero than 0")
    return Value(FLOAT32, quantized.shape, None, quantized.tensor)


def _check_scales(scales: Tensor) -> None:
    values = struct.unpack(f"<{math.prod(scales.shape)}f", scales.data)
    fits = all(_SMALLEST_SCALE <= value < math.inf for value in values)
    _need(fits, "a scale is not a positive, finite number")
