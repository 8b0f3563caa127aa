"""What shapes the operators of `impasto.zoo.operators` make, for a picture of one size.

Every rule asks for what our exporters write and works out the shape that comes of it: channels and
ranks must agree, weights must fit, where to cut and how much to pad must be constants or sizes
within the features. Sizes are plain numbers here, so a graph is gone through once per size that is
tried; see `impasto.zoo.graph`.
"""

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from impasto.zoo.onnx_wire import FLOAT16, FLOAT32, INT8, INT64, UINT8, Attribute, Node, Tensor

Shape = tuple[int, ...]

MAX_PADDING = 40
"""Pixels at each side: the paper's style network pads by so many at its start."""

_LARGEST_CONSTANT = 256
_SMALLEST_SCALE = 2.0**-126  # of normal float32 numbers
_KERNEL_SIZES = (1, 3, 5, 9)
_ROW_OF_PADS = 8


class MisfitError(Exception):
    """Why an operator does not fit what it is given; never leaves `impasto.zoo`."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the graph, as far as it is known before it is computed.

    Attributes:
        data_type: `TensorProto.DataType`.
        shape: for the size of the picture that is tried.
        numbers: of a short constant or of what is computed from sizes; None where not known.
        tensor: the constant it is, or is the cast of; None where it is computed.
    """

    data_type: int
    shape: Shape
    numbers: tuple[float, ...] | None = None
    tensor: Tensor | None = None


def constant(tensor: Tensor) -> Value:
    """The value of a constant."""
    return Value(tensor.data_type, tensor.shape, tensor.row(), tensor)


def infer(node: Node, inputs: Sequence[Value | None]) -> Value:
    """What a node that `operators.check_node` has passed makes of its inputs.

    Raises:
        MisfitError: it cannot be made of them.
    """
    return _RULES[node.operator](node.attributes, [value for value in inputs if value is not None])


_Attributes = dict[str, Attribute]
_Rule = Callable[[_Attributes, list[Value]], Value]


def _need(condition: bool, why: str) -> None:
    if not condition:
        raise MisfitError(why)


def _features(value: Value) -> Shape:
    """The shape of features or a picture: float32, computed, N×C×H×W."""
    is_features = value.data_type == FLOAT32 and value.tensor is None and len(value.shape) == 4
    _need(is_features, f"it is given the shape {value.shape}, expected features N×C×H×W")
    return value.shape


def _known(value: Value, data_type: int, shape: Shape) -> Tensor:
    """A constant of a type and shape."""
    fits = value.tensor is not None and (value.data_type, value.shape) == (data_type, shape)
    _need(fits, f"it is given the shape {value.shape}, expected a constant of shape {shape}")
    assert value.tensor is not None
    return value.tensor


def _numbers(value: Value, data_type: int, shape: Shape) -> tuple[float, ...]:
    """The numbers of a short constant of a type and shape."""
    _known(value, data_type, shape)
    assert value.numbers is not None
    return value.numbers


def _by_value(operator: str) -> _Rule:
    def rule(_: _Attributes, inputs: list[Value]) -> Value:
        first, second = inputs
        if first.data_type == INT64:
            return _of_sizes(operator, first, second)
        constants = [value for value in inputs if value.tensor is not None]
        if not constants:
            _need(operator in ("Add", "Sub"), "both of its inputs are computed")
            return _features_and_features(_features(first), _features(second))
        _need(len(constants) == 1, "both of its inputs are constants")
        _need(operator != "Div" or constants == [second], "it divides by what is computed")
        return _features_and_constant(
            _features(second if constants == [first] else first),
            constants[0],
            is_divisor=operator == "Div",
        )

    return rule


def _features_and_features(first: Shape, second: Shape) -> Value:
    """Of one shape, or one of them with a single channel."""
    _need(
        first[:1] + first[2:] == second[:1] + second[2:]
        and (first[1] == second[1] or 1 in (first[1], second[1])),
        f"the shapes {first} and {second} do not go together",
    )
    return Value(FLOAT32, max(first, second))


def _features_and_constant(shape: Shape, given: Value, *, is_divisor: bool) -> Value:
    """A number for all, or one for each channel."""
    if given.shape:
        _need(not is_divisor, "it divides by more than one number")
        channels = given.shape[1] if len(given.shape) == 4 else 0
        _known(given, FLOAT32, (1, shape[1], 1, 1) if shape[1] != 1 else (1, channels, 1, 1))
        return Value(FLOAT32, (shape[0], channels, *shape[2:]))
    (number,) = _numbers(given, FLOAT32, ())
    _need(not is_divisor or abs(number) >= _SMALLEST_SCALE, "it divides by nothing")
    return Value(FLOAT32, shape)


def _of_sizes(operator: str, first: Value, second: Value) -> Value:
    """A size and a constant: where to cut."""
    is_computed = [value.tensor is None for value in (first, second)]
    _need(
        (first.shape, second.shape) == ((), ()) and second.data_type == INT64,
        "it is given whole numbers that are no sizes",
    )
    _need(sorted(is_computed) == [False, True], "it is given two sizes, or none")
    assert first.numbers is not None
    assert second.numbers is not None
    left, right = int(first.numbers[0]), int(second.numbers[0])
    _need(abs(right if is_computed[0] else left) <= _LARGEST_CONSTANT, "its constant is too large")
    if operator == "Div":
        _need(is_computed[0] and right >= 1 and left >= 0, f"it divides {left} by {right}")
        result = left // right
    else:
        _need(operator in ("Add", "Sub"), "it is given sizes")
        result = left + right if operator == "Add" else left - right
    _need(result >= 0, f"it makes the size {result}")
    return Value(INT64, (), (result,))


def _same(_: _Attributes, inputs: list[Value]) -> Value:
    return Value(FLOAT32, _features(inputs[0]))


def _clip(_: _Attributes, inputs: list[Value]) -> Value:
    limits = [_numbers(value, FLOAT32, ()) for value in inputs[1:]]
    _need(limits == [(0.0,), (1.0,)], "it does not clip to 0 and 1")
    return Value(FLOAT32, _features(inputs[0]))


def _convolution(attributes: _Attributes, inputs: list[Value]) -> Value:
    num, channels, *sizes = _features(inputs[0])
    kernel = inputs[1].shape
    _need(
        len(kernel) == 4 and kernel[2] == kernel[3] and kernel[2] in _KERNEL_SIZES,
        f"its kernel has the shape {kernel}",
    )
    _known(inputs[1], FLOAT32, kernel)
    _need(attributes.get("kernel_shape", kernel[2:]) == kernel[2:], "its kernel has another size")
    group = attributes.get("group", 1)
    assert isinstance(group, int)
    _need(
        channels == kernel[1] * group and kernel[0] % group == 0,
        f"its kernel {kernel} in {group} groups does not fit {channels} channels",
    )
    if len(inputs) == 3:
        _known(inputs[2], FLOAT32, kernel[:1])
    padding, step = _first(attributes, "pads", 0), _first(attributes, "strides", 1)
    steps = [size + 2 * padding - kernel[2] for size in sizes]
    _need(min(steps) >= 0, f"its kernel is larger than the features {sizes}")
    return Value(FLOAT32, (num, kernel[0], *(size // step + 1 for size in steps)))


def _first(attributes: _Attributes, name: str, default: int) -> int:
    """Of numbers that are all the same."""
    numbers = attributes.get(name, (default,))
    assert isinstance(numbers, tuple)
    return int(numbers[0])


def _transposed_convolution(_: _Attributes, inputs: list[Value]) -> Value:
    num, channels, height, width = _features(inputs[0])
    kernel = inputs[1].shape
    outputs = kernel[1] if len(kernel) == 4 else 0
    _known(inputs[1], FLOAT32, (channels, outputs, 3, 3))
    _known(inputs[2], FLOAT32, (outputs,))
    return Value(FLOAT32, (num, outputs, 2 * height, 2 * width))


def _norm(_: _Attributes, inputs: list[Value]) -> Value:
    shape = _features(inputs[0])
    for value in inputs[1:]:
        _known(value, FLOAT32, shape[1:2])
    return Value(FLOAT32, shape)


def _sum_of_channels(_: _Attributes, inputs: list[Value]) -> Value:
    num, _channels, *sizes = _features(inputs[0])
    _need(_numbers(inputs[1], INT64, (1,)) == (1,), "it does not sum over the channels")
    return Value(FLOAT32, (num, 1, *sizes))


def _pad(_: _Attributes, inputs: list[Value]) -> Value:
    num, channels, *sizes = _features(inputs[0])
    pads = _numbers(inputs[1], INT64, (_ROW_OF_PADS,))
    padding = int(pads[2])
    _need(
        pads == (0, 0, padding, padding) * 2 and 0 <= padding <= MAX_PADDING,
        f"it pads by {pads}, expected the same at all sides, at most {MAX_PADDING}",
    )
    _need(padding < min(sizes), f"it reflects {padding} of {min(sizes)} pixels")
    return Value(FLOAT32, (num, channels, *(size + 2 * padding for size in sizes)))


def _resize(_: _Attributes, inputs: list[Value]) -> Value:
    num, channels, height, width = _features(inputs[0])
    scales = _numbers(inputs[1], FLOAT32, (4,))
    _need(scales == (1, 1, 2, 2), f"it resizes by {scales}, expected 2 in height and width")
    return Value(FLOAT32, (num, channels, 2 * height, 2 * width))


def _depth_to_space(attributes: _Attributes, inputs: list[Value]) -> Value:
    num, channels, height, width = _features(inputs[0])
    block = attributes["blocksize"]
    assert isinstance(block, int)
    _need(channels % block**2 == 0, f"{channels} channels make no blocks of {block}")
    return Value(FLOAT32, (num, channels // block**2, block * height, block * width))


def _slice(_: _Attributes, inputs: list[Value]) -> Value:
    shape = list(_features(inputs[0]))
    start, end, (axis, step) = *map(_place, inputs[1:3]), map(_constant_place, inputs[3:])
    _need(axis in (-2, -1, 2, 3), f"it cuts along the axis {axis}")
    if step == -1:
        _need((start, end) == (-1, -(2**63)), "it turns round a part")
    else:
        _need(
            step == 1 and 0 <= start < end <= shape[axis],
            f"it cuts {start} to {end} by {step} of {shape[axis]}",
        )
        shape[axis] = end - start
    return Value(FLOAT32, tuple(shape))


def _place(value: Value) -> int:
    fits = (value.data_type, value.shape) == (INT64, (1,)) and value.numbers is not None
    _need(fits, "it is told where to cut by what is no size")
    assert value.numbers is not None
    return int(value.numbers[0])


def _constant_place(value: Value) -> int:
    return int(_numbers(value, INT64, (1,))[0])


def _concat(attributes: _Attributes, inputs: list[Value]) -> Value:
    shapes = [list(_features(value)) for value in inputs]
    axis = attributes["axis"]
    assert isinstance(axis, int)
    whole = sum(shape[axis] for shape in shapes)
    for shape in shapes:
        shape[axis] = whole
    _need(shapes.count(shapes[0]) == len(shapes), "what it puts together has several sizes")
    return Value(FLOAT32, tuple(shapes[0]))


def _size(attributes: _Attributes, inputs: list[Value]) -> Value:
    start, end = attributes["start"], attributes["end"]
    assert isinstance(start, int)
    assert isinstance(end, int)
    _need(end == start + 1, "it takes more than one size")
    return Value(INT64, (1,), (_features(inputs[0])[start],))


def _as_number(_: _Attributes, inputs: list[Value]) -> Value:
    return Value(INT64, (), (_place(inputs[0]),))


def _as_row(_: _Attributes, inputs: list[Value]) -> Value:
    given, target = inputs
    is_size = (given.data_type, given.shape, given.tensor) == (INT64, (), None)
    _need(is_size, "it is given more than a size")
    _need(_numbers(target, INT64, (1,)) == (-1,), "it does not make a row of one number")
    return Value(INT64, (1,), given.numbers)


def _constant(attributes: _Attributes, _: list[Value]) -> Value:
    (value,) = attributes.values()
    if isinstance(value, Tensor):
        return constant(value)
    assert isinstance(value, tuple)
    data_type, letter = (INT64, "q") if isinstance(value[0], int) else (FLOAT32, "f")
    data = memoryview(struct.pack(f"<{len(value)}{letter}", *value))
    return constant(Tensor("", data_type, (len(value),), data))


def _cast(_: _Attributes, inputs: list[Value]) -> Value:
    (given,) = inputs
    is_weights = given.data_type == FLOAT16 and given.tensor is not None
    _need(is_weights, "it casts what are no float16 weights")
    return Value(FLOAT32, given.shape, given.numbers, given.tensor)


def _quantize(_: _Attributes, inputs: list[Value]) -> Value:
    shape = _features(inputs[0])
    _check_scales(_known(inputs[1], FLOAT32, ()))
    _known(inputs[2], UINT8, ())
    return Value(UINT8, shape)


def _dequantize(attributes: _Attributes, inputs: list[Value]) -> Value:
    given, scales, zero = inputs
    if given.tensor is None:
        _need(given.data_type == UINT8, "it is given what is not quantized")
        _check_scales(_known(scales, FLOAT32, ()))
        _known(zero, UINT8, ())
        return Value(FLOAT32, given.shape)
    _need(given.data_type == INT8 and len(given.shape) == 4, "its weights are no int8 kernel")
    _need("axis" in attributes, "its scales are not by output channel")
    _check_scales(_known(scales, FLOAT32, given.shape[:1]))
    zeros = _known(zero, INT8, given.shape[:1])
    _need(not any(zeros.data), "its weights have another zero than 0")
    return Value(FLOAT32, given.shape, None, given.tensor)


def _check_scales(scales: Tensor) -> None:
    values = struct.unpack(f"<{math.prod(scales.shape)}f", scales.data)
    fits = all(_SMALLEST_SCALE <= value < math.inf for value in values)
    _need(fits, "a scale is not a positive, finite number")


_RULES: dict[str, _Rule] = {
    **{operator: _by_value(operator) for operator in ("Add", "Sub", "Mul", "Div")},
    "Relu": _same,
    "Tanh": _same,
    "Clip": _clip,
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "InstanceNormalization": _norm,
    "BatchNormalization": _norm,
    "ReduceSum": _sum_of_channels,
    "Pad": _pad,
    "Resize": _resize,
    "DepthToSpace": _depth_to_space,
    "Slice": _slice,
    "Concat": _concat,
    "Shape": _size,
    "Squeeze": _as_number,
    "Reshape": _as_row,
    "Constant": _constant,
    "Cast": _cast,
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
}
