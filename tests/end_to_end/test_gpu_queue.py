"""`runs/gpu.sh` at tiny size, on the processor: its queue, its time limit, its table."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from impasto.training.checkpoint import load_checkpoint
from impasto.zoo.model_file import read_model_file
from impasto.zoo.style_vectors import read_style_network
from training_fixtures import environment, impasto_command

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("heard_ctrl_c")]

ROOT = Path(__file__).parents[2]
ENDLESS_STEPS = 1_000_000
PATIENCE_SECONDS = 400
QUEUE = """
# name        kind   recipe                         start         steps crop batch
starry_night  style  recipes/style/starry_night.toml starry_night 40000  256     4
broken        style  recipes/style/none.toml         none         40000  256     4  # no such file
faithful_x4   sr     recipes/sr/faithful_x4.toml     faithful_x4  40000  128    16
"""
WORKING = ("starry_night", "faithful_x4")


@pytest.fixture(scope="module")
def queue(tmp_path_factory):
    path = tmp_path_factory.mktemp("queue") / "queue.txt"
    path.write_text(QUEUE)
    return path


@pytest.fixture(scope="module")
def start(queue, photos):
    """Starts `runs/gpu.sh` with these words behind PHOTOS PAINTINGS."""

    def call(*words, lines=None, **variables):
        words = [ROOT / "runs" / "gpu.sh", photos, photos, *words, "--queue", lines or queue]
        return subprocess.Popen(
            [str(word) for word in words],
            env=environment()
            | {"IMPASTO": impasto_command()[0], "PYTHON": sys.executable}
            | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return call


def ended(process):
    """Exit status, table by name, and what went to stderr."""
    stdout, stderr = process.communicate(timeout=PATIENCE_SECONDS)
    rows = [re.split(r" {2,}", line, maxsplit=1) for line in stdout.splitlines()[1:]]
    return process.returncode, dict(rows), stderr


def state_of(folder, name):
    return load_checkpoint(folder / f"{name}.run" / "checkpoint.safetensors").state


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gpu") / "out"


@pytest.fixture(scope="module")
def limited(start, folder):
    """A call whose trainings cannot end within its minutes, and their steps after it."""
    words = (folder, "0.25", "--tiny", ENDLESS_STEPS, "--side-by-side", "3")
    return ended(start(*words)), {name: state_of(folder, name).step for name in WORKING}


@pytest.fixture(scope="module")
def again(start, folder, limited):
    """The same call once more."""
    return ended(start(folder, "0.25", "--tiny", ENDLESS_STEPS, "--side-by-side", "3"))


@pytest.mark.parametrize("name", WORKING)
def test_after_the_minutes_each_model_is_written(limited, folder, name):
    (_, table, _), steps = limited
    assert table[name].startswith(f"{steps[name]} of {ENDLESS_STEPS} ")
    assert table[name].endswith("stopped in time; model written")
    training = read_model_file(folder / f"{name}.onnx").card.training
    assert training.planned_steps == ENDLESS_STEPS
    assert (folder / f"{name}.run" / "curve.png").is_file()


def test_a_training_that_fails_is_named_with_its_error_and_takes_no_other_down(limited):
    (status, table, _), _ = limited
    assert status == 1
    assert re.search(
        r"failed: impasto: cannot read the recipe .*none\.toml: No such", table["broken"]
    )
    assert table.keys() == {*WORKING, "broken"}


@pytest.mark.parametrize("name", WORKING)
def test_the_same_command_goes_on(limited, again, folder, name):
    status, table, _ = again
    step = state_of(folder, name).step
    assert status == 1
    assert step >= limited[1][name]
    assert table[name].startswith(f"{step} of {ENDLESS_STEPS} ")
    assert table[name].endswith("stopped in time; model written")
    assert read_model_file(folder / f"{name}.onnx").card.training.steps == step


def test_one_training_makes_room_for_the_next_and_finished_ones_are_left_alone(start, tmp_path):
    words = (tmp_path, "60", "--tiny", "4", "--side-by-side", "1", "--only", *WORKING)
    status, table, _ = ended(start(*words))
    assert status == 0
    for name in WORKING:
        assert table[name].startswith("4 of 4 ")
        assert table[name].endswith("finished")
        assert read_model_file(tmp_path / f"{name}.onnx").card.training.planned_steps is None
    written = [(tmp_path / f"{name}.onnx").stat().st_mtime_ns for name in WORKING]
    status, table, _ = ended(start(*words))
    assert status == 0
    assert all(table[name].endswith("finished") for name in WORKING)
    assert written == [(tmp_path / f"{name}.onnx").stat().st_mtime_ns for name in WORKING]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_with_their_checkpoints_saved(start, tmp_path, number):
    words = ("60", "--tiny", ENDLESS_STEPS, "--side-by-side", "2", "--only", *WORKING)
    process = start(tmp_path, *words)
    logs = [tmp_path / f"{name}.run" / "log.jsonl" for name in WORKING]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not all(log.exists() and log.stat().st_size for log in logs):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    status, table, _ = ended(process)
    assert status == 128 + number
    for name in WORKING:
        step = state_of(tmp_path, name).step
        assert step > 0
        assert table[name].startswith(f"{step} of {ENDLESS_STEPS} ")
        assert table[name].endswith("interrupted; checkpoint saved")


MPS = """#!/bin/sh
[ $# -gt 0 ] && words=$* || words=$(cat)
echo "$words $CUDA_MPS_PIPE_DIRECTORY" >> "$MPS_LOG"
"""


def test_the_multi_process_service_runs_as_long_as_the_queue(start, tmp_path):
    program = tmp_path / "bin" / "nvidia-cuda-mps-control"
    program.parent.mkdir()
    program.write_text(MPS)
    program.chmod(0o755)
    log = tmp_path / "mps.log"
    path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    process = start(tmp_path / "out", "60", "--only", "broken", PATH=path, MPS_LOG=str(log))
    assert ended(process)[0] == 1
    begun, quit_ = (line.split() for line in log.read_text().splitlines())
    assert (begun[0], quit_[0]) == ("-d", "quit")
    assert begun[1] == quit_[1]
    assert not Path(begun[1]).exists()


def test_the_network_for_any_painting_is_trained_on_the_folder_of_paintings(start, tmp_path):
    lines = tmp_path / "queue.txt"
    lines.write_text(
        "any_painting styles recipes/styles/any_painting.toml any_painting 40000 256 4\n"
    )
    status, rows, _ = ended(start(tmp_path, "60", "--tiny", "2", lines=lines))
    assert status == 0
    assert rows["any_painting"].startswith("2 of 2")
    assert read_style_network(read_model_file(tmp_path / "any_painting.onnx")).table.styles


def test_every_line_of_the_queue_names_what_exists():
    lines = (ROOT / "runs" / "gpu_queue.txt").read_text().splitlines()
    entries = [line.split() for line in lines if not line.startswith("#")]
    assert len(entries) == 13
    for name, kind, recipe, start_model, *sizes in entries:
        assert (ROOT / recipe).stem == name
        assert recipe.startswith(f"recipes/{kind}/")
        assert (ROOT / recipe).is_file()
        assert (ROOT / "src/impasto/zoo/released" / f"{start_model}.onnx").is_file()
        assert len([int(size) for size in sizes]) == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("starry_night style", "line 1: expected name, kind, recipe, start, steps, crop and batch"),
        ("a video r.toml none 1 32 2", "line 1: 'video' is not style or styles or sr"),
        ("a style r.toml none 1 32 2", "has no b"),
    ],
)
def test_a_queue_that_cannot_be_read_is_one_line(tmp_path, photos, line, message):
    (tmp_path / "queue.txt").write_text(line)
    words = (
        photos,
        photos,
        tmp_path / "out",
        "1",
        "--queue",
        tmp_path / "queue.txt",
        "--only",
        "b",
    )
    command = [sys.executable, ROOT / "runs" / "gpu.py", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
