"""A rewriting that keeps features channels last up to the convolutions, whose layout that is.

Between stages of tiles, features are stored channels last, and a transpose makes them channels
first, as the graph expects. OpenVINO would compute the next operators on that layout, and reorder
the result for the convolution. Here the transpose moves behind elementwise operators and padding;
directly before a convolution OpenVINO drops it. One of the five modules that may import OpenVINO.
"""

from typing import Any

import numpy as np

from impasto.runtime.backends.cheaper_graph import ints_of

TO_FIRST, TO_LAST = [0, 3, 1, 2], [0, 2, 3, 1]
"""Axis orders of a transpose to channels first, and to channels last."""

_ELEMENTWISE = ("Add", "Multiply", "Relu", "Subtract")


def keep_channels_last(model: Any) -> None:
    """Move the transposes of an `openvino.Model` in place."""
    # In the order of computing: a transpose that moved behind one operator meets the next one.
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind == "Transpose":
            # Back to channels last for storage: after a move the two transposes cancel out.
            inner = _channels_last(node.input_value(0))
            if inner is not None and ints_of(node.input_value(1)) == TO_LAST:
                node.output(0).replace(inner)
        elif kind in _ELEMENTWISE:
            _move(node, _elementwise(node, kind))
        elif kind == "Pad":
            _move(node, _padded(node))


def _move(node: Any, result: Any | None) -> None:
    from openvino import opset13 as ops

    if result is not None:
        transposed = ops.transpose(result, TO_FIRST)
        transposed.set_friendly_name(node.get_friendly_name())
        node.output(0).replace(transposed.output(0))


def _elementwise(node: Any, kind: str) -> Any | None:
    """An elementwise operator on channels-last inputs; None if no input is stored so."""
    from openvino import opset13 as ops

    inputs = node.input_values()
    if all(_channels_last(value) is None for value in inputs):
        return None
    ranks = [value.get_partial_shape().rank for value in inputs]
    # Scalars need no transpose; other ranks would broadcast along another axis.
    if any(rank.is_dynamic or rank.get_length() not in (0, 4) for rank in ranks):
        return None
    make = {"Add": ops.add, "Multiply": ops.multiply, "Relu": ops.relu, "Subtract": ops.subtract}
    return make[kind](*map(_transposed, inputs))


def _transposed(value: Any) -> Any:
    from openvino import opset13 as ops

    inner = _channels_last(value)
    if inner is not None or value.get_partial_shape().rank.get_length() == 0:
        return value if inner is None else inner
    node = value.get_node()
    if node.get_type_name() == "Constant":
        return ops.constant(np.ascontiguousarray(node.get_data().transpose(TO_LAST)))
    return ops.transpose(value, TO_LAST)


def _padded(node: Any) -> Any | None:
    """Padding of channels-last features; None for other features, or padding by a constant."""
    from openvino import opset13 as ops

    inner = _channels_last(node.input_value(0))
    begin, end = (ints_of(node.input_value(index)) for index in (1, 2))
    mode = node.get_attributes()["pad_mode"]
    if inner is None or begin is None or end is None or mode == "constant":
        return None
    return ops.pad(inner, *([amounts[axis] for axis in TO_LAST] for amounts in (begin, end)), mode)


def _channels_last(value: Any) -> Any | None:
    """The input of a transpose to channels first; None for other nodes."""
    node = value.get_node()
    if node.get_type_name() == "Transpose" and ints_of(node.input_value(1)) == TO_FIRST:
        return node.input_value(0)
    return None
