"""The formulas: worked out by hand, by their properties, against others, and their gradients."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import mean_squared_error

from feature_fixtures import random_pictures
from impasto.errors import NotFiniteError, PictureError, SettingError
from impasto.losses.perceptual import (
    GridLoss,
    feature_reconstruction_loss,
    gram_matrix,
    grid_loss,
    pixel_loss,
    style_reconstruction_loss,
    total_variation_loss,
)

few = settings(max_examples=25)
sizes = st.integers(1, 6)
seeds = st.integers(0, 1000)


def random_features(num_pictures=2, num_channels=4, height=5, width=6, *, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (num_pictures, num_channels, height, width)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def random_gram(num_pictures=2, num_channels=4, *, seed=0):
    return gram_matrix(random_features(num_pictures, num_channels, seed=seed))


def as_batch(*channels):
    """One picture from rows of numbers, one list per channel."""
    return torch.tensor([channels], dtype=torch.float64)


SMALL_PICTURE = as_batch(
    [[0.0, 0.5], [0.25, 1.0]], [[0.5, 0.5], [0.5, 0.5]], [[0.2, 0.2], [0.2, 0.2]]
)
"""Only red varies: right by 0.5 and 0.75, down by 0.25 and 0.5."""


# Known answers


def test_feature_reconstruction_is_the_mean_square_of_the_difference():
    # Differences 1, −2, 0, 3 over C·H·W = 2·1·2: (1 + 4 + 0 + 9) / 4 = 3.5.
    features = as_batch([[1.0, 2.0]], [[3.0, 4.0]])
    target = as_batch([[0.0, 4.0]], [[3.0, 1.0]])
    assert feature_reconstruction_loss(features, target).item() == 3.5


def test_gram_matrix_has_the_gradient_and_curvature_of_its_formula():
    features = random_features(2, 3, 4, 5).requires_grad_()
    assert torch.autograd.gradcheck(gram_matrix, [features])
    assert torch.autograd.gradgradcheck(gram_matrix, [features])


def test_gram_matrix_can_be_mapped_over_pictures():
    features = random_features(3, 2, 4, 5)
    each = torch.func.vmap(lambda one: gram_matrix(one[None])[0])(features)
    torch.testing.assert_close(each, gram_matrix(features))


def test_gram_matrix_is_divided_by_channels_height_and_width():
    # ψ = [[1, 2], [3, 4]]: ψψᵀ = [[1 + 4, 3 + 8], [3 + 8, 9 + 16]], over C·H·W = 2·1·2 = 4.
    gram = gram_matrix(as_batch([[1.0, 2.0]], [[3.0, 4.0]]))
    assert gram.tolist() == [[[5 / 4, 11 / 4], [11 / 4, 25 / 4]]]


def test_style_reconstruction_is_summed_or_averaged_over_the_entries():
    # Differences [[1, 2], [2, 3]]: 1 + 4 + 4 + 9 = 18, over C² = 4 entries 4.5.
    gram = torch.tensor([[[2.0, 3.0], [3.0, 4.0]]])
    target = torch.ones(1, 2, 2)
    assert style_reconstruction_loss(gram, target).item() == 18
    assert style_reconstruction_loss(gram, target, reduction="mean").item() == 4.5


def test_total_variation_with_exponent_two_sums_squared_differences():
    # 0.5² + 0.75² + 0.25² + 0.5² = 0.25 + 0.5625 + 0.0625 + 0.25 = 1.125; over 3·2·2 values.
    assert total_variation_loss(SMALL_PICTURE).item() == pytest.approx(1.125)
    averaged = total_variation_loss(SMALL_PICTURE, reduction="mean")
    assert averaged.item() == pytest.approx(1.125 / 12)


def test_total_variation_with_exponent_one_sums_slopes():
    # By pixel: √(0.5² + 0.25²) = 0.559017, √(0 + 0.5²) = 0.5, √(0.75² + 0) = 0.75, and 0.
    loss = total_variation_loss(SMALL_PICTURE, exponent=1)
    assert loss.item() == pytest.approx(1.809017, abs=1e-6)


def test_pixel_loss_is_the_mean_square_of_the_difference():
    # (0.1² + 0.2² + 0.3²) / 3 = 0.14 / 3.
    pictures = as_batch([[0.5]], [[0.5]], [[0.5]])
    target = as_batch([[0.4]], [[0.7]], [[0.2]])
    assert pixel_loss(pictures, target).item() == pytest.approx(0.14 / 3)


# Properties


@few
@given(st.integers(1, 3), sizes, sizes, sizes, seeds)
def test_gram_matrix_is_symmetric_and_has_no_negative_eigenvalue(n, c, h, w, seed):
    gram = gram_matrix(random_features(n, c, h, w, seed=seed))
    assert gram.shape == (n, c, c)
    torch.testing.assert_close(gram, gram.mT)
    assert torch.linalg.eigvalsh(gram).min() > -1e-12


@few
@given(sizes, sizes, seeds)
def test_gram_matrix_ignores_spatial_permutation(height, width, seed):
    features = random_features(2, 4, height, width, seed=seed)
    order = torch.randperm(height * width, generator=torch.Generator().manual_seed(seed))
    moved = features.flatten(2)[..., order].unflatten(2, (height, width))
    torch.testing.assert_close(gram_matrix(moved), gram_matrix(features))


@few
@given(st.integers(1, 3), st.integers(1, 3), seeds)
def test_gram_matrix_of_a_repeated_pattern_does_not_depend_on_its_size(rows, columns, seed):
    features = random_features(seed=seed)
    repeated = features.repeat(1, 1, rows, columns)
    torch.testing.assert_close(gram_matrix(repeated), gram_matrix(features))


@few
@given(seeds, st.floats(0.1, 10))
def test_gram_matrix_grows_with_the_square_of_the_features(seed, factor):
    features = random_features(seed=seed)
    torch.testing.assert_close(gram_matrix(factor * features), factor**2 * gram_matrix(features))


@few
@given(sizes, seeds)
def test_style_sum_is_the_mean_times_the_number_of_entries(num_channels, seed):
    gram, target = (random_gram(2, num_channels, seed=seed + turn) for turn in (0, 1))
    averaged = style_reconstruction_loss(gram, target, reduction="mean")
    torch.testing.assert_close(style_reconstruction_loss(gram, target), averaged * num_channels**2)


LOSSES_OF_A_BATCH = {
    "feature": lambda batch: feature_reconstruction_loss(batch, batch.flip(3)),
    "style": lambda batch: style_reconstruction_loss(gram_matrix(batch), random_gram(1, 3)),
    "style, mean": lambda batch: style_reconstruction_loss(
        gram_matrix(batch), random_gram(1, 3), reduction="mean"
    ),
    "total variation": total_variation_loss,
    "total variation, mean": lambda batch: total_variation_loss(batch, reduction="mean"),
    "total variation, exponent 1": lambda batch: total_variation_loss(batch, exponent=1),
    "pixel": lambda batch: pixel_loss(batch, batch.flip(2)),
}
by_loss = pytest.mark.parametrize("loss", LOSSES_OF_A_BATCH.values(), ids=LOSSES_OF_A_BATCH)


@by_loss
def test_a_batch_has_the_mean_loss_of_its_pictures(loss):
    batch = random_pictures(3)
    alone = torch.stack([loss(picture[None]) for picture in batch])
    torch.testing.assert_close(loss(batch), alone.mean())


@by_loss
def test_the_gradient_of_a_joint_batch_is_the_mean_over_processes(loss):
    batch = random_pictures(4)
    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    (joint,) = torch.autograd.grad(loss(weight * batch), weight)
    halves = [torch.autograd.grad(loss(weight * half), weight)[0] for half in batch.chunk(2)]
    torch.testing.assert_close(joint, torch.stack(halves).mean())


@by_loss
def test_a_loss_is_a_float32_number_for_bfloat16_pictures(loss):
    batch = random_pictures(2, 8, 9, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(batch.bfloat16())
        kept = loss(batch)
    assert value.shape == ()
    assert value.dtype in (torch.float32, torch.float64)
    torch.testing.assert_close(value, loss(batch), rtol=0.02, atol=1e-4)
    assert torch.equal(kept, loss(batch))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_gram_matrix_of_large_half_precision_features_does_not_overflow(dtype):
    # 64 · 300² = 5.8 million, far above 65504.
    gram = gram_matrix(torch.full((1, 2, 8, 8), 300, dtype=dtype))
    assert gram.dtype == torch.float32
    torch.testing.assert_close(gram, torch.full((1, 2, 2), 300**2 / 2))


@few
@given(seeds)
def test_a_loss_is_zero_at_its_target_and_the_same_both_ways(seed):
    first, second = random_pictures(seed=seed), random_pictures(seed=seed + 1)
    for loss in (feature_reconstruction_loss, pixel_loss):
        assert loss(first, first).item() == 0
        torch.testing.assert_close(loss(first, second), loss(second, first))
    grams = gram_matrix(first), gram_matrix(second)
    assert style_reconstruction_loss(grams[0], grams[0]).item() == 0
    assert style_reconstruction_loss(*grams).item() > 0


@few
@given(sizes, sizes, seeds, st.floats(0.5, 3))
def test_total_variation_ignores_brightness_and_grows_with_contrast(h, w, seed, exponent):
    pictures = random_pictures(1, h, w, seed=seed) / 2
    loss = total_variation_loss(pictures, exponent=exponent)
    torch.testing.assert_close(total_variation_loss(pictures + 0.3, exponent=exponent), loss)
    doubled = total_variation_loss(2 * pictures, exponent=exponent)
    torch.testing.assert_close(doubled, 2**exponent * loss)


@pytest.mark.parametrize("exponent", [0.5, 1, 2, 3])
def test_total_variation_of_one_colour_is_zero_with_zero_gradient(exponent):
    pictures = torch.full((1, 3, 4, 5), 0.3, requires_grad=True)
    loss = total_variation_loss(pictures, exponent=exponent)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(pictures.grad, torch.zeros_like(pictures))


def test_total_variation_of_a_single_pixel_is_zero():
    assert total_variation_loss(torch.rand(2, 3, 1, 1)).item() == 0


def test_a_single_target_stands_for_the_whole_batch():
    features, target = random_features(3), random_features(1, seed=1)
    many = target.expand(3, -1, -1, -1)
    torch.testing.assert_close(
        feature_reconstruction_loss(features, target), feature_reconstruction_loss(features, many)
    )


# Outside references


@few
@given(sizes, sizes, seeds)
def test_feature_and_pixel_loss_are_torchs_and_scikit_images_mean_squared_error(h, w, seed):
    first, second = (random_pictures(2, h, w, seed=seed + turn) for turn in (0, 1))
    expected = F.mse_loss(first, second)
    torch.testing.assert_close(feature_reconstruction_loss(first, second), expected)
    torch.testing.assert_close(pixel_loss(first, second), expected)
    outside = mean_squared_error(first.numpy(), second.numpy())
    assert pixel_loss(first, second).item() == pytest.approx(outside)


@few
@given(sizes, sizes, sizes, seeds)
def test_gram_matrix_is_the_sum_over_positions_as_the_equation_writes_it(c, h, w, seed):
    features = random_features(2, c, h, w, seed=seed)
    expected = np.einsum("nahw,nbhw->nab", features.numpy(), features.numpy()) / (c * h * w)
    np.testing.assert_allclose(gram_matrix(features), expected, atol=1e-12)


@few
@given(sizes, seeds)
def test_style_loss_is_numpys_squared_frobenius_norm(num_channels, seed):
    gram, target = (random_gram(1, num_channels, seed=seed + turn) for turn in (0, 1))
    expected = np.linalg.norm((gram - target)[0].numpy(), "fro") ** 2
    assert style_reconstruction_loss(gram, target).item() == pytest.approx(expected)


@settings(max_examples=10)
@given(sizes, sizes, seeds, st.sampled_from([1.0, 1.5, 2.0, 2.5]))
def test_total_variation_is_the_double_sum_as_the_equation_writes_it(h, w, seed, exponent):
    pictures = random_pictures(1, h, w, seed=seed)
    values, expected = pictures[0].numpy(), 0.0
    for channel, row, column in itertools.product(range(3), range(h), range(w)):
        here = values[channel, row, column]
        right = values[channel, row, column + 1] - here if column + 1 < w else 0
        down = values[channel, row + 1, column] - here if row + 1 < h else 0
        expected += (right**2 + down**2) ** (exponent / 2)
    loss = total_variation_loss(pictures, exponent=exponent)
    assert loss.item() == pytest.approx(expected)


# Gradients in float64


@pytest.mark.parametrize(
    "loss",
    [
        lambda pictures: feature_reconstruction_loss(pictures, random_features(1, 3, 3, 4)),
        lambda pictures: pixel_loss(pictures, random_pictures(2, 3, 4, seed=5)),
        gram_matrix,
        lambda pictures: style_reconstruction_loss(gram_matrix(pictures), random_gram(1, 3)),
        total_variation_loss,
        lambda pictures: total_variation_loss(pictures, exponent=1),
        lambda pictures: total_variation_loss(pictures, exponent=1.5, reduction="mean"),
    ],
    ids=["feature", "pixel", "gram", "style", "tv 2", "tv 1", "tv 1.5"],
)
def test_gradients_are_right(loss):
    pictures = random_pictures(2, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(loss, pictures)


# Errors


PICTURES = torch.rand(2, 3, 4, 5)
BAD_PICTURES = [
    (PICTURES[0], "expected N×C×H×W"),
    (PICTURES[:, :2], "expected N×3×H×W in RGB order"),
    (255 * PICTURES, r"range from .*expected \[0, 1\]"),
    ((255 * PICTURES).byte(), "are of type torch.uint8; expected a float type"),
    (PICTURES / 0, "NaN or infinity"),
]


@pytest.mark.parametrize(("bad", "said"), BAD_PICTURES)
def test_what_is_no_picture_is_refused(bad, said):
    for attempt in (
        lambda: total_variation_loss(bad),
        lambda: pixel_loss(bad, PICTURES),
        lambda: pixel_loss(PICTURES, bad),
    ):
        with pytest.raises(PictureError, match=said):
            attempt()


def test_the_message_says_which_of_two_is_wrong():
    with pytest.raises(PictureError, match=r"^target pictures range"):
        pixel_loss(PICTURES, 255 * PICTURES)
    with pytest.raises(PictureError, match=r"^target features have 3 dim"):
        feature_reconstruction_loss(PICTURES, PICTURES[0])


@pytest.mark.parametrize("other", [(2, 3, 4, 6), (2, 3, 5, 5), (3, 3, 4, 5)])
def test_shapes_that_differ_are_refused(other):
    target = torch.rand(other)
    said = r"have shape 2×3×4×5 and target .*expected the same"
    for loss in (pixel_loss, feature_reconstruction_loss):
        with pytest.raises(PictureError, match=said):
            loss(PICTURES, target)


@pytest.mark.parametrize(
    ("gram", "target", "said"),
    [
        (torch.zeros(2, 3, 4), torch.zeros(2, 3, 4), "Gram matrices have shape 2×3×4"),
        (torch.zeros(3, 3), torch.zeros(1, 3, 3), "Gram matrices have shape 3×3"),
        (torch.zeros(1, 3, 3), torch.zeros(3, 3), "target Gram matrices have shape 3×3"),
        (torch.zeros(1, 3, 3), torch.zeros(1, 4, 4), "have shape 1×3×3 and target .* 1×4×4"),
        (torch.zeros(1, 3, 3).int(), torch.zeros(1, 3, 3), "torch.int32; expected a float"),
    ],
)
def test_what_is_no_gram_matrix_is_refused(gram, target, said):
    with pytest.raises(PictureError, match=said):
        style_reconstruction_loss(gram, target)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_an_error_of_their_own(value):
    features = torch.ones(1, 2, 3, 4)
    features[0, 1, 2, 3] = value
    with pytest.raises(NotFiniteError, match="the feature reconstruction loss is not finite"):
        feature_reconstruction_loss(features, torch.ones(1, 2, 3, 4))
    with pytest.raises(NotFiniteError, match="the style reconstruction loss is not finite"):
        style_reconstruction_loss(gram_matrix(features), torch.ones(1, 2, 2))


def test_gram_matrix_refuses_features_of_another_rank_or_type():
    with pytest.raises(PictureError, match="expected N×C×H×W"):
        gram_matrix(torch.zeros(2, 3, 4))
    with pytest.raises(PictureError, match=r"torch\.int64"):
        gram_matrix(torch.zeros(1, 2, 3, 4, dtype=torch.int64))


@pytest.mark.parametrize("exponent", [0, -1, float("nan"), float("inf")])
def test_an_exponent_that_is_not_positive_is_refused(exponent):
    with pytest.raises(SettingError, match=r"total variation is .*; expected above 0"):
        total_variation_loss(PICTURES, exponent=exponent)


def test_an_unknown_reduction_is_refused():
    for attempt in (
        lambda: total_variation_loss(PICTURES, reduction="max"),
        lambda: style_reconstruction_loss(random_gram(), random_gram(), reduction="max"),
    ):
        with pytest.raises(SettingError, match="reduction is 'max'; expected 'sum' or 'mean'"):
            attempt()


# The grid loss


def test_grid_loss_of_alternating_columns():
    # Columns 1, 0, 1, 0: half of the sixteen places have the mean 1, half 0; their variance is ¼.
    pictures = torch.tensor([1.0, 0.0]).repeat(4).expand(1, 3, 8, 8)
    assert grid_loss(pictures).item() == pytest.approx(0.25)
    assert grid_loss(pictures, period=2).item() == pytest.approx(0.25)


def test_grid_loss_of_one_bright_place_in_sixteen():
    # The mean of 0/1 values with one in sixteen is 1/16; variance 1/16 − 1/256 = 15/256.
    pictures = torch.zeros(2, 3, 8, 12)
    pictures[..., 1::4, 2::4] = 1
    assert grid_loss(pictures).item() == pytest.approx(15 / 256)
    # In cells of 3 the bright pixels go round all nine places.
    assert grid_loss(pictures[..., :12], period=3).item() < 0.01


def test_grid_loss_ignores_brightness_and_what_fills_no_cell():
    pictures = torch.rand(2, 3, 9, 11, generator=torch.Generator().manual_seed(0)) / 2
    torch.testing.assert_close(grid_loss(pictures + 0.25), grid_loss(pictures))
    torch.testing.assert_close(grid_loss(pictures), grid_loss(pictures[..., :8, :8]))


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(2, 4))
def test_grid_loss_ignores_the_order_of_cells_and_averages_over_the_batch(seed, period):
    generator = torch.Generator().manual_seed(seed)
    pictures = torch.rand(4, 3, 12, 12, generator=generator)
    moved = pictures.roll((period, 2 * period), dims=(2, 3))
    loss = grid_loss(pictures, period=period)
    torch.testing.assert_close(grid_loss(moved, period=period), loss)
    alone = [grid_loss(picture[None], period=period) for picture in pictures]
    torch.testing.assert_close(loss, torch.stack(alone).mean())


def test_gradient_of_the_grid_loss_is_right():
    pictures = torch.rand(2, 3, 5, 6, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda given: grid_loss(given, period=2), pictures)


def test_grid_loss_is_computed_in_float32_for_bfloat16():
    pictures = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1)).bfloat16()
    assert grid_loss(pictures).dtype == torch.float32
    torch.testing.assert_close(grid_loss(pictures), grid_loss(pictures.float()))


def test_grid_loss_refuses_what_it_cannot_sort_into_cells():
    with pytest.raises(PictureError, match="5×3 pixels; the grid loss of period 4 needs"):
        grid_loss(torch.rand(1, 3, 3, 5))
    for refused in (
        lambda: grid_loss(torch.rand(1, 3, 8, 8), period=1),
        lambda: GridLoss(period=0),
    ):
        with pytest.raises(SettingError, match="expected at least 2 pixels"):
            refused()
    with pytest.raises(PictureError):
        grid_loss(torch.rand(3, 8, 8))
    with pytest.raises(NotFiniteError):
        grid_loss(torch.full((1, 3, 8, 8), float("nan")))


def test_the_module_is_the_function():
    pictures = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(GridLoss(period=2)(pictures), grid_loss(pictures, period=2))
