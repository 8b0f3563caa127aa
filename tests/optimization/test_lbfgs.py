import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from impasto.optimization.lbfgs import LbfgsState, advance, begin
from impasto.optimization.quadratic_model import Bounds

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


def minimised(evaluate, start, *, num_evaluations=200, bounds=BOUNDS):
    state = begin(evaluate, start, bounds=bounds)
    while state.num_evaluations < num_evaluations:
        if not advance(state, evaluate, bounds=bounds, history_size=10, budget=num_evaluations):
            break
    return state


def test_the_bottom_of_a_bowl_is_found():
    state = minimised(bowl([0.25, 0.75], [1.0, 50.0]), torch.full((2,), 0.9, dtype=torch.float64))
    assert torch.allclose(state.point, torch.tensor([0.25, 0.75], dtype=torch.float64), atol=1e-6)


def test_entries_whose_bottom_is_out_of_bounds_end_at_the_bound():
    # Each entry by itself: bottoms at -1, 0.5 and 3 within [0, 1] are 0, 0.5 and 1.
    state = minimised(bowl([-1.0, 0.5, 3.0], [1.0, 20.0, 1.0]), torch.full((3,), 0.5).double())
    assert torch.allclose(state.point, torch.tensor([0.0, 0.5, 1.0]).double(), atol=1e-6)


def test_curved_valley_is_left_where_scipys_bounded_search_leaves_it():
    bounds = Bounds(-2.0, 0.8)
    start = torch.full((6,), -1.0, dtype=torch.float64)
    evaluate = function_of(rosenbrock)
    state = minimised(evaluate, start, num_evaluations=500, bounds=bounds)

    def as_scipy_asks(x):
        value, gradient = evaluate(torch.from_numpy(x))
        return value, gradient.numpy()

    other = minimize(
        as_scipy_asks, start.numpy(), jac=True, method="L-BFGS-B", bounds=[(-2.0, 0.8)] * 6
    )
    assert state.value == pytest.approx(other.fun, rel=1e-4)
    assert np.allclose(state.point.numpy(), other.x, atol=1e-2)


@hypothesis_settings(max_examples=30)
@given(seed=st.integers(0, 2**31))
def test_value_never_rises_and_no_entry_leaves_the_bounds(seed):
    chance = torch.Generator().manual_seed(seed)
    matrix = torch.randn(8, 8, generator=chance, dtype=torch.float64)
    evaluate = function_of(lambda x: (matrix @ (x - 0.4)).square().sum() + torch.sin(9 * x).sum())
    state = begin(evaluate, 2 * torch.rand(8, generator=chance).double() - 0.5, bounds=BOUNDS)
    while state.num_evaluations < 40:
        before = state.value
        worth_it = advance(state, evaluate, bounds=BOUNDS, history_size=5, budget=40)
        assert state.value <= before
        assert 0 <= state.point.min() <= state.point.max() <= 1
        assert evaluate(state.point)[0] == state.value
        if not worth_it:
            break
    assert state.num_evaluations <= 40


def test_only_as_many_pairs_are_kept_as_asked_for():
    evaluate = function_of(rosenbrock)
    state = begin(evaluate, torch.zeros(5, dtype=torch.float64), bounds=BOUNDS)
    for _ in range(9):
        advance(state, evaluate, bounds=BOUNDS, history_size=3, budget=100)
    assert len(state.pairs.steps) == len(state.pairs.changes) == 3


def test_at_the_bottom_it_says_that_there_is_nothing_to_do():
    evaluate = bowl([0.5], [1.0])
    state = begin(evaluate, torch.tensor([0.5]).double(), bounds=BOUNDS)
    assert not advance(state, evaluate, bounds=BOUNDS, history_size=5, budget=100)
    assert isinstance(state, LbfgsState)


def test_a_place_where_the_function_is_not_finite_is_not_gone_to():
    # The logarithm ends at 0.3, on the way from 0.9 to the bottom of the bowl at 0.
    evaluate = function_of(lambda x: (x**2 - 0.01 * torch.log(x - 0.3)).sum())

    def or_infinity(point):
        value, gradient = evaluate(point)
        return (value, gradient) if value == value else (float("inf"), torch.zeros_like(gradient))

    state = minimised(or_infinity, torch.tensor([0.9]).double())
    assert 0.3 < float(state.point) < 0.4
