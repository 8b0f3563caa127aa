"""The training of the network for any painting, at tiny size."""

import numpy as np
import pytest
import torch

from impasto.errors import RecipeError
from impasto.training.any_painting_task import AnyPaintingTask, _HalfMatrix
from impasto.training.checkpoint import load_checkpoint
from impasto.training.recipe_file import load_recipe, parse_recipe
from impasto.training.run import run_folder, train_model
from impasto.zoo.style_vectors import read_style_network
from training_fixtures import draw, leave_unfinished

TINY_NETWORK = {
    "channels": (4, 8),
    "num_residual_blocks": 1,
    "style_size": 6,
    "encoder_channels": (4, 4, 8, 8, 8),
    "hidden_size": 12,
}


@pytest.fixture(scope="module")
def paintings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paintings")
    for index, name in enumerate(("apples", "boats", "castle")):
        draw(40 + index, 60, 50).save(folder / f"{name}.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


def recipe_of(paintings, photos, /, **changes):
    table = {
        "task": "any-painting",
        "precision": "f32",
        "paintings": {"path": paintings, "held_out": ("castle",)},
        "photos": {"path": photos, "num_workers": 1},
        "network": TINY_NETWORK,
        "objective": {"num_probe_pictures": 2},
        "stages": [{"steps": 4, "crop_size": 32, "batch_size": 2}],
        "loop": {"log_every_steps": 1, "checkpoint_every_steps": 2, "contact_sheet_minutes": 60},
    }
    return parse_recipe(table | changes)


def batch(seed=0, size=32):
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(seed))


def test_a_step_depends_on_seed_and_position_alone(paintings, photos):
    recipe = recipe_of(paintings, photos)
    first, second = AnyPaintingTask(recipe), AnyPaintingTask(recipe)
    first.loss_terms(first.network, batch(), position=2)  # what is stored changes nothing
    values = [
        float(task.loss_terms(task.network, batch(), position=8).total.detach())
        for task in (first, second)
    ]
    assert values[0] == values[1]
    other = float(second.loss_terms(second.network, batch(), position=10).total.detach())
    assert other != values[0]


def test_scores_are_of_paintings_held_out(paintings, photos):
    task = AnyPaintingTask(recipe_of(paintings, photos))
    assert task.scores(batch(size=64))["held_out_fall"] > 0
    without = AnyPaintingTask(recipe_of(paintings, photos, paintings={"path": paintings}))
    assert without.scores(batch(size=64)) == {}


def test_consistency_is_a_term_where_it_has_a_weight(paintings, photos):
    objective = {"num_probe_pictures": 2, "consistency_weight": 5.0}
    task = AnyPaintingTask(recipe_of(paintings, photos, objective=objective))
    terms = task.loss_terms(task.network, batch(), position=2)
    assert float(terms.unweighted["consistency"].detach()) > 0
    plain = AnyPaintingTask(recipe_of(paintings, photos))
    assert "consistency" not in plain.loss_terms(plain.network, batch(), position=2).unweighted


def test_half_a_matrix_comes_back():
    rows = torch.rand(5, 40, generator=torch.Generator().manual_seed(0)) * 1e4
    matrix = rows @ rows.T  # beyond float16
    again = _HalfMatrix.of(matrix).matrix(torch.device("cpu"))
    torch.testing.assert_close(again, matrix, rtol=1e-3, atol=0)
    assert torch.equal(again, again.T)


def test_crops_must_divide_by_four(paintings, photos):
    stages = [{"steps": 1, "crop_size": 34, "batch_size": 2}]
    with pytest.raises(RecipeError, match="divide by 4"):
        recipe_of(paintings, photos, stages=stages)


def test_a_recipe_of_another_task_is_refused(paintings, tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text('task = "style-transfer"\n')
    with pytest.raises(RecipeError, match="expected one for any-painting"):
        load_recipe(file, task="any-painting", paintings__path=paintings)


@pytest.fixture(scope="module")
def trained(paintings, photos, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "any.onnx"
    return train_model(recipe_of(paintings, photos), output)


def test_a_training_writes_a_network_with_its_paintings_as_styles(trained):
    assert {"broken.jpg"} <= {skipped.name for skipped in trained.skipped}
    network = read_style_network(trained.model)
    assert list(network.table.styles) == ["apples", "boats"]
    assert trained.model.card.paintings.held_out == ["castle"]
    assert trained.model.card.paintings.num_paintings == 2
    assert trained.model.card.task == "style-transfer"


def test_a_stopped_training_goes_on_to_the_same_weights(trained, paintings, photos, tmp_path):
    output = tmp_path / "any.onnx"
    leave_unfinished(recipe_of(paintings, photos), output)
    checkpoint = load_checkpoint(run_folder(output) / "checkpoint.safetensors")
    recipe = parse_recipe(checkpoint.state.recipe)
    model = train_model(recipe, output, resume=True).model
    assert np.array_equal(read_style_network(model).slope, read_style_network(trained.model).slope)


def test_a_training_starts_from_a_network(trained, paintings, photos):
    recipe = recipe_of(paintings, photos, network=TINY_NETWORK)
    task = AnyPaintingTask(recipe)
    task.start_from(trained.model)
    network = read_style_network(trained.model)
    with torch.no_grad():
        constants = task.network.constants(torch.from_numpy(network.vector("boats"))[None])[0]
    np.testing.assert_allclose(constants.numpy(), network.named_constants("boats"), atol=2e-3)
