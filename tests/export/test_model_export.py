import json
import re
import resource
import warnings

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from impasto.errors import ExportError, ModelFileError
from impasto.export.model_export import (
    MIN_PSNR,
    build_like,
    check_parity,
    export_model,
    upgrade_model,
)
from impasto.networks.architecture import NetworkArchitecture
from impasto.networks.style_transfer import build_style_network
from impasto.runtime.backends.openvino_backend import OpenVinoBackend
from impasto.runtime.backends.torch_network import load_network
from impasto.zoo.model_file import MODEL_METADATA_KEY, model_from_bytes, read_model_file
from model_fixtures import make_card, make_model_file

DEFAULT = NetworkArchitecture(channels=(4, 4, 8), num_residual_blocks=1)
PAPER = NetworkArchitecture(kind="paper", channels=(4, 4, 8))


def make_network(architecture, *, seed=0):
    """A network whose batch norms have seen some pictures."""
    torch.manual_seed(seed)
    network = build_style_network(architecture)
    with torch.no_grad():
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
    return network


def halved(network):
    """The same network with its weights rounded to float16."""
    copy = build_like(network)
    for tensor in (*copy.parameters(), *copy.buffers()):
        if tensor.is_floating_point():
            tensor.data.copy_(tensor.data.half().float())
    return copy


def picture_of(height, width, *, batch=1):
    rng = np.random.default_rng(height * 1000 + width)
    return rng.random((batch, 3, height, width), dtype=np.float32)


def weights_of(network):
    return {
        name: value
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """An untrained network, whose norms are all alike, and its model file; read only."""
    network = make_network(DEFAULT)
    path = tmp_path_factory.mktemp("exported") / "style.onnx"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = export_model(network, make_card(architecture=DEFAULT), path)
    assert caught == []
    return network, model


@pytest.fixture(scope="module")
def graph(exported):
    return onnx.load_model_from_string(exported[1].data).graph


def test_file_is_the_one_that_was_asked_for(exported):
    _, model = exported
    assert model == read_model_file(model.path)
    assert [path.name for path in model.path.parent.iterdir()] == ["style.onnx"]


def test_card_is_inside_as_readable_json(exported):
    _, model = exported
    assert model.card == make_card(architecture=DEFAULT)
    metadata = onnx.load_model_from_string(model.data).metadata_props
    (card,) = (entry.value for entry in metadata if entry.key == MODEL_METADATA_KEY)
    assert json.loads(card)["name"] == "tiny_style"


def test_weights_are_stored_in_half_precision_under_their_parameter_names(exported, graph):
    network, _ = exported
    stored = {t.name: t for t in graph.initializer if t.data_type == TensorProto.FLOAT16}
    assert stored.keys() == dict(network.named_parameters()).keys()
    for name, parameter in network.named_parameters():
        array = torch.from_numpy(numpy_helper.to_array(stored[name]).copy())
        assert torch.equal(array, parameter.detach().half())


def test_sizes_are_open_and_named(graph):
    for value, name in ((graph.input[0], "image"), (graph.output[0], "result")):
        assert value.name == name
        sizes = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        assert sizes == ["batch", 3, "height", "width"]


def test_file_names_nothing_of_the_machine_it_was_made_on(exported, graph):
    model = onnx.load_model_from_string(exported[1].data)
    assert (model.producer_name, model.doc_string) == ("impasto", "")
    assert not any(node.metadata_props or node.doc_string for node in graph.node)
    assert b"site-packages" not in exported[1].data


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (64, 48), (131, 77)])
def test_file_paints_what_torch_paints(exported, size):
    network, model = exported
    picture = picture_of(*size, batch=2)
    with torch.no_grad():
        expected = halved(network)(torch.from_numpy(picture)).clamp(0, 1).numpy()
    painted = OpenVinoBackend(model.data, precision="f32").run(picture)
    assert painted.shape == (2, 3, *size)
    assert np.abs(painted - expected).max() < 1e-3


def test_file_agrees_with_torch_far_beyond_the_limit(exported):
    network, model = exported
    assert check_parity(network, model.data) > MIN_PSNR
    assert check_parity(halved(network), model.data) > MIN_PSNR + 20


def test_network_comes_back_out_of_the_file(exported):
    network, model = exported
    loaded = load_network(model)
    assert loaded.architecture == DEFAULT
    assert not loaded.training
    for name, value in weights_of(network).items():
        assert torch.equal(weights_of(loaded)[name], value.half().float())


def test_upgraded_file_keeps_weights_and_card_to_the_bit(exported, tmp_path):
    _, model = exported
    upgraded = upgrade_model(model.path, tmp_path / "upgraded.onnx")
    assert upgraded.card == model.card
    before, after = weights_of(load_network(model)), weights_of(load_network(upgraded))
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert upgraded.data == model.data  # made today, it is built again byte for byte


@pytest.mark.slow
def test_papers_network_with_its_batch_norms_goes_through_a_file(tmp_path):
    network = make_network(PAPER)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    model = export_model(network.train(), make_card(architecture=PAPER), tmp_path / "p.onnx")
    assert network.training
    loaded = weights_of(load_network(model))
    for name, value in weights_of(network).items():
        assert torch.equal(value, before[name])  # exporting changes no statistic
        assert torch.equal(loaded[name], value.half().float())
    picture = picture_of(48, 64)
    with torch.no_grad():
        expected = halved(network)(torch.from_numpy(picture)).numpy()
    painted = OpenVinoBackend(model.data, precision="f32").run(picture)
    assert np.abs(painted - expected).max() < 1e-3


def spoilt(model, change):
    """The model's bytes after `change` was made to one of its weights."""
    spoilt_model = onnx.load_model_from_string(model.data)
    for tensor in spoilt_model.graph.initializer:
        if tensor.name == "to_rgb.bias":
            array = numpy_helper.to_array(tensor).copy()
            tensor.CopyFrom(numpy_helper.from_array(change(array).astype(np.float16), tensor.name))
    return spoilt_model.SerializeToString()


@settings(max_examples=8)
@given(st.floats(0.1, 2.0))
def test_file_with_other_weights_is_refused(exported, change):
    network, model = exported
    with pytest.raises(ExportError, match=r"differs from torch at 128×128: .* nothing was written"):
        check_parity(network, spoilt(model, lambda bias: bias + change))


def test_few_pixels_too_far_off_are_refused_though_the_mean_is_fine(exported):
    # The brightest pixels of the photograph come out 3 grey levels too bright, all others right.
    network, model = exported
    changed = onnx.load_model_from_string(model.data)
    for node in changed.graph.node:
        node.output[:] = ["painted" if name == "result" else name for name in node.output]
    for name, value in (("limit", 0.999), ("step", 3 / 255)):
        changed.graph.initializer.append(numpy_helper.from_array(np.float32(value), name))
    for operator, inputs, output in (
        ("Greater", ["image", "limit"], "is_bright"),
        ("CastLike", ["is_bright", "step"], "bright"),
        ("Mul", ["bright", "step"], "steps"),
        ("Add", ["painted", "steps"], "result"),
    ):
        changed.graph.node.append(helper.make_node(operator, inputs, [output]))
    with pytest.raises(ExportError) as caught:
        check_parity(network, changed.SerializeToString())
    psnr, levels = re.search(r"([\d.]+) dB, ([\d.]+) grey levels", str(caught.value)).groups()
    assert float(psnr) > MIN_PSNR
    assert float(levels) == pytest.approx(3, abs=0.5)


def test_weights_that_overflow_half_precision_are_refused_and_nothing_is_written(tmp_path):
    network = make_network(DEFAULT)
    with torch.no_grad():
        network.to_rgb.bias[0] = 1e6
    with pytest.raises(ExportError, match=r"to_rgb\.bias do not fit float16"):
        export_model(network, make_card(architecture=DEFAULT), tmp_path / "style.onnx")
    assert list(tmp_path.iterdir()) == []


def test_file_that_cannot_be_written_is_one_clear_line(exported, tmp_path):
    _, model = exported
    target = tmp_path / "none" / "style.onnx"
    with pytest.raises(ExportError, match=r"cannot write .*style\.onnx: there is no folder"):
        upgrade_model(model.path, target)


def test_weights_of_another_architecture_are_refused(exported):
    _, model = exported
    wider = NetworkArchitecture(channels=(4, 4, 12), num_residual_blocks=1)
    data = onnx.load_model_from_string(model.data)
    del data.metadata_props[:]
    entry = data.metadata_props.add()
    entry.key, entry.value = MODEL_METADATA_KEY, make_card(architecture=wider).to_json()
    with pytest.raises(ModelFileError, match=r"tiny_style: the weights encode_quarter\.conv"):
        load_network(model_from_bytes(data.SerializeToString()))


def test_file_that_is_no_model_cannot_be_upgraded(tmp_path):
    (tmp_path / "words.onnx").write_text("no model")
    with pytest.raises(ModelFileError, match=r"words\.onnx"):
        upgrade_model(tmp_path / "words.onnx", tmp_path / "new.onnx")
    assert not (tmp_path / "new.onnx").exists()


def test_a_card_of_a_huge_network_takes_no_memory(tmp_path):
    # A kilobyte of card describes 1.2 thousand million weights; the file has none of them.
    huge = NetworkArchitecture(channels=(1024, 1024, 1024), num_residual_blocks=64)
    model = make_model_file(card=make_card(architecture=huge))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelFileError, match=r"the weights encode_full\.conv.* are missing"):
        load_network(model)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kilobytes
