"""Checks of the style encoder in a model file: what the exporter writes passes, nothing else."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from impasto.errors import ModelFileError
from impasto.zoo.encoder_graph import check_encoder
from impasto.zoo.model_file import read_model_file
from impasto.zoo.onnx_wire import read_onnx
from impasto.zoo.operators import ENCODER_OPERATORS
from impasto.zoo.style_vectors import read_style_network
from model_fixtures import TINY_ANY_PAINTING


@pytest.fixture(scope="module")
def encoder(any_painting_path):
    """The bytes of an encoder as our exporter writes it."""
    return read_style_network(read_model_file(any_painting_path)).encoder


@pytest.fixture
def changed(encoder):
    """The encoder after a change of its graph."""

    def change(edit):
        model = onnx.load_model_from_string(encoder)
        edit(model.graph)
        return model.SerializeToString()

    return change


def first(graph, operator):
    return next(node for node in graph.node if node.op_type == operator)


def weight(graph, name):
    return next(tensor for tensor in graph.initializer if tensor.name == name)


def set_weight(graph, name, array):
    weight(graph, name).CopyFrom(numpy_helper.from_array(array, name))


def test_the_table_holds_what_the_exporter_writes_and_nothing_else(encoder):
    written = {}
    for node in read_onnx(encoder).nodes:
        written.setdefault(node.operator, {})
        for name, value in node.attributes.items():
            written[node.operator].setdefault(name, set()).add(repr(value))
    table = ENCODER_OPERATORS.items()
    assert {n: set(operator.attributes) for n, operator in table} == {
        name: set(attributes) | ({"value"} if name == "Constant" else set())
        for name, attributes in written.items()
    }
    for name, operator in table:
        for attribute, check in operator.attributes.items():
            assert not check.values or check.values == written[name][attribute]


def test_what_the_exporter_writes_passes(encoder):
    check_encoder(encoder, TINY_ANY_PAINTING)


def another_operator(graph):
    first(graph, "Sqrt").op_type = "Exp"


def another_domain(graph):
    first(graph, "Sqrt").domain = "ai.onnx.ml"


def another_power(graph):
    node = first(graph, "Pow")
    power = next(each for each in graph.node if node.input[1] in each.output)
    power.attribute[0].t.CopyFrom(numpy_helper.from_array(np.array(9.0, np.float32)))


def another_mean(graph):
    node = first(graph, "ReduceMean")
    set_weight(graph, node.input[1], np.array([1, 2], np.int64))


def infinity(graph):
    name = "convolutions.0.0.weight:f16"
    array = numpy_helper.to_array(weight(graph, name)).copy()
    array[0, 0, 0, 0] = np.inf
    set_weight(graph, name, array)


def narrower_layer(graph):
    name = "to_vector.weight:f16"
    set_weight(graph, name, numpy_helper.to_array(weight(graph, name))[:, :-1])


def one_weight_twice(graph):
    first(graph, "Cast").input[0] = graph.node[1].input[0]


def many_operators(graph):
    for k in range(200):
        graph.node.append(helper.make_node("Relu", ["style"], [f"more{k}"]))


def many_values(graph):
    for k in range(60):
        graph.node.append(helper.make_node("Relu", ["painting"], [f"more{k}"]))


def another_input(graph):
    graph.input[0].CopyFrom(
        helper.make_tensor_value_info("painting", TensorProto.FLOAT, ["N", 4, "H", "W"])
    )


def another_output(graph):
    del graph.output[0].type.tensor_type.shape.dim[1:]


def two_outputs(graph):
    graph.output.append(graph.output[0])


def wide_padding(graph):
    node = first(graph, "Pad")
    pads = next(each for each in graph.node if node.input[1] in each.output)
    array = np.array([0, 0, 90, 90, 0, 0, 90, 90], np.int64)
    pads.attribute[0].t.CopyFrom(numpy_helper.from_array(array))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (another_operator, "it uses the operator 'Exp', which no Impasto model does"),
        (another_domain, "it uses the operator 'ai.onnx.ml::Sqrt'"),
        (another_power, "the operator Pow does not fit .it is no square"),
        (another_mean, "the operator ReduceMean does not fit .it is no mean over pixels"),
        (infinity, "its weights 'convolutions.0.0.weight:f16' hold NaN or infinity"),
        (narrower_layer, "the operator Gemm does not fit"),
        (one_weight_twice, "the same weights are used several times"),
        (many_operators, "operators, expected at most 200"),
        (many_values, "more than 2 times as many values are computed as in the encoder"),
        (another_input, "the input or output is not as expected"),
        (another_output, "the input or output is not as expected"),
        (two_outputs, "the input or output is not as expected"),
        (wide_padding, "the operator Pad does not fit"),
    ],
)
def test_another_graph_is_refused(changed, change, message):
    with pytest.raises(ModelFileError, match=message):
        check_encoder(changed(change), TINY_ANY_PAINTING)


def test_an_encoder_of_another_size_than_on_the_card_is_refused(encoder):
    larger = TINY_ANY_PAINTING.model_copy(update={"style_size": 9})
    with pytest.raises(ModelFileError, match="the input or output is not as expected"):
        check_encoder(encoder, larger)


def test_what_is_no_onnx_file_is_refused(encoder):
    for data in (b"", b"hello", encoder[:-100]):
        with pytest.raises(ModelFileError, match="get the model file again"):
            check_encoder(data, TINY_ANY_PAINTING)
