import shutil
from pathlib import Path

import pytest
import torch

from impasto.cli.style_start import ANY_PAINTING, DEFAULT_START
from impasto.cli.train import _print_skipped, training_progress
from impasto.data.stream import SkippedPhotograph
from impasto.training.progress import Progress
from impasto.training.recipe import REFINEMENT
from impasto.training.run import TrainingOutcome
from impasto.zoo.model_file import read_model_file
from impasto.zoo.registry import resolve_model
from impasto.zoo.style_file import read_style_file
from training_fixtures import draw, leave_unfinished, tiny_recipe

STEP = Progress(
    step=30,
    num_steps=2250,
    losses={"total": 31.4159, "content": 1.5},
    pictures_per_second=7.25,
    seconds_left=3725.4,
)
EVENT = Progress(step=30, num_steps=2250, losses={}, message="contact sheet: a.jpg")


@pytest.fixture
def train(impasto, tmp_path, painting, photos):
    """Calls `impasto train style` on the drawn photographs, unless told otherwise."""

    def call(*words, painting=painting, photos=photos, output=tmp_path / "style.onnx"):
        places = [] if painting is None else [painting]
        flags = [] if photos is None else ["--photos", photos]
        return impasto("train", "style", *places, *flags, "-o", output, *words)

    return call


def test_plain_lines_show_losses_speed_and_time_left(capsys):
    with training_progress(has_bar=False) as report:
        report(STEP)
        report(EVENT)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "step 30/2250  total 31.42  content 1.5  7.2 images/s  1:02:05 left",
        "contact sheet: a.jpg",
    ]


def test_progress_bar_shows_the_same_with_events_above_it(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    with training_progress(has_bar=True) as report:
        report(STEP)
        report(EVENT)
    said = capsys.readouterr()
    assert said.out == ""
    event, bar = said.err.splitlines()
    assert event == "contact sheet: a.jpg"
    assert bar.startswith("training")
    assert "30/2250" in bar
    assert bar.endswith("total 31.42  content 1.5  7.2 images/s  1:02:05 left")


def test_progress_bar_that_gets_no_report_shows_nothing(capsys):
    with training_progress(has_bar=True):
        pass
    assert capsys.readouterr().err.strip() == ""


def test_skipped_files_are_listed_up_to_twenty(capsys):
    _print_skipped(tuple(SkippedPhotograph(f"{index}.jpg", "damaged") for index in range(25)))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "25 files were skipped:"
    assert lines[1:21] == [f"  {index}.jpg: damaged" for index in range(20)]
    assert lines[21:] == ["  and 5 more"]


def test_nothing_skipped_is_not_worth_a_line(capsys):
    _print_skipped(())
    assert capsys.readouterr().err == ""


def test_help_names_the_two_inputs_and_the_output(impasto):
    said = impasto("train", "style", "--help")
    assert said.status == 0
    for word in ("painting", "--photos", "--output", "--recipe", "--set", "--resume"):
        assert word in said.stdout.decode()


def test_painting_and_photographs_must_be_named(train):
    assert "no painting was given; expected impasto train style" in train(painting=None).complaint
    assert "no photographs were given; add --photos DIR" in train(photos=None).complaint


def test_settings_may_name_them_too(train, tmp_path, painting):
    settings = ("--set", f"painting.file={painting}", "--set", f"photos.path={tmp_path / 'none'}")
    said = train(*settings, painting=None, photos=None)
    assert (
        said.complaint
        == f"{tmp_path / 'none'} does not exist; give a folder of photographs or of tar shards"
    )


def test_recipe_may_name_them_too(train, tmp_path, painting):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f"[painting]\nfile = '{painting}'\n[photos]\npath = 'none'\n")
    said = train("--recipe", recipe, painting=None, photos=None)
    assert said.complaint.startswith(f"{tmp_path / 'none'} does not exist")


def test_missing_painting_is_one_line(train, tmp_path):
    said = train(painting=tmp_path / "none.jpg")
    assert said.complaint.startswith(f"cannot read the painting {tmp_path / 'none.jpg'}: No such")


def test_painting_that_is_no_picture_is_one_line(train, tmp_path):
    (tmp_path / "words.jpg").write_text("no picture")
    said = train(painting=tmp_path / "words.jpg")
    assert f"{tmp_path / 'words.jpg'} is not a picture that can be read" in said.complaint


def test_missing_and_empty_photographs_are_one_line(train, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "does not exist; give a folder" in train(photos=tmp_path / "none").complaint
    assert "no pictures found in" in train(photos=tmp_path / "empty").complaint


def test_photographs_too_small_for_the_crops_are_one_line(train, tmp_path):
    (tmp_path / "small").mkdir()
    draw(0, 20, 20).save(tmp_path / "small" / "0.png")
    said = train("--set", "stages.1.crop_size=64", photos=tmp_path / "small")
    assert "no usable photograph among" in said.complaint
    assert "give photographs of at least 160×160 pixels" in said.complaint


def test_unfit_output_is_one_line(train, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "there.onnx").touch()
    assert "ends in .onnx" in train(output=tmp_path / "style.pt").complaint
    small = ("--set", "stages=[{steps=1, crop_size=32}]")
    said = train(*small, output=tmp_path / "file" / "style.onnx")
    assert said.complaint.startswith(f"cannot make the folder {tmp_path / 'file' / 'style.run'}")
    assert "exists already; choose another name, or allow overwriting (--overwrite)" in (
        train(output=tmp_path / "there.onnx").complaint
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--set", "lr=1"), "recipe: lr is unknown"),
        (("--set", "seed"), "--set was given 'seed'; expected key=value"),
        (("--set", "stages.0.steps=0"), "recipe: stages.0.steps: input should be greater"),
        (("--style-balance", "0"), "recipe: objective.style_balance: input should be greater"),
        (("--minutes", "0"), "--minutes was given 0; expected a number above 0"),
        (("--minutes", "nan"), "--minutes was given nan; expected a number above 0"),
        (("--minutes", "1", "--set", "stages.0.steps=5"), "--minutes plans the stages; leave"),
        (("--time-limit", "0"), "--time-limit was given 0; expected a number above 0"),
        (("--time-limit", "inf"), "--time-limit was given inf; expected a number above 0"),
        (("--seed", "-1"), "recipe: seed: input should be greater than or equal to 0"),
        (("--seed", "one"), "invalid value for '--seed'"),
        (("--device", "tpu"), "recipe: device: input should be 'auto', 'cpu' or 'cuda'"),
        (("--recipe", "none.toml"), "cannot read the recipe none.toml: No such file"),
        (("--init", "unknown"), "there is no model 'unknown'"),
        (("--init", "none.onnx"), "none.onnx: expected a model file"),
        (("--set", "objective.loss_network_weights=none.pt"), "none.pt: No such file"),
    ],
)
def test_wrong_setting_is_one_line(train, tmp_path, words, message):
    assert message in train(*words).complaint
    assert not (tmp_path / "style.run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_missing_cuda_device_is_one_line(train):
    assert "no CUDA device is there; use 'auto' or 'cpu'" in train("--device", "cuda").complaint


@pytest.mark.parametrize(
    ("words", "start"),
    [
        ((), None),
        (("--minutes", "2"), DEFAULT_START),
        (("--minutes", "2", "--init", "udnie"), "udnie"),
        (("--minutes", "2", "--init", "none"), None),
        (("--minutes", "2", "--set", "initialise_from=none"), None),
        (("--minutes", "2", "--set", "network.channels=[8,16,32]"), None),
    ],
)
def test_what_a_training_starts_from(train, without_any_painting, monkeypatch, words, start):
    begun = []

    def begin(recipe, output, **_):
        begun.append(recipe.initialise_from)
        return TrainingOutcome(model=None, folder=output, skipped=())

    monkeypatch.setattr("impasto.training.run.train_model", begin)
    assert train(*words).status == 0
    assert begun == [None if start is None else Path(start)]
    assert resolve_model(DEFAULT_START).card.task == "style-transfer"


@pytest.fixture
def with_network(user_models, base_network_path, without_any_painting):
    """A network for any painting among the user's own models."""
    user_models.mkdir(parents=True, exist_ok=True)
    shutil.copy(base_network_path, user_models / "any_painting.onnx")


@pytest.mark.parametrize(
    ("words", "output", "start", "tune", "num_steps"),
    [
        ((), "a.onnx", None, "all", 2240),
        ((), "a.style.json", ANY_PAINTING, "constants", 200),
        (("--minutes", "2"), "a.style.json", ANY_PAINTING, "constants", 200),
        (("--minutes", "20"), "a.style.json", ANY_PAINTING, "constants", 200),
        (("--minutes", "2"), "a.onnx", ANY_PAINTING, "all", 2240),
        (("--minutes", "2", "--init", "udnie"), "a.onnx", "udnie", "all", 2240),
        (("--minutes", "2", "--init", "none"), "a.onnx", None, "all", 2240),
        (("--init", ANY_PAINTING), "a.onnx", ANY_PAINTING, "all", 2240),
        (("--set", "stages.0.steps=9"), "a.style.json", ANY_PAINTING, "constants", 9),
    ],
)
def test_what_a_style_starts_from_where_there_is_the_network(
    train, with_network, monkeypatch, tmp_path, words, output, start, tune, num_steps
):
    begun = []

    def begin(recipe, output, **_):
        begun.append((recipe.initialise_from, recipe.tune, recipe.num_steps))
        return TrainingOutcome(model=None, folder=output, skipped=())

    monkeypatch.setattr("impasto.training.run.train_model", begin)
    assert train(*words, output=tmp_path / output).status == 0
    assert begun == [(None if start is None else Path(start), tune, num_steps)]
    assert REFINEMENT["stages"][0]["steps"] == 200


def test_a_style_becomes_an_add_on(train, with_network, tmp_path):
    output = tmp_path / "mine.style.json"
    tiny = ("stages.0.steps=2", "stages.0.crop_size=32", "painting.short_side=64")
    said = train(*(word for setting in tiny for word in ("--set", setting)), output=output)
    assert said.status == 0
    assert said.lines == [str(output)]
    assert f"Try it: impasto stylize PHOTO --style {output} -o OUT" in said.stderr
    assert read_style_file(output).name == "mine"


def test_an_add_on_needs_a_network_for_any_painting(train, tmp_path):
    said = train("--init", "udnie", output=tmp_path / "a.style.json")
    assert "starts from a network for any painting, which udnie is not" in said.complaint
    said = train("--init", "none", output=tmp_path / "a.style.json")
    assert "which holds a style's constants and no network" in said.complaint


def test_resume_takes_the_recipe_of_the_run_and_nothing_else(train):
    for words in (("--seed", "1"), ("--set", "seed=1"), ("--recipe", "r.toml"), ("--minutes", "1")):
        said = train("--resume", *words, painting=None, photos=None)
        assert said.complaint.startswith("--resume goes on with the recipe of the run")


def test_there_must_be_something_to_resume(train, tmp_path):
    said = train("--resume", painting=None, photos=None)
    place = tmp_path / "style.run" / "checkpoint.safetensors"
    assert said.complaint == f"nothing to resume: there is no {place}; leave --resume out"


def test_damaged_checkpoint_is_one_line(train, tmp_path):
    (tmp_path / "style.run").mkdir()
    (tmp_path / "style.run" / "checkpoint.safetensors").write_bytes(b"damaged")
    said = train("--resume", painting=None, photos=None)
    assert said.complaint.startswith("cannot read the checkpoint")


TINY_NETWORK = (
    "--set", "network.channels=4", "--set", "network.num_residual_blocks=1",
    "--set", "stages=[{steps=2, crop_size=32, batch_size=2}]",
)  # fmt: skip


def test_super_resolution_is_trained_as_asked(impasto, photos, tmp_path):
    output = tmp_path / "sr.onnx"
    words = ("--scale", "2", "--loss", "pixel", "--degradation", "blur-bicubic")
    said = impasto("train", "sr", "--photos", photos, "-o", output, *words, *TINY_NETWORK)
    assert said.status == 0
    assert said.lines == [str(output)]
    card = read_model_file(output).card
    assert (card.scale, card.degradation) == (2, "blur-bicubic")
    assert card.training.recipe["objective"]["loss"] == "pixel"
    assert f"impasto upscale PHOTO --model {output}" in said.stderr


def test_a_time_limit_ends_a_training_with_its_model_and_it_goes_on(impasto, photos, tmp_path):
    output = tmp_path / "sr.onnx"
    endless = ("--set", "stages=[{steps=1000000, crop_size=32, batch_size=2}]")
    limit = ("--time-limit", "0.02")
    for words in (("--photos", photos, *TINY_NETWORK, *endless), ("--resume",)):
        said = impasto("train", "sr", "-o", output, *words, *limit)
        assert said.status == 0, said.stderr
        assert said.lines == [str(output)]
        (line,) = [line for line in said.stderr.splitlines() if line.startswith("stopped at ")]
        steps = read_model_file(output).card.training.steps
        assert line.startswith(f"stopped at step {steps} of 1000000 after ")
        assert line.endswith(f"go on with: impasto train sr --resume -o {output}")
    assert f"{steps} of 1000000 steps" in impasto("models", "show", output).stdout.decode()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no photographs were given; add --photos DIR"),
        (("--photos", "p", "--scale", "3"), "recipe: network.subpixel.scale: input should be 2, 4"),
        (("--photos", "p", "--loss", "psnr"), "recipe: objective.loss: input should be 'feature'"),
        (("--photos", "p", "--network", "unet"), "recipe: network: input tag 'unet'"),
    ],
)
def test_super_resolution_that_cannot_be_takes_one_line(impasto, tmp_path, words, message):
    said = impasto("train", "sr", "-o", tmp_path / "sr.onnx", *words)
    assert said.status == 2
    assert message in said.stderr
    assert said.stderr.count("\n") == 1


def test_a_style_is_not_resumed_as_super_resolution(impasto, painting, photos, tmp_path):
    leave_unfinished(tiny_recipe(painting, photos), tmp_path / "style.onnx")
    said = impasto("train", "sr", "--resume", "-o", tmp_path / "style.onnx")
    assert said.status == 2
    assert "is a training of style-transfer; resume it as that" in said.stderr
