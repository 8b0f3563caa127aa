"""The same graph for less work: convolutions that a processor computes badly, written otherwise.

Two rewritings, for a model of one size in OpenVINO's operations. Both are exact but for the order
of the sums.

- A processor computes 8 or 16 channels at once, so a convolution that makes 3 wastes most of it.
  Four rows and two columns of its result become 24 channels of one larger kernel in steps of 4×2,
  whose result is then laid out as it was. The kernel has 12×10 places instead of 9×9: of 8 lanes,
  work falls to 5/9; of 16 (AVX-512), to 3/8.
- Behind a nearest-neighbour enlargement by 2, a 3×3 convolution sees each value two or three times
  over. Four 2×2 kernels of summed weights on the small features, one for each place in a 2×2 cell,
  make the same result with 4/9 of the work, and without the enlarged copy (Aitken et al. 2017,
  "Checkerboard artifact free sub-pixel convolution", on how the two compare).

With `backends`, `tile_backend`, `stage_graph` and `channels_last` one of five modules that import
OpenVINO.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

REWRITING_VERSION = 2
"""Of what is made of a graph here; compiled models on disk are of one version."""

ROWS, COLUMNS = 4, 2
"""Rows and columns of the result that become channels.

Never 4 columns: a bf16 convolution in horizontal steps of 4 whose input channels are no multiple of
32 is computed wrongly on processors with AMX (OpenVINO 2026.4.1, oneDNN's brgconv_avx512_amx_bf16;
2026-11-28). 2×4 was as fast; 2×2, 1×8 and 2×8 are slower (f32, Zen 3, 2026-11-25)."""

FEW_CHANNELS = 4
"""Convolutions that make more are left."""

MIN_KERNEL = 5
"""Smaller kernels grow too much to gain anything."""


def make_cheaper(model: Any) -> None:
    """Rewrite an `openvino.Model` of one size in place; what does not match is left as it is."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convolution" and node.get_output_partial_shape(0).is_static:
            result = _small_first(node) or _packed(node)
            if result is not None:
                result.get_node().set_friendly_name(node.get_friendly_name())
                node.output(0).replace(result)


def _packed(node: Any) -> Any:
    """The result of a convolution that makes few channels; None where it would gain nothing."""
    from openvino import opset13 as ops

    attributes = node.get_attributes()
    num, channels, height, width = node.get_output_shape(0)
    kernel_height, kernel_width = node.get_input_shape(1)[2:]
    if channels > FEW_CHANNELS or min(kernel_height, kernel_width) < MIN_KERNEL:
        return None
    if [*attributes["strides"], *attributes["dilations"]] != [1, 1, 1, 1]:
        return None
    weights = _weights(node.input_value(1).get_node())
    if weights is None:
        return None
    values, scales = weights
    rows, columns = -(-height // ROWS), -(-width // COLUMNS)
    begin, end = attributes["pads_begin"], list(attributes["pads_end"])
    end[0] += rows * ROWS - height
    end[1] += columns * COLUMNS - width
    kernel = _constant(
        _shifted(values), None if scales is None else np.tile(scales, ROWS * COLUMNS)
    )
    made = ops.convolution(node.input_value(0), kernel, [ROWS, COLUMNS], begin, end, [1, 1])
    cells = ops.reshape(made, [num, ROWS, COLUMNS, channels, rows, columns], False)
    ordered = ops.transpose(cells, [0, 3, 4, 1, 5, 2])
    whole = ops.reshape(ordered, [num, channels, rows * ROWS, columns * COLUMNS], False)
    if (rows * ROWS, columns * COLUMNS) != (height, width):
        whole = ops.slice(whole, [0, 0], [height, width], [1, 1], [2, 3])
    return whole.output(0)


def _shifted(values: NDArray[Any]) -> NDArray[Any]:
    """A kernel C×C'×h×w at each place of a cell, as one of ROWS·COLUMNS·C×C'×(h+3)×(w+1)."""
    channels, inputs, height, width = values.shape
    shape = (ROWS, COLUMNS, channels, inputs, height + ROWS - 1, width + COLUMNS - 1)
    kernel = np.zeros(shape, values.dtype)
    for row in range(ROWS):
        for column in range(COLUMNS):
            kernel[row, column, ..., row : row + height, column : column + width] = values
    return kernel.reshape(-1, *shape[3:])


def _small_first(node: Any) -> Any:
    """The result of a 3×3 convolution of enlarged features; None where it is another."""
    from openvino import opset13 as ops

    small = _before_enlarging(node)
    if small is None:
        return None
    weights = _weights(node.input_value(1).get_node())
    if weights is None or weights[1] is not None:
        return None  # sums of 8-bit weights would not fit 8 bits
    values = weights[0]
    height, width = node.get_output_shape(0)[2:]
    # Reflected at its border, an enlarged picture repeats its first row a third time.
    padded = ops.pad(small, [0, 0, 1, 1], [0, 0, 1, 1], "edge")
    kernel = _constant(_summed(values), None)
    made = ops.convolution(padded, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
    enlarged = ops.depth_to_space(made, "blocks_first", 2)
    return ops.slice(enlarged, [1, 1], [height + 1, width + 1], [1, 1], [2, 3]).output(0)


def _summed(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A 3×3 kernel on enlarged features as four 2×2 kernels on small ones: 4C×C'×2×2.

    Between two small rows lie an odd row of the enlarged ones, which sees the first of them twice,
    and an even one, which sees the second twice.
    """
    seen = np.array([[[1, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 1]]], np.float32)
    kernel: NDArray[np.float32] = np.einsum("ocyx,apy,bqx->abocpq", values, seen, seen)
    return kernel.reshape(-1, values.shape[1], 2, 2)


def _before_enlarging(node: Any) -> Any:
    """What was enlarged by 2 and reflected by 1 for a 3×3 convolution; None where nothing was."""
    attributes = node.get_attributes()
    steps = [*attributes["strides"], *attributes["dilations"]]
    pads = [*attributes["pads_begin"], *attributes["pads_end"]]
    padding = node.input_value(0).get_node()
    if (
        (steps, pads, node.get_input_shape(1)[2:]) != ([1, 1, 1, 1], [0, 0, 0, 0], [3, 3])
        or padding.get_type_name() != "Pad"
        or padding.get_attributes()["pad_mode"] != "reflect"
        or any(ints_of(padding.input_value(place)) != [0, 0, 1, 1] for place in (1, 2))
    ):
        return None
    enlarging = padding.input_value(0).get_node()
    while _cuts_nothing(enlarging):
        enlarging = enlarging.input_value(0).get_node()
    if enlarging.get_type_name() != "Interpolate":
        return None
    kind = enlarging.get_attributes()
    small = enlarging.input_value(0)
    num, channels, height, width = small.get_shape()
    is_doubling = (
        kind["mode"] == "nearest"
        and kind["coordinate_transformation_mode"] == "asymmetric"
        and kind["nearest_mode"] == "floor"
        and [*enlarging.get_output_shape(0)] == [num, channels, 2 * height, 2 * width]
    )
    return small if is_doubling else None


def _cuts_nothing(node: Any) -> bool:
    return node.get_type_name() in ("Slice", "StridedSlice") and [*node.get_input_shape(0)] == [
        *node.get_output_shape(0)
    ]


def ints_of(output: Any) -> list[int] | None:
    """Whole numbers that are constants of a graph; None where they are computed."""
    node = output.get_node()
    return [int(n) for n in node.data] if node.get_type_name() == "Constant" else None


def _weights(node: Any) -> tuple[NDArray[Any], NDArray[np.float32] | None] | None:
    """A kernel's values, and where those are of 8 bits their scale by channel, else None.

    None altogether where they are not constants, or stored in a way that is not known.
    """
    if node.get_type_name() == "Convert":  # stored in float16
        node = node.input_value(0).get_node()
    if node.get_type_name() == "Constant" and node.get_element_type().is_real():
        return np.array(node.data, np.float32), None
    if node.get_type_name() != "Multiply":
        return None
    centred, scale = (value.get_node() for value in node.input_values())
    scales = _row(scale)
    if centred.get_type_name() == "Subtract":
        zeros = _row(centred.input_value(1).get_node())
        if zeros is None or zeros.any():
            return None
        centred = centred.input_value(0).get_node()
    if centred.get_type_name() != "Convert" or scales is None:
        return None
    stored = centred.input_value(0).get_node()
    if stored.get_type_name() != "Constant" or stored.data.dtype != np.int8:
        return None
    values = np.array(stored.data)
    return (values, scales) if scales.size == values.shape[0] else None


def _row(node: Any) -> NDArray[np.float32] | None:
    """The values of a constant, behind what only changes its type or shape."""
    while node.get_type_name() in ("Reshape", "Convert"):
        node = node.input_value(0).get_node()
    return np.array(node.data, np.float32).ravel() if node.get_type_name() == "Constant" else None


def _constant(values: NDArray[Any], scales: NDArray[np.float32] | None) -> Any:
    from openvino import opset13 as ops

    if scales is None:
        return ops.constant(values)
    return ops.multiply(ops.convert(ops.constant(values), "f32"), scales.reshape(-1, 1, 1, 1))
