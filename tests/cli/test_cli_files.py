"""What `stylize` and `upscale` do with files of every kind, and with those that fail."""

import io
import json
import os
import resource
import shutil
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.images.files.io import load_picture, load_picture_or_animation, save_picture
from impasto.images.picture import Picture

NEGATIVE = (245, 155, 55)  # of the photograph's (10, 100, 200)


@pytest.fixture
def gradient(tmp_path):
    """A photograph of 16 bits per channel, 512 wide and 16 high, with 512 greys."""
    grey = np.linspace(0.25, 0.5, 512, dtype=np.float32)
    rgb = np.broadcast_to(grey[np.newaxis, :, np.newaxis], (16, 512, 3)).copy()
    save_picture(Picture(rgb, bits=16), tmp_path / "gradient.png")
    return tmp_path / "gradient.png"


@pytest.fixture
def sticker(tmp_path):
    """A GIF of three frames: a square of the photograph's colour that moves over nothing."""
    frames = []
    for step in range(3):
        frame = Image.new("RGBA", (24, 16), (0, 0, 0, 0))
        frame.paste((10, 100, 200, 255), (4 * step, 4, 4 * step + 8, 12))
        frames.append(frame)
    options = {"duration": [50, 150, 250], "loop": 0, "disposal": 2}
    frames[0].save(tmp_path / "s.gif", save_all=True, append_images=frames[1:], **options)
    return tmp_path / "s.gif"


@pytest.fixture
def folder(tmp_path, photo):
    """Three photographs in a tree; the one between is none."""
    photos = tmp_path / "photos"
    (photos / "b").mkdir(parents=True)
    for name in ("a.png", "b/b.png", "c.png"):
        (photos / name).write_bytes(photo.read_bytes())
    (photos / "b" / "b.png").write_bytes(b"no picture")
    return photos


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_come_out_as_they_went_in(impasto, tiny_model_path, without_grain, gradient,
                                               tmp_path, suffix):  # fmt: skip
    target = tmp_path / f"out.{suffix}"
    done = impasto("stylize", gradient, "-s", tiny_model_path, "-o", target, "--json")
    assert done.status == 0
    assert json.loads(done.stdout)["done"][0]["precision"] == "f32"
    result = load_picture(target)
    assert result.bits == 16
    np.testing.assert_allclose(result.rgb, 1 - load_picture(gradient).rgb, atol=2 / 65_535)
    assert len(np.unique(result.rgb[0, :, 1])) == 512


@pytest.mark.parametrize(
    ("source", "suffix", "bits", "saved"),
    [("gradient", "png", "8", 8), ("gradient", "jpg", "auto", 8), ("photo", "png", "16", 16)],
)
def test_bits_are_what_is_asked_for(negative, request, tmp_path, source, suffix, bits, saved):
    target = tmp_path / f"out.{suffix}"
    done = negative(request.getfixturevalue(source), "-o", target, "--bits", bits)
    assert done.status == 0
    assert load_picture(target).bits == saved


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--bits", "16"), "a JPEG file is written with 8 bits per channel and 16 are asked for"),
        (("--lossless",), "a JPEG file cannot be lossless"),
        (("--skip-existing", "--overwrite"), "--skip-existing keeps what --overwrite replaces"),
    ],
)
def test_flags_that_cannot_be_met_are_refused_before_any_work(
    impasto, photo, tmp_path, flags, says
):
    words = ("stylize", photo, "-s", "no_such_style", "-o", tmp_path / "out.jpg", *flags)
    assert says in impasto(*words).complaint


def test_lossless_webp_is_exact(negative, noise, tmp_path):
    assert negative(noise, "-o", tmp_path / "out.webp", "--lossless").status == 0
    before, after = (load_picture(path).rgb for path in (noise, tmp_path / "out.webp"))
    np.testing.assert_array_equal(np.rint(after * 255), 255 - np.rint(before * 255))


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "avif"])
def test_animation_stays_one_with_its_timing(negative, sticker, tmp_path, suffix):
    target = tmp_path / f"out.{suffix}"
    done = negative(sticker, "-o", target, "--quality", 100, "--json")
    assert (done.status, done.stderr) == (0, "")
    assert json.loads(done.stdout)["done"][0]["frames"] == 3
    animation = load_picture_or_animation(target)
    assert animation.num_plays == 0
    frames = list(animation.frames())
    assert [frame.duration_ms for frame in frames] == [50, 150, 250]
    for step, frame in enumerate(frames):
        alpha = np.zeros((16, 24), dtype=np.float32)
        alpha[4:12, 4 * step : 4 * step + 8] = 1
        np.testing.assert_array_equal(frame.picture.alpha, alpha)
        inside = frame.picture.rgb[6:10, 4 * step + 2 : 4 * step + 6] * 255
        np.testing.assert_allclose(inside.mean(axis=(0, 1)), NEGATIVE, atol=6)


def test_animation_goes_through_a_pipe(negative, sticker):
    done = negative("-", "-o", "-", stdin=sticker.read_bytes())
    assert load_picture_or_animation(done.stdout).num_frames == 3


def test_first_frame_goes_into_a_still_format_and_that_is_said(negative, sticker, tmp_path):
    done = negative(sticker, "-o", tmp_path / "out.jpg")
    assert done.status == 0
    assert done.stderr.count("\n") == 1
    assert "has 3 frames and JPEG files hold one: only the first goes into" in done.stderr
    assert load_picture(tmp_path / "out.jpg").width == 24


def test_existing_pictures_are_skipped_and_said_to_be(negative, folder, photo, tmp_path):
    (folder / "b" / "b.png").write_bytes(photo.read_bytes())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_bytes(b"from before")
    done = negative(folder, "-o", tmp_path / "out", "--skip-existing")
    assert (done.status, done.stderr) == (0, "1 skipped, being there already\n")
    assert (tmp_path / "out" / "a.png").read_bytes() == b"from before"
    assert done.lines == [str(tmp_path / "out" / name) for name in ("b/b.png", "c.png")]
    again = negative(folder, "-o", tmp_path / "out", "--skip-existing", "--json")
    report = json.loads(again.stdout)
    assert (report["done"], report["failed"]) == ([], [])
    assert [entry["picture"] for entry in report["skipped"]] == [
        str(tmp_path / "out" / name) for name in ("a.png", "b/b.png", "c.png")
    ]


def test_a_photograph_is_not_skipped_as_its_own_picture(negative, folder):
    says = "is itself one of the photographs"
    assert says in negative(folder, "-o", folder, "--skip-existing").complaint


def test_failures_are_reported_at_the_end_and_the_others_are_done(negative, folder, tmp_path):
    done = negative(folder, "-o", tmp_path / "out")
    assert done.status == 1
    assert files_below(tmp_path / "out") == ["a.png", "c.png"]
    complaints = done.stderr.splitlines()
    assert len(complaints) == 2
    assert "b.png is not a picture that can be read" in complaints[0]
    assert complaints[1] == "impasto: 2 done, 1 failed"


def test_pictures_at_once_are_those_one_by_one(negative, folder, noise, sticker, tmp_path):
    (folder / "b" / "a.png").write_bytes(noise.read_bytes())  # before the one that is none
    (folder / "d.gif").write_bytes(sticker.read_bytes())
    alone = negative(folder, "-o", tmp_path / "alone")
    numbers = ("--batch-size", 3, "--requests", 2)
    done = negative(folder, *numbers, "-o", tmp_path / "out", "--json")
    assert (alone.status, done.status, done.stderr) == (1, 1, alone.stderr)
    names = ["a.png", "b/a.png", "c.png", "d.gif"]
    assert files_below(tmp_path / "out") == files_below(tmp_path / "alone") == names
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    rows = json.loads(done.stdout)["done"]
    assert [Path(row["picture"]).relative_to(tmp_path / "out").as_posix() for row in rows] == names
    assert [(row["width"], row["precision"]) for row in rows] == [(24, "f32")] * 4
    assert rows[3]["frames"] == 3


def test_a_batch_of_none_is_refused(negative, photo, tmp_path):
    assert "--batch-size" in negative(photo, "--batch-size", 0, "-o", tmp_path / "o.png").complaint


@pytest.fixture
def open_folder(folder, tiny_model_path):
    """The tree of photographs and a model where every user may look."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        shutil.copytree(folder, Path(place, "photos"))
        shutil.copy(tiny_model_path, Path(place, "style.onnx"))
        yield Path(place)


def test_folder_that_may_not_be_read_is_a_failure_among_others(
    impasto, open_folder, without_rights
):
    private, out = open_folder / "photos" / "b", open_folder / "out"
    private.chmod(0)
    out.mkdir()
    out.chmod(0o777)
    words = (open_folder / "photos", "-s", open_folder / "style.onnx", "-o", out)
    with without_rights():
        done = impasto("stylize", *words)
    private.chmod(0o755)
    assert done.status == 1
    assert files_below(out) == ["a.png", "c.png"]
    assert f"{private} cannot be listed (Permission denied)" in done.stderr
    assert done.stderr.endswith("impasto: 2 done, 1 failed\n")


def test_folder_that_may_not_be_written_to_is_refused_at_once(impasto, open_folder, without_rights):
    out = open_folder / "out"
    out.mkdir()
    out.chmod(0o555)
    words = (open_folder / "photos", "-s", open_folder / "style.onnx", "-o", out)
    with without_rights():
        complaint = impasto("stylize", *words).complaint
    assert complaint == f"cannot write into {out} (Permission denied)"


def test_full_disk_is_one_line_for_each_picture_and_leaves_no_half_ones(
    negative, folder, noise, tmp_path
):
    (folder / "c.png").write_bytes(noise.read_bytes())  # does not compress: above the limit
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, limits[1]))
    try:
        done = negative(folder, "-o", tmp_path / "out", "--size", 64)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert done.status == 1
    assert files_below(tmp_path / "out") == ["a.png"]
    assert "c.png cannot be written (File too large)" in done.stderr
    assert done.stderr.endswith("impasto: 1 done, 2 failed\n")


def test_photograph_that_vanishes_is_a_failure_among_others(negative, photo, noise, tmp_path):
    done = negative(photo, tmp_path / "gone.png", noise, "-o", tmp_path / "out")
    assert done.status == 1
    assert files_below(tmp_path / "out") == ["noise.png", "photo.png"]
    assert "gone.png does not exist; expected a picture file" in done.stderr


def test_damaged_tiff_is_one_line_though_its_decoder_would_speak(negative, tmp_path):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "TIFF", compression="tiff_adobe_deflate")
    data = bytearray(buffer.getvalue())
    data[1000:1100] = bytes(100)
    (tmp_path / "damaged.tif").write_bytes(data)
    stderr = os.dup(2)
    with (tmp_path / "stderr").open("wb") as file:
        os.dup2(file.fileno(), 2)
        try:
            done = negative(tmp_path / "damaged.tif", "-o", tmp_path / "out.png")
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    assert "damaged.tif is damaged" in done.complaint
    assert (tmp_path / "stderr").read_bytes() == b""


@pytest.fixture
def pipe(tmp_path):
    """A named pipe that nobody writes to."""
    os.mkfifo(tmp_path / "pipe.png")
    return tmp_path / "pipe.png"


def test_a_named_pipe_is_a_photograph(negative, pipe, photo, tmp_path):
    writer = threading.Thread(target=pipe.write_bytes, args=[photo.read_bytes()])
    writer.start()
    assert negative(pipe, "-o", tmp_path / "out.png").status == 0
    writer.join()
    assert Image.open(tmp_path / "out.png").getpixel((3, 3)) == NEGATIVE


def test_pipes_in_folders_are_passed_over_and_said(negative, folder, pipe, tmp_path):
    (folder / "b" / "b.png").unlink()
    pipe.rename(folder / "b" / "pipe.png")
    (folder / "link.png").symlink_to("b/pipe.png")
    (folder / "film.mp4").symlink_to("/dev/zero")
    outcome = negative(folder, "-o", tmp_path / "out")
    assert outcome.status == 0
    assert files_below(tmp_path / "out") == ["a.png", "c.png"]
    assert outcome.stderr.count("not a file; it is passed over") == 3


@pytest.mark.parametrize("command", ["optimize", "train", "import", "recipe"])
def test_nothing_but_a_photograph_is_read_from_a_pipe(impasto, command, photo, pipe, tmp_path):
    out = tmp_path / "out"
    words = {
        "optimize": ("optimize", photo, pipe, "-o", f"{out}.png", "--size", 64),
        "train": ("train", "style", pipe, "--photos", tmp_path, "-o", f"{out}.onnx"),
        "recipe": ("train", "style", "--recipe", pipe, "--photos", tmp_path, "-o", f"{out}.onnx"),
        "import": ("models", "import", pipe, "-o", f"{out}.onnx"),
    }[command]
    assert "a named pipe, not a file" in impasto(*words).complaint


def test_an_endless_stream_is_no_photograph(negative, tmp_path, monkeypatch):
    monkeypatch.setattr("impasto.images.files.io.MAX_PICTURE_BYTES", 10_000)
    outcome = negative("-", "-o", tmp_path / "out.png", stdin=bytes(20_000))
    assert "more than 10,000 bytes" in outcome.complaint
