import numpy as np
import pytest
import torch

from impasto.optimization.minimizer import Bounds
from impasto.optimization.quadratic_model import Pairs, QuadraticModel

WIDE = Bounds(-100.0, 100.0)
UNIT = Bounds(0.0, 1.0)


def pairs_of_a_bowl(num_entries, num_pairs, *, seed=0, max_pairs=50):
    """Steps in a convex quadratic function and what its gradient changes by."""
    chance = torch.Generator().manual_seed(seed)
    root = torch.randn(num_entries, num_entries, generator=chance, dtype=torch.float64)
    hessian = root @ root.T + torch.eye(num_entries, dtype=torch.float64)
    pairs = Pairs()
    for _ in range(num_pairs):
        step = torch.randn(num_entries, generator=chance, dtype=torch.float64)
        pairs.add(step, hessian @ step, max_pairs=max_pairs)
    gradient = torch.randn(num_entries, generator=chance, dtype=torch.float64)
    return pairs, gradient, hessian


def hessian_by_updates(pairs):
    """The BFGS update, one pair after the other, as textbooks have it."""
    step, change = pairs.steps[-1], pairs.changes[-1]
    hessian = torch.eye(len(step), dtype=torch.float64) * (change @ change) / (step @ change)
    for step, change in zip(pairs.steps, pairs.changes, strict=True):
        along = hessian @ step
        hessian = hessian - torch.outer(along, along) / (step @ along)
        hessian = hessian + torch.outer(change, change) / (step @ change)
    return hessian


def test_without_bounds_in_the_way_the_step_is_newtons_with_the_updated_hessian():
    pairs, gradient, _ = pairs_of_a_bowl(7, 4)
    step = QuadraticModel(pairs, gradient).minimum(torch.zeros(7).double(), WIDE)
    expected = -torch.linalg.solve(hessian_by_updates(pairs), gradient)
    assert torch.allclose(step, expected, rtol=1e-8)


def test_with_a_pair_for_each_entry_the_bottom_of_the_bowl_is_reached():
    pairs, gradient, hessian = pairs_of_a_bowl(4, 40)
    step = QuadraticModel(pairs, gradient).minimum(torch.zeros(4).double(), WIDE)
    assert torch.allclose(hessian @ step, -gradient, atol=0.02)


def test_what_a_bound_holds_stays_and_the_rest_is_solved_for():
    pairs, gradient, _ = pairs_of_a_bowl(8, 5, seed=3)
    gradient[:3] = gradient[:3].abs()
    point = torch.tensor([0.0, 0.0, 0.0, 50, 50, 50, 50, 50]).double()
    step = QuadraticModel(pairs, gradient).minimum(point, Bounds(0.0, 100.0))
    assert step[:3].tolist() == [0, 0, 0]
    inner = hessian_by_updates(pairs)[3:, 3:]
    assert torch.allclose(step[3:], -torch.linalg.solve(inner, gradient[3:]), rtol=1e-8)


def test_what_would_leave_goes_to_its_bound_and_the_rest_takes_that_into_account():
    pairs, gradient, _ = pairs_of_a_bowl(6, 3, seed=1)
    point = torch.full((6,), 0.5).double()
    hessian = hessian_by_updates(pairs)
    first = -torch.linalg.solve(hessian, gradient)
    factor = 0.5 / first.abs().sort().values[3]  # the three longest entries leave
    gradient, first = gradient * factor * 1.01, first * factor * 1.01
    out = first.abs() > 0.5
    assert 0 < int(out.sum()) < 6
    step = QuadraticModel(pairs, gradient).minimum(point, UNIT)
    moved = first[out].clamp(-0.5, 0.5)
    assert torch.allclose(step[out], moved)
    stays = ~out
    right = -(gradient[stays] + hessian[stays][:, out] @ moved)
    assert torch.allclose(step[stays], torch.linalg.solve(hessian[stays][:, stays], right))


def test_only_the_newest_pairs_are_kept_and_their_products_with_them():
    many, gradient, _ = pairs_of_a_bowl(5, 9, max_pairs=3)
    assert len(many.steps) == len(many.changes) == 3
    again = Pairs.of(many.steps, many.changes, max_pairs=3)
    assert torch.equal(many.products, again.products)
    stacked = many.table
    assert np.allclose(many.products, stacked @ stacked.T)
    point = torch.zeros(5).double()
    steps = [QuadraticModel(pairs, gradient).minimum(point, WIDE) for pairs in (many, again)]
    assert torch.equal(*steps)


def test_forgotten_pairs_leave_nothing():
    pairs, _, _ = pairs_of_a_bowl(5, 3)
    assert pairs
    pairs.clear()
    assert not pairs
    assert pairs.products.numel() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_step_has_the_type_and_shape_of_the_gradient(dtype):
    pairs = Pairs()
    pairs.add(torch.rand(1, 3, 4, 4).to(dtype), torch.rand(1, 3, 4, 4).to(dtype), max_pairs=5)
    gradient = torch.rand(1, 3, 4, 4).to(dtype)
    step = QuadraticModel(pairs, gradient).minimum(torch.zeros_like(gradient), WIDE)
    assert (step.dtype, step.shape) == (dtype, gradient.shape)
