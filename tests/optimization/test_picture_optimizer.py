import pytest
import torch

from impasto.errors import NotFiniteError, PictureError, SettingError
from impasto.losses.perceptual import pixel_loss, total_variation_loss
from impasto.losses.style_objective import LossTerms
from impasto.optimization.picture_optimizer import (
    OptimizationSettings,
    PictureOptimizer,
    levels_of,
    optimize_picture,
    resized,
    white_noise,
)

METHODS = ("lbfgs", "adam")


def picture(height=12, width=10, seed=3):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def towards(target):
    """An objective: the pixels of a target, and a little smoothness."""

    def objective(pictures):
        terms = {
            "pixels": pixel_loss(pictures, target),
            "total_variation": 1e-4 * total_variation_loss(pictures, reduction="mean"),
        }
        return LossTerms(torch.stack(list(terms.values())).sum(), terms, terms)

    return objective


def settings(**changes):
    return OptimizationSettings(**({"num_iterations": 60} | changes))


@pytest.mark.parametrize("method", METHODS)
def test_a_picture_is_recovered_from_noise(method):
    target = picture()
    rate = {"learning_rate": 0.05} if method == "adam" else {}
    result = optimize_picture(
        lambda _: towards(target),
        [(12, 10)],
        white_noise(12, 10, seed=0),
        settings(method=method, **rate),
    )
    assert (result - target).abs().mean() < 0.01


@pytest.mark.parametrize("method", METHODS)
def test_iterations_are_counted_by_evaluations(method):
    target, count = picture(), 0

    def counting(pictures):
        nonlocal count
        count += 1
        return towards(target)(pictures)

    optimizer = PictureOptimizer(counting, white_noise(12, 10, seed=0), settings(method=method))
    while not optimizer.is_done:
        optimizer.step()
        assert optimizer.num_iterations == count
    assert count <= 60


@pytest.mark.parametrize("method", METHODS)
def test_going_on_from_what_was_kept_changes_nothing(method):
    def fresh():
        return PictureOptimizer(
            towards(picture()), white_noise(12, 10, seed=0), settings(method=method)
        )

    unbroken, first, second = fresh(), fresh(), fresh()
    for _ in range(12):
        unbroken.step()
    for _ in range(5):
        first.step()
    second.restore(first.state())
    for _ in range(7):
        second.step()
    assert torch.equal(unbroken.picture, second.picture)
    assert unbroken.num_iterations == second.num_iterations


def test_the_best_of_adams_pictures_is_kept():
    # A step of 1 is so long that most pictures on the way are worse than the first.
    target = picture()
    optimizer = PictureOptimizer(
        towards(target), target * 0.9, settings(method="adam", learning_rate=1.0)
    )
    values = [optimizer.value]
    for _ in range(10):
        optimizer.step()
        values.append(optimizer.value)
    assert values == sorted(values, reverse=True)
    assert float(towards(target)(optimizer.picture).total) == pytest.approx(optimizer.value)


def test_large_pictures_begin_small():
    assert levels_of(600, 1000, smallest=256) == [(150, 250), (300, 500), (600, 1000)]
    assert levels_of(200, 256) == [(200, 256)]


def test_each_size_begins_with_what_the_one_before_ended_with():
    target, seen = picture(32, 24), []

    def watch(progress):
        seen.append((progress.level, progress.picture.shape[2:], progress.value))

    def objective_at(size):
        return towards(resized(target, size))

    result = optimize_picture(
        objective_at,
        [(16, 12), (32, 24)],
        white_noise(16, 12, seed=0),
        settings(),
        on_progress=watch,
    )
    assert result.shape == (1, 3, 32, 24)
    shapes = {level: tuple(shape) for level, shape, _ in seen}
    assert shapes == {0: (16, 12), 1: (32, 24)}
    first_of_second = next(value for level, _, value in seen if level == 1)
    from_noise = float(towards(target)(white_noise(32, 24, seed=0)).total)
    assert first_of_second < from_noise / 2


def test_several_pictures_are_refused():
    with pytest.raises(PictureError, match="the start has 2 pictures; expected one"):
        PictureOptimizer(towards(picture()), torch.rand(2, 3, 8, 8), settings())


def test_what_was_kept_of_another_size_is_refused():
    small = PictureOptimizer(towards(picture(8, 8)), picture(8, 8), settings())
    large = PictureOptimizer(towards(picture()), picture(), settings())
    with pytest.raises(PictureError, match="of another size; begin anew"):
        large.restore(small.state())


def test_an_objective_that_is_not_finite_is_refused():
    def objective(pictures):
        total = pictures.sum() * float("nan")
        return LossTerms(total, {"nothing": total}, {"nothing": total})

    with pytest.raises(NotFiniteError, match="not finite at the start"):
        PictureOptimizer(objective, picture(), settings())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "newton"}, "method is 'newton'; expected 'lbfgs' or 'adam'"),
        ({"num_iterations": 0}, "num_iterations is 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
    ],
)
def test_settings_out_of_range_are_refused(change, message):
    with pytest.raises(SettingError, match=message):
        OptimizationSettings(**change)
