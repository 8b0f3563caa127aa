"""Checks of a model's graph, before a runtime sees it.

A graph passes if it maps one picture to one picture and
- every operator is one that we write (`impasto.zoo.operators`),
- all weights are finite, and each kernel is used once,
- all shapes fit, for pictures of several sizes (`impasto.zoo.shapes`),
- it computes about as many values as the network on its card.

The sizes tried are the smallest that the network takes and large ones, with every remainder of its
strides. That is enough: numbers computed from sizes are sums and quotients with small constants.
"""

from collections.abc import Iterator
from math import prod

from impasto.errors import ModelFileError
from impasto.networks.architecture import (
    AnyPaintingArchitecture,
    Architecture,
    FastNeuralStyleArchitecture,
    NetworkArchitecture,
    SrcnnArchitecture,
    SubpixelArchitecture,
)
from impasto.zoo.card import ModelCard
from impasto.zoo.onnx_wire import FLOAT16, FLOAT32, Node, OnnxModel, Tensor, ValueInfo
from impasto.zoo.operators import check_node
from impasto.zoo.shapes import MAX_PADDING, MisfitError, Shape, Value, constant, infer

MAX_NODES = 10_000
"""A graph with more is refused; the largest network that a card can describe has some 3,000."""

_LARGE = 1032  # pixels, far above the constants that sizes are computed with
_VALUES_BEYOND_THE_NETWORKS = 2
_WITH_A_KERNEL = {"Conv": 1, "ConvTranspose": 1, "Cast": 0, "DequantizeLinear": 0}

# Little-endian: the exponent is in the last byte of each number, of float32 also in the one before.
_EXPONENTS_OF_HALF = bytes((*range(0x7C, 0x80), *range(0xFC, 0x100)))
_EXPONENTS_OF_FLOAT = b"\x7f\xff"


def check_graph(model: OnnxModel, card: ModelCard) -> None:
    """Refuse a graph that no exporter of ours writes.

    Raises:
        ModelFileError: an operator, attribute, shape or number that does not fit, with the reason.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelFileError(
            f"it has {len(model.inputs)} inputs and {len(model.outputs)} outputs, expected "
            f"one picture in and one out; use a model that was made by 'impasto train'"
        )
    _check_picture("input", model.inputs[0])
    _check_picture("output", model.outputs[0])
    if len(model.nodes) > MAX_NODES:
        raise ModelFileError(
            f"it has {len(model.nodes)} operators, expected at most {MAX_NODES}; "
            f"use a model that was made by 'impasto train'"
        )
    for node in model.nodes:
        check_node(node)
    # As the last step: nothing behind it can leave the range of a picture again.
    if [n.operator for n in model.nodes if model.outputs[0].name in n.outputs] != ["Clip"]:
        raise ModelFileError(
            "its output is not clipped to the range of a picture; "
            "use a model that was made by 'impasto train'"
        )
    kernels = [
        (node.operator, node.inputs[_WITH_A_KERNEL[node.operator]])
        for node in model.nodes
        if node.operator in _WITH_A_KERNEL
    ]
    if len(set(kernels)) != len(kernels):  # else the size of the file would not bound the work
        raise ModelFileError(
            "it uses the same weights several times, which no Impasto model does; "
            "use a model that was made by 'impasto train'"
        )
    constants = [constant(tensor) for tensor in model.initializers]
    constants += [infer(node, []) for node in model.nodes if node.operator == "Constant"]
    for value in constants:
        assert value.tensor is not None
        check_finite(value.tensor)
    values = {tensor.name: constant(tensor) for tensor in model.initializers}
    computed = [node for node in model.nodes if not _is_constant(node, values)]
    for size in sizes_to_try(card.architecture):
        _check_size(model, computed, values, card, size)


def _check_picture(role: str, value: ValueInfo) -> None:
    """Pictures are float32 N×3×H×W with open N, H and W; outputs need not state a shape."""
    shapes = [(None, 3, None, None)] + ([None] if role == "output" else [])
    if value.data_type != FLOAT32 or value.shape not in shapes:
        raise ModelFileError(
            f"its {role} {value.name[:60]!r} is not float32 N×3×H×W of any height and width; "
            f"use a model that was made by 'impasto train'"
        )


def check_finite(tensor: Tensor) -> None:
    """Refuse a constant that contains NaN or infinity: a number whose exponent has all bits set.

    Raises:
        ModelFileError: it contains one.
    """
    # `bytes.translate` looks at millions of weights in C; numpy would make listing models slow.
    data, is_finite = bytes(tensor.data), True
    if tensor.data_type == FLOAT16:
        last = data[1::2]
        is_finite = len(last.translate(None, _EXPONENTS_OF_HALF)) == len(last)
    elif tensor.data_type == FLOAT32:
        last = data[3::4]
        if len(last.translate(None, _EXPONENTS_OF_FLOAT)) != len(last):
            pairs = zip(last, data[2::4], strict=True)
            is_finite = all(high & 0x7F != 0x7F or low < 0x80 for high, low in pairs)
    if not is_finite:
        raise ModelFileError(
            f"its weights {tensor.name[:60]!r} hold NaN or infinity; get the model file again, "
            f"or train the model again"
        )


def _is_constant(node: Node, values: dict[str, Value]) -> bool:
    """Whether the output of a node is constant; if so, it is added to `values`."""
    if node.operator not in ("Constant", "Cast", "DequantizeLinear"):
        return False
    inputs = [values.get(name) for name in node.inputs]
    if None in inputs:
        return False
    try:
        values[node.outputs[0]] = infer(node, inputs)
    except MisfitError as error:
        raise _refusal(node, str(error)) from None
    return True


def sizes_to_try(architecture: Architecture) -> list[Shape]:
    """Shapes N×3×H×W of pictures to try: the smallest that the network takes, and large ones."""
    multiple, least = architecture.size_multiple, architecture.minimum_size
    large = -(-_LARGE // multiple) * multiple
    # Heights and widths differ, and so do their remainders: exchanged axes do not fit.
    starts = ((least, 0, 1), (least, 2, 3), (large, 1, 0), (large, 3, 2))
    return [
        (1 + (start + row) % 2, 3, start + row * multiple, start + column * multiple)
        for start, row, column in starts
    ]


def _check_size(
    model: OnnxModel,
    nodes: list[Node],
    constants: dict[str, Value],
    card: ModelCard,
    shape: Shape,
) -> None:
    num, _, height, width = shape
    size = f"for a picture of {width}×{height}"
    most, num_computed = most_values(card.architecture, shape), 0
    for name, value in _infer_all(model, nodes, constants, shape):
        # Counted on the way: a graph that grows without bounds is left before its end.
        num_computed += prod(value.shape)
        if num_computed > most:
            raise ModelFileError(
                f"it computes more than {_VALUES_BEYOND_THE_NETWORKS} times as many values as the "
                f"network on its card, {size}; use a model that was made by 'impasto train'"
            )
        if name == model.outputs[0].name:
            output_shape = value.shape
    if output_shape != (num, 3, height * card.scale, width * card.scale):
        raise ModelFileError(
            f"its output has the shape {output_shape}, expected a picture {card.scale} times as "
            f"large, {size}; the file does not fit its card"
        )


def _infer_all(
    model: OnnxModel, nodes: list[Node], constants: dict[str, Value], shape: Shape
) -> Iterator[tuple[str, Value]]:
    """Name and value of each node's output, for a picture of this shape."""
    values = {**constants, model.inputs[0].name: Value(FLOAT32, shape)}
    for node in nodes:
        try:
            output = infer(node, [values[name] if name else None for name in node.inputs])
        except MisfitError as error:
            size = f"for a picture of {shape[3]}×{shape[2]}"
            raise _refusal(node, f"{error}, {size}") from None
        values[node.outputs[0]] = output
        yield node.outputs[0], output


def num_values(model: OnnxModel, shape: Shape) -> int:
    """Number of values that a graph computes for pictures N×3×H×W, over all operators.

    Raises:
        ModelFileError: an operator does not fit its inputs.
    """
    values = {tensor.name: constant(tensor) for tensor in model.initializers}
    nodes = [node for node in model.nodes if not _is_constant(node, values)]
    return sum(prod(value.shape) for _, value in _infer_all(model, nodes, values, shape))


def most_values(architecture: Architecture, shape: Shape) -> int:
    """Number of values that a graph may compute for a picture, over all operators.

    Args:
        architecture: of the network on the card.
        shape: N×3×H×W of the picture.
    """
    num, _, height, width = shape
    # The paper's network pads its input first, which multiplies the pixels of a small picture.
    pixels = num * (height + 2 * MAX_PADDING) * (width + 2 * MAX_PADDING)
    return int(_VALUES_BEYOND_THE_NETWORKS * values_per_pixel(architecture) * pixels)


def values_per_pixel(architecture: Architecture) -> float:
    """Number of values, roughly, that the network's graph computes per pixel of its input."""
    if isinstance(architecture, NetworkArchitecture | FastNeuralStyleArchitecture):
        full, half, quarter = architecture.channels
        of_half = 7 * half + 4 * quarter
        of_quarter = (6 + 10 * architecture.num_residual_blocks) * quarter
        return 20 + 8 * full + 4 * half + of_half / 4 + of_quarter / 16
    if isinstance(architecture, AnyPaintingArchitecture):
        *ends, half, quarter = architecture.channels
        of_half = 7 * half + 4 * quarter
        of_quarter = (6 + 10 * architecture.num_residual_blocks) * quarter
        # Without features at full resolution, the last ones of half of it are a square of colours.
        ends_at = 60 + 8 * ends[0] + 4 * half if ends else 15 + 8 * 12 / 4
        return ends_at + of_half / 4 + of_quarter / 16
    cells = architecture.scale**2
    if isinstance(architecture, SrcnnArchitecture):
        return 50 + cells * (30 + 2 * sum(architecture.channels))
    channels, blocks = architecture.channels, architecture.num_residual_blocks
    if isinstance(architecture, SubpixelArchitecture):
        return 50 + 27 * cells + (4 + 5 * blocks) * channels
    return (5 + 8 * blocks + 4 * cells) * channels + 15 * cells


def _refusal(node: Node, why: str) -> ModelFileError:
    return ModelFileError(
        f"its operator {node.operator} does not fit ({why}); get the model file again"
    )
