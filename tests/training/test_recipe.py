import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.errors import RecipeError
from impasto.losses.style_objective import PRESETS, StyleWeights
from impasto.networks.architecture import NetworkArchitecture
from impasto.training.recipe_file import load_recipe, parse_recipe

RELEASED_RECIPES = sorted((Path(__file__).parents[2] / "recipes" / "style").glob("*.toml"))

MINIMAL = """
[painting]
file = "art/painting.jpg"

[photos]
path = "photos"
"""


def written(folder, text):
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def minimal(*settings, **given):
    return load_recipe(
        None, settings, painting__file="painting.jpg", photos__path="photos", **given
    )


def test_minimal_recipe_has_the_defaults():
    recipe = minimal()
    assert [(stage.steps, stage.crop_size) for stage in recipe.stages] == [(2000, 160), (240, 288)]
    assert recipe.num_steps == 2240
    assert recipe.network == NetworkArchitecture()
    assert recipe.is_balanced
    assert recipe.style_weights() == PRESETS["default"].weights


def test_paths_are_relative_to_the_recipe_file(tmp_path):
    (tmp_path / "deep").mkdir()
    text = 'initialise_from = "start.onnx"\n' + MINIMAL
    text += '[objective]\nloss_network_weights = "../vgg.safetensors"\n'
    recipe = load_recipe(written(tmp_path / "deep", text))
    assert recipe.painting.file == tmp_path / "deep" / "art" / "painting.jpg"
    assert recipe.photos.path == tmp_path / "deep" / "photos"
    assert recipe.initialise_from == tmp_path / "deep" / "start.onnx"
    assert recipe.objective.loss_network_weights.resolve() == tmp_path / "vgg.safetensors"


def test_given_paths_are_relative_to_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    recipe = load_recipe(
        written(tmp_path / "deep", MINIMAL),
        ["photos.path=mine"],
        painting__file=Path("other.jpg"),
    )
    assert recipe.painting.file == tmp_path / "other.jpg"
    assert recipe.photos.path == tmp_path / "mine"


def test_a_bare_word_to_start_from_is_a_models_name(tmp_path):
    text = 'initialise_from = "starry_night"\n' + MINIMAL
    assert load_recipe(written(tmp_path, text)).initialise_from == Path("starry_night")


@pytest.mark.parametrize(
    ("setting", "section", "key", "value"),
    [
        ("seed=7", None, "seed", 7),
        ("precision=f32", None, "precision", "f32"),
        ("painting.title=The Starry Night", "painting", "title", "The Starry Night"),
        ("painting.year=1889", "painting", "year", "1889"),
        ("photos.synthetic_share=0", "photos", "synthetic_share", 0.0),
        ("network.channels=[4, 4, 8]", "network", "channels", (4, 4, 8)),
        ("network.channels.2=8", "network", "channels", (16, 32, 8)),
        ("objective.preset=released", "objective", "preset", "released"),
        ("optimizer.learning_rate=1e-3", "optimizer", "learning_rate", 1e-3),
        ("loop.contact_sheet_minutes = 0.5", "loop", "contact_sheet_minutes", 0.5),
    ],
)
def test_set_reaches(setting, section, key, value):
    recipe = minimal(setting)
    place = recipe if section is None else getattr(recipe, section)
    assert getattr(place, key) == value


def test_set_reaches_one_of_the_default_stages():
    recipe = minimal("stages.0.steps=500", "stages.1.crop_size=64")
    assert [(s.steps, s.crop_size) for s in recipe.stages] == [(500, 160), (240, 64)]


def test_set_reaches_one_of_the_files_stages(tmp_path):
    text = MINIMAL + "[[stages]]\nsteps = 7\n[[stages]]\nsteps = 9\n"
    recipe = load_recipe(written(tmp_path, text), ["stages.1.steps=3"])
    assert [stage.steps for stage in recipe.stages] == [7, 3]


def test_set_replaces_whole_tables():
    weights = "objective.weights={content=1, style=2, total_variation=0}"
    recipe = minimal("stages=[{steps=5, crop_size=32}]", weights)
    assert recipe.num_steps == 5
    assert recipe.objective.weights == StyleWeights(content=1, style=2, total_variation=0)


def test_later_settings_win(tmp_path):
    recipe = load_recipe(written(tmp_path, "seed = 1\n" + MINIMAL), ["seed=3", "seed=4"], seed=2)
    assert recipe.seed == 4


def test_style_balance_of_two_doubles_the_weight_of_style_alone():
    plain, leant = minimal().style_weights(), minimal(objective__style_balance=2.0).style_weights()
    assert leant.style == 2 * plain.style
    assert (leant.content, leant.total_variation) == (plain.content, plain.total_variation)


def test_explicit_weights_and_the_released_preset_need_no_probe():
    assert not minimal("objective.weights={content=1, style=2, total_variation=0}").is_balanced
    assert not minimal("objective.preset=released").is_balanced


@given(seed=st.integers(0, 2**32 - 1), steps=st.lists(st.integers(1, 10**6), min_size=1))
def test_a_recipe_survives_json(seed, steps):
    table = {"painting": {"file": "/p.jpg"}, "photos": {"path": "/p"}, "seed": seed}
    recipe = parse_recipe({**table, "stages": [{"steps": count} for count in steps]})
    assert parse_recipe(recipe.model_dump(mode="json")) == recipe


@given(
    key=st.sampled_from(["seed", "stages.0.steps", "network.channels.1", "photos", "loop", "x"]),
    more=st.text("seatv.=0123[]{},'\"\n ", max_size=12),
)
def test_whatever_is_set_is_taken_or_refused_as_a_recipe_error(key, more):
    with contextlib.suppress(RecipeError):  # any other exception fails the test
        minimal(key + more)


@pytest.mark.parametrize("path", RELEASED_RECIPES, ids=lambda path: path.stem)
def test_released_recipes_load_and_say_what_a_card_needs(path):
    recipe = load_recipe(path)
    assert recipe.painting.file.is_file()
    assert recipe.licences is not None
    assert recipe.painting.title
    assert recipe.photos.description


def test_there_are_released_recipes():
    assert RELEASED_RECIPES


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("lr=1", "recipe: lr is unknown; expected one of seed, precision"),
        ("optimizer.lr=1", "recipe: optimizer.lr is unknown; expected one of learning_rate"),
        ("stages.0.size=1", "recipe: stages.0.size is unknown; expected one of steps"),
        ("stages.2.steps=1", "stages.2.steps: '2' is no place in a list of 2"),
        ("stages.first.steps=1", "'first' is no place in a list of 2"),
        ("stages=[]", "recipe: stages: tuple should have at least 1 item"),
        ("seed=-1", "recipe: seed: input should be greater than or equal to 0 (given: -1)"),
        ("seed.deep=1", "recipe: seed: input should be a valid integer"),
        ("optimizer.learning_rate=0", "recipe: optimizer.learning_rate: input should be greater"),
        ("optimizer.learning_rate=2", "recipe: optimizer.learning_rate: input should be less"),
        ("optimizer.start_divisor=nan", "recipe: optimizer.start_divisor: input should be a fin"),
        ("stages.0.crop_size=8", "recipe: stages.0.crop_size: input should be greater than or"),
        ("objective.preset=best", "recipe: objective.preset: input should be 'default', 'arxiv'"),
        ("objective.weights.style=1", "recipe: objective.weights.content: field required"),
        ("painting=3", "recipe: painting: input should be a valid dictionary"),
        ("painting.title='a\tb'", "recipe: painting.title"),
        ("licences.code=MIT", "recipe: licences.weights: field required"),
        ("seed", "--set was given 'seed'; expected key=value"),
        ("=1", "--set was given '=1'; expected key=value"),
        ("seed..x=1", "--set was given 'seed..x=1'; expected key=value"),
    ],
)
def test_wrong_setting_is_refused_by_its_key(setting, message):
    with pytest.raises(RecipeError) as caught:
        minimal(setting)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_below_a_value_there_is_nothing_to_set():
    with pytest.raises(RecipeError, match=r"--set seed.x: 'x' is below a value"):
        minimal("seed=1", "seed.x=2")


def test_crops_that_the_papers_network_cannot_take_are_refused():
    with pytest.raises(RecipeError, match=r"above 40 that divide by 4; given: \[160, 50\]"):
        minimal("network.kind=paper", "stages.1.crop_size=50")


def test_missing_sections_are_named():
    with pytest.raises(RecipeError, match=r"recipe: photos: field required; and 1 more"):
        load_recipe(None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[painting", "is not TOML"),
        (b"\xff\xfe", "is not TOML"),
        (b"seed = 1\nseed = 2\n", "is not TOML"),
        (MINIMAL.encode() + b"[loop]\nlog_steps = 1\n", "recipe: loop.log_steps is unknown"),
        (b"painting = 'art.jpg'\nphotos = 'x'\n", "recipe: photos: input should be a valid dict"),
    ],
)
def test_malformed_recipe_file_is_refused(tmp_path, content, message):
    path = tmp_path / "recipe.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=message):
        load_recipe(path)


def test_missing_recipe_file_is_refused(tmp_path):
    with pytest.raises(RecipeError, match=r"cannot read the recipe .*none\.toml: No such file"):
        load_recipe(tmp_path / "none.toml")
    with pytest.raises(RecipeError, match=r"cannot read the recipe .*: Is a directory"):
        load_recipe(tmp_path)
