import dataclasses

import numpy as np
import pytest
import torch

from impasto.errors import CheckpointError, SettingError
from impasto.images.files.io import Picture
from impasto.losses.style_objective import objective_settings
from impasto.optimization.picture_optimizer import OptimizationSettings
from impasto.optimization.run import optimize_photograph
from impasto.optimization.style import StyleOptimization
from training_fixtures import draw

LAYERS = ("relu1_2", "relu2_2")


def photograph(width=48, height=40, *, alpha=False):
    rgb = np.asarray(draw(4, width, height), np.float32) / 255
    transparency = np.linspace(0, 1, width * height, dtype=np.float32).reshape(height, width)
    return Picture(rgb=rgb, alpha=transparency if alpha else None)


@pytest.fixture
def optimization(painting):
    return StyleOptimization(
        photograph=photograph(),
        painting=painting,
        objective=objective_settings(content_layer="relu1_2", style_layers=LAYERS),
        settings=OptimizationSettings(num_iterations=12),
        painting_short_side=32,
        device="cpu",
    )


def test_the_objective_falls_and_the_photograph_keeps_size_and_alpha(optimization, tmp_path):
    optimization = dataclasses.replace(optimization, photograph=photograph(alpha=True))
    values = []
    picture = optimize_photograph(
        optimization,
        checkpoint=tmp_path / "state",
        on_progress=lambda progress: values.append(progress.value),
    )
    assert (picture.width, picture.height) == (48, 40)
    assert np.array_equal(picture.alpha, optimization.photograph.alpha)
    assert values[-1] < values[0] / 5


def test_a_start_from_the_photograph_begins_without_content_loss(optimization, tmp_path):
    terms = []
    optimize_photograph(
        dataclasses.replace(optimization, start="content"),
        checkpoint=tmp_path / "state",
        on_progress=lambda progress: terms.append(progress.terms),
    )
    assert terms[0]["content"] == 0
    assert terms[0]["style"] > terms[-1]["style"]


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(optimization, tmp_path, method):
    optimization = dataclasses.replace(
        optimization, settings=OptimizationSettings(num_iterations=12, method=method)
    )
    unbroken = optimize_photograph(optimization, checkpoint=tmp_path / "unbroken")
    asked = iter([False] * 4)
    checkpoint = tmp_path / "folder" / "state"
    stopped = optimize_photograph(
        optimization, checkpoint=checkpoint, stop_requested=lambda: next(asked, True)
    )
    assert stopped is None
    resumed = optimize_photograph(optimization, checkpoint=checkpoint, resume=True)
    assert np.array_equal(resumed.rgb, unbroken.rgb)


def test_resuming_with_other_settings_is_refused(optimization, tmp_path):
    checkpoint = tmp_path / "state"
    optimize_photograph(optimization, checkpoint=checkpoint, stop_requested=lambda: True)
    with pytest.raises(CheckpointError, match="begun with other settings or pictures"):
        optimize_photograph(
            dataclasses.replace(optimization, start="content"), checkpoint=checkpoint, resume=True
        )


def test_resuming_nothing_is_refused(optimization, tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing to resume in .*nowhere"):
        optimize_photograph(optimization, checkpoint=tmp_path / "nowhere", resume=True)


def test_a_photograph_that_is_too_small_is_refused(optimization, tmp_path):
    small = dataclasses.replace(optimization, photograph=photograph(60, 20))
    with pytest.raises(SettingError, match="60×20; expected 32 pixels or more"):
        optimize_photograph(small, checkpoint=tmp_path / "state")


def test_bf16_computes_the_same_but_for_its_rounding(optimization, tmp_path):
    picture = optimize_photograph(
        dataclasses.replace(optimization, bf16=True), checkpoint=tmp_path / "state"
    )
    assert picture.rgb.dtype == np.float32
    assert torch.isfinite(torch.from_numpy(picture.rgb)).all()
