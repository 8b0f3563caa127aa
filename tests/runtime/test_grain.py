"""Where a picture is flat, a style is given faint noise to paint on."""

import numpy as np

from impasto.runtime.predictor import GRAIN, Predictor
from impasto.runtime.stylizer import Stylizer
from model_fixtures import make_card, make_model_file


def grey(*shape):
    return np.full((*shape, 3), 0.5, np.float32)


def test_grain_is_faint_even_noise():
    # 1 - (0.5 + grain); uniform noise of deviation σ reaches √3·σ.
    grain = 0.5 - Predictor(make_model_file(), precision="f32")(grey(128, 128))
    assert np.abs(grain).max() <= 3**0.5 * GRAIN + 1e-6
    np.testing.assert_allclose(grain.std(), GRAIN, rtol=0.02)
    assert abs(float(grain.mean())) < GRAIN / 20
    np.testing.assert_array_equal(grain[..., 0], grain[..., 2])


def test_every_picture_gets_the_same_grain():
    predictor = Predictor(make_model_file(), precision="f32")
    first, second = predictor.predict_batch(grey(2, 40, 30))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, predictor(grey(40, 30)))


def test_black_and_white_stay_in_range():
    predictor = Predictor(make_model_file(), precision="f32")
    for value in (0.0, 1.0):
        result = predictor(np.full((20, 20, 3), value, np.float32))
        assert result.min() >= 0
        assert result.max() <= 1


def test_super_resolution_gets_the_picture_as_it_is():
    card = make_card(task="super-resolution", scale=2)
    doubling = Predictor(make_model_file(card=card, scale=2), precision="f32")
    np.testing.assert_array_equal(doubling(grey(16, 16)), grey(32, 32))


def test_a_shipped_style_paints_a_flat_picture():
    painted = Stylizer("starry_night")(grey(64, 64))
    assert painted.std() > 0.1
