"""The network for any painting: constants, colours and sizes."""

import pytest
import torch

from impasto.errors import PictureError
from impasto.networks.any_painting import (
    AnyPaintingNetwork,
    StyledNetwork,
    StyleEncoder,
    colour_numbers,
)
from impasto.networks.architecture import AnyPaintingArchitecture

HALF = AnyPaintingArchitecture(
    channels=(4, 8),
    num_residual_blocks=1,
    style_size=6,
    encoder_channels=(4, 4, 8, 8, 8),
    hidden_size=12,
)
FULL = HALF.model_copy(update={"channels": (4, 4, 8)})


def pictures(num=2, height=64, width=80, *, seed=0):
    return torch.rand(num, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=[HALF, FULL], ids=["half", "full"])
def network(request):
    torch.manual_seed(1)
    return AnyPaintingNetwork(request.param).eval()


@torch.no_grad()
def test_a_fixed_style_is_the_style_of_its_constants(network):
    photographs, paintings = pictures(), pictures(seed=1) * 0.5
    stylized, deviations = network(photographs, paintings)
    assert stylized.shape == photographs.shape
    assert deviations.shape == (2, 960)
    for index, constants in enumerate(network.constants(network.encode(paintings))):
        fixed = StyledNetwork(network.architecture)
        fixed.load_state_dict(network.transformation.state_dict())
        fixed.set_style(constants)
        assert torch.equal(fixed.style_constants(), constants)
        alone = fixed.eval()(photographs[index : index + 1])
        torch.testing.assert_close(alone, stylized[index : index + 1], atol=1e-5, rtol=0)


@torch.no_grad()
def test_pictures_have_the_mean_colour_of_their_painting(network):
    shades = torch.tensor([[0.2, 0.4, 0.6], [0.6, 0.5, 0.3]])[:, :, None, None]
    paintings = shades + 0.1 * (pictures(seed=1) - 0.5)
    stylized, _ = network(pictures(height=64, width=64), paintings)
    torch.testing.assert_close(
        stylized.mean(dim=(2, 3)), paintings.mean(dim=(2, 3)), atol=0.03, rtol=0
    )


@torch.no_grad()
def test_constants_are_affine_in_the_vector(network):
    first, second = network.encode(pictures(seed=1))
    mixed = network.constants((0.3 * first + 0.7 * second)[None])
    pure = network.constants(torch.stack([first, second]))
    torch.testing.assert_close(mixed[0], 0.3 * pure[0] + 0.7 * pure[1], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_several_photographs_share_a_painting(network):
    photographs, painting = pictures(num=3), pictures(num=1, seed=1)
    together, _ = network(photographs, painting)
    alone, _ = network(photographs[2:], painting)
    torch.testing.assert_close(together[2:], alone, atol=1e-5, rtol=0)


def test_colour_numbers_are_mean_and_root_of_covariance():
    painting = pictures(num=1, seed=3)
    numbers = colour_numbers(painting)[0]
    pixels = painting[0].flatten(1)
    torch.testing.assert_close(numbers[:3], pixels.mean(dim=1))
    root = numbers[3:].view(3, 3)
    covariance = torch.cov(pixels, correction=0) + 1e-5 * torch.eye(3)
    torch.testing.assert_close(root @ root, covariance, atol=1e-5, rtol=1e-4)
    assert torch.equal(root, root.T) or torch.allclose(root, root.T, atol=1e-6)


def test_a_painting_of_one_colour_has_finite_numbers():
    assert bool(torch.isfinite(colour_numbers(torch.full((1, 3, 16, 16), 0.25))).all())


def test_every_size_of_painting_gives_a_vector():
    encoder = StyleEncoder(HALF).eval()
    for height, width in ((64, 64), (67, 90), (200, 64)):
        assert encoder(pictures(1, height, width)).shape == (1, 6)


@pytest.mark.parametrize(("height", "width"), [(30, 32), (32, 33), (12, 32)])
def test_sizes_that_do_not_fit_are_refused(network, height, width):
    with pytest.raises(PictureError, match=f"{width}×{height}.*divide by 4"):
        network.transformation(pictures(1, height, width))


def test_the_encoder_learns_through_the_constants(network):
    stylized, _ = network(pictures(), pictures(seed=1))
    stylized.square().mean().backward()
    gradient = network.encoder.to_vector.weight.grad
    assert gradient is not None
    assert float(gradient.abs().max()) > 0
