import numpy as np
import pytest

from impasto.errors import PictureError
from impasto.metrics.artefacts import border_step, grid_peak, style_luminance


def noise(seed=0, size=96):
    return np.random.default_rng(seed).uniform(0, 1, (size, size)).astype(np.float32)


def test_luminance_of_primaries_is_their_weight():
    # BT.709: 0.2126 R + 0.7152 G + 0.0722 B, which sum to 1 for white.
    rgb = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]], np.float32)
    np.testing.assert_allclose(style_luminance(rgb), [[0.2126, 0.7152, 0.0722, 1.0]], rtol=1e-6)


def test_border_step_of_a_frame_is_its_height():
    # The outermost 8 pixels are 0.3 darker than the interior.
    picture = np.full((80, 100), 0.5, np.float32)
    framed = np.full((80, 100), 0.2, np.float32)
    framed[8:-8, 8:-8] = picture[8:-8, 8:-8]
    assert border_step(picture) == pytest.approx(0, abs=1e-6)
    assert border_step(framed) == pytest.approx(-0.3, abs=1e-6)


def test_noise_has_no_grid():
    assert 0.5 < grid_peak(noise(), period=2) < 2
    assert 0.5 < grid_peak(noise(), period=4) < 2


@pytest.mark.parametrize(("period", "other"), [(2, 4), (4, 2)])
def test_a_pattern_stands_out_at_its_own_period_only(period, other):
    columns = (np.arange(96) % period == 0).astype(np.float32)
    pattern = noise() * 0.1 + 0.2 * columns - 0.2 * np.roll(columns, period // 2)
    assert grid_peak(pattern, period=period) > 20
    assert grid_peak(pattern.T, period=period) > 20
    assert grid_peak(pattern, period=other) < 3


def test_pictures_that_are_too_small_are_refused():
    for measure in (border_step, lambda plane: grid_peak(plane, period=2)):
        with pytest.raises(PictureError, match="63×96 pixels; its artefacts are measured from"):
            measure(np.zeros((96, 63), np.float32))
    with pytest.raises(PictureError):
        style_luminance(np.zeros((64, 64), np.float32))
