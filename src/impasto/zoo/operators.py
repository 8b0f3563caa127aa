"""The table of operators and attributes that a model may use: those that our exporters write.

A runtime trusts its graph: with a constant index out of range, some operators read or write outside
their memory. So every graph is compared with this table before a runtime sees it, and an operator
or attribute that is not in the table is refused. A test exports every architecture and checks that
the table holds exactly what they use. `impasto.zoo.shapes` checks whether shapes fit. The operators
of the form for tiles (`impasto.export.tiles_form`) are not in the table: Impasto never reads it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from impasto.errors import ModelFileError
from impasto.zoo.onnx_wire import FLOAT32, INT64, Attribute, Node, Tensor


@dataclass(frozen=True, slots=True)
class Check:
    """A test for the value of an attribute.

    Attributes:
        admits: returns whether a value is one that we write.
        values: all values, as `repr` writes them, where they are few.
    """

    admits: Callable[[Attribute], bool]
    values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Operator:
    """How a model may use one operator.

    Attributes:
        inputs: least and largest number of inputs.
        attributes: permitted attributes; a missing one has the default of the ONNX standard.
        required: attributes that must be present, as their default is a value we do not write.
        optional_inputs: positions of inputs that are left out, by an empty name.
    """

    inputs: tuple[int, int]
    attributes: dict[str, Check] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    optional_inputs: tuple[int, ...] = ()


def _one_of(*values: Attribute) -> Check:
    written = frozenset(repr(value) for value in values)  # `repr` tells 1 from 1.0, `==` does not
    return Check(lambda value: repr(value) in written, written)


def _between(low: float, high: float) -> Check:
    return Check(lambda value: type(value) is float and low <= value <= high)


def _is_small_constant(value: Attribute) -> bool:
    """A number, or a short row of numbers: where to cut, how to pad, what to add."""
    if not isinstance(value, Tensor) or value.data_type not in (FLOAT32, INT64):
        return False
    return len(value.shape) <= 1 and value.row() is not None


def _is_row_of(kind: type) -> Check:
    return Check(
        lambda value: (
            isinstance(value, tuple)
            and 1 <= len(value) <= 4
            and all(type(number) is kind for number in value)
        )
    )


_NO_DILATION = _one_of((1, 1))
_GIVEN_PADS = _one_of("NOTSET")

OPERATORS: dict[str, Operator] = {
    # Elementwise arithmetic. On whole numbers: a size and a constant only.
    "Add": Operator((2, 2)),
    "Sub": Operator((2, 2)),
    "Mul": Operator((2, 2)),
    "Div": Operator((2, 2)),
    "Relu": Operator((1, 1)),
    "Tanh": Operator((1, 1)),
    "Clip": Operator((3, 3)),
    # Convolutions, and the norms behind them.
    "Conv": Operator(
        (2, 3),
        {
            "group": _one_of(1, 3),
            "kernel_shape": _one_of((1, 1), (3, 3), (5, 5), (9, 9)),
            "strides": _one_of((1, 1), (2, 2)),
            "dilations": _NO_DILATION,
            "pads": _one_of((0, 0, 0, 0), (1, 1, 1, 1), (2, 2, 2, 2), (4, 4, 4, 4)),
            "auto_pad": _GIVEN_PADS,
        },
    ),
    "ConvTranspose": Operator(
        (3, 3),
        {
            "group": _one_of(1),
            "kernel_shape": _one_of((3, 3)),
            "strides": _one_of((2, 2)),
            "dilations": _NO_DILATION,
            "pads": _one_of((1, 1, 1, 1)),
            "output_padding": _one_of((1, 1)),
            "auto_pad": _GIVEN_PADS,
        },
        required=("strides", "pads", "output_padding"),
    ),
    "InstanceNormalization": Operator((3, 3), {"epsilon": _between(1e-6, 1e-2)}),
    "BatchNormalization": Operator(
        (5, 5), {"epsilon": _between(1e-6, 1e-2), "momentum": _between(0, 1)}
    ),
    "ReduceSum": Operator((2, 2), {"keepdims": _one_of(1), "noop_with_empty_axes": _one_of(0)}),
    # Moving, repeating and cutting values.
    "Pad": Operator((2, 2), {"mode": _one_of("reflect")}, required=("mode",)),
    "Resize": Operator(
        (3, 3),
        {
            "mode": _one_of("nearest"),
            "coordinate_transformation_mode": _one_of("asymmetric"),
            "nearest_mode": _one_of("floor"),
            "keep_aspect_ratio_policy": _one_of("stretch"),
            "antialias": _one_of(0),
            "exclude_outside": _one_of(0),
            "extrapolation_value": _one_of(0.0),
            "cubic_coeff_a": _one_of(-0.75),
        },
        required=("coordinate_transformation_mode", "nearest_mode"),
        optional_inputs=(1,),
    ),
    "DepthToSpace": Operator(
        (1, 1), {"blocksize": _one_of(2, 4, 8), "mode": _one_of("CRD")}, ("blocksize", "mode")
    ),
    "Slice": Operator((5, 5)),
    "Concat": Operator((3, 3), {"axis": _one_of(-1, -2)}, ("axis",)),
    # Sizes: a height or width of the picture, as a number and as a row of one number.
    "Shape": Operator((1, 1), {"start": _one_of(2, 3), "end": _one_of(3, 4)}, ("start", "end")),
    "Squeeze": Operator((1, 1)),
    "Reshape": Operator((2, 2), {"allowzero": _one_of(0)}),
    # Constants, and the types of weights and 8-bit activations.
    "Constant": Operator(
        (0, 0),
        {
            "value": Check(_is_small_constant),
            "value_ints": _is_row_of(int),
            "value_floats": _is_row_of(float),
        },
    ),
    "Cast": Operator((1, 1), {"to": _one_of(FLOAT32)}, ("to",)),
    "QuantizeLinear": Operator((3, 3)),
    "DequantizeLinear": Operator((3, 3), {"axis": _one_of(0)}),
}
"""Permitted operators of the standard domain."""

ENCODER_OPERATORS: dict[str, Operator] = {
    "Conv": Operator(
        (3, 3),
        {
            "group": _one_of(1),
            "kernel_shape": _one_of((3, 3), (5, 5)),
            "strides": _one_of((1, 1), (2, 2)),
            "dilations": _NO_DILATION,
            "pads": _one_of((0, 0, 0, 0)),
            "auto_pad": _GIVEN_PADS,
        },
    ),
    **{name: OPERATORS[name] for name in ("Add", "Sub", "Mul", "Relu", "Pad", "Cast")},
    "Constant": Operator((0, 0), {"value": Check(_is_small_constant)}),
    # Means and deviations of features, and the linear layers behind them.
    "Pow": Operator((2, 2)),
    "Max": Operator((2, 2)),
    "Sqrt": Operator((1, 1)),
    "ReduceMean": Operator(
        (2, 2), {"keepdims": _one_of(0), "noop_with_empty_axes": _one_of(0)}, ("keepdims",)
    ),
    "Concat": Operator((10, 10), {"axis": _one_of(1)}, ("axis",)),
    "Gemm": Operator(
        (3, 3),
        {
            "alpha": _one_of(1.0),
            "beta": _one_of(1.0),
            "transA": _one_of(0),
            "transB": _one_of(1),
        },
        ("transB",),
    ),
}
"""Permitted operators of the style encoder in a network for any painting."""


def check_node(node: Node, operators: Mapping[str, Operator] = OPERATORS) -> None:
    """Compare a node with a table.

    Args:
        node: of the graph.
        operators: the table.

    Raises:
        ModelFileError: an operator, a number of inputs or an attribute that we do not write.
    """
    operator = operators.get(node.operator)
    if operator is None:
        raise ModelFileError(
            f"it uses the operator {node.operator[:80]!r}, which no Impasto model does; "
            f"use a model that was made by 'impasto train'"
        )
    least, most = operator.inputs
    left_out = tuple(k for k, name in enumerate(node.inputs) if not name)
    if not least <= len(node.inputs) <= most or left_out != operator.optional_inputs:
        raise _refusal(node, f"has {len(node.inputs) - len(left_out)} inputs, expected {least}")
    if len(node.outputs) != 1 or not node.outputs[0]:
        raise _refusal(node, f"has {len(node.outputs)} outputs, expected one")
    for name, value in node.attributes.items():
        if name not in operator.attributes:
            raise _refusal(node, f"has the attribute {name[:40]!r}, which we do not write")
        if not operator.attributes[name].admits(value):
            shown = "a constant" if isinstance(value, Tensor) else repr(value)[:60]
            raise _refusal(node, f"has {name}={shown}, which we do not write")
    for name in operator.required:
        if name not in node.attributes:
            raise _refusal(node, f"lacks the attribute {name!r}")
    if node.operator == "Constant" and len(node.attributes) != 1:
        raise _refusal(node, f"has {len(node.attributes)} values, expected one")


def _refusal(node: Node, why: str) -> ModelFileError:
    return ModelFileError(f"its operator {node.operator} {why}; get the model file again")
