"""Two processes on this machine, started by torchrun, on the processor (gloo)."""

import json
import os
from pathlib import Path

import pytest

from impasto.training.checkpoint import load_checkpoint
from impasto.training.logs import read_log
from impasto.zoo.model_file import read_model_file
from training_fixtures import TINY_SETTINGS, run_command, torchrun_command

pytestmark = pytest.mark.slow

NUM_STEPS = 6


@pytest.fixture
def tests_importable(monkeypatch):
    tests = str(Path(__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")]))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, painting, photos):
    folder = tmp_path_factory.mktemp("processes")
    settings = (*TINY_SETTINGS, f"stages=[{{steps={NUM_STEPS}, crop_size=32, batch_size=2}}]")
    flags = [word for setting in settings for word in ("--set", setting)]
    words = ("-m", "impasto", "train", "style", painting, "--photos", photos, "-o", "both.onnx")
    return folder, run_command(torchrun_command(*words, *flags), folder=folder)


def test_two_processes_have_the_gradient_of_the_joint_batch(tests_importable, painting, photos):
    script = Path(__file__).with_name("joint_gradient.py")
    done = run_command(torchrun_command(script, painting, photos))
    assert done.returncode == 0, done.stderr
    errors = json.loads(done.stdout)
    assert errors["together"] < 1e-5
    assert errors["alone"] > 1e-3  # or the two halves would be no test


def test_two_processes_write_one_model(trained):
    folder, done = trained
    assert done.returncode == 0, done.stderr
    assert done.stdout == "both.onnx\n"
    card = read_model_file(folder / "both.onnx").card
    assert card.training.steps == NUM_STEPS
    assert sorted(path.name for path in folder.iterdir()) == ["both.onnx", "both.run"]


def test_two_processes_share_the_photographs_and_write_one_log(trained):
    folder, _ = trained
    state = load_checkpoint(folder / "both.run" / "checkpoint.safetensors").state
    assert (state.step, state.position) == (NUM_STEPS, 2 * NUM_STEPS)
    assert [record["step"] for record in read_log(folder / "both.run")] == [2, 4, 6]
    assert len(list((folder / "both.run" / "tensorboard").iterdir())) == 1


@pytest.fixture(scope="module")
def limited(tmp_path_factory, painting, photos):
    """Two processes that a time limit stops, and that go on until another one does."""
    folder = tmp_path_factory.mktemp("limited")
    settings = (*TINY_SETTINGS, "stages=[{steps=1000000, crop_size=32, batch_size=2}]")
    flags = [word for setting in settings for word in ("--set", setting)]
    command = ("-m", "impasto", "train", "style", "-o", "both.onnx", "--time-limit", "0.4")
    first = run_command(
        torchrun_command(*command, painting, "--photos", photos, *flags), folder=folder
    )
    return folder, first, run_command(torchrun_command(*command, "--resume"), folder=folder)


def test_a_time_limit_stops_both_processes_at_the_same_step(limited):
    folder, *calls = limited
    for done in calls:
        assert done.returncode == 0, done.stderr
        assert done.stdout == "both.onnx\n"
        assert done.stderr.count("; model written; go on with: ") == 1
    state = load_checkpoint(folder / "both.run" / "checkpoint.safetensors").state
    training = read_model_file(folder / "both.onnx").card.training
    assert (training.steps, training.planned_steps) == (state.step, 1_000_000)
    assert f"stopped at step {state.step} of 1000000 after " in calls[1].stderr
    assert sorted(path.name for path in folder.iterdir()) == ["both.onnx", "both.run"]


def test_two_processes_say_nothing_but_our_lines(trained):
    _, done = trained
    beginnings = (
        "probe: ",
        "contact sheet: ",
        "step ",
        "1 file",
        "  broken.jpg: ",
        "Logs, ",
        "Try ",
    )
    # Both write to one stderr: a line's end may come after the other's, and leave an empty line.
    lines = [line for line in done.stderr.splitlines() if line]
    assert [line for line in lines if not line.startswith(beginnings)] == []
    assert sum(line.startswith("step ") for line in done.stderr.splitlines()) == NUM_STEPS / 2
