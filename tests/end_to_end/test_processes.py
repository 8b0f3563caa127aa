"""Several processes train as one."""

import sys
from pathlib import Path

import numpy as np

from training_fixtures import TINY_SETTINGS, run_command, torchrun_command

JOINT_GRADIENT = Path(__file__).with_name("joint_gradient.py")


def test_two_processes_have_the_gradient_of_the_joint_batch(painting, photos, tmp_path):
    one, two = tmp_path / "one.npy", tmp_path / "two.npy"
    run = run_command([sys.executable, str(JOINT_GRADIENT), str(painting), str(photos), str(one)])
    assert run.returncode == 0, run.stderr
    run = run_command(torchrun_command(JOINT_GRADIENT, painting, photos, two))
    assert run.returncode == 0, run.stderr
    expected, gradient = np.load(one), np.load(two)
    assert np.abs(expected).max() > 0
    difference = np.linalg.norm(gradient - expected) / np.linalg.norm(expected)
    assert difference < 1e-5


def test_the_command_trains_one_model_with_two_processes(painting, photos, tmp_path):
    output = tmp_path / "style.onnx"
    settings = (*TINY_SETTINGS, "stages=[{steps=4, crop_size=32, batch_size=4}]")
    given = [part for setting in settings for part in ("--set", setting)]
    command = ("-m", "impasto", "train", "style", painting, "--photos", photos, "-o", output)
    run = run_command(torchrun_command(*command, *given))
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("style.onnx") == 1
    assert output.exists()
