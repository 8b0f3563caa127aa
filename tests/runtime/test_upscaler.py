"""`Upscaler` with models that repeat each pixel, and so show what goes where."""

import numpy as np
import pytest
from PIL import Image

from impasto import Upscaler
from impasto.errors import ModelFileError, UnknownModelError
from impasto.images.files.io import Picture
from impasto.runtime.transformation import Enlargement
from model_fixtures import make_card, make_model_bytes

IDENTITY = np.eye(3, dtype=np.float16)[:, :, None, None]


def repeating(scale, name="repeating"):
    """The bytes of a model that repeats each pixel in both directions."""
    card = make_card(name=name, task="super-resolution", scale=scale)
    return make_model_bytes(card=card, kernel=IDENTITY, bias=0.0, scale=scale)


@pytest.fixture
def own(user_models):
    """Puts a model that repeats pixels among the user's own."""
    user_models.mkdir(parents=True)

    def put(name, scale):
        (user_models / f"{name}.onnx").write_bytes(repeating(scale))

    return put


@pytest.fixture
def double(tmp_path):
    path = tmp_path / "double.onnx"
    path.write_bytes(repeating(2))
    return Upscaler(path, precision="f32")


def bytes_of(height=5, width=7):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_arrays_become_arrays_of_their_type(double):
    given = bytes_of()
    expected = given.repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(double(given), expected)
    floats = double(given.astype(np.float32) / 255)
    assert floats.dtype == np.float32
    assert np.allclose(floats, expected / 255, atol=1e-6)


def test_files_and_pillow_pictures_become_pillow_pictures(double, tmp_path):
    Image.fromarray(bytes_of()).save(tmp_path / "photo.png")
    with Image.open(tmp_path / "photo.png") as image:
        for given in (tmp_path / "photo.png", image):
            assert double(given).size == (14, 10)


def test_alpha_is_enlarged_too_and_metadata_kept(double):
    alpha = np.tile(np.array([0, 1], np.float32).repeat(4), (6, 1))
    given = Picture(rgb=np.full((6, 8, 3), 0.25, np.float32), alpha=alpha, dpi=(300.0, 300.0))
    found = double.upscale(given)
    assert found.rgb.shape == (12, 16, 3)
    assert found.alpha.shape == (12, 16)
    assert found.alpha[:, 0].max() < 0.05
    assert found.alpha[:, -1].min() > 0.95
    assert found.dpi == (300.0, 300.0)


def test_colours_under_transparency_do_not_bleed(double):
    rgb = np.full((6, 8, 3), 0.5, np.float32)
    rgb[:, :4] = [1, 0, 0]
    alpha = np.ones((6, 8), np.float32)
    alpha[:, :4] = 0
    assert np.allclose(double.upscale(Picture(rgb=rgb, alpha=alpha)).rgb, 0.5, atol=1e-3)


def test_many_pictures_become_what_each_becomes(double, tmp_path):
    upscaler = Upscaler(tmp_path / "double.onnx", precision="f32", batch_size=2)
    pictures = [
        Picture(np.random.default_rng(seed).random((*size, 3), dtype=np.float32))
        for seed, size in enumerate([(5, 7), (5, 7), (7, 5), (5, 7)])
    ]
    enlarged = upscaler.upscale_all(pictures)
    for picture, found in zip(pictures, enlarged, strict=True):
        np.testing.assert_allclose(found.rgb, double.upscale(picture).rgb, atol=1e-6)
    batching = Enlargement(upscaler).batching()
    kinds = [batching.load(picture).kind for picture in pictures]
    assert (kinds[0] == kinds[1] == kinds[3], kinds[0] == kinds[2]) == (True, False)


def test_the_tones_of_the_picture_given_can_be_kept(tmp_path):
    # The model adds 0.1 to every pixel; matching takes it back.
    card = make_card(name="brighter", task="super-resolution", scale=2)
    model = make_model_bytes(card=card, kernel=IDENTITY, bias=0.1, scale=2)
    (tmp_path / "brighter.onnx").write_bytes(model)
    given = np.full((5, 7, 3), 0.25, np.float32)
    given[0] = 0.5
    for matched, expected in ((False, given + 0.1), (True, given)):
        upscaler = Upscaler(tmp_path / "brighter.onnx", precision="f32", match_histogram=matched)
        found = upscaler(given)
        assert np.allclose(found, expected.repeat(2, axis=0).repeat(2, axis=1), atol=1e-4)


def test_a_family_of_models_is_called_by_its_name_and_the_scale(own):
    for scale in (2, 4, 8):
        own(f"mine_x{scale}", scale)
    assert Upscaler("mine", precision="f32").scale == 4
    assert Upscaler("mine", scale=8, precision="f32").scale == 8
    assert Upscaler("mine_x2", precision="f32").scale == 2


def test_a_scale_that_the_model_has_not_is_refused(double, own, tmp_path):
    with pytest.raises(ModelFileError, match=r"upscales by 2, expected 4"):
        Upscaler(tmp_path / "double.onnx", scale=4)
    own("mine_x2", 2)
    own("other_x8", 8)
    complaint = r"there is no model 'mine_x8'; take mine_x2, or of that scale .*other_x8"
    with pytest.raises(UnknownModelError, match=complaint):
        Upscaler("mine", scale=8)
    with pytest.raises(UnknownModelError, match="there is no model 'nothing'"):
        Upscaler("nothing", scale=8)


def test_a_style_is_no_super_resolution():
    with pytest.raises(ModelFileError, match="starry_night is a model for style-transfer"):
        Upscaler("starry_night")
