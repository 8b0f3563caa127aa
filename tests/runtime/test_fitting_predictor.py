"""Several pictures through one model: as each alone, together where they fit."""

import numpy as np
import pytest

from impasto.runtime.batching import batches
from impasto.runtime.compute import PROCESS_BYTES, Compute
from impasto.runtime.fitting_predictor import FittingPredictor
from impasto.runtime.tiles.memory_budget import bytes_per_pixel
from impasto.zoo.registry import resolve_model
from model_fixtures import make_card, make_model_file

ONE_GREY_LEVEL = 1 / 255


def predictor(model=None, *, memory="1G", tile="auto", **settings):
    """A model's, or of negatives."""
    settings = {"precision": "f32", "num_threads": 1} | settings
    return FittingPredictor(
        model or make_model_file(), Compute(tile=tile, memory=memory, **settings)
    )


def noise(height, width, *, seed=0):
    """What a network for photographs can make something of: squares of colours."""
    rgb = np.random.default_rng(seed).random((height // 8, width // 8, 3), dtype=np.float32)
    return rgb.repeat(8, axis=0).repeat(8, axis=1)


@pytest.mark.parametrize(("name", "num_requests"), [("starry_night", 2), ("faithful_x4", 1)])
def test_pictures_at_once_are_within_one_grey_level_of_each_alone(name, num_requests):
    model = resolve_model(name)
    sizes = [(48, 40), (48, 40), (48, 40), (40, 48), (48, 40)]
    pictures = [(noise(*size, seed=seed), 8) for seed, size in enumerate(sizes)]
    together = predictor(model, batch_size=2, num_requests=num_requests).predict_all(pictures)
    alone = predictor(model)
    for (rgb, bits), found in zip(pictures, together, strict=True):
        assert np.abs(found - alone(rgb, bits=bits)).max() < ONE_GREY_LEVEL


def test_each_picture_of_any_size_and_depth_is_its_negative(without_grain):
    sizes = [(16, 16), (16, 16), (24, 16), (16, 16), (16, 16), (16, 16)]
    pictures = [(noise(*size, seed=seed), 8 * (1 + seed // 5)) for seed, size in enumerate(sizes)]
    found = predictor(batch_size=3, precision="auto").predict_all(pictures)
    for (rgb, bits), negative in zip(pictures, found, strict=True):
        np.testing.assert_allclose(negative, 1 - rgb, atol=2**-7 if bits == 8 else 1e-6)


def sizes_of_batches(fitting, pictures):
    batching = fitting.batching_by(
        lambda picture: fitting.load_of(*picture[0].shape[:2], bits=picture[1])
    )
    return [len(batch) for batch, _ in batches(pictures, batching)]


def test_pictures_of_one_size_and_precision_go_together():
    fitting = predictor(batch_size=4, precision="auto")
    pictures = [(noise(16, 16), 8)] * 5 + [(noise(16, 24), 8)] * 2
    assert sizes_of_batches(fitting, pictures) == [4, 1, 2]


def test_no_more_go_together_than_the_memory_holds():
    side = 512
    room = side * side * bytes_per_pixel(make_card(), is_cheaper=True)
    fitting = predictor(batch_size=8, memory=PROCESS_BYTES + int(2.5 * room))
    assert sizes_of_batches(fitting, [(noise(side, side), 8)] * 5) == [2, 2, 1]


def test_what_is_cut_into_tiles_goes_alone(without_grain):
    fitting = predictor(batch_size=4, tile=128)
    pictures = [(noise(160, 144, seed=seed), 8) for seed in range(2)]
    assert sizes_of_batches(fitting, pictures) == [1, 1]
    for (rgb, _), negative in zip(pictures, fitting.predict_all(pictures), strict=True):
        np.testing.assert_allclose(negative, 1 - rgb, atol=1e-6)
