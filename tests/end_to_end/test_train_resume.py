"""`impasto train style` in processes of its own: killed, interrupted, and resumed to the end.

One run is never disturbed. The other is killed as soon as it has saved anything, resumed,
interrupted with Ctrl-C, and resumed again.
"""

import json
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image

from impasto.runtime.backends.torch_network import load_network
from impasto.training.checkpoint import load_checkpoint
from impasto.training.logs import read_log
from impasto.zoo.model_file import read_model_file
from training_fixtures import TINY_SETTINGS, environment, impasto_command, run_command

NUM_STEPS = 24
SETTINGS = (
    *TINY_SETTINGS,
    "stages=[{steps=12, crop_size=32, batch_size=2}, {steps=12, crop_size=48, batch_size=2}]",
    "loop.checkpoint_every_steps=4",
)
PATIENCE_SECONDS = 200


@dataclass(frozen=True)
class Ended:
    """A process that came to its end, and where the run's checkpoint stood then."""

    status: int
    stdout: str
    stderr: list[str]
    step: int


def arguments(output, painting, photos):
    flags = [word for setting in SETTINGS for word in ("--set", setting)]
    return ("train", "style", painting, "--photos", photos, "-o", output, *flags)


def start(folder, *words):
    return subprocess.Popen(
        impasto_command(*words),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process, folder, *, heard=()):
    stdout, stderr = process.communicate(timeout=PATIENCE_SECONDS)
    checkpoint = folder / "broken.run" / "checkpoint.safetensors"
    lines = [*heard, *stderr.splitlines()]
    return Ended(process.returncode, stdout, lines, load_checkpoint(checkpoint).state.step)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("resume")


@pytest.fixture(scope="module")
def unbroken(folder, painting, photos):
    """The run that nobody disturbs."""
    return run_command(
        impasto_command(*arguments("unbroken.onnx", painting, photos)), folder=folder
    )


@pytest.fixture(scope="module")
def killed(folder, painting, photos):
    """The other run, killed once its first checkpoint is there."""
    process = start(folder, *arguments("broken.onnx", painting, photos))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (folder / "broken.run" / "checkpoint.safetensors").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    return ended(process, folder)


@pytest.fixture(scope="module")
def interrupted(folder, killed):
    """Resumed, and interrupted once it tells of a step."""
    process = start(folder, "train", "style", "--resume", "-o", "broken.onnx")
    heard = []
    for line in process.stderr:
        heard.append(line.rstrip("\n"))
        if line.startswith("step "):
            process.send_signal(signal.SIGINT)
            break
    return ended(process, folder, heard=heard)


@pytest.fixture(scope="module")
def resumed(folder, interrupted):
    """Resumed again, to the end."""
    command = impasto_command("train", "style", "--resume", "-o", "broken.onnx", "--json")
    return run_command(command, folder=folder)


def test_unbroken_run_answers_with_the_model_and_says_nothing_but_its_own_lines(unbroken):
    assert unbroken.returncode == 0, unbroken.stderr
    assert unbroken.stdout == "unbroken.onnx\n"
    ours = (
        r"probe: terms are divided by content \S+, style \S+, total_variation \S+",
        r"contact sheet: unbroken\.run/contact_sheet\.jpg",
        rf"step \d+/{NUM_STEPS}  total \S+  content \S+  style \S+  total_variation \S+  grid \S+  "
        r"\S+ images/s  \d+:\d\d left",
        r"1 file was skipped:",
        r"  broken\.jpg: .*not a picture.*",
        r"Logs, curve and contact sheets: unbroken\.run",
        r"Try it: impasto stylize PHOTO --style unbroken\.onnx -o OUT",
    )
    lines = unbroken.stderr.splitlines()
    assert [line for line in lines if not any(re.fullmatch(one, line) for one in ours)] == []
    assert sum(line.startswith("step ") for line in lines) == NUM_STEPS / 2


def test_killed_run_was_cut_off_in_the_middle(killed, folder):
    assert killed.status == -signal.SIGKILL
    assert 0 < killed.step < NUM_STEPS
    assert not (folder / "broken.onnx").exists()


def test_ctrl_c_saves_and_says_in_one_line_how_to_go_on(interrupted, killed, folder):
    assert interrupted.status == 130
    assert interrupted.stdout == ""
    ours = [line for line in interrupted.stderr if line.startswith("impasto: ")]
    assert ours == [
        f"impasto: stopped at step {interrupted.step} of {NUM_STEPS}; saved in broken.run; "
        "go on with: impasto train style --resume -o broken.onnx"
    ]
    assert interrupted.stderr[-1] == ours[0]
    assert killed.step < interrupted.step < NUM_STEPS
    assert not (folder / "broken.onnx").exists()


def test_killed_and_resumed_run_ends_in_the_weights_of_the_unbroken_one(unbroken, resumed, folder):
    assert resumed.returncode == 0, resumed.stderr
    whole, broken = (
        load_checkpoint(folder / f"{name}.run" / "checkpoint.safetensors")
        for name in ("unbroken", "broken")
    )
    assert whole.state.step == broken.state.step == NUM_STEPS
    assert whole.state.position == broken.state.position
    assert whole.state.normalisers == broken.state.normalisers
    assert whole.tensors.keys() == broken.tensors.keys()
    assert any(name.endswith("exp_avg_sq") for name in whole.tensors)
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, broken.tensors[name]), name


def test_both_runs_leave_the_same_model(unbroken, resumed, folder):
    whole, broken = (read_model_file(folder / f"{name}.onnx") for name in ("unbroken", "broken"))
    assert whole.card.training.losses == broken.card.training.losses
    assert whole.card.training.num_photographs == broken.card.training.num_photographs == 6
    expected = load_network(whole).state_dict()
    for name, weight in load_network(broken).state_dict().items():
        assert torch.equal(weight, expected[name])


def test_resumed_run_answers_in_json(resumed, folder):
    answer = json.loads(resumed.stdout)
    assert Path(answer["model"]) == Path("broken.onnx")
    assert Path(answer["run"]) == Path("broken.run")
    assert answer["card"] == read_model_file(folder / "broken.onnx").card.model_dump(mode="json")


@pytest.mark.parametrize("name", ["unbroken", "broken"])
def test_log_has_each_step_once(unbroken, resumed, folder, name):
    steps = [record["step"] for record in read_log(folder / f"{name}.run")]
    assert steps == list(range(2, NUM_STEPS + 1, 2))


@pytest.mark.parametrize("name", ["unbroken", "broken"])
def test_run_leaves_pictures_and_no_temporary_file(unbroken, resumed, folder, name):
    run = folder / f"{name}.run"
    for picture in ("curve.png", "contact_sheet.jpg"):
        with Image.open(run / picture) as image:
            image.load()
    names = {path.name for path in run.iterdir()} - {"tensorboard", "contact_sheets"}
    assert names == {"checkpoint.safetensors", "contact_sheet.jpg", "curve.png", "log.jsonl"}
    assert list((run / "tensorboard").glob("events.*"))
