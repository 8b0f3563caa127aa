import pytest

from impasto.evaluation.photographs import square
from impasto.reproduction.baseline import iterations_to_reach, optimized
from impasto.reproduction.journal import Journal
from impasto.reproduction.trained_style import load_styles, terms_of

KEY = {"unit": "tested"}


@pytest.fixture
def style(tiny_settings):
    return load_styles(tiny_settings.styles, tiny_settings.paintings)[0]


def search(style, photograph, folder, num_iterations=6):
    return optimized(
        style,
        photograph,
        num_iterations=num_iterations,
        device="cpu",
        journal=Journal(folder),
        key=KEY,
    )


def test_a_curve_never_rises_and_ends_at_its_pictures_objective(style, tiny_settings, tmp_path):
    photograph = square(tiny_settings.photos[0], 32)
    optimization = search(style, photograph, tmp_path)
    assert len(optimization.curve) == 6
    assert optimization.curve == sorted(optimization.curve, reverse=True)
    assert terms_of(style.objective_for(photograph), optimization.picture)[
        "total"
    ] == pytest.approx(optimization.curve[-1], rel=1e-4)
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_stopped_search_goes_on_to_the_same_curve(style, tiny_settings, tmp_path, monkeypatch):
    photograph = square(tiny_settings.photos[0], 32)
    whole = search(style, photograph, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr("impasto.optimization.run.SECONDS_BETWEEN_SAVES", 0.0)
        stopped = stop_after(4, patch)
        with pytest.raises(KeyboardInterrupt):
            search(style, photograph, tmp_path / "stopped")
    assert stopped
    assert list((tmp_path / "stopped").glob("*.safetensors"))
    assert search(style, photograph, tmp_path / "stopped").curve == whole.curve


def stop_after(num_steps, patch):
    """Let Ctrl-C come in a step; returns a list that has something in it once it came."""
    from impasto.optimization.picture_optimizer import PictureOptimizer

    came, step = [], PictureOptimizer.step

    def interrupted(self):
        if self.num_iterations >= num_steps:
            came.append(True)
            raise KeyboardInterrupt
        step(self)

    patch.setattr(PictureOptimizer, "step", interrupted)
    return came


def test_a_curve_reaches_an_objective_at_its_first_value_at_or_below():
    assert iterations_to_reach([5.0, 3.0, 3.0, 2.0], 3.0) == 2
    assert iterations_to_reach([5.0, 3.0], 2.9) is None
