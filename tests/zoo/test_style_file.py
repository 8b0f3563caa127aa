import json

import numpy as np
import pytest

from impasto.errors import ModelFileError, OutputAppearedError
from impasto.runtime.predictor import Predictor
from impasto.zoo.model_file import model_from_bytes, read_model_file
from impasto.zoo.style_file import (
    STYLE_FORMAT,
    StyleFile,
    is_style_file,
    name_without_suffix,
    read_style_file,
    style_file_model,
    write_style_file,
)
from impasto.zoo.style_table import is_style_network
from impasto.zoo.style_vectors import read_style_network
from model_fixtures import make_card


@pytest.fixture(scope="module")
def network(base_network_path):
    return read_style_network(read_model_file(base_network_path))


@pytest.fixture(scope="module")
def style(network):
    rng = np.random.default_rng(0)
    vector = rng.normal(size=network.vector_size).astype(np.float32)
    constants = network.offset + rng.normal(0, 0.1, network.offset.shape).astype(np.float32)
    card = make_card(name="my_wave", title="My wave")
    return StyleFile.from_numbers(vector, constants, network=network, card=card)


@pytest.fixture
def path(style, tmp_path):
    write_style_file(style, tmp_path / "my_wave.style.json")
    return tmp_path / "my_wave.style.json"


def test_an_add_on_is_read_back_equal(style, path):
    assert read_style_file(path) == style


def test_an_add_on_carries_its_numbers_as_float16(network, style):
    assert style.norm_constants.dtype == np.float32
    assert style.norm_constants.shape == network.offset.shape
    assert np.abs(style.norm_constants - network.offset).max() < 1
    assert len(style.style_vector) == network.vector_size


def test_an_add_on_makes_the_networks_model_in_its_style(network, style, path):
    model = style_file_model(path, network)
    assert (model.card.name, model.card.title) == ("my_wave", "My wave")
    assert model.card.painting == style.painting
    picture = np.random.default_rng(1).random((48, 40, 3), dtype=np.float32)
    same = network.in_style(style.norm_constants, name="other", title="other")
    stylized = Predictor(model, precision="f32")(picture)
    assert np.array_equal(stylized, Predictor(same, precision="f32")(picture))
    plain = network.in_style(network.offset, name="plain", title="plain")
    assert not np.array_equal(stylized, Predictor(plain, precision="f32")(picture))


def test_an_add_on_for_another_network_is_refused(network, path):
    other = read_style_network(network.in_style(network.offset + 1, name="x", title="x"))
    with pytest.raises(ModelFileError, match=r"my_wave is for the network any_painting \(\w{12}…"):
        style_file_model(path, other)


def test_an_add_on_with_too_few_constants_is_refused(network, style):
    short = style.model_copy(update={"constants": style.constants[:8]})
    with pytest.raises(ModelFileError, match="has 3 norm constants, the network"):
        short.in_network(network)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": STYLE_FORMAT + 1}, r"has format 2, .* up to 1; update Impasto"),
        ({"name": "../evil"}, "not as expected at name"),
        ({"title": "two\nlines"}, "not as expected at title"),
        ({"network": {"name": "any_painting", "sha256": "0"}}, r"at network\.sha256"),
        ({"constants": "AHwAfAB8AHw="}, "at constants: value error, numbers that are not finite"),
        ({"constants": "AHw*"}, "not as expected at constants"),
        ({"constants": "AAAAAAAA"[:5]}, "not as expected at constants"),
        ({"constants": "A" * 2**18 + "AAAA"}, "not as expected at constants"),
        ({"vector": 5}, "not as expected at vector"),
        ({"more": 1}, "not as expected at more"),
    ],
)
def test_a_wrong_field_is_one_line(path, change, message):
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelFileError, match=message) as caught:
        read_style_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b'{"a": NaN}', b"[" * 9999])
def test_a_damaged_file_is_one_line(path, content):
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged, or no style of 'impasto train style'"):
        read_style_file(path)


def test_a_missing_or_huge_file_is_one_line(tmp_path):
    path = tmp_path / "none.style.json"
    with pytest.raises(ModelFileError, match="but it is not there"):
        read_style_file(path)
    path.write_bytes(bytes(2**20 + 1))
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_style_file(path)


def test_an_add_on_replaces_no_file_unless_asked(style, path):
    path.write_text("mine")
    with pytest.raises(OutputAppearedError) as caught:
        write_style_file(style, path, replace=False)
    assert path.read_text() == "mine"
    assert read_style_file(caught.value.saved_path) == style


def test_a_folder_that_is_not_there_is_one_line(style, tmp_path):
    with pytest.raises(ModelFileError, match=r"cannot write .*x\.style\.json"):
        write_style_file(style, tmp_path / "none" / "x.style.json")


def test_constants_beyond_float16_are_refused(network):
    huge = np.full_like(network.offset, 1e6)
    vector = np.zeros(network.vector_size, np.float32)
    with pytest.raises(ModelFileError, match="does not fit float16"):
        StyleFile.from_numbers(vector, huge, network=network, card=make_card())


def test_names_of_add_ons(tmp_path):
    assert is_style_file("a.style.json")
    assert not is_style_file(tmp_path / "a.json")
    assert name_without_suffix(tmp_path / "a.b.style.json") == "a.b"
    assert name_without_suffix(tmp_path / "a.b.onnx") == "a.b"


def test_a_model_of_one_style_is_no_network_for_any_painting(network, tiny_model_bytes):
    assert is_style_network(network.model)
    assert not is_style_network(model_from_bytes(tiny_model_bytes))
