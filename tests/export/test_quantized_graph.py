import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from impasto.export.quantized_graph import (
    find_convolutions,
    measuring_graph,
    quantize_graph,
    read_measurements,
    with_metadata,
)
from impasto.runtime.backends.openvino_backend import OpenVinoBackend
from model_fixtures import BLUR, make_onnx, onnx_of


def noise(*shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def run(data, batch):
    return OpenVinoBackend(data, precision="f32").run(batch)


def calibrated(data, batches):
    rows = [run(measuring_graph(data), batch) for batch in batches]
    return read_measurements(find_convolutions(data), rows)


@pytest.fixture(scope="module")
def blurring():
    """Pads by repeating, blurs 3×3, adds 0, and clips: one convolution, on the picture itself."""
    return make_onnx(kernel=BLUR, bias=0.0).SerializeToString()


@pytest.fixture(scope="module")
def two_layers():
    """Half the picture minus 0.25, twice that plus 0.5: the picture again, by two convolutions."""
    eye = np.eye(3, dtype=np.float32)[:, :, None, None]
    constants = {
        "first.weight": eye * 0.5,
        "first.bias": np.full(3, -0.25, np.float32),
        "second.weight": eye * 2,
        "second.bias": np.full(3, 0.5, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "first.weight", "first.bias"], ["between"]),
        helper.make_node("Conv", ["between", "second.weight", "second.bias"], ["result"]),
    ]
    return onnx_of(nodes, constants).SerializeToString()


def test_a_convolution_is_found_behind_its_padding_and_its_cast(blurring):
    (convolution,) = find_convolutions(blurring)
    assert (convolution.name, convolution.source, convolution.num_products) == (
        "kernel_half",
        "image",
        27,
    )


def test_what_is_measured_are_the_extremes_of_all_batches_and_the_work(two_layers):
    # 5×4 pixels from 0.2 to 0.6, then from 0.4 to 0.8: between the layers from -0.15 to 0.15.
    ramp = np.linspace(0.2, 0.6, 60, dtype=np.float32).reshape(1, 3, 5, 4)
    calibration = calibrated(two_layers, [ramp, ramp + 0.2])
    assert calibration.ranges["image"] == pytest.approx((0.2, 0.8), abs=1e-6)
    assert calibration.ranges["between"] == pytest.approx((-0.15, 0.15), abs=1e-6)
    assert calibration.work == {"first": 180.0, "second": 180.0}  # 60 values of 3 products


def test_activations_have_256_steps_and_weights_127(two_layers):
    # The picture's step is 1/255, and what lies between has 0.5/255: off by half of each, twice
    # the second; the weights are exact, being the largest of their channels.
    batch = noise(1, 3, 16, 16)
    quantized = quantize_graph(two_layers, calibrated(two_layers, [batch]), in_float=())
    error = np.abs(run(quantized, batch) - run(two_layers, batch)).max()
    assert 0.5 / 255 < error <= 1.1 / 255


def test_what_is_left_in_float_stays_as_it_was(two_layers):
    batch = noise(1, 3, 16, 16)
    calibration = calibrated(two_layers, [batch])
    all_in_float = quantize_graph(two_layers, calibration, in_float={"first", "second"})
    np.testing.assert_array_equal(run(all_in_float, batch), run(two_layers, batch))
    second_only = quantize_graph(two_layers, calibration, in_float={"first"})
    names = {node.op_type for node in onnx.load_model_from_string(second_only).graph.node}
    assert names == {"Conv", "QuantizeLinear", "DequantizeLinear"}
    stored = {tensor.name for tensor in onnx.load_model_from_string(second_only).graph.initializer}
    assert "first.weight" in stored
    assert "second.weight" not in stored


def test_weights_are_stored_in_8_bits_of_which_7_are_used(two_layers):
    quantized = quantize_graph(two_layers, calibrated(two_layers, [noise(1, 3, 8, 8)]), in_float=())
    graph = onnx.load_model_from_string(quantized).graph
    weights = {tensor.name: tensor for tensor in graph.initializer}["first.weight:int8"]
    assert weights.data_type == TensorProto.INT8
    np.testing.assert_array_equal(
        numpy_helper.to_array(weights)[:, :, 0, 0], 63 * np.eye(3, dtype=np.int8)
    )


def test_values_below_zero_are_kept(two_layers):
    batch = noise(1, 3, 16, 16) * 0.4  # between the layers everything is negative
    quantized = quantize_graph(two_layers, calibrated(two_layers, [batch]), in_float=())
    np.testing.assert_allclose(run(quantized, batch), batch, atol=1.1 / 255)


def test_the_picture_is_quantized_before_it_is_padded(blurring):
    calibration = calibrated(blurring, [noise(1, 3, 16, 16)])
    graph = onnx.load_model_from_string(quantize_graph(blurring, calibration, in_float=())).graph
    order = [node.op_type for node in graph.node]
    assert order.index("QuantizeLinear") < order.index("Pad") < order.index("Conv")
    onnx.checker.check_graph(graph, onnx.checker.DEFAULT_CONTEXT)


def test_metadata_replace_those_that_were_there(blurring):
    first = with_metadata(blurring, {"a": "1"})
    second = onnx.load_model_from_string(with_metadata(first, {"b": "2"}))
    assert {entry.key: entry.value for entry in second.metadata_props} == {"b": "2"}
