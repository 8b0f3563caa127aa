"""Super-resolution through the same run as styles: trained, resumed, begun from another."""

import functools

import numpy as np
import pytest
import torch
from PIL import Image

from impasto.errors import RecipeError, TrainingInterrupted
from impasto.images.degradation import degrade
from impasto.images.resize import imresize
from impasto.runtime.backends.torch_network import load_network
from impasto.runtime.predictor import Predictor
from impasto.training.checkpoint import load_checkpoint
from impasto.training.loop import CHECKPOINT_NAME
from impasto.training.plan import plan_patches
from impasto.training.recipe_file import load_recipe, parse_recipe
from impasto.training.run import resumed_recipe, run_folder, train_model
from impasto.training.sections import Stage
from training_fixtures import draw, stop_at

ARCHITECTURES = {
    "subpixel": {"kind": "subpixel", "channels": 4, "num_residual_blocks": 1},
    "paper": {"kind": "paper-super-resolution", "channels": 4, "num_residual_blocks": 1},
    "srcnn": {"kind": "srcnn", "channels": [4, 2]},
}


def recipe_of(photos, /, *, kind="subpixel", scale=2, **changes):
    table = {
        "task": "super-resolution",
        "precision": "f32",
        "photos": {"path": photos, "num_workers": 1},
        "network": {**ARCHITECTURES[kind], "scale": scale},
        "stages": [{"steps": 6, "crop_size": 32, "batch_size": 2}],
        "loop": {"log_every_steps": 1, "checkpoint_every_steps": 2, "contact_sheet_minutes": 60},
    }
    return parse_recipe(table | changes)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, photos):
    """Trains a network of a kind once, ×2; the model is read only."""

    @functools.cache
    def train(kind):
        output = tmp_path_factory.mktemp(kind) / "x2.onnx"
        return train_model(recipe_of(photos, kind=kind), output).model

    return train


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_training_leaves_a_model_that_enlarges(kind, trained):
    model = trained(kind)
    assert (model.card.task, model.card.scale) == ("super-resolution", 2)
    assert (model.card.degradation, model.card.painting) == ("bicubic", None)
    low = np.asarray(draw(3, 21, 17), np.float32) / 255
    enlarged = Predictor(model, precision="f32")(low)
    assert enlarged.shape == (34, 42, 3)
    network = load_network(model)
    with torch.no_grad():
        expected = network(torch.from_numpy(low).permute(2, 0, 1)[None])[0].clamp(0, 1)
    assert np.abs(enlarged - expected.permute(1, 2, 0).numpy()).max() < 1e-3


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(photos, tmp_path):
    recipe = recipe_of(photos, objective={"loss": "mix"})
    unbroken, broken = tmp_path / "unbroken.onnx", tmp_path / "broken.onnx"
    with pytest.raises(TrainingInterrupted):
        train_model(recipe, unbroken, on_progress=stop_at(5))
    with pytest.raises(TrainingInterrupted, match=r"impasto train sr --resume -o .*broken\.onnx"):
        train_model(recipe, broken, on_progress=stop_at(3))
    with pytest.raises(TrainingInterrupted):
        train_model(resumed_recipe(broken), broken, resume=True, on_progress=stop_at(5))
    before, after = (
        load_checkpoint(run_folder(output) / CHECKPOINT_NAME) for output in (unbroken, broken)
    )
    assert before.state.step == after.state.step == 5
    assert before.tensors.keys() == after.tensors.keys()
    assert all(torch.equal(before.tensors[name], after.tensors[name]) for name in before.tensors)


def test_a_larger_scale_begins_with_all_but_the_end_of_a_smaller_one(trained, photos, tmp_path):
    first = trained("subpixel")
    recipe = recipe_of(
        photos,
        scale=4,
        initialise_from=first.path,
        stages=[{"steps": 1, "crop_size": 32, "batch_size": 2}],
        optimizer={"learning_rate": 1e-9},
    )
    second = train_model(recipe, tmp_path / "x4.onnx").model
    assert second.card.scale == 4
    assert second.card.training.initialised_from == "x2"
    before, after = load_network(first).state_dict(), load_network(second).state_dict()
    assert torch.allclose(before["head.weight"], after["head.weight"], atol=1e-4)
    assert before["tail.weight"].shape != after["tail.weight"].shape


def test_patches_that_the_scale_does_not_divide_are_refused(photos):
    stages = [{"steps": 1, "crop_size": 36}]
    with pytest.raises(RecipeError, match=r"×8 takes crop sizes of 32 or more .* given: \[36\]"):
        recipe_of(photos, scale=8, stages=stages)


def test_a_recipe_that_names_only_a_scale_has_our_network(photos):
    recipe = load_recipe(None, task="super-resolution", photos__path=photos, network__scale=8)
    assert (recipe.network.kind, recipe.network.scale, recipe.network.channels) == (
        "subpixel", 8, 48,
    )  # fmt: skip


def test_a_recipe_for_another_task_is_refused(photos, tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text('task = "super-resolution"\n')
    with pytest.raises(RecipeError, match="is for super-resolution; expected one for style"):
        load_recipe(file, task="style-transfer", photos__path=photos)


def test_minutes_become_steps_of_the_stage_that_is_given():
    # 600 s less 20, at 0.5 s for 128²: 1,160 steps.
    (stage,) = plan_patches(10, lambda size: 0.5, stage=Stage(steps=1, crop_size=96, batch_size=8))
    assert (stage.steps, stage.crop_size, stage.batch_size) == (1160, 96, 8)
    with pytest.raises(RecipeError, match="too few for super-resolution here: 1 steps; give at"):
        plan_patches(0.01, lambda size: 0.25, stage=Stage(steps=1))


@pytest.fixture
def squares(tmp_path):
    """Photographs of hard-edged squares, which bicubic enlargement blurs."""
    folder = tmp_path / "squares"
    folder.mkdir()
    for seed in range(4):
        noise = np.random.default_rng(seed).integers(0, 256, (8, 10, 3), dtype=np.uint8)
        picture = Image.fromarray(noise).resize((80, 64), Image.Resampling.NEAREST)
        picture.save(folder / f"{seed}.png")
    return folder


def test_training_learns_to_enlarge_better_than_bicubic(squares, tmp_path):
    stages = [{"steps": 80, "crop_size": 48, "batch_size": 4}]
    recipe = recipe_of(squares, stages=stages, optimizer={"learning_rate": 5e-3})
    predictor = Predictor(train_model(recipe, tmp_path / "sr.onnx").model, precision="f32")
    with Image.open(squares / "0.png") as picture:
        truth = np.asarray(picture, np.float32) / 255
    low = degrade(truth, scale=2)
    bicubic = imresize(low, width=truth.shape[1], height=truth.shape[0])

    def error(enlarged):
        return float(np.square(enlarged - truth).mean())

    assert error(predictor(low)) < 0.7 * error(bicubic)
