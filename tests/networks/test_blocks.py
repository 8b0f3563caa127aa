"""The parts of the networks, one by one."""

import beartype
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError, jaxtyped
from scipy.signal import correlate
from torch import nn

from impasto.networks.blocks import (
    INSTANCE_NORM_EPSILON,
    ConvolutionBlock,
    FractionalStrideBlock,
    InstanceNorm,
    ReflectionConvolution,
    ResidualBlock,
    ResizeConvolutionBlock,
    make_norm,
)

few = settings(max_examples=20)
sizes = st.integers(2, 9)


def random_features(num_pictures=2, num_channels=4, height=6, width=7, *, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num_pictures, num_channels, height, width, generator=generator)


def silence_residual(block):
    """Make what a residual block adds to its input zero."""
    nn.init.zeros_(block.convolution2.weight)
    nn.init.zeros_(block.convolution2.bias)
    return block


# Known answers


def test_instance_norm_takes_off_the_mean_and_divides_by_the_deviation():
    # 1, 3 has mean 2 and deviation 1; with scale 2 and shift 10: 10 − 2, 10 + 2, over √(1 + ε).
    norm = InstanceNorm(1)
    nn.init.constant_(norm.weight, 2.0)
    nn.init.constant_(norm.bias, 10.0)
    normed = norm(torch.tensor([[[[1.0, 3.0]]]])).flatten()
    reach = 2 / (1 + INSTANCE_NORM_EPSILON) ** 0.5
    torch.testing.assert_close(normed, torch.tensor([10 - reach, 10 + reach]))


def test_instance_norm_starts_at_scale_one_and_shift_zero():
    norm = InstanceNorm(3)
    assert norm.weight.tolist() == [1, 1, 1]
    assert norm.bias.tolist() == [0, 0, 0]


def test_instance_norm_of_one_colour_is_the_shift():
    norm = InstanceNorm(2)
    nn.init.constant_(norm.bias, 0.7)
    features = norm(torch.full((1, 2, 5, 5), 123.4))
    torch.testing.assert_close(features, torch.full((1, 2, 5, 5), 0.7), atol=1e-2, rtol=0)


@pytest.mark.parametrize(("padded", "crop"), [(True, 0), (False, 2)])
def test_a_silent_residual_block_is_the_identity_cropped_and_without_relu(padded, crop):
    features = random_features()
    block = silence_residual(ResidualBlock(4, padded=padded))
    with torch.no_grad():
        result = block(features)
    assert torch.equal(result, features[..., crop : 6 - crop, crop : 7 - crop])
    assert result.min() < 0


def test_resize_convolution_repeats_pixels():
    # A 1×1 kernel of weight 1 leaves the doubled pixels; the norm then maps 1, 2, 3 (twice each
    # way, mean 2, variance 2/3) to −√1.5, 0, √1.5, and the ReLU cuts the first.
    block = ResizeConvolutionBlock(1, 1, 1)
    nn.init.ones_(block.block.convolution.weight)
    nn.init.zeros_(block.block.convolution.bias)
    with torch.no_grad():
        result = block(torch.tensor([[[[1.0, 2.0, 3.0]]]]), 2, 6)[0, 0]
    row = torch.tensor([0, 0, 0, 0, 1.5**0.5, 1.5**0.5])
    torch.testing.assert_close(result, torch.stack([row, row]), atol=2e-3, rtol=0)


# Properties


@few
@given(sizes, sizes, st.floats(1, 10), st.floats(-5, 5))
def test_instance_norm_ignores_brightness_and_contrast_of_each_picture(h, w, contrast, brightness):
    # Only the ε in the root sees the contrast, by half of ε over the variance, which is made 1.
    features = random_features(2, 3, h, w).double()
    features = features / features.std(dim=(2, 3), keepdim=True, unbiased=False)
    norm = InstanceNorm(3).double()
    changed = contrast * features + brightness
    torch.testing.assert_close(norm(changed), norm(features), rtol=INSTANCE_NORM_EPSILON, atol=1e-3)


@few
@given(st.integers(1, 4))
def test_instance_norm_of_a_picture_does_not_see_its_batch(index):
    features = random_features(5, 3)
    norm = InstanceNorm(3)
    torch.testing.assert_close(norm(features)[index], norm(features[index : index + 1])[0])


def test_instance_norm_is_the_same_in_training_and_evaluation():
    features, norm = random_features(), InstanceNorm(4)
    assert torch.equal(norm.train()(features), norm.eval()(features))


@few
@given(st.integers(5, 14), st.integers(5, 14), st.sampled_from([3, 9]), st.sampled_from([1, 2]))
def test_a_convolution_block_keeps_the_size_or_halves_it_rounding_up(h, w, kernel, stride):
    block = ConvolutionBlock(4, 5, kernel, stride=stride)
    result = block(random_features(2, 4, h, w))
    assert result.shape == (2, 5, -(-h // stride), -(-w // stride))
    assert result.min() >= 0


@few
@given(sizes, sizes)
def test_resize_convolution_undoes_the_halving_of_any_size(height, width):
    halved = random_features(1, 4, -(-height // 2), -(-width // 2))
    result = ResizeConvolutionBlock(4, 3)(halved, height, width)
    assert result.shape == (1, 3, height, width)


@few
@given(sizes, sizes)
def test_a_fractional_stride_doubles_the_size(height, width):
    result = FractionalStrideBlock(4, 3)(random_features(2, 4, height, width))
    assert result.shape == (2, 3, 2 * height, 2 * width)


@pytest.mark.parametrize(("padded", "shape"), [(True, (2, 4, 6, 7)), (False, (2, 4, 2, 3))])
def test_an_unpadded_residual_block_takes_two_pixels_off_every_side(padded, shape):
    assert ResidualBlock(4, padded=padded)(random_features()).shape == shape


def test_reflection_padding_shows_no_border_on_one_colour():
    # With zeros around it, a flat picture would not be flat behind the convolution.
    flat = torch.full((1, 4, 6, 7), 0.8)
    for block in (ConvolutionBlock(4, 4, 3), ResidualBlock(4)):
        convolution = block.convolution if hasattr(block, "convolution") else block.convolution1
        behind = convolution(flat)
        torch.testing.assert_close(behind, behind[..., :1, :1].expand_as(behind))
    zeros = ConvolutionBlock(4, 4, 3, padding_mode="zeros").convolution(flat)
    assert (zeros - zeros[..., 3:4, 3:4]).abs().max() > 1e-3


# Outside references


@few
@given(sizes, sizes, st.integers(0, 100))
def test_instance_norm_is_torchs(height, width, seed):
    features, norm = random_features(2, 4, height, width, seed=seed), InstanceNorm(4)
    theirs = nn.InstanceNorm2d(4, affine=True, eps=INSTANCE_NORM_EPSILON)
    with torch.no_grad():
        norm.weight.copy_(torch.rand(4))
        norm.bias.copy_(torch.randn(4))
    theirs.load_state_dict(norm.state_dict())
    torch.testing.assert_close(norm(features), theirs(features))


def test_a_convolution_block_is_numpys_reflection_and_scipys_correlation():
    block = ConvolutionBlock(2, 3, 3, stride=2).double()
    features = random_features(1, 2, 7, 6).double()
    padded = np.pad(features[0].numpy(), ((0, 0), (1, 1), (1, 1)), mode="reflect")
    kernels, bias = (value.detach().numpy() for value in block.convolution.parameters())
    convolved = [
        correlate(padded, kernel, mode="valid")[0, ::2, ::2] + shift
        for kernel, shift in zip(kernels, bias, strict=True)
    ]
    expected = [
        np.maximum((plane - plane.mean()) / np.sqrt(plane.var() + INSTANCE_NORM_EPSILON), 0)
        for plane in convolved
    ]
    np.testing.assert_allclose(block(features)[0].detach(), expected, atol=1e-10)


def test_a_fractional_stride_is_a_convolution_between_inserted_zeros():
    block = FractionalStrideBlock(4, 3).double()
    features = random_features(1, 4, 5, 6).double()
    spread = torch.zeros(1, 4, 10, 12, dtype=torch.float64)
    spread[..., ::2, ::2] = features
    kernel = block.convolution.weight.transpose(0, 1).flip(2, 3)
    expected = F.conv2d(spread, kernel, block.convolution.bias, padding=1)
    torch.testing.assert_close(block.convolution(features), expected)
    torch.testing.assert_close(
        block(features),
        F.relu(
            F.batch_norm(expected, None, None, block.norm.weight, block.norm.bias, training=True)
        ),
    )


def test_a_residual_block_is_written_out_with_torchs_norm():
    block, features = ResidualBlock(4), random_features()
    convolutions = block.convolution1, block.convolution2
    norm = nn.InstanceNorm2d(4, eps=INSTANCE_NORM_EPSILON)
    first, second = (
        lambda given, kernel=convolution: norm(
            F.conv2d(F.pad(given, (1, 1, 1, 1), mode="reflect"), kernel.weight, kernel.bias)
        )
        for convolution in convolutions
    )
    torch.testing.assert_close(block(features), features + second(first(features).relu()))


def test_norms_are_made_by_name():
    assert isinstance(make_norm("instance", 3), InstanceNorm)
    assert isinstance(make_norm("batch", 3), nn.BatchNorm2d)


# Gradient in float64


def test_gradients_of_instance_norm_are_right():
    norm = InstanceNorm(2).double()
    features = random_features(2, 2, 3, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda given, *_: norm(given), (features, *norm.parameters()))


# Shapes as the annotations have them


def test_annotated_shapes_hold():
    checked = jaxtyped(typechecker=beartype.beartype)
    features = random_features()
    blocks = [
        InstanceNorm(4),
        ConvolutionBlock(4, 5, 3, stride=2),
        ResidualBlock(4, padded=False),
        FractionalStrideBlock(4, 3),
    ]
    for block in blocks:
        forward = checked(type(block).forward)
        assert forward(block, features).dim() == 4
        with pytest.raises(TypeCheckError):
            forward(block, features[0])
    resize = ResizeConvolutionBlock(4, 3)
    assert checked(ResizeConvolutionBlock.forward)(resize, features, 12, 13).dim() == 4


def mirrored_convolution():
    torch.manual_seed(0)
    ours = ReflectionConvolution(3, 4, 5, stride=2)
    plain = torch.nn.Conv2d(3, 4, 5, stride=2, padding=2, padding_mode="reflect")
    plain.load_state_dict(ours.state_dict())
    return ours, plain, torch.rand(2, 3, 11, 12)


def test_reflection_convolution_is_torchs():
    ours, plain, pictures = mirrored_convolution()
    assert torch.equal(ours(pictures), plain(pictures))
    with torch.autocast("cpu", torch.bfloat16):
        assert ours(pictures).dtype == torch.bfloat16
        assert torch.equal(ours(pictures), plain(pictures))


def test_reflection_convolution_pads_in_the_type_of_autocast():
    ours, _, pictures = mirrored_convolution()
    rounded = pictures.to(torch.bfloat16)
    with (
        torch.autocast("cpu", torch.bfloat16),
        torch.profiler.profile(record_shapes=True) as profile,
    ):
        ours(rounded)
    copied = [e.input_shapes[0] for e in profile.events() if e.name == "aten::copy_"]
    # Weight and bias are converted; pictures, padded or not, are not.
    assert [2, 3, 11, 12] not in copied
    assert [2, 3, 15, 16] not in copied
