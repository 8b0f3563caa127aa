import pytest
import torch
from torch import nn

from impasto.reproduction.cost import multiply_adds, receptive_field
from impasto.reproduction.variants import VARIANTS


class Plain(nn.Module):
    """A 5×5 convolution of stride 2, a transposed one of 3×3, and a 3×3 one to colours."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 5, stride=2, padding=2)
        self.second = nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1)
        self.to_rgb = nn.Conv2d(2, 3, 3, padding=1)

    def forward(self, pictures):
        return self.to_rgb(self.second(self.first(pictures)))


def test_multiply_adds_are_weights_times_places():
    # At 8×8: 3·4·25 weights at 4·4 places, 4·2·9 at the 4·4 of its input, 2·3·9 at 8·8.
    assert multiply_adds(Plain(), 8) == 300 * 16 + 72 * 16 + 54 * 64


def test_the_receptive_field_is_that_of_the_worst_placed_pixel():
    # Three neighbours meet at most two places of the small picture (3 pixels are 2 steps of the
    # transposed convolution, whose odd places read two of them), which are 2 pixels apart and see
    # 5: from 3 places 2·2 + 5.
    assert receptive_field(Plain()) == 9


def test_the_flat_network_sees_as_much_as_its_kernels_add_up_to():
    # 9×9 at both ends, and 14 kernels of 3×3 between: 1 + 2·8 + 14·2.
    assert receptive_field(VARIANTS["no downsampling"]((1, 1, 1))) == 45


def test_downsampling_saves_work_and_sees_more():
    channels = (4, 8, 16)
    default, flat = (VARIANTS[name](channels) for name in ("default", "no downsampling"))
    assert multiply_adds(flat, 64) > 5 * multiply_adds(default, 64)
    assert receptive_field(default) > 2 * receptive_field(flat)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_makes_pictures_of_the_same_size(name):
    torch.manual_seed(0)
    pictures = torch.rand(1, 3, 48, 64)
    with torch.no_grad():
        outputs = VARIANTS[name]((2, 2, 4)).eval()(pictures)
    assert outputs.shape == pictures.shape
    assert outputs.min() > -0.11
    assert outputs.max() < 1.11


def test_residual_connections_are_all_that_a_variant_loses():
    default, plain = (VARIANTS[name]((2, 2, 4)) for name in ("default", "no residual connections"))
    counts = [sum(p.numel() for p in network.parameters()) for network in (default, plain)]
    assert counts[0] == counts[1]
    assert multiply_adds(default, 32) == multiply_adds(plain, 32)
