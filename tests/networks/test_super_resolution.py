import numpy as np
import pytest
import torch
import torch.nn.functional as F

from impasto.errors import PictureError
from impasto.images.resize import imresize
from impasto.networks.architecture import (
    PaperSuperResolutionArchitecture,
    SrcnnArchitecture,
    SubpixelArchitecture,
)
from impasto.networks.super_resolution import (
    LUMA_WEIGHTS,
    BicubicEnlargement,
    build_super_resolution_network,
)

ARCHITECTURES = {
    "subpixel": SubpixelArchitecture(scale=4, channels=8, num_residual_blocks=2),
    "paper": PaperSuperResolutionArchitecture(scale=4, channels=8, num_residual_blocks=1),
    "srcnn": SrcnnArchitecture(scale=4, channels=(8, 4)),
}


def pictures(height=9, width=12, seed=0):
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("size", [(4, 4), (9, 12), (31, 5)])
def test_bicubic_enlargement_is_matlabs_up_to_the_border(scale, size):
    height, width = size
    given = pictures(height, width)
    found = BicubicEnlargement(scale)(given)[0].permute(1, 2, 0).numpy()
    expected = imresize(
        given[0].permute(1, 2, 0).contiguous().numpy(), width=width * scale, height=height * scale
    )
    assert np.abs(found - expected).max() < 2e-6


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_networks_enlarge_by_their_scale_whatever_the_size(architecture, scale):
    network = build_super_resolution_network(architecture.model_copy(update={"scale": scale}))
    for height, width in ((4, 5), (9, 12)):
        result = network.eval()(pictures(height, width))
        assert result.shape == (2, 3, height * scale, width * scale)


def test_untrained_subpixel_network_is_bicubic():
    network = build_super_resolution_network(ARCHITECTURES["subpixel"])
    assert torch.equal(network(pictures()), BicubicEnlargement(4)(pictures()))


def test_papers_network_has_the_papers_layers():
    # 9×9×64, 4 blocks of two 3×3×64, two of stride 1/2, 9×9×3; each but the last with batch norm.
    network = build_super_resolution_network(PaperSuperResolutionArchitecture(scale=4))
    shapes = [tuple(p.shape) for name, p in network.named_parameters() if "convolution" in name]
    kernels = [shape for shape in shapes if len(shape) == 4]
    assert kernels == [(64, 3, 9, 9), *[(64, 64, 3, 3)] * 10]
    assert network.to_rgb.weight.shape == (3, 64, 9, 9)
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(norms) == 1 + 8 + 2
    doublings = [m for m in network.modules() if isinstance(m, torch.nn.ConvTranspose2d)]
    assert len(doublings) == 2


@pytest.mark.parametrize(
    ("kernel_sizes", "num_parameters"),
    # 81·64 + 64 + k²·64·32 + 32 + 25·32 + 1
    [((9, 1, 5), 8129), ((9, 5, 5), 57281)],
)
def test_srcnn_has_the_papers_number_of_parameters(kernel_sizes, num_parameters):
    network = build_super_resolution_network(SrcnnArchitecture(scale=4, kernel_sizes=kernel_sizes))
    assert sum(parameter.numel() for parameter in network.parameters()) == num_parameters


def test_srcnn_leaves_the_chroma_of_the_bicubic_enlargement():
    network = build_super_resolution_network(ARCHITECTURES["srcnn"])
    given = pictures()
    change = network(given) - BicubicEnlargement(4)(given)
    assert change.abs().max() > 1e-3
    assert (change - change.mean(dim=1, keepdim=True)).abs().max() < 1e-5
    assert sum(LUMA_WEIGHTS) == pytest.approx(1)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_papers_network_can_start_as_an_enlargement(scale):
    network = build_super_resolution_network(
        PaperSuperResolutionArchitecture(scale=scale, channels=12, num_residual_blocks=2)
    )
    network.start_as_enlargement()
    given = F.interpolate(pictures(6, 6), size=24, mode="bicubic").clamp(0, 1)
    inner = slice(2 * scale, -2 * scale)  # zeros, not the picture, go on past the border
    found = network(given)[..., inner, inner]
    bicubic = BicubicEnlargement(scale)(given)[..., inner, inner]
    linear = F.interpolate(given, scale_factor=scale, mode="bilinear")
    moved = linear.roll((1, 1), (2, 3))[..., inner, inner]
    assert (found - bicubic).abs().mean() < 0.02
    assert (found - linear[..., inner, inner]).abs().mean() < (found - moved).abs().mean()


def test_batch_norm_of_a_start_as_an_enlargement_keeps_its_statistics():
    network = build_super_resolution_network(
        PaperSuperResolutionArchitecture(scale=2, channels=9, num_residual_blocks=1)
    )
    network.start_as_enlargement()
    before = {name: b.clone() for name, b in network.named_buffers()}
    trained = network.train()(pictures())
    assert all(torch.equal(b, before[name]) for name, b in network.named_buffers())
    assert torch.equal(trained, network.eval()(pictures()))
    assert all(p.requires_grad for p in network.parameters())


def test_papers_output_is_a_picture():
    result = build_super_resolution_network(ARCHITECTURES["paper"])(pictures())
    assert 0 <= result.min() < result.max() <= 1


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_what_is_too_small_is_refused(architecture):
    network = build_super_resolution_network(architecture)
    with pytest.raises(PictureError, match="given 3×8; expected height and width of at least 4"):
        network(torch.rand(1, 3, 8, 3))
