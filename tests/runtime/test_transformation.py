"""What is done to pictures: settings and model as one, for files, workers and videos alike."""

import numpy as np
import pytest

from impasto import Stylizer, Upscaler
from impasto.images.picture import Picture
from impasto.runtime.batching import ONE_BY_ONE
from impasto.runtime.stylizer import StyleSettings
from impasto.runtime.transformation import Enlargement, Stylization
from model_fixtures import make_card, make_model_file

pytestmark = pytest.mark.usefixtures("without_grain")


@pytest.fixture
def negative():
    """A style that makes negatives."""
    return Stylizer(make_model_file(), precision="f32", batch_size=2)


@pytest.fixture
def doubling():
    card = make_card(task="super-resolution", scale=2)
    return Upscaler(make_model_file(card=card, scale=2), precision="f32")


def noise(height, width, seed=0):
    return Picture(np.random.default_rng(seed).random((height, width, 3), dtype=np.float32))


def test_a_picture_is_stylized_with_the_settings(negative):
    settings = StyleSettings(size=32, strength=0.25)
    picture = noise(16, 16)
    found = Stylization(negative, settings).transform(picture)
    np.testing.assert_array_equal(found.rgb, negative.stylize(picture, settings).rgb)
    assert (found.height, found.width) == (32, 32)


def test_pictures_are_each_as_alone(negative, doubling):
    pictures = [noise(16, 24, seed) for seed in range(3)]
    for transformation in (Stylization(negative), Enlargement(doubling)):
        together = transformation.transform_all(pictures)
        for picture, found in zip(pictures, together, strict=True):
            alone = transformation.transform(picture)
            np.testing.assert_allclose(found.rgb, alone.rgb, atol=1e-6)


def test_frames_keep_the_size_they_come_in(negative):
    stylization = Stylization(negative, StyleSettings(size=32))
    transform, batching = stylization.for_frames()
    frame = noise(16, 24)
    assert transform([frame])[0].rgb.shape == frame.rgb.shape
    assert batching.load(frame).kind[:2] == (16, 24)
    assert batching.batch_size == 2


def test_stabilized_frames_go_one_by_one_and_remember_the_last(negative):
    stylization = Stylization(negative, stabilize=True)
    transform, batching = stylization.for_frames()
    assert batching is ONE_BY_ONE
    first = Picture(noise(32, 32, 0).rgb * np.float32(0.8))
    second = Picture(first.rgb + noise(32, 32, 1).rgb * np.float32(0.02))  # of the same scene
    (alone,) = stylization.for_frames()[0]([second])
    transform([first])
    (after_first,) = transform([second])
    assert not np.array_equal(after_first.rgb, alone.rgb)


def test_a_matched_histogram_takes_the_whole_picture(doubling, tmp_path):
    from PIL import Image

    Image.new("RGB", (200, 200)).save(tmp_path / "photo.png")
    files = tmp_path / "photo.png", tmp_path / "out.png"
    card = make_card(task="super-resolution", scale=2)
    model = make_model_file(card=card, scale=2)
    cut, matched = (
        Enlargement(Upscaler(model, precision="f32", tile=128, match_histogram=matches))
        for matches in (False, True)
    )
    assert cut.find_large(*files) is not None
    assert matched.find_large(*files) is None
