"""What a stabilised video keeps, and what it lets go of."""

import itertools

import numpy as np
import pytest

from impasto.runtime.video.optical_flow import warp
from impasto.runtime.video.stabilization import (
    Stabilizer,
    box_mean,
    mean_along_motion,
    neighbourhood,
    trust_in,
)

HEIGHT, WIDTH = 48, 64


def scene(seed, *, height=2 * HEIGHT, width=2 * WIDTH):
    """Soft blotches."""
    coarse = np.random.default_rng(seed).random((height // 8, width // 8, 3), dtype=np.float32)
    fine = np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1)
    for _ in range(3):
        fine = np.stack([box_mean(fine[..., c], 1) for c in range(3)], axis=-1)
    return fine


def view(picture, column, row):
    return np.ascontiguousarray(picture[row : row + HEIGHT, column : column + WIDTH])


def flickering(strength, seed=0):
    """A style that paints another noise over every frame."""
    rng = np.random.default_rng(seed)

    def paint(frame):
        noise = strength * rng.standard_normal(frame.shape)
        return np.clip(0.2 + 0.6 * frame + noise, 0, 1).astype(np.float32)

    return paint


def negative(frame):
    return 1 - frame


def test_the_first_frame_is_painted_as_it_is():
    frame = view(scene(0), 10, 10)
    np.testing.assert_array_equal(Stabilizer(negative)(frame), 1 - frame)


def test_a_still_video_painted_the_same_stays_the_same():
    stabilizer, frame = Stabilizer(negative), view(scene(0), 10, 10)
    for _ in range(4):
        np.testing.assert_allclose(stabilizer(frame), 1 - frame, atol=2e-3)


@pytest.mark.parametrize("step", [0, 2])
def test_flicker_is_reduced_along_the_motion(step):
    frames = [view(scene(1), 10 + step * t, 10) for t in range(8)]
    flow = np.full((HEIGHT, WIDTH, 2), (step, 0), np.float32)

    def error(paintings):
        differences = [
            (after - warp(before, flow))[4:-4, 4 : -4 - step]
            for before, after in itertools.pairwise(paintings)
        ]
        return np.sqrt(np.mean(np.square(differences)))

    plain = list(map(flickering(0.05), frames))
    steady = list(map(Stabilizer(flickering(0.05)), frames))
    assert error(steady) < 0.6 * error(plain)


def test_a_cut_begins_anew():
    stabilizer = Stabilizer(negative)
    stabilizer(view(scene(1), 10, 10))
    after = view(scene(2), 10, 10)
    np.testing.assert_array_equal(stabilizer(after), 1 - after)


def test_a_frame_of_another_size_begins_anew():
    stabilizer = Stabilizer(negative)
    stabilizer(view(scene(1), 10, 10))
    smaller = view(scene(1), 10, 10)[:30, :40]
    np.testing.assert_array_equal(stabilizer(smaller), 1 - smaller)


def test_what_a_moving_thing_uncovers_is_painted_as_it_is():
    background = view(scene(3), 10, 10)
    frames = []
    for t in range(3):
        frame = background.copy()
        frame[16:32, 8 + 6 * t : 24 + 6 * t] = (1.0, 0.0, 1.0)
        frames.append(frame)
    last = list(map(Stabilizer(negative), frames))[-1]
    uncovered = np.s_[18:30, 15:19]  # behind the thing, away from its edges
    np.testing.assert_allclose(last[uncovered], 1 - background[uncovered], atol=0.06)


def test_a_video_larger_than_flow_is_estimated_at_is_steadied_too():
    frame = scene(4, height=80, width=640)
    steady = list(map(Stabilizer(flickering(0.05)), [frame] * 4))
    plain = list(map(flickering(0.05), [frame] * 4))
    assert np.std(steady[3] - steady[2]) < 0.6 * np.std(plain[3] - plain[2])


def test_trust_is_full_where_nothing_changed_and_none_beyond_the_border():
    frame = view(scene(5), 10, 10)
    still = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    np.testing.assert_allclose(trust_in(still, frame, frame), 1, atol=1e-5)
    outside = still.copy()
    outside[:, :3, 0] = -3
    np.testing.assert_array_equal(trust_in(outside, frame, frame)[:, :2], 0)


def test_trust_is_lost_where_something_else_is_shown():
    frame = view(scene(5), 10, 10)
    other = frame.copy()
    other[10:20, 10:20] = (other[10:20, 10:20] + 0.5) % 1
    trust = trust_in(np.zeros((HEIGHT, WIDTH, 2), np.float32), frame, other)
    assert trust[12:18, 12:18].max() < 0.01
    assert trust[30:, 30:].min() > 0.99


def test_the_mean_is_the_share_of_both_within_the_neighbourhood():
    picture = np.tile(np.array([0.2, 0.6], np.float32), (4, 4))[..., np.newaxis]
    picture = np.repeat(picture, 3, axis=-1)
    share = np.full((4, 8, 1), 0.5, np.float32)
    mixed = mean_along_motion(picture, np.full_like(picture, 0.4), share)
    np.testing.assert_allclose(mixed, (picture + 0.4) / 2, atol=1e-6)
    held = mean_along_motion(picture, np.full_like(picture, 0.9), share)
    np.testing.assert_allclose(held, (picture + 0.6) / 2, atol=1e-6)  # 0.6 is the highest around


def test_the_neighbourhood_is_five_by_five_and_per_channel():
    picture = np.full((9, 9, 2), 0.5, np.float32)
    picture[4, 4] = (0.0, 1.0)
    lowest, highest = neighbourhood(picture)
    inside = np.zeros((9, 9), bool)
    inside[2:7, 2:7] = True
    np.testing.assert_array_equal(lowest[..., 0], np.where(inside, 0.0, 0.5))
    np.testing.assert_array_equal(highest[..., 1], np.where(inside, 1.0, 0.5))
    assert (highest[..., 0] == 0.5).all()


def test_the_box_mean_of_a_point_is_its_share():
    point = np.zeros((7, 7), np.float32)
    point[3, 3] = 25
    expected = np.zeros((7, 7))
    expected[1:6, 1:6] = 1
    np.testing.assert_allclose(box_mean(point, 2), expected, atol=1e-6)
