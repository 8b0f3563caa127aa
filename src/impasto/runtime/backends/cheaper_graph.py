"""Two rewritings of a graph into one with less work and the same result.

They are for a model of one size in OpenVINO's operations, and exact except for the order of sums.

- `_packed`: a processor computes 8 or 16 channels at once, and a convolution with 3 output channels
  wastes most of that. Four rows and two columns of the output become 24 channels of one larger
  kernel with strides 4×2, whose output is then rearranged. The kernel has 12×10 positions instead
  of 9×9; with 8 lanes the work falls to 5/9, with 16 (AVX-512) to 3/8.
- `_small_first`: behind nearest-neighbour upsampling by 2, a 3×3 convolution reads each value two
  or three times. Four 2×2 kernels of summed weights on the small features, one for each position in
  a 2×2 cell, give the same output with 4/9 of the work and without the upsampled copy (Aitken et
  al. 2017, "Checkerboard artifact free sub-pixel convolution", compares the two).

One of the five modules that may import OpenVINO.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

REWRITING_VERSION = 2
"""To be raised when a rewriting changes: compiled models on disk belong to one version."""

ROWS, COLUMNS = 4, 2
"""Rows and columns of the output that become channels.

Never 4 columns: a bf16 convolution with a horizontal stride of 4 whose input channels are no
multiple of 32 is computed wrongly on processors with AMX (OpenVINO 2026.4.1, oneDNN's
brgconv_avx512_amx_bf16; 2026-11-28). 2×4 was as fast; 2×2, 1×8 and 2×8 are slower (f32, Zen 3,
2026-11-25)."""

FEW_CHANNELS = 4
"""Most output channels of a convolution that is packed."""

MIN_KERNEL = 5
"""Smallest kernel that is packed; smaller ones grow too much in proportion."""


def make_cheaper(model: Any) -> None:
    """Rewrite, in place, the convolutions of an `openvino.Model` of one size that match."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convolution" and node.get_output_partial_shape(0).is_static:
            result = _small_first(node) or _packed(node)
            if result is not None:
                result.get_node().set_friendly_name(node.get_friendly_name())
                node.output(0).replace(result)


def _packed(node: Any) -> Any:
    """A convolution with few output channels, packed; None where that gains nothing."""
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
    # The last cells may hang over the border: padded there, computed, and cut off at the end.
    rows, columns = -(-height // ROWS), -(-width // COLUMNS)
    begin, end = attributes["pads_begin"], list(attributes["pads_end"])
    end[0] += rows * ROWS - height
    end[1] += columns * COLUMNS - width
    kernel = _constant(
        _shifted(values), None if scales is None else np.tile(scales, ROWS * COLUMNS)
    )
    packed = ops.convolution(node.input_value(0), kernel, [ROWS, COLUMNS], begin, end, [1, 1])
    cells = ops.reshape(packed, [num, ROWS, COLUMNS, channels, rows, columns], False)
    ordered = ops.transpose(cells, [0, 3, 4, 1, 5, 2])
    whole = ops.reshape(ordered, [num, channels, rows * ROWS, columns * COLUMNS], False)
    if (rows * ROWS, columns * COLUMNS) != (height, width):
        whole = ops.slice(whole, [0, 0], [height, width], [1, 1], [2, 3])
    return whole.output(0)


def _shifted(values: NDArray[Any]) -> NDArray[Any]:
    """A kernel C×C'×h×w, shifted to each position of a cell: ROWS·COLUMNS·C×C'×(h+3)×(w+1)."""
    channels, inputs, height, width = values.shape
    shape = (ROWS, COLUMNS, channels, inputs, height + ROWS - 1, width + COLUMNS - 1)
    kernel = np.zeros(shape, values.dtype)
    for row in range(ROWS):
        for column in range(COLUMNS):
            kernel[row, column, ..., row : row + height, column : column + width] = values
    return kernel.reshape(-1, *shape[3:])


def _small_first(node: Any) -> Any:
    """A 3×3 convolution of upsampled features, computed on the small ones; None for others."""
    from openvino import opset13 as ops

    small = _before_upsampling(node)
    if small is None:
        return None
    weights = _weights(node.input_value(1).get_node())
    if weights is None or weights[1] is not None:
        return None  # sums of 8-bit weights would not fit 8 bits
    values = weights[0]
    height, width = node.get_output_shape(0)[2:]
    # Reflected at its border, an upsampled picture repeats its first row a third time.
    padded = ops.pad(small, [0, 0, 1, 1], [0, 0, 1, 1], "edge")
    kernel = _constant(_summed(values), None)
    cells = ops.convolution(padded, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
    upsampled = ops.depth_to_space(cells, "blocks_first", 2)
    return ops.slice(upsampled, [1, 1], [height + 1, width + 1], [1, 1], [2, 3]).output(0)


def _summed(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A 3×3 kernel on upsampled features as four 2×2 kernels on small ones: 4C×C'×2×2.

    Between two small rows lie an odd row of the upsampled ones, which reads the first of them
    twice, and an even one, which reads the second twice.
    """
    reads = np.array([[[1, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 1]]], np.float32)
    kernel: NDArray[np.float32] = np.einsum("ocyx,apy,bqx->abocpq", values, reads, reads)
    return kernel.reshape(-1, values.shape[1], 2, 2)


def _before_upsampling(node: Any) -> Any:
    """The features that were upsampled by 2 and reflected by 1 for a 3×3 convolution, else None."""
    attributes = node.get_attributes()
    steps = [*attributes["strides"], *attributes["dilations"]]
    pads = [*attributes["pads_begin"], *attributes["pads_end"]]
    padding = node.input_value(0).get_node()
    if (
        (steps, pads, node.get_input_shape(1)[2:]) != ([1, 1, 1, 1], [0, 0, 0, 0], [3, 3])
        or padding.get_type_name() != "Pad"
        or padding.get_attributes()["pad_mode"] != "reflect"
        or any(ints_of(padding.input_value(index)) != [0, 0, 1, 1] for index in (1, 2))
    ):
        return None
    upsampling = padding.input_value(0).get_node()
    while (  # a slice that cuts nothing
        upsampling.get_type_name() in ("Slice", "StridedSlice")
        and [*upsampling.get_input_shape(0)] == [*upsampling.get_output_shape(0)]
    ):
        upsampling = upsampling.input_value(0).get_node()
    if upsampling.get_type_name() != "Interpolate":
        return None
    kind = upsampling.get_attributes()
    small = upsampling.input_value(0)
    num, channels, height, width = small.get_shape()
    # These rules alone repeat each value twice; another rounding would shift the copies.
    is_doubling = (
        kind["mode"] == "nearest"
        and kind["coordinate_transformation_mode"] == "asymmetric"
        and kind["nearest_mode"] == "floor"
        and [*upsampling.get_output_shape(0)] == [num, channels, 2 * height, 2 * width]
    )
    return small if is_doubling else None


def ints_of(output: Any) -> list[int] | None:
    """The values of an integer constant; None for a tensor that is computed."""
    node = output.get_node()
    return [int(n) for n in node.data] if node.get_type_name() == "Constant" else None


def _weights(node: Any) -> tuple[NDArray[Any], NDArray[np.float32] | None] | None:
    """A kernel's values, and the scale of each channel if they are int8, else None.

    None in place of both if the kernel is not constant, or stored in another way.
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
    """The values of a constant, through nodes that only change its type or shape."""
    while node.get_type_name() in ("Reshape", "Convert"):
        node = node.input_value(0).get_node()
    return np.array(node.data, np.float32).ravel() if node.get_type_name() == "Constant" else None


def _constant(values: NDArray[Any], scales: NDArray[np.float32] | None) -> Any:
    from openvino import opset13 as ops

    if scales is None:
        return ops.constant(values)
    return ops.multiply(ops.convert(ops.constant(values), "f32"), scales.reshape(-1, 1, 1, 1))
