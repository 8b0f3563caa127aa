"""`impasto stylize` and `batch` in the styles of a network for any painting."""

import json

import numpy as np
import pytest
from PIL import Image

from impasto.runtime.stylizer import Stylizer


@pytest.fixture
def painting(tmp_path):
    """A painting of one colour."""
    Image.new("RGB", (64, 80), (30, 160, 60)).save(tmp_path / "green.png")
    return tmp_path / "green.png"


@pytest.fixture
def stylize(impasto, any_painting, photo, tmp_path):
    """Stylizes the photograph, and returns what was done."""

    def call(*words):
        return impasto("stylize", photo, "-o", tmp_path / "out.png", "--overwrite", *words)

    return call


def mean_colour(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).mean(axis=(0, 1))


def test_a_photograph_takes_the_colours_of_a_painting(stylize, painting, tmp_path):
    done = stylize("--style", painting, "--json")
    assert json.loads(done.stdout)["style"] == "green"
    np.testing.assert_allclose(mean_colour(tmp_path / "out.png"), (30, 160, 60), atol=25)


def test_a_mixture_lies_between_its_styles(stylize, painting, tmp_path):
    means = []
    for style in (painting, f"{painting}:3,blue_hour:1", f"{painting}:1,blue_hour:3", "blue_hour"):
        assert stylize("--style", style).status == 0
        means.append(mean_colour(tmp_path / "out.png"))
    assert all(np.diff([mean[1] for mean in means]) < 0)  # ever less green
    assert all(np.diff([mean[2] for mean in means]) > 0)  # and more blue


def test_the_command_stylizes_as_the_stylizer_does(stylize, photo, tmp_path, any_painting):
    texture = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    Image.fromarray(texture).save(tmp_path / "texture.png")
    done = stylize(
        "--style", tmp_path / "texture.png", "--stroke", "0.5", "--network", any_painting
    )
    assert done.status == 0
    expected = Stylizer(tmp_path / "texture.png", stroke=0.5)(photo)
    with Image.open(tmp_path / "out.png") as image:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--style", "blue_hour", "--stroke", "2"], "the strokes of blue_hour have a fixed size"),
        (["--style", "starry_night", "--stroke", "2"], "the strokes of starry_night have a fixed"),
        (["--style", "blue_hour", "--stroke", "3"], "--stroke"),
        (["--style", "blue_hour:-1,red_sky:2"], "the weight of blue_hour is -1, expected 0 or"),
        (["--style", "blue_hour,the_scream"], "the_scream is a model of one style and cannot be"),
        (["--style", "no_such_style"], "styles of the network for any painting: red_sky, blue_h"),
        (["--style", "ghost.jpg"], "there is no painting ghost.jpg"),
        (["--style", "blue_hour", "--network", "udnie"], "a network for one style, expected one"),
        (["--style", "udnie", "--network", "any_painting"], "udnie is a model of its own"),
        (["--style", "blue_hour", "--precision", "int8"], "which has no int8 model"),
    ],
)
def test_a_style_that_cannot_be_used_is_one_line(stylize, words, message):
    assert message in stylize(*words).complaint


def test_a_painting_without_a_network_is_one_line(impasto, painting, photo, tmp_path, monkeypatch):
    monkeypatch.setattr("impasto.zoo.registry.RELEASED_MODELS_FOLDER", tmp_path / "none")
    done = impasto("stylize", photo, "-o", tmp_path / "out.png", "--style", painting)
    assert done.complaint.startswith("paintings and mixtures need the network for any painting")


def test_the_settings_of_paintings_are_none_of_an_upscaling(impasto, tmp_path):
    words = ("batch", tmp_path, "-o", tmp_path / "out", "--model", "sharp", "--stroke", "2")
    assert "--network and --stroke are for styles" in impasto(*words).complaint


def test_a_batch_takes_a_painting(impasto, any_painting, painting, tmp_path):
    """As far as it comes without Ray: the style is opened before the pictures are looked for."""
    words = ("batch", tmp_path / "none", "-o", tmp_path / "out", "--style")
    assert "none is not there" in impasto(*words, painting).complaint
    assert "there is no painting" in impasto(*words, tmp_path / "ghost.png").complaint
