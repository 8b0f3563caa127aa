"""Flow and warping against motion that is known."""

import numpy as np
import pytest

from impasto.runtime.video.optical_flow import enlarge, estimate_flow, is_inside, shrink, warp

HEIGHT, WIDTH = 48, 64


def texture(columns, rows):
    """A smooth picture that is known everywhere: waves of several lengths and directions."""
    rng = np.random.default_rng(3)
    total = np.zeros(np.broadcast(columns, rows).shape)
    for _ in range(24):
        length, angle, phase = rng.uniform(6, 30), *rng.uniform(0, 2 * np.pi, 2)
        along = columns * np.cos(angle) + rows * np.sin(angle)
        total += np.sin(2 * np.pi * along / length + phase)
    return (0.5 + 0.08 * total).clip(0, 1).astype(np.float32)


def grid():
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    return columns, rows


def pair(flow):
    """A frame and the one before it, which shows at x + flow(x) what the frame shows at x."""
    columns, rows = grid()
    return texture(columns + flow[..., 0], rows + flow[..., 1]), texture(columns, rows)


def affine(matrix, shift=(0, 0)):
    """The flow x ↦ matrix · (x - middle) + shift."""
    columns, rows = grid()
    from_middle = np.stack([columns - (WIDTH - 1) / 2, rows - (HEIGHT - 1) / 2], axis=-1)
    return from_middle @ np.array(matrix).T + np.array(shift)


STILL = [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    "flow",
    [
        affine(STILL),
        affine(STILL, (1, 0)),
        affine(STILL, (-2.5, 1.25)),
        affine(STILL, (7, -5)),
        affine([[0.03, 0], [0, 0.03]]),  # coming closer
        affine([[0, -0.04], [0.04, 0]]),  # turning
    ],
    ids=["still", "one pixel", "between pixels", "far", "zoom", "rotation"],
)
def test_known_motion_is_found(flow):
    frame, before = pair(flow)
    error = np.linalg.norm(estimate_flow(frame, before) - flow, axis=-1)
    seen = is_inside(flow.astype(np.float32))
    assert np.median(error[seen]) < 0.1
    assert error[seen].mean() < 0.35


def test_noise_moves_little():
    frame, before = pair(affine(STILL))
    rng = np.random.default_rng(0)
    noisy = [
        (luma + rng.normal(0, 0.02, luma.shape)).astype(np.float32) for luma in (frame, before)
    ]
    assert np.abs(estimate_flow(*noisy)).mean() < 0.2


def test_flat_frames_do_not_move():
    flat = np.full((HEIGHT, WIDTH), 0.5, np.float32)
    np.testing.assert_allclose(estimate_flow(flat, flat), 0, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (2, 50), (37, 23), (100, 131)])
def test_flow_has_the_size_of_the_frame(shape):
    luma = np.random.default_rng(0).random(shape, dtype=np.float32)
    flow = estimate_flow(luma, luma)
    assert flow.shape == (*shape, 2)
    np.testing.assert_allclose(flow, 0, atol=1e-4)


def test_warp_by_whole_pixels_moves_them():
    picture = np.random.default_rng(0).random((9, 12, 3), dtype=np.float32)
    moved = warp(picture, np.full((9, 12, 2), (2, -1), np.float32))
    np.testing.assert_allclose(moved[1:, :-2], picture[:-1, 2:], atol=1e-4)


def test_warp_goes_on_with_the_last_pixel_beyond_the_border():
    picture = np.random.default_rng(0).random((4, 5, 1), dtype=np.float32)
    moved = warp(picture, np.full((4, 5, 2), (40, 0), np.float32))
    np.testing.assert_allclose(moved, np.repeat(picture[:, -1:], 5, axis=1), atol=1e-5)


def test_warp_between_pixels_is_cubic():
    picture = np.zeros((1, 8, 1), np.float32)
    picture[0, 4] = 1
    moved = warp(picture, np.full((1, 8, 2), (0.5, 0), np.float32))[0, :, 0]
    # Keys' kernel with a = -0.75: 1.25 s³ - 2.25 s² + 1 at s = 0.5 is 0.59375; outside it is
    # a (s³ - 5 s² + 8 s - 4) at s = 1.5, which is -0.09375.
    np.testing.assert_allclose(moved, [0, 0, -0.09375, 0.59375, 0.59375, -0.09375, 0, 0], atol=1e-4)


def test_inside_is_where_flow_stays_in_the_frame():
    flow = np.zeros((2, 3, 2), np.float32)
    flow[0, 0] = (-1, 0)
    flow[1, 1] = (0.4, 0.4)
    flow[1, 2] = (0, 0.6)
    np.testing.assert_array_equal(is_inside(flow), [[False, True, True], [True, True, False]])


def test_shrinking_takes_the_means_of_blocks():
    np.testing.assert_allclose(
        shrink(np.array([[0, 2, 4], [2, 4, 6]], np.float32)[..., np.newaxis], 2)[..., 0],
        [[2, 5]],  # the last column goes on
    )


def test_enlarging_a_ramp_gives_a_ramp():
    ramp = np.mgrid[:4, :5].transpose(1, 2, 0).astype(np.float32)
    larger = enlarge(ramp, 3, height=11, width=14)
    rows = ((np.arange(11) + 0.5) / 3 - 0.5).clip(0, 3)
    columns = ((np.arange(14) + 0.5) / 3 - 0.5).clip(0, 4)
    np.testing.assert_allclose(larger[..., 0], np.repeat(rows[:, None], 14, axis=1), atol=1e-5)
    np.testing.assert_allclose(larger[..., 1], np.repeat(columns[None], 11, axis=0), atol=1e-5)
