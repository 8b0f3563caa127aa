import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from impasto.runtime.backends.cheaper_graph import make_cheaper
from impasto.runtime.backends.openvino_backend import OpenVinoBackend
from impasto.zoo.registry import resolve_model

rng = np.random.default_rng(0)


def network(shape, layers):
    """A model that puts layers one behind the other."""
    given = ops.parameter(shape, np.float32)
    result = given
    for layer in layers:
        result = layer(result)
    return openvino.Model([ops.result(result)], [given])


def convolution(weights, *, strides=(1, 1), pads=(0, 0)):
    kernel = ops.constant(weights) if isinstance(weights, np.ndarray) else weights
    return lambda given: ops.convolution(given, kernel, strides, pads, pads, [1, 1])


def kernel(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def in_8_bits(*shape, zero=0):
    """A kernel as a quantized model has it."""
    values = rng.integers(-63, 64, shape, dtype=np.int8)
    floats = ops.convert(ops.constant(values), "f32")
    zeros = ops.convert(ops.constant(np.full(shape[0], zero, np.int8)), "f32")
    by_channel = ops.constant(np.array([shape[0], 1, 1, 1]))
    centred = ops.subtract(floats, ops.reshape(zeros, by_channel, False))
    scales = ops.constant(rng.random(shape[0], dtype=np.float32) / 100)
    return ops.multiply(centred, ops.reshape(scales, by_channel, False))


def enlarged(*, factor=2.0, mode="asymmetric"):
    scales = np.array([1, 1, factor, factor], np.float32)
    return lambda given: ops.interpolate(
        given,
        scales,
        "nearest",
        "scales",
        coordinate_transformation_mode=mode,
        nearest_mode="floor",
    )


def reflected(amount=1, mode="reflect"):
    return lambda given: ops.pad(given, [0, 0, amount, amount], [0, 0, amount, amount], mode)


def cut(height, width):
    return lambda given: ops.slice(given, [0, 0], [height, width], [1, 1], [2, 3])


def run(model, batch):
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(model, "CPU", settings)(batch)[0]


def kernels_of(model):
    return [
        list(node.get_input_shape(1))
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Convolution"
    ]


def same_result(shape, layers):
    """The kernels after rewriting, having checked that the result is the same."""
    model = network(shape, layers)
    batch = rng.random(shape, dtype=np.float32)
    before = run(model.clone(), batch)
    make_cheaper(model)
    after = run(model, batch)
    assert after.shape == before.shape
    np.testing.assert_allclose(after, before, atol=2e-5 * np.abs(before).max())
    return kernels_of(model)


@pytest.mark.parametrize("height", [24, 23])
@pytest.mark.parametrize("width", [32, 31, 30, 29])
def test_few_channels_become_many(height, width):
    layers = [convolution(kernel(3, 16, 9, 9), pads=(4, 4))]
    assert same_result([2, 16, height, width], layers) == [[24, 16, 12, 10]]


def test_an_unpadded_convolution_of_few_channels():
    assert same_result([1, 4, 20, 17], [convolution(kernel(1, 4, 5, 5))]) == [[8, 4, 8, 6]]


def test_a_kernel_of_8_bits_stays_one():
    layers = [convolution(in_8_bits(3, 16, 9, 9))]
    model = network([1, 16, 20, 21], layers)
    make_cheaper(model)
    stored = (node for node in model.get_ops() if node.get_type_name() == "Constant")
    shape = next(list(node.get_output_shape(0)) for node in stored if node.data.dtype == np.int8)
    assert shape == [24, 16, 12, 10]
    assert same_result([1, 16, 20, 21], layers) == [[24, 16, 12, 10]]


@pytest.mark.parametrize(
    "layer",
    [
        convolution(kernel(5, 4, 9, 9)),
        convolution(kernel(3, 4, 3, 3)),
        convolution(kernel(3, 4, 9, 9), strides=(2, 2)),
        convolution(in_8_bits(3, 4, 9, 9, zero=1)),
    ],
    ids=["many channels", "a small kernel", "strides", "a zero that is none"],
)
def test_other_convolutions_are_left(layer):
    before = kernels_of(network([1, 4, 24, 32], [layer]))
    assert same_result([1, 4, 24, 32], [layer]) == before


@pytest.mark.parametrize("shape", [[1, 6, 8, 10], [2, 6, 7, 9]])
def test_a_convolution_behind_an_enlargement_comes_before_it(shape):
    height, width = 2 * shape[2], 2 * shape[3]
    layers = [enlarged(), cut(height, width), reflected(), convolution(kernel(5, 6, 3, 3))]
    assert same_result(shape, layers) == [[20, 6, 2, 2]]


@pytest.mark.parametrize(
    "layers",
    [
        [enlarged(), cut(15, 20), reflected(), convolution(kernel(5, 6, 3, 3))],
        [enlarged(factor=3.0), reflected(), convolution(kernel(5, 6, 3, 3))],
        [enlarged(), reflected(mode="edge"), convolution(kernel(5, 6, 3, 3))],
        [enlarged(), reflected(2), convolution(kernel(5, 6, 5, 5))],
        [enlarged(), reflected(), convolution(kernel(5, 6, 3, 3), strides=(2, 2))],
        [enlarged(), reflected(), convolution(in_8_bits(5, 6, 3, 3))],
        [reflected(), convolution(kernel(5, 6, 3, 3))],
        [enlarged(mode="align_corners"), reflected(), convolution(kernel(5, 6, 3, 3))],
    ],
    ids=[
        "odd",
        "threefold",
        "edges",
        "a larger kernel",
        "strides",
        "8 bits",
        "nothing enlarged",
        "corners",
    ],
)
def test_what_only_looks_like_an_enlargement_is_left(layers):
    before = kernels_of(network([1, 6, 8, 10], layers))
    assert same_result([1, 6, 8, 10], layers) == before


@pytest.mark.parametrize("size", [(64, 96), (67, 93)])
def test_a_shipped_style_paints_the_same(size, monkeypatch):
    data = resolve_model("starry_night").data
    batch = rng.random((1, 3, *size), dtype=np.float32)
    cheaper = OpenVinoBackend(data, precision="f32").run(batch)
    monkeypatch.setattr("impasto.runtime.backends.openvino_backend.make_cheaper", lambda _: None)
    plain = OpenVinoBackend(data, precision="f32").run(batch)
    np.testing.assert_allclose(cheaper, plain, atol=0.5 / 255)
    assert not np.array_equal(cheaper, plain)
