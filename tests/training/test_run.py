import hashlib
import os
import shutil
import signal
import tarfile
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

from impasto.data.photos import PhotoFolder
from impasto.data.shards import PhotoShards
from impasto.data.stream import SkippedPhotograph
from impasto.errors import (
    CheckpointError,
    DataError,
    ModelFileError,
    OutputAppearedError,
    OutputExistsError,
    PictureFileError,
    RecipeError,
    TrainingError,
    TrainingInterrupted,
    UnknownModelError,
)
from impasto.losses.loss_network import SHIPPED_WEIGHTS_SHA256
from impasto.runtime.backends.torch_network import load_network
from impasto.runtime.predictor import Predictor
from impasto.system.work_files import alone_in
from impasto.training.card_of_run import num_usable
from impasto.training.checkpoint import load_checkpoint
from impasto.training.logs import read_log
from impasto.training.loop import CHECKPOINT_NAME
from impasto.training.run import resumed_recipe, run_folder, train_model
from impasto.zoo.model_file import read_model_file
from training_fixtures import draw, leave_unfinished, stop_at, tiny_recipe

STAGES = [
    {"steps": 3, "crop_size": 32, "batch_size": 2},
    {"steps": 2, "crop_size": 48, "batch_size": 2},
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, painting, photos):
    """A training of two stages, with what it told: outcome, reports, skipped photographs."""
    output = tmp_path_factory.mktemp("trained") / "Tiny Style.onnx"
    details = {"file": painting, "short_side": 32, "title": "Blotches", "year": "1889"}
    recipe = tiny_recipe(painting, photos, painting=details, stages=STAGES, seed=5)
    reports, skipped = [], []
    outcome = train_model(recipe, output, on_progress=reports.append, on_skipped=skipped.append)
    return outcome, reports, skipped


def test_a_training_leaves_a_model_that_paints(trained):
    outcome, _, _ = trained
    assert outcome.model == read_model_file(outcome.model.path)
    photograph = np.asarray(draw(3, 50, 37), np.float32) / 255
    stylized = Predictor(outcome.model)(photograph)
    assert stylized.shape == photograph.shape
    assert stylized.std() > 0


def test_a_training_leaves_logs_curve_and_contact_sheets_beside_it(trained):
    outcome, _, _ = trained
    assert outcome.folder == outcome.model.path.with_suffix(".run")
    assert {path.name for path in outcome.folder.iterdir()} == {
        "checkpoint.safetensors",
        "contact_sheet.jpg",
        "contact_sheets",
        "curve.png",
        "log.jsonl",
        "tensorboard",
    }
    assert [record["step"] for record in read_log(outcome.folder)] == [1, 2, 3, 4, 5]
    for name in ("contact_sheet.jpg", "curve.png"):
        with Image.open(outcome.folder / name) as picture:
            picture.load()


def test_corrupt_photographs_are_told_at_the_end_and_not_counted(trained):
    outcome, _, skipped = trained
    assert [skip.name for skip in outcome.skipped] == ["broken.jpg"]
    assert "not a picture" in outcome.skipped[0].reason
    assert skipped == [outcome.skipped]
    assert outcome.model.card.training.num_photographs == 6


def test_card_says_what_was_trained_and_how(trained, painting, photos):
    outcome, _, _ = trained
    card = outcome.model.card
    assert (card.name, card.title, card.task) == ("tiny-style", "Blotches", "style-transfer")
    assert card.architecture.channels == (4, 4, 8)
    assert card.painting.sha256 == hashlib.sha256(painting.read_bytes()).hexdigest()
    assert (card.painting.year, card.painting.short_side) == ("1889", 32)
    training = card.training
    assert (training.steps, training.seed, training.dataset) == (5, 5, photos.name)
    assert training.loss_network_sha256 == SHIPPED_WEIGHTS_SHA256
    assert {"torch", "onnx", "impasto", "openvino"} <= training.versions.keys()
    assert training.losses.keys() == {"content", "style", "total_variation", "grid"}
    assert card.licences.commercial_use == "unclear"


def test_card_holds_the_whole_recipe_but_no_folder_of_this_machine(trained, photos):
    outcome, _, _ = trained
    recipe = outcome.model.card.training.recipe
    assert recipe["stages"] == [{**stage, "learning_rate": None} for stage in STAGES]
    assert recipe["painting"]["file"] == "painting.png"
    assert recipe["photos"]["path"] == photos.name
    assert str(photos.parent) not in outcome.model.card.to_json()


def test_normalisers_are_in_checkpoint_card_and_report(trained):
    outcome, reports, _ = trained
    normalisers = load_checkpoint(outcome.folder / CHECKPOINT_NAME).state.normalisers
    assert outcome.model.card.training.scales == normalisers.model_dump()
    assert normalisers.style > 1
    assert reports[0].message.startswith(
        f"probe: terms are divided by content {normalisers.content:.3g}"
    )


def test_file_holds_the_weights_of_the_checkpoint_rounded_to_half_precision(trained):
    outcome, _, _ = trained
    tensors = load_checkpoint(outcome.folder / CHECKPOINT_NAME).tensors
    for name, weight in load_network(outcome.model).state_dict().items():
        assert torch.equal(weight, tensors[f"network.{name}"].half().float())


def test_checkpoint_remembers_the_recipe(trained, painting, photos):
    outcome, _, _ = trained
    recipe = resumed_recipe(outcome.model.path)
    assert (recipe.painting.file, recipe.photos.path) == (painting, photos)
    assert recipe.seed == 5


def test_a_finished_output_is_not_trained_again_unasked(trained, painting, photos):
    outcome, _, _ = trained
    recipe = tiny_recipe(painting, photos)
    for resume in (False, True):
        with pytest.raises(OutputExistsError, match=r"Tiny Style\.onnx exists already"):
            train_model(recipe, outcome.model.path, resume=resume)


def test_fine_tuning_starts_from_a_model_and_needs_it_once(trained, tmp_path, painting, photos):
    outcome, _, _ = trained
    start, output = tmp_path / "start.onnx", tmp_path / "tuned.onnx"
    shutil.copy(outcome.model.path, start)
    recipe = tiny_recipe(
        painting,
        photos,
        initialise_from=start,
        network={"channels": (16, 16, 16)},  # the model's own architecture takes its place
        objective={"weights": {"content": 1, "style": 1e-9, "total_variation": 0}},
        stages=[{"steps": 2, "crop_size": 32, "batch_size": 1}],
        optimizer={"learning_rate": 1e-9},
    )
    reports = []

    def watch(progress):
        reports.append(progress.message)
        stop_at(1)(progress)

    output.write_bytes(b"an older model")
    with pytest.raises(TrainingInterrupted) as stopped:
        train_model(recipe, output, overwrite=True, on_progress=watch)
    message = str(stopped.value)
    assert message.startswith(f"stopped at step 1 of 2; saved in {run_folder(output)}; go on with:")
    assert message.endswith(f"impasto train style --resume --overwrite -o {output}")
    assert not any("probe" in report for report in reports)  # explicit weights need none
    assert output.read_bytes() == b"an older model"

    start.unlink()
    model = train_model(resumed_recipe(output), output, resume=True, overwrite=True).model
    assert model.card.architecture == outcome.model.card.architecture
    assert model.card.training.initialised_from == "start"
    assert model.card.training.scales == {}
    before, after = load_network(outcome.model).state_dict(), load_network(model).state_dict()
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)


def test_beginning_anew_leaves_no_checkpoint_of_the_older_run(tmp_path, painting, photos):
    output, recipe = tmp_path / "style.onnx", tiny_recipe(painting, photos)
    with pytest.raises(TrainingInterrupted, match=f"--resume -o {output}"):
        train_model(recipe, output, on_progress=stop_at(2))
    with pytest.raises(OutputExistsError, match="an unfinished training; go on with --resume"):
        train_model(recipe, output)

    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_model(recipe, output, overwrite=True, on_progress=interrupt)
    assert not (run_folder(output) / CHECKPOINT_NAME).exists()
    with pytest.raises(CheckpointError, match="nothing to resume"):
        resumed_recipe(output)


def test_missing_folders_of_the_output_are_made(tmp_path, painting, photos):
    output = tmp_path / "new" / "folder" / "style.onnx"
    leave_unfinished(tiny_recipe(painting, photos), output)
    assert (tmp_path / "new" / "folder" / "style.run" / CHECKPOINT_NAME).is_file()


def test_usable_photographs_of_a_folder(photos):
    source, skip = PhotoFolder(photos, seed=0), SkippedPhotograph("broken.jpg", "")
    assert num_usable(source, (skip,)) == 6
    assert num_usable(source, ()) == 7
    assert num_usable(source, (skip,) * 9) == 0


def test_usable_photographs_of_shards_are_unknown_or_without_the_damaged(tmp_path):
    draw(0, 8, 8).save(tmp_path / "0.png")
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for index in range(4):
            tar.add(tmp_path / "0.png", f"{index}.png")
    source = PhotoShards([tmp_path / "0.tar"], seed=0)
    assert num_usable(source, ()) is None
    list(islice(source.starting_at(0), 5))  # reads the shard through once
    skips = (SkippedPhotograph("0.tar", "cut"), SkippedPhotograph("0.tar:1.png", "damaged"))
    assert num_usable(source, skips) == 3


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("style.pt", RecipeError, "expected a file name that ends in .onnx"),
        ("folder.onnx", RecipeError, "is a folder; give the name of a file"),
        ("file/style.onnx", RecipeError, "cannot make the folder .*: Not a directory"),
    ],
)
def test_unfit_output_is_refused(tmp_path, painting, photos, name, error, message):
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(error, match=message):
        train_model(tiny_recipe(painting, photos), tmp_path / name)


def test_unfit_painting_is_refused(tmp_path, photos):
    (tmp_path / "words.jpg").write_text("no picture")
    for name, message in (("none.jpg", "No such file"), ("words.jpg", "not a picture")):
        with pytest.raises(PictureFileError, match=message):
            train_model(tiny_recipe(tmp_path / name, photos), tmp_path / "style.onnx")
    assert not (tmp_path / "style.run").exists()


def test_unfit_photographs_are_refused(tmp_path, painting):
    (tmp_path / "empty").mkdir()
    for name, message in (("none", "does not exist"), ("empty", "no pictures found")):
        with pytest.raises(DataError, match=message):
            train_model(tiny_recipe(painting, tmp_path / name), tmp_path / "style.onnx")


def test_photographs_that_went_away_are_named_on_resuming(tmp_path, painting, photos):
    moved, output = tmp_path / "photos", tmp_path / "style.onnx"
    shutil.copytree(photos, moved)
    leave_unfinished(tiny_recipe(painting, moved), output)
    shutil.rmtree(moved)
    with pytest.raises(DataError, match=f"{moved} does not exist"):
        train_model(resumed_recipe(output), output, resume=True)


def test_unfit_model_to_start_from_is_refused(tmp_path, painting, photos, user_models):
    (tmp_path / "words.onnx").write_text("no model")
    output = tmp_path / "style.onnx"
    recipe = tiny_recipe(painting, photos, initialise_from=tmp_path / "words.onnx")
    with pytest.raises(ModelFileError, match=r"words\.onnx"):
        train_model(recipe, output)
    with pytest.raises(UnknownModelError, match="there is no model 'unknown'"):
        train_model(tiny_recipe(painting, photos, initialise_from="unknown"), output)


def test_checkpoint_with_a_foreign_recipe_is_refused(tmp_path, painting, photos):
    output = tmp_path / "style.onnx"
    with pytest.raises(CheckpointError, match=r"nothing to resume: there is no .*; leave --resume"):
        train_model(tiny_recipe(painting, photos), output, resume=True)
    run_folder(output).mkdir()
    (run_folder(output) / CHECKPOINT_NAME).write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match="cannot read the checkpoint"):
        resumed_recipe(output)


@pytest.mark.parametrize(
    ("start", "said"), [(None, "plan for 1 min: "), ("udnie", "plan for 1 min: from udnie on, ")]
)
def test_minutes_plan_the_stages_and_say_so(tmp_path, painting, start, said):
    large = tmp_path / "photos"
    large.mkdir()
    for index in range(3):
        draw(index, 330, 330).save(large / f"{index}.png")
    reports = []
    stages = [{"steps": 9, "batch_size": 1}]
    recipe = tiny_recipe(painting, large, stages=stages, initialise_from=start)
    output = tmp_path / "planned.onnx"

    def stop_when_planned(progress):
        reports.append(progress)
        if progress.step == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(TrainingInterrupted):
        train_model(recipe, output, minutes=1, on_progress=stop_when_planned)
    planned = resumed_recipe(output).stages
    small, large = (f"{stage.steps} steps of 1 at {stage.crop_size}²" for stage in planned)
    assert reports[0].message == f"{said}{small}, then {large}"
    assert [stage.batch_size for stage in planned] == [1, 1]
    assert planned[1].crop_size == 2 * planned[0].crop_size
    assert reports[0].num_steps == sum(stage.steps for stage in planned) != 9


def test_a_second_training_in_the_folder_of_a_run_is_refused(tmp_path, painting, photos):
    output = tmp_path / "style.onnx"
    with (
        alone_in(run_folder(output)),
        pytest.raises(TrainingError, match=r"another training is going on in .*style\.run; wait"),
    ):
        train_model(tiny_recipe(painting, photos), output, overwrite=True)
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_cannot_begin_leaves_no_folder(tmp_path, painting):
    (tmp_path / "empty").mkdir()
    recipe = tiny_recipe(painting, tmp_path / "empty")
    with pytest.raises(DataError):
        train_model(recipe, tmp_path / "new" / "style.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_file_that_appears_while_it_trains_is_kept(tmp_path, painting, photos):
    output = tmp_path / "style.onnx"
    with pytest.raises(OutputAppearedError, match=r"appeared .* is in .*style\.new\.onnx"):
        train_model(
            tiny_recipe(painting, photos),
            output,
            on_progress=lambda _: output.write_bytes(b"somebody's"),
        )
    assert output.read_bytes() == b"somebody's"
    assert read_model_file(tmp_path / "style.new.onnx").card.task == "style-transfer"
