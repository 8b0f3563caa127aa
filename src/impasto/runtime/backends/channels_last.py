"""Features that come channels last stay so up to the convolutions, where OpenVINO wants them so.

Between stages of a picture in tiles, features lie channels last, and a transpose makes them what
the graph expects: channels first. OpenVINO does what follows on that layout, and turns it back for
the convolution. Here the transpose moves behind operators that work value by value, and behind
padding; before a convolution OpenVINO leaves it out. With `backends`, `tile_backend`,
`stage_graph` and `cheaper_graph` one of five modules that import OpenVINO.
"""

from typing import Any

import numpy as np

from impasto.runtime.backends.cheaper_graph import ints_of

TO_FIRST, TO_LAST = [0, 3, 1, 2], [0, 2, 3, 1]
"""Orders of a transpose that make channels the second axis of four, and the last."""
_BY_VALUE = ("Add", "Multiply", "Relu", "Subtract")


def keep_channels_last(model: Any) -> None:
    """Move the transposes of an `openvino.Model` in place."""
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind == "Transpose":
            inner = _channels_last(node.input_value(0))
            if inner is not None and ints_of(node.input_value(1)) == TO_LAST:
                node.output(0).replace(inner)
        elif kind in _BY_VALUE:
            _move(node, _by_value(node, kind))
        elif kind == "Pad":
            _move(node, _padded(node))


def _move(node: Any, result: Any | None) -> None:
    from openvino import opset13 as ops

    if result is not None:
        turned = ops.transpose(result, TO_FIRST)
        turned.set_friendly_name(node.get_friendly_name())
        node.output(0).replace(turned.output(0))


def _by_value(node: Any, kind: str) -> Any | None:
    """The operator on channels that are last; None where no input has them so."""
    from openvino import opset13 as ops

    inputs = node.input_values()
    if all(_channels_last(value) is None for value in inputs):
        return None
    if any(not _is_turnable(value) for value in inputs):
        return None
    make = {"Add": ops.add, "Multiply": ops.multiply, "Relu": ops.relu, "Subtract": ops.subtract}
    return make[kind](*map(_turned, inputs))


def _is_turnable(value: Any) -> bool:
    shape = value.get_partial_shape()
    return bool(shape.rank.is_static and shape.rank.get_length() in (0, 4))


def _turned(value: Any) -> Any:
    from openvino import opset13 as ops

    inner = _channels_last(value)
    if inner is not None or value.get_partial_shape().rank.get_length() == 0:
        return value if inner is None else inner
    node = value.get_node()
    if node.get_type_name() == "Constant":
        return ops.constant(np.ascontiguousarray(node.get_data().transpose(TO_LAST)))
    return ops.transpose(value, TO_LAST)


def _padded(node: Any) -> Any | None:
    from openvino import opset13 as ops

    inner = _channels_last(node.input_value(0))
    begin, end = (ints_of(node.input_value(place)) for place in (1, 2))
    mode = node.get_attributes()["pad_mode"]
    if inner is None or begin is None or end is None or mode == "constant":
        return None
    return ops.pad(inner, *([amounts[axis] for axis in TO_LAST] for amounts in (begin, end)), mode)


def _channels_last(value: Any) -> Any | None:
    """What a transpose to channels first was made of; None where there is none."""
    node = value.get_node()
    if node.get_type_name() == "Transpose" and ints_of(node.input_value(1)) == TO_FIRST:
        return node.input_value(0)
    return None
