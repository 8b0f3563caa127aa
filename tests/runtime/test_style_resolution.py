"""What a person names as a style: models, styles of a network, paintings, mixtures."""

import dataclasses
import shutil

import numpy as np
import pytest
from PIL import Image

from impasto.errors import (
    ModelFileError,
    PictureError,
    PictureFileError,
    SettingError,
    UnknownModelError,
)
from impasto.runtime.network_styles import open_network
from impasto.runtime.style_resolution import resolve_style
from impasto.runtime.stylizer import Stylizer
from impasto.zoo.model_file import read_model_file
from impasto.zoo.onnx_wire import read_onnx
from impasto.zoo.style_file import StyleFile, read_style_file, write_style_file
from impasto.zoo.style_vectors import read_style_network
from model_fixtures import make_card, make_model_bytes, psnr

BLUE, RED = (20, 40, 200), (200, 30, 30)


@pytest.fixture
def painting(tmp_path):
    """Writes a painting whose colours lie around this one."""

    def write(colour, *, name="painting.png"):
        noise = np.random.default_rng(0).normal(0, 20, (80, 100, 3))
        path = tmp_path / name
        Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(path)
        return path

    return write


@pytest.fixture
def own_style(user_models, any_painting):
    """A model of one style among the user's own, by this name."""

    def add(name):
        (user_models / f"{name}.onnx").write_bytes(make_model_bytes(card=make_card(name=name)))

    return add


@pytest.fixture
def in_folder_of(monkeypatch):
    """Texts without a folder are files there."""
    return lambda path: monkeypatch.chdir(path.parent)


def photograph():
    return np.random.default_rng(1).random((48, 64, 3), dtype=np.float32)


def constants_of(model):
    """The norm constants in a model's file, as they stand there."""
    network = read_style_network(model)
    stored = {tensor.name: tensor.data for tensor in read_onnx(model.data).initializers}
    return np.concatenate([np.frombuffer(stored[n], "<f2") for n in network.table.parameters])


# Paintings


@pytest.mark.parametrize("colour", [BLUE, RED])
def test_a_photograph_takes_the_palette_of_a_painting(any_painting, painting, colour):
    stylized = Stylizer(str(painting(colour)))(photograph())
    np.testing.assert_allclose(
        stylized.mean(axis=(0, 1)), np.array(colour) / 255, atol=0.1
    )  # bent into the range


def test_a_painting_may_be_a_file_a_text_an_image_or_an_array(any_painting, painting, in_folder_of):
    path = painting(BLUE)
    in_folder_of(path)
    expected = constants_of(resolve_style(path))
    image = Image.open(path)
    for style in (str(path), path.name, image, np.asarray(image)):
        np.testing.assert_allclose(constants_of(resolve_style(style)), expected, atol=2e-3)


def test_the_card_of_a_painting_s_style_names_its_file(any_painting, painting):
    card = resolve_style(painting(BLUE, name="Blue Night.png")).card
    assert (card.name, card.title) == ("blue-night", "Blue Night")
    assert (card.painting.source, card.painting.short_side) == ("Blue Night.png", 256)


def test_a_stroke_changes_the_style_of_a_painting(any_painting, painting):
    path = painting(BLUE)
    coarse = resolve_style(path, stroke=2.0)
    assert coarse.card.painting.short_side == 512
    assert not np.array_equal(constants_of(coarse), constants_of(resolve_style(path)))


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime", "torch"])
def test_a_style_of_a_network_runs_on_every_backend(any_painting, backend):
    expected = Stylizer("blue_hour", precision="f32")(photograph())
    stylized = Stylizer("blue_hour", precision="f32", backend=backend)(photograph())
    assert psnr(stylized, expected) > 50


def test_a_style_of_a_network_can_be_cut_into_tiles(any_painting):
    photo = np.random.default_rng(1).random((150, 140, 3), dtype=np.float32)
    whole = Stylizer("red_sky", precision="f32")(photo)
    assert psnr(Stylizer("red_sky", precision="f32", tile=128)(photo), whole) > 50


def test_without_a_network_a_painting_is_refused(user_models, painting, monkeypatch, tmp_path):
    monkeypatch.setattr("impasto.zoo.registry.RELEASED_MODELS_FOLDER", tmp_path)
    with pytest.raises(UnknownModelError, match="there is no model 'any_painting'"):
        resolve_style(painting(BLUE))


def test_a_network_may_be_named_or_be_a_file_or_a_model(
    any_painting_path, user_models, painting, any_painting
):
    path, expected = painting(BLUE), None
    shutil.copy(any_painting_path, user_models / "mine.onnx")
    for network in ("mine", any_painting_path, read_model_file(any_painting_path)):
        model = resolve_style(path, network=network)
        expected = expected or model.sha256
        assert model.sha256 == expected


def test_a_network_for_one_style_is_refused(painting, tiny_model_path):
    with pytest.raises(ModelFileError, match="a network for one style, expected one for any"):
        resolve_style(painting(BLUE), network=tiny_model_path)


def test_paintings_that_cannot_be_used_are_refused(any_painting, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ModelFileError, match=r"notes\.txt is neither a model file .* nor a pic"):
        resolve_style(tmp_path / "notes.txt")
    with pytest.raises(ModelFileError, match=r"expected a model file .* or a painting, but it is"):
        resolve_style(tmp_path / "missing.txt")
    with pytest.raises(PictureFileError, match=r"there is no painting missing\.jpg"):
        resolve_style("missing.jpg")
    with pytest.raises(PictureError, match="expected H×W×3"):
        resolve_style(np.zeros((64, 64), np.uint8))


def test_a_picture_is_a_painting_whatever_its_suffix(any_painting, painting, tmp_path):
    path = painting(BLUE)
    renamed = path.rename(tmp_path / "painting.of_mine")
    assert resolve_style(renamed).card.name == "painting"


def test_a_model_is_a_model_whatever_its_suffix(tmp_path, tiny_model_bytes):
    (tmp_path / "model.bin").write_bytes(tiny_model_bytes)
    assert resolve_style(tmp_path / "model.bin").card.name == "tiny_style"


# Names


def test_a_style_of_the_network_goes_by_its_name(any_painting):
    model = resolve_style("blue_hour")
    assert (model.card.name, model.card.title) == ("blue_hour", "Blue Hour")
    network = read_style_network(read_model_file(any_painting))
    tuned = network.named_constants("blue_hour")
    np.testing.assert_array_equal(constants_of(model), tuned.astype(np.float16))


def test_a_model_s_name_comes_before_the_network_s(own_style, any_painting_path):
    own_style("red_sky")
    assert resolve_style("red_sky").card.title == "A tiny style"
    asked_for = resolve_style("red_sky", network=any_painting_path)
    assert asked_for.card.title == "Red Sky"


def test_a_name_comes_before_a_file(any_painting, painting, in_folder_of):
    in_folder_of(painting(BLUE).rename(painting(RED).with_name("red_sky")))
    assert resolve_style("red_sky").card.title == "Red Sky"


def test_an_unknown_name_is_refused_with_the_network_s_names(any_painting):
    with pytest.raises(UnknownModelError) as caught:
        resolve_style("blue_houses")
    assert "there is no model 'blue_houses'; did you mean 'blue_hour'?" in str(caught.value)
    assert str(caught.value).endswith(
        "; styles of the network for any painting: red_sky, blue_hour"
    )


def test_a_network_is_refused_for_what_has_its_own(tiny_model_path, any_painting_path):
    with pytest.raises(SettingError, match=r"is a model of its own; .*: leave it out"):
        resolve_style(tiny_model_path, network=any_painting_path)


@pytest.mark.parametrize("style", ["red_sky", "red_sky,blue_hour"])
def test_a_stroke_is_refused_for_a_style_with_a_name(any_painting, style):
    with pytest.raises(SettingError, match="the strokes of red_sky have a fixed size"):
        resolve_style(style, stroke=2.0)


def test_a_stroke_is_refused_for_a_model(tiny_model_path):
    with pytest.raises(SettingError, match=r"tiny\.onnx have a fixed size"):
        resolve_style(tiny_model_path, stroke=0.5)


@pytest.mark.parametrize("stroke", [0.49, 2.01, float("nan")])
def test_a_stroke_has_its_range(stroke):
    with pytest.raises(SettingError, match=r"expected a number from 0\.5 to 2"):
        resolve_style("red_sky", stroke=stroke)


def test_a_style_of_a_network_has_no_int8_model(any_painting):
    with pytest.raises(ModelFileError, match=r"blue_hour is a style of the network .* no int8"):
        Stylizer("blue_hour", precision="int8")


# Mixtures


def test_a_mixture_mixes_norm_constants_by_their_weights(any_painting, painting):
    path = painting(BLUE)
    styles = open_network()
    mixture = styles.mixture({"red_sky": 1, "blue_hour": 2, path: 1})
    expected = (
        0.25 * styles.named("red_sky").constants
        + 0.5 * styles.named("blue_hour").constants
        + 0.25 * styles.of_painting(path).constants
    )
    np.testing.assert_allclose(mixture.constants, expected, atol=1e-5)
    model = resolve_style(f"red_sky:1,blue_hour:2,{path}:1")
    np.testing.assert_array_equal(constants_of(model), mixture.constants.astype(np.float16))
    assert model.card.title == "25% Red Sky, 50% Blue Hour, 25% painting"
    assert resolve_style({"red_sky": 1, "blue_hour": 2, path: 1}).sha256 == model.sha256


def test_in_a_mixture_the_network_s_name_comes_before_a_model_s(own_style):
    own_style("red_sky")
    assert resolve_style("red_sky,red_sky").card.title == "100% Red Sky"


def test_a_model_of_one_style_is_refused_in_a_mixture(own_style, tiny_model_path):
    own_style("udnie_of_mine")
    for other in ("udnie_of_mine", tiny_model_path):
        with pytest.raises(ModelFileError, match="is a model of one style and cannot be mixed"):
            resolve_style(f"red_sky,{other}")


def test_an_unknown_name_is_refused_in_a_mixture(any_painting):
    with pytest.raises(UnknownModelError, match=r"no style red_skies to mix; .*: red_sky, blue_"):
        resolve_style("red_sky:1,red_skies:2")


def test_a_damaged_encoder_is_refused_before_it_is_run(any_painting_path):
    model = read_model_file(any_painting_path)
    encoder = read_style_network(model).encoder
    begin = model.data.index(encoder)
    data = bytearray(model.data)
    data[begin : begin + len(encoder)] = encoder.replace(b"Sqrt", b"Sinh")
    with pytest.raises(ModelFileError, match="in its style encoder, it uses the operator 'Sinh'"):
        open_network(dataclasses.replace(model, data=bytes(data)))


# Add-ons


@pytest.fixture
def add_on(any_painting, tmp_path):
    network = read_style_network(read_model_file(any_painting))
    constants = network.constants(network.vector("red_sky")) + 0.25
    card = make_card(name="my_wave", title="My wave")
    style = StyleFile.from_numbers(network.vector("red_sky"), constants, network=network, card=card)
    write_style_file(style, tmp_path / "my_wave.style.json")
    return tmp_path / "my_wave.style.json"


def test_an_add_on_is_a_style_alone_and_in_a_mixture(add_on):
    tuned = read_style_file(add_on).norm_constants
    assert resolve_style(add_on).card.title == "My wave"
    np.testing.assert_array_equal(constants_of(resolve_style(str(add_on))), tuned)
    expected = 0.5 * tuned + 0.5 * open_network().named("blue_hour").constants
    mixed = constants_of(resolve_style(f"{add_on},blue_hour"))
    np.testing.assert_allclose(mixed, expected, atol=2e-3)


def test_a_stroke_is_refused_for_an_add_on(add_on):
    with pytest.raises(SettingError, match=r"my_wave\.style\.json have a fixed size"):
        resolve_style(add_on, stroke=0.5)


def test_a_missing_add_on_is_one_line(any_painting, tmp_path):
    with pytest.raises(ModelFileError, match=r"expected a style \(\.style\.json\)"):
        resolve_style(str(tmp_path / "none.style.json"))
