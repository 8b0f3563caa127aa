"""Paintings as style vectors: encoded and cached."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from impasto.errors import ModelFileError
from impasto.runtime.painting_styles import PaintingStyles, colour_numbers
from impasto.zoo.model_file import read_model_file
from impasto.zoo.style_vectors import read_style_network


@pytest.fixture(scope="module")
def network(any_painting_path):
    return read_style_network(read_model_file(any_painting_path))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache that is on."""
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "paintings"


def noise(height, width, seed=0):
    pixels = np.random.default_rng(seed).random((height, width, 3))
    return (255 * np.array([0.9, 0.5, 0.2]) * pixels).astype(np.uint8)


def without_encoder(network):
    """The network with an encoder that cannot be run."""
    return dataclasses.replace(network, encoder=b"damaged")


def test_a_vector_ends_with_the_colours_of_its_painting(network):
    vector = PaintingStyles(network)(np.full((64, 64, 3), (51, 102, 204), np.uint8)).vector
    assert vector.shape == (network.vector_size,)
    np.testing.assert_allclose(vector[-12:-9], (0.2, 0.4, 0.8), atol=1e-3)


def test_a_painting_is_the_same_from_file_image_and_array(network, tmp_path):
    pixels = noise(300, 280)
    Image.fromarray(pixels).save(tmp_path / "painting.png")
    styles = PaintingStyles(network)
    from_file = styles(tmp_path / "painting.png").vector
    np.testing.assert_allclose(styles(Image.fromarray(pixels)).vector, from_file, atol=1e-4)
    np.testing.assert_allclose(styles(pixels).vector, from_file, atol=1e-4)


def test_a_transparent_painting_lies_on_white(network):
    clear = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    vector = PaintingStyles(network)(clear).vector
    np.testing.assert_allclose(vector[-12:-9], (1, 1, 1), atol=1e-3)


def test_a_cached_painting_needs_no_encoder(network, cache, tmp_path):
    Image.fromarray(noise(64, 64)).save(tmp_path / "painting.png")
    first = PaintingStyles(network)(tmp_path / "painting.png")
    assert len(list(cache.iterdir())) == 1
    again = PaintingStyles(without_encoder(network))(tmp_path / "painting.png")
    assert again.sha256 == first.sha256
    np.testing.assert_array_equal(again.vector, first.vector)


@pytest.mark.parametrize(("seed", "stroke"), [(1, 1.0), (0, 0.5)])
def test_another_painting_or_stroke_needs_the_encoder(network, cache, seed, stroke):
    PaintingStyles(network)(noise(64, 64))
    with pytest.raises(ModelFileError, match="OpenVINO cannot read the model"):
        PaintingStyles(without_encoder(network))(noise(64, 64, seed=seed), stroke=stroke)


def test_a_stroke_changes_the_learnt_numbers(network):
    styles = PaintingStyles(network)
    fine, coarse = (styles(noise(300, 300), stroke=stroke).vector for stroke in (0.5, 2.0))
    assert np.abs(coarse - fine)[:-12].max() > 1e-3


def test_a_damaged_entry_of_the_cache_is_ignored(network, cache):
    expected = PaintingStyles(network)(noise(64, 64)).vector
    (entry,) = cache.iterdir()
    damaged = bytearray(entry.read_bytes())
    damaged[-1] ^= 1
    entry.write_bytes(damaged)
    np.testing.assert_array_equal(PaintingStyles(network)(noise(64, 64)).vector, expected)
    assert entry.read_bytes()[-1] == damaged[-1] ^ 1  # written anew


def test_without_a_cache_nothing_is_stored(network, cache, monkeypatch):
    monkeypatch.setenv("IMPASTO_CACHE", "off")
    PaintingStyles(network)(noise(64, 64))
    assert not cache.exists()


def test_colours_of_a_painting_are_mean_and_root_of_the_covariance():
    rgb = noise(50, 60).astype(np.float32) / 255
    numbers = colour_numbers(rgb)
    root = numbers[3:].reshape(3, 3)
    np.testing.assert_allclose(numbers[:3], rgb.mean(axis=(0, 1)), atol=1e-4)
    np.testing.assert_allclose(root @ root, np.cov(rgb.reshape(-1, 3).T), atol=1e-4)
