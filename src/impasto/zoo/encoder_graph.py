"""Checks of the style encoder in a model file, before a runtime sees it.

The encoder is an ONNX file inside the file of a network for any painting. It passes if it maps
paintings to the learnt numbers of their style vectors and
- every operator is one that we write (`operators.ENCODER_OPERATORS`),
- all weights are finite, and each is used once,
- all shapes fit, for paintings of several sizes,
- it computes about as many values as the encoder on the card.
"""

from collections.abc import Iterator
from math import prod

from impasto.errors import ModelFileError
from impasto.networks.architecture import AnyPaintingArchitecture
from impasto.zoo.graph import check_finite
from impasto.zoo.onnx_wire import FLOAT32, INT64, Node, OnnxModel, read_onnx
from impasto.zoo.operators import ENCODER_OPERATORS, check_node
from impasto.zoo.shapes import MisfitError, Shape, Value, constant, infer

MAX_ENCODER_BYTES = 256 * 2**20
"""Larger encoders are refused; ours has 5 MB."""

_MAX_NODES = 200  # ours has some 100
_SIZES = ((1, 3, 64, 93), (2, 3, 131, 78), (1, 3, 1029, 514))
_VALUES_BEYOND_THE_ENCODERS = 2
_WEIGHT_OF = {"Conv": 1, "Gemm": 1, "Cast": 0}


def check_encoder(data: bytes, architecture: AnyPaintingArchitecture) -> None:
    """Refuse an encoder that our exporter does not write.

    Args:
        data: the bytes of its ONNX file.
        architecture: on the card of the model.

    Raises:
        ModelFileError: the file, an operator, a shape or a number that does not fit.
    """
    if len(data) > MAX_ENCODER_BYTES:
        raise ModelFileError(
            f"there are {len(data)} bytes, expected at most {MAX_ENCODER_BYTES}; "
            "get the model file again"
        )
    model = read_onnx(data)
    _check_ends(model, architecture)
    if len(model.nodes) > _MAX_NODES:
        raise _refusal(f"there are {len(model.nodes)} operators, expected at most {_MAX_NODES}")
    for node in model.nodes:
        check_node(node, ENCODER_OPERATORS)
    weights = [
        (node.operator, node.inputs[_WEIGHT_OF[node.operator]])
        for node in model.nodes
        if node.operator in _WEIGHT_OF
    ]
    if len(set(weights)) != len(weights):  # else the size of the file would not bound the work
        raise _refusal("the same weights are used several times")
    for tensor in model.initializers:
        check_finite(tensor)
    for shape in _SIZES:
        _check_size(model, architecture, shape)


def _check_ends(model: OnnxModel, architecture: AnyPaintingArchitecture) -> None:
    ends = [
        [(value.data_type, value.shape) for value in values]
        for values in (model.inputs, model.outputs)
    ]
    expected = [
        [(FLOAT32, (None, 3, None, None))],
        [(FLOAT32, (None, architecture.style_size))],
    ]
    if ends != expected:
        raise _refusal(
            f"the input or output is not as expected: paintings N×3×H×W to "
            f"N×{architecture.style_size} numbers"
        )


def _check_size(model: OnnxModel, architecture: AnyPaintingArchitecture, shape: Shape) -> None:
    output_shape: Shape = ()
    num_values, most = 0, _most_values(architecture, shape)
    for name, value in _infer_all(model, shape):
        # Counted on the way: a graph that grows without bounds is left before its end.
        num_values += 0 if value.tensor is not None else prod(value.shape)
        if num_values > most:
            raise _refusal(
                f"more than {_VALUES_BEYOND_THE_ENCODERS} times as many values are computed as in "
                "the encoder on the card"
            )
        if name == model.outputs[0].name:
            output_shape = value.shape
    if output_shape != (shape[0], architecture.style_size):
        raise _refusal(f"the output has the shape {output_shape}")


def _infer_all(model: OnnxModel, shape: Shape) -> Iterator[tuple[str, Value]]:
    """Name and value of each node's output, for paintings of this shape."""
    values = {tensor.name: constant(tensor) for tensor in model.initializers}
    values[model.inputs[0].name] = Value(FLOAT32, shape)
    for node in model.nodes:
        try:
            output = _infer(node, [values[name] for name in node.inputs])
        except MisfitError as error:
            raise _refusal(
                f"the operator {node.operator} does not fit ({error}, for a painting of "
                f"{shape[3]}×{shape[2]})"
            ) from None
        values[node.outputs[0]] = output
        yield node.outputs[0], output


def _most_values(architecture: AnyPaintingArchitecture, shape: Shape) -> int:
    """Number of values that an encoder may compute for paintings, over all operators."""
    num, _, height, width = shape
    values, (rows, columns) = 9.0 * (height + 4) * (width + 4), (height, width)
    for channels in architecture.encoder_channels:
        rows, columns = rows // 2 + 1, columns // 2 + 1
        values += 7.0 * channels * (rows + 2) * (columns + 2)
    values += 8 * sum(architecture.encoder_channels) * 2 + 4 * architecture.hidden_size
    return int(_VALUES_BEYOND_THE_ENCODERS * num * (values + architecture.style_size))


def _infer(node: Node, inputs: list[Value]) -> Value:
    """The output of a node that `operators.check_node` has passed.

    Raises:
        MisfitError: the operator does not fit these inputs.
    """
    match node.operator:
        case "Conv" | "Pad" | "Cast" | "Constant":
            return infer(node, inputs)
        case "Relu" | "Sqrt":
            return Value(FLOAT32, _computed(inputs[0]))
        case "Add" | "Sub" | "Mul" | "Max" | "Pow":
            return _elementwise(node.operator, *inputs)
        case "ReduceMean":
            shape = _computed(inputs[0])
            axes = (inputs[1].data_type, inputs[1].numbers, inputs[1].tensor is None)
            _need(len(shape) == 4 and axes == (INT64, (2, 3), False), "it is no mean over pixels")
            return Value(FLOAT32, shape[:2])
        case "Concat":
            shapes = [_computed(value) for value in inputs]
            fits = all(len(shape) == 2 and shape[0] == shapes[0][0] for shape in shapes)
            _need(fits, "what it puts together does not fit")
            return Value(FLOAT32, (shapes[0][0], sum(shape[1] for shape in shapes)))
        case _:
            return _linear_layer(*inputs)


def _elementwise(operator: str, first: Value, second: Value) -> Value:
    shape = _computed(first)
    if second.tensor is None:
        _need(operator == "Sub" and _computed(second) == shape, "its inputs do not go together")
    else:
        _need((second.data_type, second.shape) == (FLOAT32, ()), "its constant is no number")
        _need(operator != "Pow" or second.numbers == (2.0,), "it is no square")
    return Value(FLOAT32, shape)


def _linear_layer(numbers: Value, weight: Value, bias: Value) -> Value:
    shape = _computed(numbers)
    _need(
        len(shape) == 2
        and weight.tensor is not None
        and bias.tensor is not None
        and (weight.data_type, bias.data_type) == (FLOAT32, FLOAT32)
        and len(weight.shape) == 2
        and weight.shape[1] == shape[1]
        and bias.shape == weight.shape[:1],
        f"weights of {weight.shape} are given {shape}",
    )
    return Value(FLOAT32, (shape[0], weight.shape[0]))


def _computed(value: Value) -> Shape:
    """The shape of what is computed from the painting, float32 of two or four lengths."""
    is_computed = value.tensor is None and value.data_type == FLOAT32
    _need(is_computed and len(value.shape) in (2, 4), "its input is not computed")
    return value.shape


def _need(condition: bool, why: str) -> None:
    if not condition:
        raise MisfitError(why)


def _refusal(why: str) -> ModelFileError:
    return ModelFileError(f"{why}; get the model file again")
