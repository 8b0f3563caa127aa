import numpy as np
import pytest
from scipy import ndimage

from impasto.errors import PictureError
from impasto.metrics.spectrum import GRID_PERIODS, spectrum_energy, spectrum_peak


@pytest.fixture(scope="module")
def photograph():
    """Noise with a spectrum that falls off, as that of photographs does."""
    rng = np.random.default_rng(0)
    return 120 + 100 * ndimage.gaussian_filter(rng.standard_normal((128, 160)), 1.2)


def cells(shape, cell, strength):
    """A picture of repeated cells with mean 0."""
    repeats = [size // side for size, side in zip(shape, cell.shape, strict=True)]
    return strength * np.tile(cell - cell.mean(), repeats)


PATTERNS = {2: np.array([[0.0, 1.0], [1.0, 1.0]]), 4: np.arange(16.0).reshape(4, 4) % 5 > 3}


@pytest.mark.parametrize("period", GRID_PERIODS)
def test_a_grid_is_found_at_its_period(photograph, period):
    with_grid = photograph + cells(photograph.shape, PATTERNS[period].astype(float), 8)
    clean, patterned = (
        spectrum_energy(picture, period=period) for picture in (photograph, with_grid)
    )
    assert patterned > 2 * clean
    assert spectrum_peak(photograph, period=period) < 1.3
    assert spectrum_peak(with_grid, period=period) > 2


def test_a_grid_of_two_is_none_of_four(photograph):
    with_grid = photograph + cells(photograph.shape, PATTERNS[2], 8)
    assert spectrum_energy(with_grid, period=4) == pytest.approx(
        spectrum_energy(photograph, period=4), rel=1e-3
    )


def test_the_energy_of_a_checkerboard_is_worked_out_by_hand():
    # ±1 has the mean square 1, all of it at (1/2, 1/2), one of the three frequencies of period 2.
    # Under a window w the spectrum's sum is N · sum(w²) / sum(w²) = N; 5×5 bins catch nearly all.
    rows, columns = np.indices((64, 64))
    board = (-1.0) ** (rows + columns)
    assert spectrum_energy(board, period=2) == pytest.approx(64 * 64 / 25 / 3, rel=1e-3)


def test_energy_grows_with_the_square_and_the_peak_not_at_all(photograph):
    energy = spectrum_energy(photograph, period=4)
    assert spectrum_energy(3 * photograph, period=4) == pytest.approx(9 * energy)
    peak = spectrum_peak(photograph, period=4)
    assert spectrum_peak(3 * photograph, period=4) == pytest.approx(peak)


def test_blur_takes_energy_but_makes_no_grid(photograph):
    blurred = ndimage.gaussian_filter(photograph, 0.7)
    assert spectrum_energy(blurred, period=2) < 0.2 * spectrum_energy(photograph, period=2)
    assert spectrum_peak(blurred, period=4) == pytest.approx(1, abs=0.3)


def test_flat_pictures_have_no_energy_and_no_grid():
    flat = np.full((48, 48), 77.0)
    assert spectrum_energy(flat, period=2) == 0
    assert spectrum_peak(flat, period=2) == pytest.approx(1 / np.exp(np.euler_gamma))


def test_pictures_must_be_large_enough():
    with pytest.raises(PictureError, match=r"60×47 pixels is too small.*at least 48×48"):
        spectrum_energy(np.zeros((47, 60)), period=2)
