"""The style networks: counted and measured by hand, and what they promise of any picture."""

import json
import re

import beartype
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError, jaxtyped
from torch import nn

from feature_fixtures import GOLDEN, cat_crop, fill_by_formula, random_pictures
from impasto.errors import PictureError
from impasto.networks.architecture import NetworkArchitecture
from impasto.networks.blocks import (
    ConvolutionBlock,
    FractionalStrideBlock,
    InstanceNorm,
    ResidualBlock,
    ResizeConvolutionBlock,
)
from impasto.networks.style_transfer import (
    PaperStyleTransferNetwork,
    StyleTransferNetwork,
    build_style_network,
)

PAPER = NetworkArchitecture(kind="paper", channels=(32, 64, 128))
BLOCKS = (ConvolutionBlock, ResidualBlock, FractionalStrideBlock, ResizeConvolutionBlock)


def small_network(kind="default"):
    """A narrow network with weights that no random generator decides."""
    architecture = NetworkArchitecture(kind=kind, channels=(4, 6, 8))
    return fill_by_formula(build_style_network(architecture)).requires_grad_(requires_grad=False)


def count_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def watch_shapes(network, pictures):
    """Run a network; return the shape that every block and convolution gives, in order."""
    shapes = []

    def note(module, inputs, output):
        kind = nn.Conv2d if isinstance(module, nn.Conv2d) else type(module)
        shapes.append((kind.__name__, *output.shape[1:]))

    handles = [
        module.register_forward_hook(note)
        for module in network.modules()
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, ResidualBlock))
    ]
    with torch.no_grad():
        output = network(pictures)
    for handle in handles:
        handle.remove()
    return shapes, output


def random_batch(num_pictures, height, width, *, seed=0):
    return random_pictures(num_pictures, height, width, seed=seed, dtype=torch.float32)


# Known answers


def test_the_papers_network_has_its_number_of_parameters():
    # in · out · kernel² + out biases, and 2 · out of the batch norm:
    counts = [
        3 * 32 * 81 + 32 + 64,  # 9×9, 3 → 32: 7,872
        32 * 64 * 9 + 64 + 128,  # 3×3 stride 2, 32 → 64: 18,624
        64 * 128 * 9 + 128 + 256,  # 3×3 stride 2, 64 → 128: 74,112
        *[2 * (128 * 128 * 9 + 128 + 256)] * 5,  # residual blocks: 295,680 each
        128 * 64 * 9 + 64 + 128,  # 3×3 stride 1/2, 128 → 64: 73,920
        64 * 32 * 9 + 32 + 64,  # 3×3 stride 1/2, 64 → 32: 18,528
        32 * 3 * 81 + 3,  # 9×9, 32 → 3, no norm: 7,779
    ]
    network = PaperStyleTransferNetwork()
    parts = [*network.encode, *network.residual_blocks, *network.decode, network.to_rgb]
    assert [count_parameters(part) for part in parts] == counts
    assert count_parameters(network) == sum(counts) == 1_679_235


def test_our_network_has_its_number_of_parameters():
    # The same with 16, 32 and 64 channels; instance norm has a scale and a shift, too.
    counts = [
        3 * 16 * 81 + 16 + 32,  # 3,936
        16 * 32 * 9 + 32 + 64,  # 4,704
        32 * 64 * 9 + 64 + 128,  # 18,624
        *[2 * (64 * 64 * 9 + 64 + 128)] * 5,  # 74,112 each
        64 * 32 * 9 + 32 + 64,  # 18,528
        32 * 16 * 9 + 16 + 32,  # 4,656
        16 * 3 * 81 + 3,  # 3,891
    ]
    network = StyleTransferNetwork()
    encoder = [network.encode_full, network.encode_half, network.encode_quarter]
    decoder = [network.decode_half, network.decode_full, network.to_rgb]
    parts = [*encoder, *network.residual_blocks, *decoder]
    assert [count_parameters(part) for part in parts] == counts
    assert count_parameters(network) == sum(counts) == 424_899


def test_every_shape_inside_the_papers_network_is_that_of_its_table():
    # 256 padded by 40 on every side is 336; a residual block has two unpadded 3×3 convolutions.
    residual = [
        entry
        for size in (80, 76, 72, 68, 64)
        for entry in (
            ("Conv2d", 128, size + 2, size + 2),
            ("Conv2d", 128, size, size),
            ("ResidualBlock", 128, size, size),
        )
    ]
    expected = [
        ("Conv2d", 32, 336, 336),
        ("Conv2d", 64, 168, 168),
        ("Conv2d", 128, 84, 84),
        *residual,
        ("ConvTranspose2d", 64, 128, 128),
        ("ConvTranspose2d", 32, 256, 256),
        ("Conv2d", 3, 256, 256),
    ]
    shapes, output = watch_shapes(PaperStyleTransferNetwork(), random_batch(1, 256, 256))
    assert shapes == expected
    assert output.shape == (1, 3, 256, 256)


def test_the_papers_network_pads_by_reflection():
    inputs = []
    network = small_network("paper")
    handle = network.encode.register_forward_hook(lambda _, given, __: inputs.append(given[0]))
    pictures = random_batch(1, 44, 48)
    network(pictures)
    handle.remove()
    assert inputs[0].shape == (1, 3, 124, 128)
    assert torch.equal(inputs[0][..., 40:84, 40:88], pictures)
    assert torch.equal(inputs[0][..., 40:84, :40], pictures[..., 1:41].flip(3))
    assert torch.equal(inputs[0][..., 84:, 40:88], pictures[..., 3:43, :].flip(2))


def test_every_shape_inside_our_network_halves_rounding_up():
    # 37 × 50 → 19 × 25 → 10 × 13, and back.
    residual = [("Conv2d", 64, 10, 13), ("Conv2d", 64, 10, 13), ("ResidualBlock", 64, 10, 13)]
    shapes, _ = watch_shapes(StyleTransferNetwork(), random_batch(1, 37, 50))
    assert shapes == [
        ("Conv2d", 16, 37, 50),
        ("Conv2d", 32, 19, 25),
        ("Conv2d", 64, 10, 13),
        *residual * 5,
        ("Conv2d", 32, 19, 25),
        ("Conv2d", 16, 37, 50),
        ("Conv2d", 3, 37, 50),
    ]


@pytest.mark.parametrize(
    ("network", "norm", "other"),
    [
        (PaperStyleTransferNetwork(), nn.BatchNorm2d, InstanceNorm),
        (StyleTransferNetwork(), InstanceNorm, nn.BatchNorm2d),
    ],
    ids=["paper", "default"],
)
def test_every_convolution_but_the_last_has_its_norm(network, norm, other):
    modules = list(network.modules())
    convolutions = [m for m in modules if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    assert len(convolutions) == 16
    assert sum(isinstance(module, norm) for module in modules) == 15
    assert not any(isinstance(module, other) for module in modules)
    assert convolutions[-1] is network.to_rgb


def test_our_network_pads_by_reflection_everywhere():
    for module in StyleTransferNetwork().modules():
        if isinstance(module, nn.Conv2d):
            assert module.padding_mode == "reflect"
            assert module.padding == (module.kernel_size[0] // 2,) * 2


@pytest.mark.parametrize(("kind", "low", "high"), [("default", -0.1, 1.1), ("paper", 0.0, 1.0)])
@pytest.mark.parametrize("bias", [-50.0, 50.0])
def test_the_scaled_tanh_ends_where_it_should(kind, low, high, bias):
    architecture = NetworkArchitecture(kind=kind, channels=(4, 6, 8))
    network = fill_by_formula(build_style_network(architecture))
    nn.init.constant_(network.to_rgb.bias, bias)
    end = torch.tensor(high if bias > 0 else low)
    output = network(random_batch(1, 48, 48))
    torch.testing.assert_close(output, end.expand_as(output), atol=1e-5, rtol=0)


# Properties


@settings(max_examples=15)
@given(st.integers(1, 2), st.integers(16, 41), st.integers(16, 41))
def test_our_network_keeps_any_size_from_sixteen(num_pictures, height, width):
    output = small_network()(random_batch(num_pictures, height, width))
    assert output.shape == (num_pictures, 3, height, width)
    assert torch.isfinite(output).all()
    assert output.min() >= -0.1 - 1e-6
    assert output.max() <= 1.1 + 1e-6


@settings(max_examples=6)
@given(st.integers(11, 14), st.integers(11, 14))
def test_the_papers_network_keeps_any_size_that_divides_by_four(rows, columns):
    output = small_network("paper")(random_batch(1, 4 * rows, 4 * columns))
    assert output.shape == (1, 3, 4 * rows, 4 * columns)
    assert output.min() >= 0
    assert output.max() <= 1


def test_a_picture_does_not_see_its_batch():
    pictures = random_batch(3, 20, 23)
    network = small_network().train()
    together = network(pictures)
    for index in range(3):
        alone = network(pictures[index : index + 1])[0]
        torch.testing.assert_close(together[index], alone, atol=1e-4, rtol=1e-4)


def test_with_batch_norm_a_picture_sees_its_batch_while_training():
    pictures = random_batch(2, 44, 44)
    network = small_network("paper").train()
    assert (network(pictures)[0] - network(pictures[:1])[0]).abs().max() > 1e-3
    network.eval()
    torch.testing.assert_close(network(pictures)[0], network(pictures[:1])[0])


def test_training_and_evaluation_are_the_same_with_instance_norm():
    pictures, network = random_batch(1, 20, 20), small_network()
    expected = network.train()(pictures)
    assert torch.equal(network.eval()(pictures), expected)


@pytest.mark.parametrize("channels", [(1, 1, 1), (5, 3, 7), (8, 16, 32)])
@pytest.mark.parametrize("num_residual_blocks", [0, 1, 3])
def test_width_and_number_of_blocks_are_free(channels, num_residual_blocks):
    architecture = NetworkArchitecture(channels=channels, num_residual_blocks=num_residual_blocks)
    network = build_style_network(architecture)
    assert network.architecture == architecture
    assert len(network.residual_blocks) == num_residual_blocks
    assert network(random_batch(1, 17, 16)).shape == (1, 3, 17, 16)


def test_the_architecture_decides_the_network():
    assert isinstance(build_style_network(NetworkArchitecture()), StyleTransferNetwork)
    assert isinstance(build_style_network(PAPER), PaperStyleTransferNetwork)
    assert PaperStyleTransferNetwork().architecture == PAPER
    assert StyleTransferNetwork().architecture == NetworkArchitecture()


def test_the_same_seed_builds_the_same_network():
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        states.append(StyleTransferNetwork().state_dict())
    same, other = ([torch.equal(states[0][n], state[n]) for n in state] for state in states[1:])
    assert all(same)
    assert not all(other)


def test_bfloat16_is_close_to_float32():
    network, pictures = small_network(), cat_crop()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = network(pictures)
    assert (output.float() - network(pictures)).abs().mean() < 0.02


# Gradient


@pytest.mark.parametrize("kind", ["default", "paper"])
def test_the_gradient_reaches_every_parameter(kind):
    torch.manual_seed(1)
    network = build_style_network(NetworkArchitecture(kind=kind, channels=(4, 6, 8))).double()
    pictures = random_pictures(2, 44, 44).requires_grad_()
    network(pictures).square().sum().backward()
    # A shift that is the same everywhere changes nothing where a norm follows, be it in front of
    # the norm or, with reflection around it, further up: there the gradient is mere rounding.
    shifts = r"convolution\d?\.bias|norm2\.bias" if kind == "default" else r"convolution\d?\.bias"
    reached = {
        name
        for name, parameter in network.named_parameters()
        if parameter.grad.abs().sum() > 1e-9 or re.search(shifts, name)
    }
    assert reached == {name for name, _ in network.named_parameters()}
    assert pictures.grad.abs().sum() > 0


def test_the_gradient_of_a_weight_is_its_difference_quotient():
    torch.manual_seed(1)
    architecture = NetworkArchitecture(channels=(2, 2, 2), num_residual_blocks=1)
    network = build_style_network(architecture).double()
    pictures = random_pictures(1, 16, 16)
    assert torch.autograd.gradcheck(
        lambda weight, bias: torch.func.functional_call(
            network, {"to_rgb.bias": bias, "residual_blocks.0.norm2.weight": weight}, (pictures,)
        ).mean(),
        (network.residual_blocks[0].norm2.weight, network.to_rgb.bias),
    )


# Shapes as the annotations have them


@pytest.mark.parametrize("kind", ["default", "paper"])
def test_annotated_shapes_hold(kind):
    network, pictures = small_network(kind), random_batch(2, 44, 48)
    forward = jaxtyped(typechecker=beartype.beartype)(type(network).forward)
    assert forward(network, pictures).shape == pictures.shape
    with pytest.raises(TypeCheckError):
        forward(network, pictures[0])
    with pytest.raises(TypeCheckError):
        forward(network, pictures[:, :2])


# Errors


@pytest.mark.parametrize(("height", "width"), [(15, 40), (40, 15), (1, 1)])
def test_our_network_refuses_pictures_below_sixteen(height, width):
    said = f"given {width}×{height}; expected height and width of at least 16: enlarge or pad"
    with pytest.raises(PictureError, match=said):
        small_network()(random_batch(1, height, width))


@pytest.mark.parametrize(("height", "width"), [(45, 48), (48, 50), (40, 40), (36, 48)])
def test_the_papers_network_refuses_sizes_that_do_not_divide_by_four(height, width):
    said = f"given {width}×{height}; expected height and width above 40 that divide by 4"
    with pytest.raises(PictureError, match=said):
        small_network("paper")(random_batch(1, height, width))


@pytest.mark.parametrize("kind", ["default", "paper"])
@pytest.mark.parametrize(
    ("pictures", "said"),
    [
        (torch.rand(3, 48, 48), "pictures have 3 dimensions .* expected N×C×H×W"),
        (torch.rand(1, 48, 48, 3), "pictures have 48 channels .* expected N×3×H×W"),
        (torch.zeros(1, 3, 48, 48, dtype=torch.uint8), "torch.uint8; expected a float type"),
        (torch.rand(0, 3, 48, 48), "pictures are empty"),
    ],
)
def test_what_is_no_picture_is_refused(kind, pictures, said):
    with pytest.raises(PictureError, match=said):
        small_network(kind)(pictures)


# Golden values


@pytest.mark.parametrize("kind", ["default", "paper"])
def test_outputs_are_as_recorded(kind):
    architecture = NetworkArchitecture(kind=kind, channels=(8, 16, 16))
    with torch.no_grad():
        output = fill_by_formula(build_style_network(architecture))(cat_crop())
    recorded = json.loads((GOLDEN / "network_outputs.json").read_text())[kind]
    ours = {
        "mean": float(output.mean()),
        "std": float(output.std()),
        "corner": float(output[0, 0, 0, 0]),
        "middle": float(output[0, 1, 32, 31]),
    }
    assert ours == pytest.approx(recorded, abs=1e-3)
