"""Named styles put into a network's file."""

import numpy as np
import pytest

from impasto.errors import ModelFileError, OutputAppearedError
from impasto.export.named_styles import name_styles
from impasto.zoo.model_file import read_model_file
from impasto.zoo.style_file import StyleFile
from impasto.zoo.style_vectors import read_style_network
from model_fixtures import make_card


@pytest.fixture(scope="module")
def network(any_painting_path):
    return read_style_network(read_model_file(any_painting_path))


@pytest.fixture(scope="module")
def add_on(network):
    constants = network.constants(network.vector("red_sky")) + 0.25
    card = make_card(name="my_wave", title="My wave")
    return StyleFile.from_numbers(network.vector("red_sky"), constants, network=network, card=card)


def test_a_tuned_style_joins_the_others(network, add_on, tmp_path):
    written = name_styles(network, [add_on], tmp_path / "more.onnx")
    more = read_style_network(written)
    assert list(more.table.styles) == ["red_sky", "blue_hour", "my_wave"]
    assert np.array_equal(more.named_constants("my_wave"), add_on.norm_constants)
    assert more.table.styles["my_wave"].title == "My wave"
    for name in ("red_sky", "blue_hour"):
        assert np.array_equal(more.named_constants(name), network.named_constants(name))
    assert np.array_equal(more.slope, network.slope)
    assert more.encoder == network.encoder


def test_a_style_of_the_same_name_takes_its_place(network, add_on, tmp_path):
    again = add_on.model_copy(update={"name": "red_sky"})
    more = read_style_network(name_styles(network, [again], tmp_path / "more.onnx"))
    assert list(more.table.styles) == ["red_sky", "blue_hour"]
    assert np.array_equal(more.named_constants("red_sky"), add_on.norm_constants)


def test_others_may_be_dropped_and_the_file_takes_the_first_style(network, add_on, tmp_path):
    written = name_styles(network, [add_on], tmp_path / "only.onnx", drop_others=True)
    only = read_style_network(written)
    assert list(only.table.styles) == ["my_wave"]
    same = only.in_style(add_on.norm_constants, name="x", title="x")
    assert same.data == written.data


def test_a_file_that_is_there_is_kept(network, add_on, tmp_path):
    (tmp_path / "more.onnx").write_bytes(b"mine")
    with pytest.raises(OutputAppearedError):
        name_styles(network, [add_on], tmp_path / "more.onnx", replace=False)
    assert (tmp_path / "more.onnx").read_bytes() == b"mine"


def test_an_add_on_of_another_network_is_refused(network, add_on, tmp_path):
    base = add_on.network.model_copy(update={"sha256": "0" * 64})
    other = add_on.model_copy(update={"network": base})
    with pytest.raises(ModelFileError, match="is for the network"):
        name_styles(network, [other], tmp_path / "more.onnx")
    assert not (tmp_path / "more.onnx").exists()
