import pytest

from impasto.errors import ModelFileError
from impasto.losses.style_objective import PRESETS
from impasto.training.card_of_run import facts_of, trained_card
from impasto.training.checkpoint import load_checkpoint
from impasto.training.loop import CHECKPOINT_NAME
from impasto.training.recorded_objective import objective_of
from impasto.training.run import run_folder
from impasto.training.style_task import StyleTask
from impasto.zoo.card import ModelCard
from model_fixtures import make_card
from training_fixtures import leave_unfinished, tiny_recipe


def test_the_objective_of_a_style_is_that_of_its_training(painting, photos, tmp_path):
    objective = {"num_probe_pictures": 2, "style_balance": 3.0, "padding": "zeros"}
    recipe, output = tiny_recipe(painting, photos, objective=objective), tmp_path / "style.onnx"
    leave_unfinished(recipe, output)
    state = load_checkpoint(run_folder(output) / CHECKPOINT_NAME).state
    facts = facts_of(recipe, StyleTask(recipe).card_fields(), output)
    card = trained_card(facts, recipe, state, num_photographs=6, hardware="a test's")
    recorded = objective_of(ModelCard.from_json(card.to_json()))
    assert recorded.normalisers == state.normalisers
    assert recorded.weights.style == 3 * PRESETS["default"].weights.style
    assert recorded.padding == "zeros"


def test_a_card_without_a_recipe_is_refused():
    with pytest.raises(ModelFileError, match="the card of tiny_style holds no recipe of a style"):
        objective_of(make_card())
