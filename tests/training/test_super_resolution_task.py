import numpy as np
import pytest
import torch
import torch.nn.functional as F

from impasto.errors import RecipeError
from impasto.images.degradation import degrade
from impasto.losses.super_resolution_objective import SUPER_RESOLUTION_PRESETS
from impasto.networks.super_resolution import BicubicEnlargement
from impasto.training.recipe_file import parse_recipe
from impasto.training.super_resolution_task import SuperResolutionTask, degrade_batch


@pytest.fixture
def recipe_of(photos):
    def make(**changes):
        table = {
            "task": "super-resolution",
            "precision": "f32",
            "photos": {"path": photos},
            "network": {"kind": "subpixel", "scale": 4, "channels": 4, "num_residual_blocks": 1},
            "stages": [{"steps": 2, "crop_size": 32, "batch_size": 2}],
        }
        return parse_recipe(table | changes)

    return make


def photographs(seed=0, size=32):
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("degradation", ["bicubic", "blur-bicubic"])
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_batches_are_degraded_as_single_pictures_are(degradation, scale):
    # In float32 a value halfway between two levels may be rounded the other way, now and then.
    levels = torch.randint(0, 256, (2, 3, 32, 48), generator=torch.Generator().manual_seed(1))
    pictures = levels / 255
    found = degrade_batch(pictures, scale=scale, degradation=degradation)
    for picture, low in zip(pictures, found, strict=True):
        array = picture.permute(1, 2, 0).contiguous().numpy()
        expected = degrade(array, scale=scale, degradation=degradation)
        difference = np.abs(low.permute(1, 2, 0).numpy() - expected) * 255
        assert difference.max() < 1.01
        assert (difference > 0.5).mean() < 0.01


def test_before_training_the_loss_is_that_of_bicubic(recipe_of):
    task = SuperResolutionTask(recipe_of(objective={"loss": "pixel"}))
    truth = photographs()
    low = degrade_batch(truth, scale=4, degradation="bicubic")
    expected = (BicubicEnlargement(4)(low) - truth).square().mean()
    terms = task.loss_terms(task.network, truth)
    assert terms.total.item() == pytest.approx(expected.item(), rel=1e-4)
    assert set(terms.weighted) == {"pixel"}


def test_a_recipe_starts_the_papers_network_as_an_enlargement(recipe_of):
    network = {"kind": "paper-super-resolution", "scale": 4, "channels": 9}
    smooth = F.interpolate(photographs(size=6), size=64, mode="bicubic").clamp(0, 1)
    losses = {}
    for start in ("random", "enlargement"):
        task = SuperResolutionTask(
            recipe_of(network=network, start=start, objective={"loss": "pixel"})
        )
        losses[start] = task.loss_terms(task.network, smooth).total.item()
    assert losses["enlargement"] < 0.2 * losses["random"]


def test_only_the_papers_network_starts_as_an_enlargement(recipe_of):
    with pytest.raises(RecipeError, match="of 9 channels or more; given: 'subpixel'; leave start"):
        recipe_of(start="enlargement")
    few = {"kind": "paper-super-resolution", "scale": 4, "channels": 8}
    with pytest.raises(RecipeError, match="of 9 channels or more"):
        recipe_of(network=few, start="enlargement")


def test_a_recipe_weighs_terms_in_place_of_its_loss(recipe_of):
    given = {"feature_weight": 0.2, "layer_weights": {"relu2_2": 3.0}, "spectrum_weight": 0.01}
    preset = recipe_of(objective={"loss": "mix", **given}).objective.preset
    assert {name: getattr(preset, name) for name in given} == given
    assert preset.grid_weight == SUPER_RESOLUTION_PRESETS["mix"].grid_weight


def test_weights_of_layers_that_do_not_count_are_refused(recipe_of):
    with pytest.raises(RecipeError, match="name relu9_9; the loss mix has relu2_2, relu3_3"):
        recipe_of(objective={"loss": "mix", "layer_weights": {"relu9_9": 1}})
    with pytest.raises(RecipeError, match="name relu2_2; the loss l1 has no layers"):
        recipe_of(objective={"loss": "l1", "layer_weights": {"relu2_2": 1}})


def test_the_mixture_has_pixels_and_four_layers_and_moves_its_window(recipe_of):
    task = SuperResolutionTask(recipe_of(objective={"loss": "mix"}))
    first, second = (
        task.loss_terms(task.network, photographs(), position=position) for position in (2, 4)
    )
    assert set(first.weighted) == {"l1", "grid", "relu2_2", "relu3_3", "relu4_3", "relu5_3"}
    assert first.total.item() != second.total.item()


def test_contact_sheet_has_four_rows(recipe_of):
    sheet = SuperResolutionTask(recipe_of()).contact_sheet(photographs())
    assert sheet.shape == (4 + 4 * 36, 4 + 2 * 36, 3)
    assert 0 <= sheet.min() < sheet.max() <= 1


def test_seed_decides_the_networks_start(recipe_of):
    first, again, other = (SuperResolutionTask(recipe_of(seed=seed)).network for seed in (1, 1, 2))
    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)
