import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.data import synthetic

SIZE = 24


def photograph():
    rng = np.random.default_rng(99)
    return rng.uniform(size=(3, SIZE, SIZE)).astype(np.float32)


def made(kind, seed, size=SIZE):
    rng = np.random.default_rng(seed)
    if kind in synthetic.ALTERATIONS:
        return kind(rng, photograph())
    return kind(rng, size)


KINDS = (*synthetic.PATTERNS, *synthetic.ALTERATIONS)


def test_two_kinds_of_seven_are_drawn_from_the_photograph():
    asked_for = []

    def give():
        asked_for.append(True)
        return photograph()

    for seed in range(140):
        rng = np.random.default_rng(seed)
        picture = synthetic.synthetic_picture(rng, size=SIZE, photograph=give)
        assert picture.shape == (3, SIZE, SIZE)
    assert len(asked_for) == pytest.approx(140 * 2 / 7, abs=16)  # three deviations of 5.3


def test_a_flat_colour_has_one_value_in_each_channel():
    picture = made(synthetic.flat_color, 0)
    assert np.array_equal(picture, np.broadcast_to(picture[:, :1, :1], picture.shape))


def test_half_of_the_flat_colours_are_dark():
    # Half of all colours are dimmed by a factor under one half: their brightest channel is too.
    brightest = [made(synthetic.flat_color, seed, 1).max() for seed in range(400)]
    assert 0.5 < np.mean(np.array(brightest) < 0.5) < 0.65  # undimmed: 1/2 · 0.5³ more


def test_black_or_white_is_one_or_the_other():
    pictures = [made(synthetic.black_or_white, seed) for seed in range(20)]
    assert {(float(p.min()), float(p.max())) for p in pictures} == {(0.0, 0.0), (1.0, 1.0)}


def test_nearly_flat_noise_stays_within_a_few_grey_levels():
    deviations = [made(synthetic.nearly_flat, seed).std(axis=(1, 2)).max() for seed in range(20)]
    assert all(0.0 < deviation < 4.5 / 255 for deviation in deviations)


def test_a_linear_gradient_is_a_plane_within_each_channel():
    # A plane's second difference along any axis is zero.
    for seed in range(5):
        picture = made(synthetic.linear_gradient, seed)
        for axis in (1, 2):
            assert np.abs(np.diff(picture, n=2, axis=axis)).max() < 1e-6
        assert np.ptp(picture) > 0


def test_a_radial_gradient_is_the_same_all_around_its_centre():
    # Two pixels at the same distance from the centre have the same colour. The generator's first
    # draws are the centre, y and x in [-1, 1].
    picture = made(synthetic.radial_gradient, 1)
    centre_y, centre_x = np.random.default_rng(1).uniform(-1, 1, size=2)
    line = np.linspace(-1, 1, SIZE)
    distance = np.hypot(line[:, None] - centre_y, line[None, :] - centre_x).ravel()
    order = np.argsort(distance)
    for channel in picture.reshape(3, -1):
        steps = np.diff(channel[order])
        assert (steps >= -1e-6).all() or (steps <= 1e-6).all()


def test_a_darkened_photograph_has_at_most_two_fifths_of_its_values():
    # 3 stops: 2^(-3 / 2.2) = 0.389; 8 stops: 0.080.
    for seed in range(10):
        ratio = made(synthetic.darkened, seed).mean() / photograph().mean()
        assert 0.07 < ratio < 0.40


def test_a_blurred_photograph_keeps_its_mean_and_loses_its_detail():
    for seed in range(10):
        picture = made(synthetic.blurred, seed)
        assert np.abs(picture.mean() - photograph().mean()) < 0.05
        assert picture.std() < 0.4 * photograph().std()


def test_blur_moves_nothing_to_a_side():
    for axis in (1, 2):
        mirrored = np.flip(photograph(), axis)
        expected = np.flip(synthetic.blurred(np.random.default_rng(0), photograph()), axis)
        blurred = synthetic.blurred(np.random.default_rng(0), mirrored)
        assert blurred == pytest.approx(expected, abs=1e-6)


def test_blur_leaves_a_flat_picture_as_it_is():
    flat = np.full((3, SIZE, SIZE), 0.25, dtype=np.float32)
    assert synthetic.blurred(np.random.default_rng(0), flat) == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(seed=st.integers(0, 2**64), size=st.sampled_from([1, 2, 17]))
def test_every_kind_is_a_pure_function_of_its_generator_in_range(kind, seed, size):
    picture = made(kind, seed, size)
    assert picture.dtype == np.float32
    assert picture.min() >= 0.0
    assert picture.max() <= 1.0
    assert np.array_equal(picture, made(kind, seed, size))
