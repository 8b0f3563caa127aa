"""Checkpoints of pytorch/examples' fast_neural_style, against that network in plain torch.

The reference follows the published structure: reflection padding, instance norm with affine
parameters, nearest-neighbour upsampling, five residual blocks, pictures in [0, 255] on both sides.
"""

import os
import pickle
import re
from collections import OrderedDict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from impasto.cli.main import run
from impasto.errors import CheckpointError, ModelFileError
from impasto.export.checkpoint_import import import_checkpoint
from impasto.export.model_export import load_network
from impasto.networks.fast_neural_style import FastNeuralStyleNetwork
from impasto.runtime.backends.openvino_backend import OpenVinoBackend
from impasto.zoo.model_file import read_model_file


class Layer(nn.Module):
    def __init__(self, num_inputs, num_outputs, kernel_size, stride=1, upsample=None):
        super().__init__()
        self.upsample = upsample
        self.reflection_pad = nn.ReflectionPad2d(kernel_size // 2)
        self.conv2d = nn.Conv2d(num_inputs, num_outputs, kernel_size, stride)

    def forward(self, x):
        if self.upsample:
            x = F.interpolate(x, mode="nearest", scale_factor=self.upsample)
        return self.conv2d(self.reflection_pad(x))


class Residual(nn.Module):
    def __init__(self, num_channels):
        super().__init__()
        self.conv1 = Layer(num_channels, num_channels, 3)
        self.in1 = nn.InstanceNorm2d(num_channels, affine=True)
        self.conv2 = Layer(num_channels, num_channels, 3)
        self.in2 = nn.InstanceNorm2d(num_channels, affine=True)

    def forward(self, x):
        return x + self.in2(self.conv2(F.relu(self.in1(self.conv1(x)))))


class Reference(nn.Module):
    def __init__(self):
        super().__init__()
        shapes = [(3, 32, 9, 1, None), (32, 64, 3, 2, None), (64, 128, 3, 2, None)]
        for number, shape in enumerate(shapes, start=1):
            setattr(self, f"conv{number}", Layer(*shape))
            setattr(self, f"in{number}", nn.InstanceNorm2d(shape[1], affine=True))
        for number in range(1, 6):
            setattr(self, f"res{number}", Residual(128))
        self.deconv1, self.in4 = Layer(128, 64, 3, 1, 2), nn.InstanceNorm2d(64, affine=True)
        self.deconv2, self.in5 = Layer(64, 32, 3, 1, 2), nn.InstanceNorm2d(32, affine=True)
        self.deconv3 = Layer(32, 3, 9)

    def forward(self, x):
        for number in (1, 2, 3):
            norm, layer = getattr(self, f"in{number}"), getattr(self, f"conv{number}")
            x = F.relu(norm(layer(x)))
        for number in range(1, 6):
            x = getattr(self, f"res{number}")(x)
        x = F.relu(self.in4(self.deconv1(x)))
        x = F.relu(self.in5(self.deconv2(x)))
        return self.deconv3(x)


@pytest.fixture(scope="module")
def reference():
    """A network with norms that are not the fresh ones, and an output that spans the greys."""
    torch.manual_seed(0)
    network = Reference().eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.rpartition(".")[0].rpartition(".")[2].startswith("in"):
                value.add_(0.2 * torch.randn_like(value))
        network.deconv3.conv2d.weight.mul_(100)
        network.deconv3.conv2d.bias.fill_(128)
    return network


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, reference):
    """As old versions of torch wrote it, statistics of instance norm and all."""
    state = OrderedDict(reference.state_dict())
    for name in ("in1", "in5", "res1.in2"):
        state[f"{name}.running_mean"] = torch.ones(32)
        state[f"{name}.running_var"] = torch.ones(32)
    path = tmp_path_factory.mktemp("checkpoint") / "rain_princess.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture(scope="module")
def imported(tmp_path_factory, checkpoint):
    """The model file that the command makes of it."""
    path = tmp_path_factory.mktemp("imported") / "Rain.onnx"
    assert run(["models", "import", str(checkpoint), "-o", str(path)]) == 0
    return read_model_file(path)


def photograph(height, width):
    rng = np.random.default_rng(0)
    small = torch.from_numpy(rng.random((1, 3, height // 8, width // 8), dtype=np.float32))
    return F.interpolate(small, size=(height, width), mode="bicubic").clamp(0, 1).numpy()


def test_the_model_file_paints_as_the_checkpoint_does(reference, imported):
    picture = photograph(48, 100)
    with torch.no_grad():
        expected = reference(torch.from_numpy(picture) * 255).clamp(0, 255).numpy()
    output = 255 * OpenVinoBackend(imported.data, precision="f32").run(picture)
    assert expected.std() > 30
    assert np.abs(output - expected).max() < 1


def test_the_network_is_exactly_the_reference(reference):
    network = FastNeuralStyleNetwork()
    network.load_state_dict(reference.state_dict())
    picture = torch.from_numpy(photograph(32, 40))
    with torch.no_grad():
        torch.testing.assert_close(255 * network(picture), reference(255 * picture))


def test_the_card_says_what_is_known(imported, checkpoint):
    card = imported.card
    assert (card.name, card.title) == ("rain", "rain princess")
    assert card.architecture.kind == "fast-neural-style"
    assert card.training is None
    assert card.imported.program == "fast_neural_style of pytorch/examples"
    assert card.imported.file == "rain_princess.pth"
    assert card.licences.weights == "not stated"
    assert card.licences.commercial_use == "unclear"


def test_the_network_can_be_built_again(imported, reference):
    rebuilt = load_network(imported)
    weight = reference.state_dict()["res3.conv2.conv2d.weight"]
    assert torch.equal(rebuilt.state_dict()["res3.conv2.conv2d.weight"], weight.half().float())


def test_a_network_wrapped_for_several_devices_is_unwrapped(reference, imported, tmp_path):
    torch.save(nn.DataParallel(reference).state_dict(), tmp_path / "wrapped.pth")
    model = import_checkpoint(tmp_path / "wrapped.pth", tmp_path / "wrapped.onnx")
    expected = load_network(imported).state_dict()
    assert all(
        torch.equal(value, expected[name])
        for name, value in load_network(model).state_dict().items()
    )


# What is refused


class Malicious:
    def __reduce__(self):
        return print, ("run by a pickle",)


def refused(path, tmp_path):
    target = tmp_path / "out.onnx"
    with pytest.raises(CheckpointError) as raised:
        import_checkpoint(path, target)
    assert not target.exists()
    assert str(raised.value).isprintable()
    return str(raised.value)


def test_a_wrapped_checkpoint_of_another_network_is_refused(reference, tmp_path):
    state = {f"module.{name}": value for name, value in reference.state_dict().items()}
    state["module.further.weight"] = torch.ones(1)
    torch.save(state, tmp_path / "wrapped.pth")
    assert "it has 'further.weight' besides" in refused(tmp_path / "wrapped.pth", tmp_path)


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_checkpoint_with_code_is_refused_and_not_run(tmp_path, capsys, as_zip):
    path = tmp_path / "evil.pth"
    if as_zip:
        torch.save({"conv1.conv2d.weight": Malicious()}, path)
    else:
        path.write_bytes(pickle.dumps(Malicious()))
    assert "it holds more than tensors" in refused(path, tmp_path)
    assert "run by a pickle" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 no zip"])
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "words.pth"
    path.write_bytes(content)
    assert "is no checkpoint that can be imported" in refused(path, tmp_path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert "cannot be read (No such file" in refused(tmp_path / "none.pth", tmp_path)
    assert "cannot be read (Is a directory" in refused(tmp_path, tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.pth")
    assert "it is a named pipe, not a file" in refused(tmp_path / "pipe.pth", tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: state.pop("res5.in2.bias"), r"lacks res5\.in2\.bias"),
        (lambda state: state.update(extra=torch.ones(1)), "has 'extra' besides"),
        (
            lambda state: state.update({"in1.bias": torch.ones(8)}),
            r"in1\.bias has the shape \(8,\), expected \(32,\)",
        ),
        (lambda state: state.update({"in1.bias": torch.ones(32).long()}), "no tensor of floats"),
        (lambda state: state.update({"in1.bias": 3}), "no tensor of floats"),
        (lambda state: state.update({"in1.bias": torch.full((32,), float("nan"))}), "holds NaN"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(reference, tmp_path, change, reason):
    state = OrderedDict(reference.state_dict())
    change(state)
    path = tmp_path / "other.pth"
    torch.save(state, path)
    assert re.search(reason, refused(path, tmp_path))


def test_a_whole_network_or_a_list_is_refused(reference, tmp_path):
    torch.save(reference, tmp_path / "module.pth")
    assert "it holds more than tensors" in refused(tmp_path / "module.pth", tmp_path)
    torch.save([torch.ones(1)], tmp_path / "list.pth")
    assert "holds a list" in refused(tmp_path / "list.pth", tmp_path)


def test_an_unfit_name_is_refused(checkpoint, tmp_path):
    with pytest.raises(ModelFileError, match="cannot be a model's name"):
        import_checkpoint(checkpoint, tmp_path / "out.onnx", name="Rain Princess")


# The command


def test_the_command_keeps_what_is_there(imported, checkpoint, capsys):
    assert run(["models", "import", str(checkpoint), "-o", str(imported.path)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_the_card_is_shown(imported, capsys):
    assert run(["models", "show", str(imported.path)]) == 0
    printed = capsys.readouterr().out
    assert "trained by              fast_neural_style of pytorch/examples\n" in printed
    assert "network                 fast-neural-style, 32-64-128, 5 residual blocks\n" in printed
