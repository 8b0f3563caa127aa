"""What is enlarged over alpha: no outline where opacity changes, and nothing lost elsewhere."""

import numpy as np
import pytest
from PIL import Image

from impasto.images.alpha import MARGIN, mix_upscaled_with_alpha

SCALE = 4


def cubic(plane):
    height, width = plane.shape
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    size = width * SCALE, height * SCALE
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def badge():
    """A yellow square on a soft black shadow: on white, both are as green as each other."""
    rgba = np.zeros((24, 24, 4), np.float32)
    rgba[..., 3] = 56 / 255
    rgba[6:18, 6:18] = (240 / 255, 200 / 255, 20 / 255, 1)
    return rgba[..., :3], rgba[..., 3]


def network(rgb):
    """One that sharpens each edge, as those for super-resolution do."""
    return np.repeat(np.repeat(rgb, SCALE, axis=0), SCALE, axis=1)


def on_white(channels):
    return channels[..., :3] * channels[..., 3:] + 1 - channels[..., 3:]


def test_opaque_on_a_soft_shadow_gets_no_outline():
    rgb, alpha = badge()
    green = on_white(mix_upscaled_with_alpha(network(rgb), rgb, alpha))[..., 1] * 255
    assert green.min() > 197  # 199 and 200 on both sides; alpha and colour apart gave 129
    assert green.max() < 217  # the kernel rings below the shadow's black


@pytest.mark.parametrize("opacity", [1.0, 0.4])
def test_where_alpha_is_even_colours_are_the_networks(opacity):
    rgb = np.random.default_rng(0).random((9, 8, 3), dtype=np.float32)
    channels = mix_upscaled_with_alpha(network(rgb), rgb, np.full((9, 8), opacity, np.float32))
    np.testing.assert_allclose(channels[..., :3], network(rgb), atol=1e-6)
    np.testing.assert_allclose(channels[..., 3], opacity, atol=1e-6)


def test_at_an_edge_of_alpha_it_is_the_cubic_kernel_of_weighted_colours():
    rgb = np.random.default_rng(0).random((9, 12, 3), dtype=np.float32)
    alpha = np.tile(np.repeat(np.float32([0.1, 0.9]), 6), (9, 1))
    channels = mix_upscaled_with_alpha(network(rgb), rgb, alpha)
    middle = slice(20, 28)  # from a pixel before to one behind the edge
    np.testing.assert_allclose(
        channels[:, middle, 3], cubic(alpha)[:, middle].clip(0, 1), atol=1e-6
    )
    for c in range(3):
        expected = (cubic(rgb[..., c] * alpha) / cubic(alpha)).clip(0, 1)
        np.testing.assert_allclose(channels[:, middle, c], expected[:, middle], atol=1e-5)


def test_hidden_colours_do_not_bleed():
    rgb = np.full((10, 10, 3), 0.5, np.float32)
    rgb[:, :5] = (1, 0, 0)
    alpha = np.repeat(np.float32([0, 1]), 5)[None].repeat(10, axis=0)
    filled = np.full_like(rgb, 0.5)
    channels = mix_upscaled_with_alpha(network(filled), rgb, alpha)
    visible = channels[..., 3] > 1e-3
    np.testing.assert_allclose(channels[visible][:, :3], 0.5, atol=1e-3)


def test_a_window_is_cut_out_of_the_whole():
    random = np.random.default_rng(0)
    rgb, alpha = random.random((30, 26, 3), np.float32), random.random((30, 26), np.float32)
    whole = mix_upscaled_with_alpha(network(rgb), rgb, alpha)
    rows, columns = slice(9, 19), slice(0, 11)
    top, bottom, right = 9 - MARGIN, 19 + MARGIN, 11 + MARGIN
    part = mix_upscaled_with_alpha(
        network(rgb[rows, columns]),
        rgb[top:bottom, :right],
        alpha[top:bottom, :right],
        rows=slice(9 - top, 19 - top),
        columns=columns,
    )
    np.testing.assert_allclose(part, whole[36:76, :44], atol=1e-5)
