import numpy as np
import pytest
import torch

from impasto.losses.style_objective import LossNormalisers
from impasto.training.loss_window import loss_window
from impasto.training.style_task import StyleTask
from training_fixtures import tiny_recipe

WEIGHTS = {"content": 1, "style": 2, "total_variation": 0.5}


@pytest.fixture
def recipe_of(painting, photos):
    return lambda **changes: tiny_recipe(painting, photos, **changes)


def noise(seed):
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def test_seed_decides_the_networks_start(recipe_of):
    first, again, other = (StyleTask(recipe_of(seed=seed)).network for seed in (1, 1, 2))
    assert torch.equal(first.to_rgb.weight, again.to_rgb.weight)
    assert not torch.equal(first.to_rgb.weight, other.to_rgb.weight)


def test_probe_covers_the_pictures_asked_for(recipe_of):
    # 5 pictures in batches of 2 are 3 batches.
    assert StyleTask(recipe_of(objective={"num_probe_pictures": 5})).normalisation.num_batches == 3


def test_explicit_weights_need_no_probe_and_are_used_as_they_are(recipe_of):
    task = StyleTask(recipe_of(objective={"weights": WEIGHTS}))
    assert task.normalisation is None
    terms = task.loss_terms(task.network, noise(0))
    for name, weight in WEIGHTS.items():
        assert torch.allclose(terms.weighted[name], weight * terms.unweighted[name])


def test_leaning_by_two_doubles_the_style_term_and_no_other(recipe_of):
    normalisers = LossNormalisers(content=10.0, style=20.0, total_variation=30.0)
    terms = []
    for balance in (1, 2):
        task = StyleTask(recipe_of(objective={"style_balance": balance}))
        task.normalisation.apply(normalisers)
        terms.append(task.loss_terms(task.network, noise(0)).weighted)
    assert torch.allclose(terms[1]["style"], 2 * terms[0]["style"], rtol=1e-6)
    assert torch.equal(terms[1]["content"], terms[0]["content"])
    assert torch.equal(terms[1]["total_variation"], terms[0]["total_variation"])


def test_probe_makes_the_terms_of_the_untouched_photographs_their_weights(recipe_of):
    # Style and total variation are probed on photographs as they are: measured again there, each
    # divided by its normaliser is 1, times its weight.
    task = StyleTask(recipe_of())
    batch = noise(0)
    normalisation = task.normalisation
    normalisation.apply(normalisation.measure([batch]))
    terms = task.loss_terms(torch.nn.Identity(), batch)
    weights = task.recipe.style_weights()
    assert float(terms.weighted["style"]) == pytest.approx(weights.style, rel=1e-5)
    assert float(terms.weighted["total_variation"]) == pytest.approx(weights.total_variation)
    assert float(terms.weighted["content"]) == 0


def test_nothing_outside_the_window_is_judged(recipe_of):
    # Of 32 pixels a quarter is left out, 8 of them: 24 rows and columns have a gradient.
    task = StyleTask(recipe_of(objective={"grid_weight": 0, "window_margin": 32}))
    pictures = noise(0).requires_grad_()
    task.loss_terms(torch.nn.Identity(), pictures, position=5).total.backward()
    judged = pictures.grad.abs().sum(dim=(0, 1)) > 0
    rows, columns = loss_window(32, 32, margin=32, seed=task.recipe.seed, position=5)
    expected = torch.zeros(32, 32, dtype=torch.bool)
    expected[rows, columns] = True
    assert torch.equal(judged, expected)


def test_contact_sheet_has_two_rows_behind_the_painting(recipe_of):
    task = StyleTask(recipe_of())
    task.network.train()
    sheet = task.contact_sheet(noise(0))
    assert sheet.dtype == np.float32
    assert 0 <= sheet.min() < sheet.max() <= 1
    assert sheet.shape[0] >= 2 * 256
    assert sheet.shape[1] >= 3 * 256
    assert task.network.training
