"""The table of operators against what the exporters write: neither holds more than the other."""

import itertools

import numpy as np
import onnx
import pytest
from exported_models import ARCHITECTURES
from onnx import TensorProto, helper, numpy_helper

from impasto.errors import ModelFileError
from impasto.networks.architecture import NetworkArchitecture
from impasto.zoo.card import ModelCard
from impasto.zoo.graph import most_values, num_values, sizes_to_try
from impasto.zoo.model_file import MODEL_METADATA_KEY, model_from_bytes, read_model_file
from impasto.zoo.onnx_wire import read_onnx
from impasto.zoo.operators import OPERATORS
from impasto.zoo.registry import RELEASED_MODELS_FOLDER
from model_fixtures import make_card


def test_every_architecture_is_in_this_test():
    kinds = {architecture.kind for architecture in ARCHITECTURES.values()}
    definitions = ModelCard.model_json_schema()["$defs"].values()
    fields = [d["properties"]["kind"] for d in definitions if "kind" in d.get("properties", {})]
    assert kinds == {kind for f in fields for kind in f.get("enum", [f.get("const")])}


def test_what_the_exporters_write_is_read(exported):
    for data in exported.values():
        model_from_bytes(data)


def test_released_models_are_read():
    for path in RELEASED_MODELS_FOLDER.glob("*.onnx"):
        read_model_file(path)


def test_the_table_holds_no_operator_and_no_attribute_that_nothing_writes(exported):
    written = {}
    for data in exported.values():
        for node in read_onnx(data).nodes:
            written.setdefault(node.operator, set()).update(node.attributes)
    assert {name: set(operator.attributes) for name, operator in OPERATORS.items()} == written


def test_the_table_holds_no_value_of_an_attribute_that_nothing_writes(exported):
    files = [*exported.values(), *(p.read_bytes() for p in RELEASED_MODELS_FOLDER.glob("*.onnx"))]
    written = {}
    for data in files:
        for node in read_onnx(data).nodes:
            for name, value in node.attributes.items():
                written.setdefault((node.operator, name), set()).add(repr(value))
    for name, operator in OPERATORS.items():
        for attribute, check in operator.attributes.items():
            if check.values:
                assert check.values == written[name, attribute], (name, attribute)


def test_the_limit_of_values_is_some_twice_what_the_networks_compute(exported):
    for name, data in exported.items():
        architecture = ARCHITECTURES[name.removesuffix(", int8")]
        large = sizes_to_try(architecture)[-1]
        share = num_values(read_onnx(data), large) / most_values(architecture, large)
        assert 0.2 < share < 0.75, (name, share)


def changed(data, change):
    model = onnx.load_model_from_string(data)
    change(model)
    return model.SerializeToString()


def node_of(model, operator, number=0):
    return [node for node in model.graph.node if node.op_type == operator][number]


def constant_of(model, name):
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def with_row(model, name, values):
    """A constant of the graph replaced, wherever it is."""
    array = np.asarray(values)
    for node in model.graph.node:
        if node.op_type == "Constant" and node.output[0] == name:
            del node.attribute[:]
            node.attribute.append(helper.make_attribute("value", numpy_helper.from_array(array)))
            return
    constant_of(model, name).CopyFrom(numpy_helper.from_array(array, name))


def row_change(operator, place, values, number=0):
    def change(model):
        with_row(model, node_of(model, operator, number).input[place], values)

    return change


def attribute_change(operator, name, value):
    def change(model):
        node = node_of(model, operator)
        kept = [a for a in node.attribute if a.name != name]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute(name, value)])

    return change


def operator_change(operator, other):
    def change(model):
        node_of(model, operator).op_type = other

    return change


def weights_change(name, value):
    def change(model):
        tensor = constant_of(model, name)
        array = numpy_helper.to_array(tensor).copy()
        array.flat[-1] = value
        tensor.CopyFrom(numpy_helper.from_array(array, name))

    return change


def transposed_weights(model):
    tensor = constant_of(model, "encode_half.convolution.weight")
    array = numpy_helper.to_array(tensor)[:, :2]
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), tensor.name))


def shared_weights(model):
    first = node_of(model, "Conv", 3)
    node_of(model, "Conv", 4).input[1] = first.input[1]


def index_from_a_feature(model):
    node_of(model, "Slice").input[2] = "conv2d"


def larger_output(model, *, times=1):
    clip = node_of(model, "Clip")
    row = node_of(model, "Resize").input[2]
    names = [clip.input[0], *(f"larger{i}" for i in range(times))]
    for given, result in itertools.pairwise(names):
        node = helper.make_node("Resize", [given, "", row], [result])
        node.attribute.extend(node_of(model, "Resize").attribute)
        model.graph.node.insert(len(model.graph.node) - 1, node)
    clip.input[0] = names[-1]


def many_values(model):
    # Larger again and again, then all but a corner is thrown away.
    larger_output(model, times=5)
    one = numpy_helper.from_array(np.array([1], np.int64), "one")
    nothing = numpy_helper.from_array(np.array([0], np.int64), "nothing")
    axes = [numpy_helper.from_array(np.array([axis], np.int64), f"a{axis}") for axis in (2, 3)]
    model.graph.initializer.extend([one, nothing, *axes])
    clip = model.graph.node[-1]
    given = clip.input[0]
    for axis in (2, 3):
        size, result = f"size{axis}", f"cut{axis}"
        nodes = [
            helper.make_node("Shape", ["image"], [size], start=axis, end=axis + 1),
            helper.make_node("Slice", [given, "nothing", size, f"a{axis}", "one"], [result]),
        ]
        for node in nodes:
            model.graph.node.insert(len(model.graph.node) - 1, node)
        given = result
    clip.input[0] = given


def unclipped(model):
    model.graph.node[-1].op_type = "Relu"
    del model.graph.node[-1].input[1:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (operator_change("Relu", "ScatterElements"), "the operator 'ScatterElements', which no"),
        (operator_change("Relu", "GatherND"), "the operator 'GatherND'"),
        (operator_change("Relu", "Tile"), "the operator 'Tile'"),
        (attribute_change("Conv", "group", 2), "Conv has group=2, which we do not write"),
        (attribute_change("Conv", "pads", [-1, 0, 0, 0]), r"Conv has pads=\(-1, 0, 0, 0\)"),
        (attribute_change("Conv", "dilations", [99, 99]), r"Conv has dilations=\(99, 99\)"),
        (attribute_change("Conv", "strides", [1.0, 1.0]), r"Conv has strides=\(1\.0, 1\.0\)"),
        (attribute_change("Conv", "kernel_shape", [3, 3]), "its kernel has another size"),
        (attribute_change("Relu", "alpha", 1.0), "Relu has the attribute 'alpha'"),
        (attribute_change("Pad", "mode", "constant"), "Pad has mode='constant'"),
        (attribute_change("InstanceNormalization", "epsilon", 0.0), "has epsilon=0.0"),
        (attribute_change("InstanceNormalization", "epsilon", float("nan")), "has epsilon=nan"),
        (attribute_change("Cast", "to", TensorProto.INT64), "Cast has to=7"),
        (row_change("Pad", 1, [0, 0, -4, -4, 0, 0, -4, -4]), "it pads by"),
        (row_change("Pad", 1, [0, 0, 4, 4, 0, 0, 4, 5]), "it pads by"),
        (row_change("Pad", 1, [9, 0, 4, 4, 9, 0, 4, 4]), "it pads by"),
        (row_change("Pad", 1, [0, 0, 40, 40, 0, 0, 40, 40]), "it reflects 40 of 16 pixels"),
        (row_change("Slice", 1, [2**62]), "it cuts 4611686018427387904 to"),
        (row_change("Slice", 1, [-3]), "it cuts -3 to"),
        (row_change("Slice", 3, [9]), "it cuts along the axis 9"),
        (row_change("Slice", 4, [0]), "it cuts 0 to .* by 0"),
        (row_change("Div", 1, 0), "it divides 15 by 0, for a picture of 17×16"),
        (row_change("Add", 0, 10**9), "its constant is too large"),
        (row_change("Reshape", 1, [4]), "it does not make a row of one number"),
        (row_change("Resize", 2, np.array([1, 1, 1e6, 1e6], np.float32)), "it resizes by"),
        (row_change("Clip", 2, np.float32(9)), "it does not clip to 0 and 1"),
        (index_from_a_feature, "it is told where to cut by what is no size"),
        (transposed_weights, "does not fit 4 channels"),
        (shared_weights, "the same weights several times"),
        (weights_change("to_rgb.weight", np.float16("nan")), "'to_rgb.weight' hold NaN or inf"),
        (weights_change("to_rgb.bias", np.float16("-inf")), "'to_rgb.bias' hold NaN or inf"),
        (larger_output, "expected a picture 1 times as large"),
        (many_values, "computes more than 2 times as many values"),
        (unclipped, "its output is not clipped"),
    ],
)
def test_a_graph_that_differs_from_ours_is_refused_in_one_line(exported, change, message):
    with pytest.raises(ModelFileError, match=message) as raised:
        model_from_bytes(changed(exported["default"], change))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 0.0, 1e-40])
@pytest.mark.parametrize("name", ["image:scale", "to_rgb.weight:scale"])
def test_scales_are_positive_finite_numbers(exported, name, value):
    data = changed(exported["default, int8"], weights_change(name, np.float32(value)))
    message = "hold NaN or inf" if not np.isfinite(value) else "a scale is not a positive"
    with pytest.raises(ModelFileError, match=message):
        model_from_bytes(data)


def test_large_finite_float32_numbers_are_read(exported):
    # Of 2^127 and more the last byte is 0x7f, as infinity's.
    data = changed(exported["subpixel"], lambda model: None)
    model = onnx.load_model_from_string(data)
    (name,) = [t.name for t in model.graph.initializer if t.data_type == 1 and len(t.dims) == 1]
    model_from_bytes(changed(data, weights_change(name, np.float32(3e38))))
    with pytest.raises(ModelFileError, match="NaN or infinity"):
        model_from_bytes(changed(data, weights_change(name, np.float32("nan"))))


def test_the_network_on_the_card_limits_what_is_computed(exported):
    small = NetworkArchitecture(kind="paper", channels=(1, 1, 1))
    model = onnx.load_model_from_string(exported["fast neural style"])
    model.metadata_props[0].value = make_card(architecture=small).to_json()
    assert model.metadata_props[0].key == MODEL_METADATA_KEY
    with pytest.raises(ModelFileError, match="as the network on its card"):
        model_from_bytes(model.SerializeToString())
