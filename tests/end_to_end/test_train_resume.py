"""A training that is killed or stopped, and goes on, as a person at a terminal meets it."""

import signal
import subprocess
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from training_fixtures import TINY_SETTINGS, environment, impasto_command, run_command

SETTINGS = (
    *TINY_SETTINGS,
    "stages=[{steps=24, crop_size=32, batch_size=2}, {steps=6, crop_size=48, batch_size=2}]",
    "loop.checkpoint_every_steps=4",
)
WAIT_SECONDS = 120


def train_command(painting, photos, output):
    given = [part for setting in SETTINGS for part in ("--set", setting)]
    return impasto_command("train", "style", painting, "--photos", photos, "-o", output, *given)


def start_and_signal(command, checkpoint, number):
    """Start a training, send it a signal once its first checkpoint is there, and wait."""
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + WAIT_SECONDS
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    _, complaint = process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, complaint


@pytest.fixture(scope="module")
def unbroken(painting, photos, tmp_path_factory):
    """The last checkpoint of a training that nothing disturbed."""
    output = tmp_path_factory.mktemp("unbroken") / "style.onnx"
    run = run_command(train_command(painting, photos, output))
    assert run.returncode == 0, run.stderr
    return load_file(output.with_suffix(".run") / "checkpoint.safetensors")


def resume(output):
    return run_command(impasto_command("train", "style", "--resume", "-o", output))


def assert_bit_identical(output, expected):
    tensors = load_file(output.with_suffix(".run") / "checkpoint.safetensors")
    assert tensors.keys() == expected.keys()
    for name, tensor in tensors.items():
        assert np.array_equal(tensor, expected[name]), name


def test_a_killed_training_resumes_to_the_very_weights_of_an_unbroken_one(
    painting, photos, tmp_path, unbroken
):
    output = tmp_path / "style.onnx"
    checkpoint = tmp_path / "style.run" / "checkpoint.safetensors"
    code, _ = start_and_signal(train_command(painting, photos, output), checkpoint, signal.SIGKILL)
    assert code == -signal.SIGKILL, "the training ended before it could be killed"
    assert not output.exists()
    run = resume(output)
    assert run.returncode == 0, run.stderr
    assert output.exists()
    assert_bit_identical(output, unbroken)


def test_ctrl_c_saves_says_how_to_go_on_and_resumes_exactly(painting, photos, tmp_path, unbroken):
    output = tmp_path / "style.onnx"
    checkpoint = tmp_path / "style.run" / "checkpoint.safetensors"
    code, complaint = start_and_signal(
        train_command(painting, photos, output), checkpoint, signal.SIGINT
    )
    assert code == 130, complaint
    assert f"go on with: impasto train style --resume -o {output}" in complaint
    assert "Traceback" not in complaint
    run = resume(output)
    assert run.returncode == 0, run.stderr
    assert_bit_identical(output, unbroken)
    assert "1 file" in run.stderr or "broken.jpg" in run.stderr
