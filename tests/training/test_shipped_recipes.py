"""Every recipe in the repository can be read, and trains what its name says."""

from pathlib import Path

import pytest

from impasto.training.recipe_file import load_recipe

ROOT = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("file", sorted(ROOT.glob("style/**/*.toml")), ids=lambda file: file.stem)
def test_style_recipes_name_their_painting_and_its_terms(file):
    recipe = load_recipe(file, task="style-transfer")
    assert recipe.painting.file.resolve().stem == file.stem
    assert recipe.licences.painting.startswith("public domain")
    if recipe.initialise_from is not None:
        assert recipe.initialise_from.with_suffix(".toml").exists()


@pytest.mark.parametrize("file", sorted(ROOT.glob("sr/*.toml")), ids=lambda file: file.stem)
def test_super_resolution_recipes_have_the_scale_of_their_name(file):
    recipe = load_recipe(file, task="super-resolution")
    name, _, scale = file.stem.rpartition("_x")
    assert recipe.network.scale == int(scale)
    assert f"×{scale}" in recipe.title
    losses = {
        "faithful": "l1",
        "sharp": "mix",
        "sharp_first": "mix",
        "srcnn": "pixel",
        "srcnn_first": "pixel",
        "srcnn_second": "pixel",
        "paper_pixel": "pixel",
        "paper_pixel_blur": "pixel",
        "paper_feature": "feature",
    }
    assert recipe.objective.loss == losses[name]
    assert recipe.degradation == ("blur-bicubic" if name.endswith("blur") else "bicubic")
    if recipe.initialise_from is not None:
        assert (file.parent / recipe.initialise_from.name).with_suffix(".toml").exists()


@pytest.mark.parametrize("file", sorted(ROOT.glob("styles/**/*.toml")), ids=str)
def test_recipes_of_the_network_for_any_painting_hold_paintings_out(file):
    recipe = load_recipe(file, task="any-painting")
    assert len(recipe.paintings.held_out) >= 40
    if recipe.initialise_from is not None:
        assert recipe.initialise_from.with_suffix(".toml").exists()
