import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from impasto.training.loss_window import cut, loss_window


def window(size=128, margin=32, seed=0, position=0):
    return loss_window(size, size, margin=margin, seed=seed, position=position)


def test_without_a_margin_everything_is_judged():
    assert window(margin=0) == (slice(0, 128), slice(0, 128))


@given(
    height=st.integers(16, 300),
    width=st.integers(16, 300),
    margin=st.integers(0, 64),
    position=st.integers(0, 10**9),
)
def test_window_lies_within_and_leaves_out_the_margin_or_a_quarter(height, width, margin, position):
    spans = loss_window(height, width, margin=margin, seed=1, position=position)
    for span, size in zip(spans, (height, width), strict=True):
        assert 0 <= span.start < span.stop <= size
        assert size - (span.stop - span.start) == min(margin, size // 4)


def test_place_depends_on_seed_and_position_and_on_nothing_else():
    assert window(position=7) == window(position=7)
    assert window(position=7) != window(position=8)
    assert window(seed=1) != window(seed=2)


def test_every_place_is_as_likely_as_any_other():
    # 33 places, 3300 draws: each about 100 times, and by more than 5 deviations of 10 in none.
    starts = [window(position=position)[0].start for position in range(3300)]
    counts = np.bincount(starts, minlength=33)
    assert len(counts) == 33
    assert abs(counts - 100).max() < 50


def test_index_tensors_cut_what_slices_cut():
    pictures = torch.rand(2, 3, 20, 24, requires_grad=True)
    slices = loss_window(20, 24, margin=5, seed=0, position=3)
    indices = tuple(torch.arange(one.start, one.stop) for one in slices)
    gradients = []
    for span in (slices, indices):
        window = cut(pictures, span)
        assert torch.equal(window, pictures[:, :, slices[0], slices[1]])
        gradients += torch.autograd.grad(window.square().sum(), pictures)
    assert torch.equal(*gradients)
