import hashlib
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from impasto.errors import ModelFileError
from impasto.zoo.model_file import (
    MAX_MODEL_BYTES,
    MODEL_METADATA_KEY,
    model_from_bytes,
    read_model_file,
)
from model_fixtures import make_card, make_model_bytes, make_onnx

MODEL = make_model_bytes()


def written(path, change):
    """A model file after a change to its message."""
    model = onnx.load_from_string(MODEL)
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def problem_with(data):
    """Why the bytes are refused; None where they are read. Another exception fails the test."""
    try:
        model_from_bytes(data)
    except ModelFileError as error:
        return str(error)
    return None


def test_a_model_file_is_read_with_its_card(tiny_model_path):
    model = read_model_file(tiny_model_path)
    assert model.card == make_card()
    assert model.data == tiny_model_path.read_bytes()
    assert model.sha256 == hashlib.sha256(model.data).hexdigest()
    assert str(model) == str(tiny_model_path)


def test_a_model_in_memory_is_called_by_its_name():
    model = model_from_bytes(MODEL)
    assert (model.path, str(model)) == (None, "tiny_style")


def test_a_model_does_not_print_its_weights():
    assert len(repr(model_from_bytes(MODEL))) < 300


@given(st.integers(0, len(MODEL) - 1))
def test_a_truncated_model_is_refused(length):
    with pytest.raises(ModelFileError):
        model_from_bytes(MODEL[:length])


edits = st.tuples(
    st.sampled_from(["set", "insert", "delete"]),
    st.integers(0, len(MODEL) - 1),
    st.one_of(st.integers(0, 255), st.sampled_from([0, 1, 0x7F, 0x80, 0xFF])),
)


@settings(max_examples=400)
@given(st.lists(edits, min_size=1, max_size=6))
def test_a_mutated_model_is_read_or_refused_in_one_line(changes):
    data = bytearray(MODEL)
    for kind, place, byte in changes:
        if kind == "set":
            data[place % len(data)] = byte
        elif kind == "insert":
            data.insert(place, byte)
        else:
            del data[place % len(data)]
    problem = problem_with(bytes(data))
    assert problem is None or "\n" not in problem


def external_data(model):
    tensor = numpy_helper.from_array(np.ones(3, np.float32), "far")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    model.graph.initializer.append(tensor)


def vendor_operator(model):
    model.graph.node[0].domain = "com.acme"


def random_operator(model):
    model.graph.node[0].op_type = "RandomNormalLike"


def conv_without_kernel(model):
    del model.graph.node[3].input[1]


def conv_with_an_empty_kernel(model):
    model.graph.node[3].input[1] = ""


def second_input(model):
    info = helper.make_tensor_value_info("style", TensorProto.FLOAT, ["N", 3, "H", "W"])
    model.graph.input.append(info)


def fixed_size(model):
    info = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 256, 256])
    model.graph.input[0].CopyFrom(info)


def grey_input(model):
    info = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, "H", "W"])
    model.graph.input[0].CopyFrom(info)


def byte_output(model):
    info = helper.make_tensor_value_info("stylized", TensorProto.UINT8, ["N", 3, "H", "W"])
    model.graph.output[0].CopyFrom(info)


def no_card(model):
    del model.metadata_props[:]


def newer_card(model):
    model.metadata_props[0].value = '{"format_version": 99}'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (external_data, "external data"),
        (vendor_operator, "the operator 'com.acme::Pad'"),
        (random_operator, "the operator 'RandomNormalLike'"),
        (conv_without_kernel, "its operator Conv has 1 inputs, expected 2"),
        (conv_with_an_empty_kernel, "its operator Conv has 1 inputs, expected 2"),
        (second_input, "2 inputs and 1 outputs"),
        (fixed_size, "its input 'image' is not float32 N×3×H×W of any height and width"),
        (grey_input, "its input 'image' is not float32 N×3×H×W"),
        (byte_output, "its output 'stylized' is not float32 N×3×H×W"),
        (no_card, "an ONNX model, but not one of Impasto's"),
        (newer_card, "has format 99"),
    ],
)
def test_a_model_that_cannot_be_used_says_why_and_which(tmp_path, change, message):
    path = written(tmp_path / "odd.onnx", change)
    with pytest.raises(ModelFileError, match=message) as raised:
        read_model_file(path)
    assert str(raised.value).startswith(f"{path}: ")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match=r"ghost\.onnx: .* is not there"):
        read_model_file(tmp_path / "ghost.onnx")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match=r"cannot be read \(Is a directory"):
        read_model_file(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(ModelFileError, match=r"cannot be read \(it is a named pipe, not a file"):
        read_model_file(tmp_path / "pipe.onnx")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(ModelFileError, match="is empty"):
        read_model_file(tmp_path / "empty.onnx")


def test_a_file_beyond_all_measure_is_refused_unread(tmp_path):
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(MAX_MODEL_BYTES + 1)  # sparse: takes no room on the disk
    with pytest.raises(ModelFileError, match="it has more than 536,870,912 bytes"):
        read_model_file(path)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"hello", b"version https://git-lfs"])
def test_another_kind_of_file_is_refused(tmp_path, content):
    path = tmp_path / "other.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="not a sound ONNX file"):
        read_model_file(path)


def test_the_card_is_found_among_other_metadata():
    metadata = {"author": "somebody", MODEL_METADATA_KEY: make_card().to_json(), "z": ""}
    model = model_from_bytes(make_onnx(metadata=metadata).SerializeToString())
    assert model.card.name == "tiny_style"


def test_models_are_listed_without_any_runtime_or_training_package():
    program = (
        "import sys, impasto; from impasto.zoo import registry; registry.list_models();"
        "heavy = {'openvino', 'torch', 'onnx', 'onnxruntime', 'lightning', 'PIL', 'numpy'};"
        "print(*heavy & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("\n", "")
