"""`impasto stylize` with films, and `impasto camera`, on the command line."""

import json
import re
import signal
import subprocess
from fractions import Fraction

import av
import pytest
from PIL import Image

from training_fixtures import environment, impasto_command
from video_fixtures import draw_noise, make_film

PATIENCE_SECONDS = 200
LONG_FILM = 1200
"""Frames; too many to be done before a test has looked."""


def num_frames(path):
    with av.open(str(path)) as film:
        return sum(1 for _ in film.decode(video=0))


def test_a_film_becomes_a_film(negative, film, tmp_path):
    done = negative(film, "-o", tmp_path / "out.mp4", "--size", "32", "--stabilize")
    assert done.status == 0
    assert done.lines == [str(tmp_path / "out.mp4")]
    assert num_frames(tmp_path / "out.mp4") == 12


@pytest.mark.parametrize("suffix", [".vob", ".mxf", ".asf", ".3g2", ".m2v", ".f4v", ".m2ts"])
def test_what_cameras_and_recorders_write_is_a_film(negative, tmp_path, suffix):
    codec = "libx264" if suffix in (".3g2", ".f4v", ".m2ts") else "mpeg2video"
    film = make_film(
        tmp_path / f"film{suffix}",
        codec="wmv2" if suffix == ".asf" else codec,
        sound=None,
        options=(),
        times=range(0, 5 * 512, 512),
        time_base=Fraction(1, 25),
    )
    done = negative(film, "-o", f"{tmp_path}/out/")
    assert done.status == 0
    assert num_frames(tmp_path / "out" / f"film{suffix}.mp4") > 0


def test_json_says_what_was_made_of_a_film(negative, film, tmp_path):
    done = negative(film, "-o", tmp_path / "out.webm", "--json")
    (made,) = json.loads(done.stdout)["done"]
    assert made.pop("seconds") > 0
    note = "webm cannot hold aac: the sound was encoded anew as libopus"
    assert made == {
        "video": str(film),
        "output": str(tmp_path / "out.webm"),
        "width": 64,
        "height": 48,
        "frames": 12,
        "notes": [note],
        "precision": "f32",
    }
    assert f"{film}: {note}" in done.stderr.splitlines()


def test_a_folder_may_hold_photographs_and_films(negative, photo, tmp_path):
    folder = tmp_path / "holiday"
    (folder / "sea").mkdir(parents=True)
    photo.rename(folder / "a.png")
    make_film(folder / "sea" / "b.avi", sound=None)
    (folder / "broken.mp4").write_text("no film at all")
    done = negative(folder, "-o", tmp_path / "out")
    assert done.status == 1
    made = sorted(
        p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.*")
    )
    assert made == ["a.png", "sea/b.avi.mp4"]
    assert "broken.mp4 is no video" in done.stderr
    assert "2 done, 1 failed" in done.stderr


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("out.png", r"film\.mp4 becomes a video, and .*out\.png is none"),
        ("-", r"film\.mp4 is a video and needs a file"),
        ("out.gif", "becomes a video"),
        ("film.mp4", "is itself one of the photographs"),
    ],
)
def test_a_film_goes_into_a_film(negative, film, tmp_path, target, message):
    place = target if target == "-" else tmp_path / target
    assert re.search(message, negative(film, "-o", place).complaint)


def test_a_photograph_goes_into_no_film(negative, photo, tmp_path):
    complaint = negative(photo, "-o", tmp_path / "out.mp4").complaint
    assert re.search(r"photo\.png becomes a picture, and .*out\.mp4 is none", complaint)


def test_a_missing_film_is_one_line(negative, tmp_path):
    assert "does not exist" in negative(tmp_path / "a.mp4", "-o", tmp_path / "out.mp4").complaint


def test_ctrl_c_leaves_the_finished_part_and_says_where(tmp_path, tiny_model_path):
    times = range(0, LONG_FILM * 512, 512)
    film = make_film(
        tmp_path / "film.mp4",
        times=times,
        draw=draw_noise,
        width=96,
        height=64,
        options=(("preset", "ultrafast"),),
    )
    words = ("stylize", film, "--style", tiny_model_path, "-o", tmp_path / "out.mp4")
    process = subprocess.Popen(
        impasto_command(*words),
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        # Whoever starts the tests in the background has them ignore interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        wait_for_bytes(process, tmp_path)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
    assert process.returncode == 130
    said = re.fullmatch(
        rf"impasto: interrupted after (\d+) of {LONG_FILM} frames; they are in (\S+)",
        stderr.splitlines()[-1],
    )
    assert said, stderr
    assert said[2] == str(tmp_path / "out.partial.mp4")
    assert num_frames(said[2]) == int(said[1]) < LONG_FILM
    assert {path.name for path in tmp_path.glob("*.mp4")} == {"film.mp4", "out.partial.mp4"}
    assert not list(tmp_path.glob(".impasto-*"))


def wait_for_bytes(process, folder):
    """Until the encoder has written something: frames are done then."""
    import time

    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if any(path.stat().st_size > 4_000 for path in folder.glob(".impasto-*.tmp")):
            return
        time.sleep(0.005)
    raise AssertionError("no frame was written")


@pytest.fixture
def without_a_screen(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


def test_a_camera_without_a_window_is_one_line(impasto, film, tiny_model_path, without_a_screen):
    done = impasto("camera", "--style", tiny_model_path, "--camera", film)
    assert done.complaint.startswith("there is no window to show the camera in")


def test_a_picture_stays_a_picture_beside_films(negative, photo, tmp_path):
    assert negative(photo, "-o", tmp_path / "out.png", "--stabilize").status == 0
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (24, 16)
