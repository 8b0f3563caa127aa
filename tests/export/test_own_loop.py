"""A network trained in a loop of one's own: the model file, its card, and what is refused."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import impasto
from impasto import Stylizer, Upscaler, save_model
from impasto.errors import ExportError, OutputExistsError
from impasto.networks.architecture import (
    AnyPaintingArchitecture,
    FastNeuralStyleArchitecture,
    NetworkArchitecture,
    PaperSuperResolutionArchitecture,
    SrcnnArchitecture,
    SubpixelArchitecture,
)
from impasto.networks.building import NETWORK_CLASSES, architecture_of, build_network
from impasto.networks.style_transfer import StyleTransferNetwork
from impasto.runtime.backends.torch_network import load_network
from impasto.zoo.card import Licences, Painting
from impasto.zoo.model_file import MODEL_METADATA_KEY, read_model_file

SMALL = NetworkArchitecture(channels=(4, 4, 8), num_residual_blocks=1)
EVERY = (
    SMALL,
    NetworkArchitecture(kind="paper", channels=(4, 4, 8)),
    FastNeuralStyleArchitecture(),
    AnyPaintingArchitecture(channels=(4, 8), num_residual_blocks=1),
    SubpixelArchitecture(scale=2, channels=4, num_residual_blocks=1),
    PaperSuperResolutionArchitecture(scale=2, channels=4, num_residual_blocks=1),
    SrcnnArchitecture(scale=2, channels=(4, 4)),
)


def trained(architecture=SMALL):
    """A network after two steps of a loop of one's own, still in training mode."""
    torch.manual_seed(0)
    network = build_network(architecture)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        network(torch.rand(2, 3, 32, 32)).square().mean().backward()
        optimizer.step()
    return network


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A network and its model file; read only."""
    network = trained()
    path = tmp_path_factory.mktemp("own") / "Mine.onnx"
    return network, save_model(network, str(path), title="Mine", notes="two steps on noise")


def test_the_file_holds_the_networks_weights(saved):
    network, model = saved
    for name, weight in load_network(model).state_dict().items():
        assert torch.equal(weight, network.state_dict()[name].half().float())


def test_the_card_says_that_the_loop_was_ones_own_and_no_more(saved):
    _, model = saved
    card = read_model_file(model.path).card
    assert (card.name, card.title, card.task, card.scale) == ("mine", "Mine", "style-transfer", 1)
    assert card.architecture == SMALL
    assert (card.training, card.imported, card.painting) == (None, None, None)
    assert card.own_loop.notes == "two steps on noise"
    assert card.own_loop.versions["impasto"] == impasto.__version__
    assert (card.licences.weights, card.licences.commercial_use) == ("not stated", "unclear")
    assert json.loads(card.to_json())["own_loop"]["notes"] == "two steps on noise"
    assert MODEL_METADATA_KEY.encode() in model.data


def test_what_the_maker_states_is_on_the_card(tmp_path):
    licences = Licences(
        code="MIT", weights="CC0", training_photographs="my own", commercial_use="clear"
    )
    painting = Painting(title="Waves", sha256="0" * 64, short_side=256)
    card = save_model(
        trained(), tmp_path / "a.onnx", title="A", licences=licences, painting=painting
    ).card
    assert (card.licences, card.painting) == (licences, painting)


def test_the_network_stays_as_it_was(saved):
    network, _ = saved
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_the_file_stylizes_as_the_network_does(saved):
    network, model = saved
    photograph = np.random.default_rng(0).random((24, 36, 3), dtype=np.float32)
    stylized = Stylizer(model.path, precision="f32")(photograph)
    assert stylized.shape == photograph.shape
    with torch.no_grad():
        expected = network(torch.from_numpy(photograph).permute(2, 0, 1)[None]).clamp(0, 1)
    # The stylizer adds faint noise to a photograph first; an unlike network would be off by far.
    difference = np.abs(stylized - expected[0].permute(1, 2, 0).numpy())
    assert difference.mean() < 0.05


def test_super_resolution_is_saved_too(tmp_path):
    network = trained(SubpixelArchitecture(scale=2, channels=4, num_residual_blocks=1))
    model = save_model(network, tmp_path / "twice.onnx", title="Twice", degradation="bicubic")
    assert (model.card.task, model.card.scale, model.card.degradation) == (
        "super-resolution",
        2,
        "bicubic",
    )
    upscaled = Upscaler(model.path)(np.zeros((20, 30, 3), np.float32))
    assert upscaled.shape == (40, 60, 3)


def test_every_network_has_its_architecture():
    assert [architecture_of(build_network(one)) for one in EVERY] == list(EVERY)
    assert {type(build_network(one)) for one in EVERY} == set(NETWORK_CLASSES)


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Conv2d(3, 3, 1)),
        nn.DataParallel(nn.Conv2d(3, 3, 1)),
        type("Mine", (StyleTransferNetwork,), {})(SMALL),
    ],
    ids=["any module", "wrapped", "subclass"],
)
def test_another_network_is_refused_in_one_line(network, tmp_path):
    with pytest.raises(ExportError) as caught:
        save_model(network, tmp_path / "a.onnx", title="A")
    line = str(caught.value)
    assert line.startswith(f"the network is a {type(network).__name__}; expected one of StyleTr")
    assert "\n" not in line
    assert not list(tmp_path.iterdir())


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(ExportError, match=r"a\.pth; expected a file name that ends in \.onnx"):
        save_model(trained(), tmp_path / "a.pth", title="A")


def test_a_file_that_exists_is_replaced_only_when_told(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match=r"a\.onnx exists already"):
        save_model(trained(), path, title="A")
    assert path.read_bytes() == b"mine"
    assert save_model(trained(), path, title="A", overwrite=True).card.title == "A"


def test_weights_that_are_not_finite_are_refused(tmp_path):
    network = trained()
    with torch.no_grad():
        network.to_rgb.bias.fill_(float("nan"))
    with pytest.raises(ExportError, match=r"weights to_rgb\.bias do not fit float16"):
        save_model(network, tmp_path / "a.onnx", title="A")
