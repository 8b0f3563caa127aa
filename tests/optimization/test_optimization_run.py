import dataclasses

import numpy as np
import pytest
import torch

from impasto.errors import CheckpointError, ModelFileError, SettingError
from impasto.images.files.io import Picture
from impasto.losses.style_objective import PRESETS
from impasto.optimization.picture_optimizer import OptimizationSettings
from impasto.optimization.run import (
    StyleOptimization,
    objective_of,
    objective_settings,
    optimize_photograph,
)
from impasto.training.card_of_run import facts_of, trained_card
from impasto.training.checkpoint import load_checkpoint
from impasto.training.loop import CHECKPOINT_NAME
from impasto.training.run import run_folder
from impasto.training.style_task import StyleTask
from impasto.zoo.card import ModelCard
from model_fixtures import make_card
from training_fixtures import draw, leave_unfinished, tiny_recipe

LAYERS = ("relu1_2", "relu2_2")


def photograph(width=48, height=40, *, alpha=False):
    rgb = np.asarray(draw(4, width, height), np.float32) / 255
    transparency = np.linspace(0, 1, width * height, dtype=np.float32).reshape(height, width)
    return Picture(rgb=rgb, alpha=transparency if alpha else None)


@pytest.fixture
def wanted(painting):
    return StyleOptimization(
        photograph=photograph(),
        painting=painting,
        objective=objective_settings(content_layer="relu1_2", style_layers=LAYERS),
        settings=OptimizationSettings(num_iterations=12),
        painting_short_side=32,
        device="cpu",
    )


def test_the_objective_falls_and_the_photograph_keeps_size_and_alpha(wanted, tmp_path):
    wanted = dataclasses.replace(wanted, photograph=photograph(alpha=True))
    values = []
    picture = optimize_photograph(
        wanted,
        checkpoint=tmp_path / "state",
        on_progress=lambda progress: values.append(progress.value),
    )
    assert (picture.width, picture.height) == (48, 40)
    assert np.array_equal(picture.alpha, wanted.photograph.alpha)
    assert values[-1] < values[0] / 5


def test_a_start_from_the_photograph_begins_without_content_loss(wanted, tmp_path):
    terms = []
    optimize_photograph(
        dataclasses.replace(wanted, start="content"),
        checkpoint=tmp_path / "state",
        on_progress=lambda progress: terms.append(progress.terms),
    )
    assert terms[0]["content"] == 0
    assert terms[0]["style"] > terms[-1]["style"]


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(wanted, tmp_path, method):
    wanted = dataclasses.replace(
        wanted, settings=OptimizationSettings(num_iterations=12, method=method)
    )
    unbroken = optimize_photograph(wanted, checkpoint=tmp_path / "unbroken")
    asked = iter([False] * 4)
    checkpoint = tmp_path / "folder" / "state"
    stopped = optimize_photograph(
        wanted, checkpoint=checkpoint, stop_requested=lambda: next(asked, True)
    )
    assert stopped is None
    resumed = optimize_photograph(wanted, checkpoint=checkpoint, resume=True)
    assert np.array_equal(resumed.rgb, unbroken.rgb)


def test_resuming_with_other_settings_is_refused(wanted, tmp_path):
    checkpoint = tmp_path / "state"
    optimize_photograph(wanted, checkpoint=checkpoint, stop_requested=lambda: True)
    with pytest.raises(CheckpointError, match="begun with other settings or pictures"):
        optimize_photograph(
            dataclasses.replace(wanted, start="content"), checkpoint=checkpoint, resume=True
        )


def test_resuming_nothing_is_refused(wanted, tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing to resume in .*nowhere"):
        optimize_photograph(wanted, checkpoint=tmp_path / "nowhere", resume=True)


def test_a_photograph_that_is_too_small_is_refused(wanted, tmp_path):
    small = dataclasses.replace(wanted, photograph=photograph(60, 20))
    with pytest.raises(SettingError, match="60×20; expected 32 pixels or more"):
        optimize_photograph(small, checkpoint=tmp_path / "state")


def test_unknown_layers_are_refused():
    with pytest.raises(SettingError, match="layers given: relu9_1; expected among relu1_1"):
        objective_settings(content_layer="relu9_1")


def test_leaning_doubles_the_weight_of_style():
    leant = objective_settings(style_balance=2).weights
    assert leant.style == 2 * PRESETS["default"].weights.style
    assert leant.content == PRESETS["default"].weights.content


def test_the_objective_of_a_style_is_that_of_its_training(painting, photos, tmp_path):
    objective = {"num_probe_pictures": 2, "style_balance": 3.0, "padding": "zeros"}
    recipe, output = tiny_recipe(painting, photos, objective=objective), tmp_path / "style.onnx"
    leave_unfinished(recipe, output)
    state = load_checkpoint(run_folder(output) / CHECKPOINT_NAME).state
    facts = facts_of(recipe, StyleTask(recipe).card_fields(), output)
    card = trained_card(facts, recipe, state, num_photographs=6, hardware="a test's")
    found = objective_of(ModelCard.from_json(card.to_json()))
    assert found.scales == state.normalisers
    assert found.weights.style == 3 * PRESETS["default"].weights.style
    assert found.padding == "zeros"


def test_a_card_without_a_recipe_is_refused():
    with pytest.raises(ModelFileError, match="the card of tiny_style holds no recipe of a style"):
        objective_of(make_card())


def test_bf16_computes_the_same_but_for_its_rounding(wanted, tmp_path):
    picture = optimize_photograph(
        dataclasses.replace(wanted, bf16=True), checkpoint=tmp_path / "state"
    )
    assert picture.rgb.dtype == np.float32
    assert torch.isfinite(torch.from_numpy(picture.rgb)).all()
