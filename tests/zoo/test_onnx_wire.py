import contextlib

import numpy as np
import onnx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from impasto.errors import ModelFileError
from impasto.zoo.onnx_wire import read_onnx
from impasto.zoo.protobuf import MAX_FIELDS
from model_fixtures import make_onnx


def varint(number):
    """Seven bits a byte, lowest first, the eighth bit set on all but the last."""
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, content):
    """A field of bytes (wire type 2) or a number (wire type 0)."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


VERSIONS = field(1, 10) + field(8, field(2, 18))  # of ONNX's format and its operators


def model_of(graph):
    return VERSIONS + field(7, graph)


def changed(change):
    """The tiny model after a change to its message, as bytes."""
    model = make_onnx(metadata={"key": "value"})
    change(model)
    return model.SerializeToString()


def test_a_model_written_by_hand_is_read():
    # graph { node { input: "image" output: "out" op_type: "Relu" }
    # initializer { dims: 2 data_type: 10 (float16) name: "w" raw_data: 4 bytes }
    # input { name: "image" type { tensor { elem_type: 1
    # shape { dim { dim_param: "N" } dim { dim_value: 3 } } } } } } metadata { "a": "b" }
    dims = field(1, field(2, b"N")) + field(1, field(1, 3))
    kind = field(1, field(1, 1) + field(2, dims))
    graph = (
        field(1, field(1, b"image") + field(2, b"out") + field(4, b"Relu"))
        + field(5, field(1, 2) + field(2, 10) + field(8, b"w") + field(9, bytes(4)))
        + field(11, field(1, b"image") + field(2, kind))
    )
    summary = read_onnx(model_of(graph) + field(14, field(1, b"a") + field(2, b"b")))
    assert summary.metadata == {"a": "b"}
    (node,) = summary.nodes
    assert (node.operator, node.inputs, node.outputs) == ("Relu", ("image",), ("out",))
    (tensor,) = summary.initializers
    assert (tensor.name, tensor.data_type, tensor.shape) == ("w", 10, (2,))
    (value,) = summary.inputs
    assert (value.name, value.data_type, value.shape) == ("image", 1, (None, 3))
    assert summary.outputs == ()


def test_shapes_may_be_packed():
    packed = field(1, varint(300) + varint(2))  # two lengths in one field of bytes
    tensor = packed + field(2, 3) + field(8, b"w") + field(9, bytes(600))
    assert read_onnx(model_of(field(5, tensor))).initializers[0].shape == (300, 2)


@given(
    shapes=st.lists(st.lists(st.integers(1, 3), max_size=4), max_size=3),
    dtype=st.sampled_from([np.float16, np.float32, np.int64, np.uint8, np.int8]),
    metadata=st.dictionaries(st.text(max_size=9), st.text(max_size=300), max_size=3),
)
def test_the_onnx_package_reads_the_same(shapes, dtype, metadata):
    model = make_onnx(metadata=metadata)
    for index, shape in enumerate(shapes):
        array = np.ones(shape, dtype)
        model.graph.initializer.append(numpy_helper.from_array(array, f"extra {index}"))
    summary = read_onnx(model.SerializeToString())
    assert summary.metadata == {entry.key: entry.value for entry in model.metadata_props}
    assert [(node.operator, node.inputs, node.outputs) for node in summary.nodes] == [
        (node.op_type, tuple(node.input), tuple(node.output)) for node in model.graph.node
    ]
    assert [(t.name, t.data_type, t.shape, bytes(t.data)) for t in summary.initializers] == [
        (t.name, t.data_type, tuple(t.dims), t.raw_data) for t in model.graph.initializer
    ]
    assert [read_attributes(node) for node in summary.nodes] == [
        {a.name: told(helper.get_attribute_value(a)) for a in node.attribute}
        for node in model.graph.node
    ]
    assert [value.name for value in summary.inputs] == ["image"]
    assert [value.shape for value in summary.outputs] == [(None, 3, None, None)]


def told(value):
    return tuple(value) if isinstance(value, list) else getattr(value, "decode", lambda: value)()


def read_attributes(node):
    return dict(node.attributes)


@pytest.mark.parametrize("value", [-7, 2**62, 0.25, "text", [1, -2, 3], [0.5, -1.5]])
def test_attributes_of_every_kind_are_read(value):
    def change(model):
        model.graph.node.append(helper.make_node("Relu", ["image"], ["c"], given=value))

    assert read_onnx(changed(change)).nodes[-1].attributes == {"given": told(value)}


def test_a_constant_inside_an_attribute_is_read():
    def change(model):
        tensor = numpy_helper.from_array(np.array([3, -1], np.int64))
        model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))

    assert read_onnx(changed(change)).nodes[-1].attributes["value"].row() == (3, -1)


def test_operators_of_other_domains_carry_their_domain():
    def change(model):
        model.graph.node.append(helper.make_node("Clip", ["image"], ["b"], domain="com.acme"))
        model.graph.node.append(helper.make_node("Relu", ["b"], ["c"], domain="ai.onnx"))

    nodes = read_onnx(changed(change)).nodes
    assert [node.operator for node in nodes[-2:]] == ["com.acme::Clip", "Relu"]


@pytest.mark.parametrize("where", ["an initializer", "an attribute", "only the location"])
def test_external_data_is_refused(where):
    tensor = numpy_helper.from_array(np.ones(3, np.float32), "far")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    if where != "only the location":
        tensor.external_data.add(key="location", value="../secret")

    def change(model):
        if where == "an attribute":
            model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))
        else:
            model.graph.initializer.append(tensor)

    with pytest.raises(ModelFileError, match="the model holds weights that lie in another file"):
        read_onnx(changed(change))


def control_flow(model):
    branch = onnx.GraphProto(name="branch")
    model.graph.node.append(
        helper.make_node("If", ["c"], ["d"], then_branch=branch, else_branch=branch)
    )


def own_functions(model):
    model.functions.add(name="Mine", domain="mine")


def training_graph(model):
    model.training_info.add()


def sparse_initializer(model):
    model.graph.sparse_initializer.add()


def sparse_attribute(model):
    node = model.graph.node.add(op_type="Constant")
    node.attribute.add(name="sparse_value").sparse_tensor.dims.append(1)


def shapes_of_its_own(model):
    model.graph.value_info.add(name="convolved")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (control_flow, "control flow"),
        (own_functions, "functions of its own"),
        (training_graph, "a training graph"),
        (sparse_initializer, "sparse tensors"),
        (sparse_attribute, "sparse tensors"),
        (shapes_of_its_own, "shapes of its own"),
    ],
)
def test_parts_no_image_network_needs_are_refused(change, message):
    with pytest.raises(ModelFileError, match=f"the model holds {message}"):
        read_onnx(changed(change))


def unknown_input(model):
    model.graph.node[3].input[1] = "nowhere"


def later_input(model):
    model.graph.node[0].input[0] = "stylized"  # made by the last node


def unknown_output(model):
    model.graph.output[0].name = "nowhere"


def made_twice(model):
    model.graph.node[4].output[0] = "convolved"


def made_though_given(model):
    model.graph.node[0].output[0] = "image"


def two_of_a_name(model):
    model.graph.initializer[0].name = "zero"


def two_nodes_of_a_name(model):
    model.graph.node[0].name = model.graph.node[4].name = "one"


def listed_as_input(model):
    model.graph.input.append(helper.make_tensor_value_info("zero", TensorProto.FLOAT, []))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (unknown_input, "nothing makes the value 'nowhere'"),
        (later_input, "nothing makes the value 'stylized'"),
        (unknown_output, "nothing makes the output 'nowhere'"),
        (made_twice, "the value 'convolved' is made twice"),
        (made_though_given, "the value 'image' is made twice"),
        (two_of_a_name, "two constants or inputs have one name"),
        (two_nodes_of_a_name, "two of its operators have one name"),
        (listed_as_input, "two constants or inputs have one name"),
    ],
)
def test_values_that_nothing_or_several_steps_make_are_refused(change, message):
    with pytest.raises(ModelFileError, match=message):
        read_onnx(changed(change))


@pytest.mark.parametrize(
    ("versions", "shown"),
    [
        ([("", 17)], "ai.onnx 17"),
        ([("", 18), ("com.acme", 1)], "ai.onnx 18, com.acme 1"),
        ([], "no version"),
    ],
)
def test_operators_of_another_version_are_refused(versions, shown):
    def change(model):
        del model.opset_import[:]
        model.opset_import.extend(helper.make_opsetid(*version) for version in versions)

    with pytest.raises(ModelFileError, match=f"written in the operators of {shown}, expected"):
        read_onnx(changed(change))


def tensor_field(content):
    return model_of(field(5, content))


def attribute_field(content):
    return model_of(field(1, field(4, b"Relu") + field(5, field(1, b"a") + content)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "there is no graph"),
        (model_of(b"") * 2, "appears 2 times"),
        (field(7, b""), "the operators of no version"),
        (field(8, field(2, 18)) + field(7, b""), "of ONNX's format 0"),
        (b"\x3a\x05ab", "cut short"),  # field 7 claims five bytes and has two
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "cut short"),  # … claims 2^64 - 1
        (b"\x3a", "cut short"),
        (b"\x08\x80", "cut short"),
        (b"\x08" + b"\x80" * 10 + b"\x00", "more than ten bytes"),
        (b"\x08" + b"\xff" * 9 + b"\x02", "more than 64 bits"),
        (b"\x09\x00\x00", "cut short"),  # eight bytes announced, two there
        (b"\x00\x00", "field with the number 0"),
        (field(2**29, 1), "field with the number 536870912"),
        (b"\x3b", "wire type 3"),
        (b"\x3f", "wire type 7"),
        (field(7, 1), "a number stands where bytes"),
        (b"\x3d\x00\x00\x00\x00", "a number stands where bytes"),  # of four bytes
        (field(99, 1), "a model has the field 99, which no"),
        (attribute_field(field(99, 1)), "an attribute has the field 99"),
        (attribute_field(field(3, 1)), "the attribute 'a' is of the type 0"),
        (attribute_field(field(20, 2) + field(3, 1) + field(8, b"\1")), "is of the type 2"),
        (attribute_field(field(20, 2) + field(3, 1) * 2), "appears 2 times"),
        (attribute_field(field(20, 1) + field(2, bytes(4))), "stands where a float should"),
        (attribute_field(field(20, 6) + field(7, bytes(5))), "a row of floats has 5 bytes"),
        (attribute_field(field(20, 7) + field(8, b"\1" * 65)), "more than 64 numbers"),
        (model_of(field(1, field(4, b"\xff"))), "not valid UTF-8"),
        (tensor_field(field(2, b"x")), "bytes stand where a number"),
        (tensor_field(field(2, 8)), "the data type 8"),  # texts
        (tensor_field(field(2, 9)), "the data type 9"),  # of truth
        (tensor_field(field(2, 2**32 + 1)), "the data type 4294967297"),
        (tensor_field(field(2, 1) + field(1, 2) + field(9, bytes(7))), "has 7 bytes"),
        (tensor_field(field(2, 1) + field(1, 2) + field(4, bytes(8))), "has the field 4"),
        (tensor_field(field(2, 1) + field(1, 2**40) * 3), "has 0 bytes"),
        (tensor_field(field(2, 1) + field(1, 2**64 - 1)), "at most 4 lengths of 1 or more"),
        (tensor_field(field(2, 1) + field(1, 0)), "at most 4 lengths of 1 or more"),
        (tensor_field(field(2, 1) + field(1, 1) * 5), "at most 4 lengths"),
        (tensor_field(field(2, 1) + field(1, b"\1" * 5)), "at most 4 lengths"),
        (model_of(b"") + field(14, field(1, b"k")) * 2, "'k' appears twice"),
        (model_of(b"") + b"\x08\x00" * MAX_FIELDS, f"more than {MAX_FIELDS} fields"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bytes_that_are_not_sound_are_refused(data, message):
    with pytest.raises(ModelFileError, match=message):
        read_onnx(data)


@given(st.binary(max_size=200))
@example(b"\x3a\x02\x0a\x00")
def test_any_bytes_are_read_or_refused(data):
    with contextlib.suppress(ModelFileError):  # any other exception fails the test
        read_onnx(data)
