import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from impasto.optimization.lbfgs import Lbfgs
from impasto.optimization.minimizer import Bounds

BOUNDS = Bounds(0.0, 1.0)


def function_of(value):
    """Value and gradient of a scalar function, by autograd in float64."""

    def evaluate(point):
        point = point.detach().requires_grad_()
        result = value(point)
        (gradient,) = torch.autograd.grad(result, point)
        return float(result.detach()), gradient

    return evaluate


def bowl(centre, widths):
    centre, widths = (torch.tensor(numbers, dtype=torch.float64) for numbers in (centre, widths))
    return function_of(lambda x: (widths * (x - centre) ** 2).sum())


def rosenbrock(point):
    return (100 * (point[1:] - point[:-1] ** 2) ** 2 + (1 - point[:-1]) ** 2).sum()


def begun(evaluate, start, *, bounds=BOUNDS, history_size=10, max_evaluations=200):
    return Lbfgs(
        evaluate, start, bounds=bounds, history_size=history_size, max_evaluations=max_evaluations
    )


def minimised(evaluate, start, *, num_evaluations=200, bounds=BOUNDS):
    minimizer = begun(evaluate, start, bounds=bounds, max_evaluations=num_evaluations)
    while minimizer.num_evaluations < num_evaluations:
        if not minimizer.step():
            break
    return minimizer


def test_the_bottom_of_a_bowl_is_found():
    minimizer = minimised(
        bowl([0.25, 0.75], [1.0, 50.0]), torch.full((2,), 0.9, dtype=torch.float64)
    )
    assert torch.allclose(
        minimizer.best, torch.tensor([0.25, 0.75], dtype=torch.float64), atol=1e-6
    )


def test_entries_whose_bottom_is_out_of_bounds_end_at_the_bound():
    # Each entry by itself: bottoms at -1, 0.5 and 3 within [0, 1] are 0, 0.5 and 1.
    minimizer = minimised(bowl([-1.0, 0.5, 3.0], [1.0, 20.0, 1.0]), torch.full((3,), 0.5).double())
    assert torch.allclose(minimizer.best, torch.tensor([0.0, 0.5, 1.0]).double(), atol=1e-6)


def test_a_curved_valley_ends_where_scipys_bounded_search_ends():
    bounds = Bounds(-2.0, 0.8)
    start = torch.full((6,), -1.0, dtype=torch.float64)
    evaluate = function_of(rosenbrock)
    minimizer = minimised(evaluate, start, num_evaluations=500, bounds=bounds)

    def for_scipy(x):
        value, gradient = evaluate(torch.from_numpy(x))
        return value, gradient.numpy()

    other = minimize(
        for_scipy, start.numpy(), jac=True, method="L-BFGS-B", bounds=[(-2.0, 0.8)] * 6
    )
    assert minimizer.value == pytest.approx(other.fun, rel=1e-4)
    assert np.allclose(minimizer.best.numpy(), other.x, atol=1e-2)


@hypothesis_settings(max_examples=30)
@given(seed=st.integers(0, 2**31))
def test_value_never_rises_and_no_entry_leaves_the_bounds(seed):
    chance = torch.Generator().manual_seed(seed)
    matrix = torch.randn(8, 8, generator=chance, dtype=torch.float64)
    evaluate = function_of(lambda x: (matrix @ (x - 0.4)).square().sum() + torch.sin(9 * x).sum())
    start = 2 * torch.rand(8, generator=chance).double() - 0.5
    minimizer = begun(evaluate, start, history_size=5, max_evaluations=40)
    while minimizer.num_evaluations < 40:
        before = minimizer.value
        has_moved = minimizer.step()
        assert minimizer.value <= before
        assert 0 <= minimizer.best.min() <= minimizer.best.max() <= 1
        assert evaluate(minimizer.best)[0] == minimizer.value
        if not has_moved:
            break
    assert minimizer.num_evaluations <= 40


def test_only_as_many_pairs_are_kept_as_asked_for():
    evaluate = function_of(rosenbrock)
    minimizer = begun(evaluate, torch.zeros(5, dtype=torch.float64), history_size=3)
    for _ in range(9):
        minimizer.step()
    assert len(minimizer.pairs.steps) == len(minimizer.pairs.changes) == 3


def test_at_the_bottom_it_says_that_there_is_nothing_to_do():
    evaluate = bowl([0.5], [1.0])
    minimizer = begun(evaluate, torch.tensor([0.5]).double())
    assert not minimizer.step()
    assert float(minimizer.best) == 0.5


def test_a_point_where_the_function_is_not_finite_is_avoided():
    # The logarithm ends at 0.3, on the way from 0.9 to the bottom of the bowl at 0.
    evaluate = function_of(lambda x: (x**2 - 0.01 * torch.log(x - 0.3)).sum())

    def or_infinity(point):
        value, gradient = evaluate(point)
        return (value, gradient) if value == value else (float("inf"), torch.zeros_like(gradient))

    minimizer = minimised(or_infinity, torch.tensor([0.9]).double())
    assert 0.3 < float(minimizer.best) < 0.4
