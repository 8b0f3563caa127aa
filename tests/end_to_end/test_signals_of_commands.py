"""Commands that are told to end, or killed, in processes of their own: what they leave behind."""

import contextlib
import signal
import subprocess
import time

import numpy as np
import pytest
from PIL import Image

from impasto.system.work_files import PREFIX
from impasto.training.checkpoint import load_checkpoint
from training_fixtures import TINY_SETTINGS, environment, impasto_command, run_command
from video_fixtures import draw_noise, make_film

PATIENCE_SECONDS = 200
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
HOW = {signal.SIGINT: "interrupted", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}

pytestmark = pytest.mark.usefixtures("heard_ctrl_c")


@contextlib.contextmanager
def running(*words, before=()):
    """A command under way, and killed at the end if need be."""
    with subprocess.Popen(
        [*before, *impasto_command(*words)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process, condition):
    """Wait until something is so, while a process goes on."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def large(tmp_path, tiny_model_path, out):
    """The words that make a picture in many small tiles, which takes a while."""
    noise = np.random.default_rng(0).integers(0, 256, (3000, 3000, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png", compress_level=0)
    model = ("--style", tiny_model_path, "--precision", "f32", "--tile", "128")
    return ("stylize", tmp_path / "large.png", "-o", out / "large.png", *model)


def work_files(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(PREFIX)]


def size_of_work(folder):
    return sum((folder / name).stat().st_size for name in work_files(folder))


@pytest.mark.parametrize("number", STATUS)
def test_a_picture_in_tiles_leaves_nothing_when_it_is_told_to_end(large, out, number):
    with running(*large) as process:
        wait_for(process, lambda: work_files(out))
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == STATUS[number]
    assert said.count("\n") == 1
    assert HOW[number] in said
    assert list(out.iterdir()) == []


def test_a_second_signal_does_not_break_off_the_cleaning_up(large, out):
    with running(*large) as process:
        wait_for(process, lambda: work_files(out))
        for _ in range(50):
            process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)
    assert process.returncode in (129, 143)  # which of the two was heard first
    assert list(out.iterdir()) == []


def test_nohup_is_respected(negative_film, out):
    with running(*negative_film, before=["nohup"]) as process:
        wait_for(process, lambda: work_files(out))
        process.send_signal(signal.SIGHUP)
        process.wait(PATIENCE_SECONDS)
    assert process.returncode == 0
    assert [path.name for path in out.iterdir()] == ["film.mp4"]


def test_what_a_killed_picture_left_is_gone_after_the_next(large, out, tmp_path):
    with running(*large) as process:
        wait_for(process, lambda: work_files(out))
        process.kill()
        process.wait()
    assert work_files(out)
    Image.new("RGB", (20, 20)).save(tmp_path / "small.png")
    words = ("stylize", tmp_path / "small.png", "-o", out / "small.png", *large[4:8])
    done = run_command(impasto_command(*words))
    assert done.returncode == 0, done.stderr
    assert [path.name for path in out.iterdir()] == ["small.png"]


@pytest.fixture
def negative_film(tmp_path, tiny_model_path, out):
    """The words that make a film of a second or two, of noise, so that its file soon grows."""
    make_film(
        tmp_path / "film.mp4",
        draw=draw_noise,
        width=160,
        height=120,
        times=tuple(512 * number for number in range(400)),
        sound=None,
    )
    style = ("--style", tiny_model_path, "--precision", "f32")
    return ("stylize", tmp_path / "film.mp4", "-o", out / "film.mp4", *style)


SOME_FRAMES_BYTES = 100_000
"""More than a film's header, less than all of the film above."""


@pytest.mark.parametrize("number", STATUS)
def test_a_film_keeps_its_part_when_it_is_told_to_end(negative_film, out, number):
    with running(*negative_film) as process:
        wait_for(process, lambda: size_of_work(out) > SOME_FRAMES_BYTES)
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == STATUS[number]
    assert [path.name for path in out.iterdir()] == ["film.partial.mp4"]
    assert str(out / "film.partial.mp4") in said


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_training_saves_when_it_is_told_to_end(number, out, painting, photos):
    settings = [
        word
        for setting in (*TINY_SETTINGS, "stages=[{steps=100000, crop_size=32, batch_size=1}]")
        for word in ("--set", setting)
    ]
    with running(
        "train", "style", painting, "--photos", photos, "-o", out / "a.onnx", *settings
    ) as process:
        log = out / "a.run" / "log.jsonl"
        wait_for(process, lambda: log.exists() and log.stat().st_size)
        second = run_command(
            impasto_command(
                *("train", "style", painting, "--photos", photos, "-o", out / "a.onnx"),
                *("--overwrite", *settings),
            )
        )
        assert second.returncode == 2
        assert f"another training is going on in {out / 'a.run'}; wait for its end" in second.stderr
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == STATUS[number]
    assert "go on with: impasto train style --resume" in said
    step = load_checkpoint(out / "a.run" / "checkpoint.safetensors").state.step
    assert f"stopped at step {step} of 100000" in said
    assert not (out / "a.run" / ".impasto.lock").exists()
