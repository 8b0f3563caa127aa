"""Transposes that have moved: the same result, and none but next to convolutions."""

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from impasto.runtime.backends.channels_last import keep_channels_last

rng = np.random.default_rng(0)
GIVEN = rng.standard_normal((1, 9, 12, 4)).astype(np.float32)


def values(*shape):
    return ops.constant(rng.standard_normal(shape).astype(np.float32))


def convolution(given):
    return ops.convolution(given, values(4, 4, 3, 3), [1, 1], [0, 0], [0, 0], [1, 1])


def reflected(given, mode="reflect"):
    return ops.pad(given, [0, 0, 1, 2], [0, 0, 1, 0], mode)


def model(layers):
    """A model of channels last, with layers of channels first in it."""
    given = ops.parameter(GIVEN.shape, np.float32)
    result = layers(ops.transpose(given, [0, 3, 1, 2]))
    return openvino.Model([ops.result(ops.transpose(result, [0, 2, 3, 1]))], [given])


def result_of(model):
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino.compile_model(model, "CPU", settings)([GIVEN])[0]


def num_transposes(model):
    return sum(node.get_type_name() == "Transpose" for node in model.get_ops())


@pytest.mark.parametrize(
    ("layers", "left"),
    [
        (ops.relu, 0),
        (lambda given: ops.subtract(given, values(1, 4, 1, 1)), 0),
        (lambda given: ops.multiply(values(), given), 0),
        (lambda given: reflected(ops.relu(given)), 0),
        (lambda given: reflected(ops.relu(given), "edge"), 0),
        (lambda given: convolution(reflected(ops.relu(given))), 2),
        (lambda given: ops.add(given, convolution(reflected(given, "symmetric"))), 2),
        (lambda given: ops.add(convolution(reflected(given)), ops.tanh(given)), 3),
    ],
)
def test_results_stay_and_transposes_go_but_next_to_what_wants_channels_first(layers, left):
    made = model(layers)
    before = result_of(made)
    keep_channels_last(made)
    np.testing.assert_allclose(result_of(made), before, atol=1e-6)
    assert num_transposes(made) == left


def test_what_is_not_known_stays():
    made = model(lambda given: ops.add(given, values(4, 1, 1)))
    before = result_of(made)
    keep_channels_last(made)
    np.testing.assert_array_equal(result_of(made), before)
    assert num_transposes(made) == 2
