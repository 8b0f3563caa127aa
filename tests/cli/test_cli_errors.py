"""Whatever a user can cause is one line on stderr and an exit status, never a traceback."""

import json
import re
import sys

import pytest
from PIL import Image

from impasto.cli.display.console import explain
from impasto.errors import OutputExistsError, PictureFileError, TrainingInterrupted
from model_fixtures import make_card, make_model_bytes, make_onnx

NEGATIVE = (245, 155, 55)


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture
def photos(photo, tmp_path):
    """A folder of three photographs, the second of which is a text."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(photo.read_bytes())
    (folder / "b.png").write_text("no photograph at all")
    (folder / "c.png").write_bytes(photo.read_bytes())
    return folder


# The command line itself


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stylise"], r"no such command 'stylise'\. Did you mean 'stylize'\? \(see 'impasto --h"),
        (["--colour"], r"no such option: --colour .*\(see 'impasto --help'\)"),
        (["stylize", "x.png"], r"missing option '--style' / '-s' \(see 'impasto stylize --help'\)"),
        (["stylize", "-s", "x", "-o", "y.png"], "missing argument 'PHOTO'"),
        (["stylize", "x", "-s", "x", "-o", "y", "--stile", "z"], "no such option: --stile"),
        (["stylize", "x", "-o", "y", "--style"], "option '--style' requires an argument"),
        (["models", "shwo"], r"no such command 'shwo'. Did you mean 'show'\?"),
        (["models", "show", "a", "b"], "unexpected extra argument"),
    ],
)
def test_a_wrong_command_line_is_one_line(impasto, words, message):
    assert re.search(message, impasto(*words).complaint)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--size", "15"),
        ("--size", "16385"),
        ("--size", "big"),
        ("--size", "64.5"),
        ("--strength", "1.5"),
        ("--strength", "-0.1"),
        ("--strength", "nan"),
        ("--quality", "0"),
        ("--quality", "101"),
        ("--precision", "int4"),
    ],
)
def test_a_value_out_of_range_is_one_line(negative, photo, tmp_path, option, value):
    complaint = negative(photo, "-o", tmp_path / "out.png", option, value).complaint
    assert option.removeprefix("--") in complaint
    assert not (tmp_path / "out.png").exists()


def test_a_command_without_arguments_shows_its_help(impasto):
    for words in ([], ["stylize"], ["models", "show"]):
        done = impasto(*words)
        assert (done.status, done.stdout) == (2, b"")
        assert done.stderr.startswith(f"Usage: {' '.join(['impasto', *words])} ")


# Photographs


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (b"just some text", "is not a picture"),
        (b"\x89PNG\r\n\x1a\n", r"is not a picture|is damaged"),
    ],
)
def test_a_photograph_that_cannot_be_read_is_one_line(negative, tmp_path, content, message):
    if content is not None:
        (tmp_path / "bad.png").write_bytes(content)
    complaint = negative(tmp_path / "bad.png", "-o", tmp_path / "out" / "new.png").complaint
    assert str(tmp_path / "bad.png") in complaint
    assert re.search(message, complaint)
    assert not (tmp_path / "out").exists()


def test_a_photograph_cut_short_is_one_line(negative, noise, tmp_path):
    noise.write_bytes(noise.read_bytes()[:600])
    assert "is damaged or cut short" in negative(noise, "-o", tmp_path / "out.png").complaint


def test_an_empty_pipe_is_one_line(negative):
    assert "is empty; expected a picture" in negative("-", "-o", "-").complaint


def test_a_folder_without_pictures_is_one_line(negative, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("nothing to see")
    complaint = negative(tmp_path / "empty", "-o", tmp_path / "out").complaint
    assert complaint.startswith("there are no pictures in")


def test_an_odd_name_cannot_break_the_line(negative, tmp_path):
    complaint = negative(tmp_path / "two\nlines\x1b[31m.png", "-o", tmp_path / "out.png").complaint
    assert "does not exist" in complaint


@pytest.mark.parametrize("words", [["", "-o", "out.png"], ["x.png", "-o", ""]])
def test_an_empty_name_is_one_line(negative, words):
    assert negative(*words).complaint.startswith("a name is empty")


# Styles


def test_an_unknown_style_suggests_the_nearest(impasto, photo, tiny_model_path, tmp_path):
    impasto("models", "add", tiny_model_path)
    done = impasto("stylize", photo, "-s", "tiny-stile", "-o", tmp_path / "out.png")
    assert "there is no model 'tiny-stile'; did you mean 'tiny_style'?" in done.complaint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not there"),
        (b"", "is empty"),
        (b"just some text", "not a sound ONNX file"),
        (make_model_bytes()[:-40], "not a sound ONNX file"),
        (make_onnx().SerializeToString(), "carries no model card"),
        (
            make_model_bytes(card=make_card(task="super-resolution", scale=2), scale=2),
            "expected one for style-transfer",
        ),
    ],
    ids=["missing", "empty", "text", "truncated", "not ours", "upscaler"],
)
def test_a_style_that_cannot_be_used_is_one_line(impasto, photo, tmp_path, content, message):
    style = tmp_path / "style.onnx"
    if content is not None:
        style.write_bytes(content)
    complaint = impasto("stylize", photo, "-s", style, "-o", tmp_path / "out.png").complaint
    assert str(style) in complaint
    assert message in complaint


# Outputs


def test_an_output_that_exists_is_left_alone(negative, photo, tmp_path):
    (tmp_path / "out.png").write_bytes(b"mine")
    complaint = negative(photo, "-o", tmp_path / "out.png").complaint
    assert "out.png exists already; choose another name, or --overwrite" in complaint
    assert (tmp_path / "out.png").read_bytes() == b"mine"


def test_one_output_of_a_folder_that_exists_stops_all(negative, photos, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "c.png").write_bytes(b"mine")
    assert "c.png exists already" in negative(photos, "-o", tmp_path / "out").complaint
    assert files_below(tmp_path / "out") == ["c.png"]
    assert (tmp_path / "out" / "c.png").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["out.xyz", "out", "out.ppm", "new/out.xyz"])
def test_a_suffix_of_no_format_is_refused_before_the_work(negative, photo, tmp_path, name):
    before = files_below(tmp_path)
    complaint = negative(photo, "-o", tmp_path / name).complaint
    assert "ends in no suffix of a format that can be written; expected one of .jpg," in complaint
    assert files_below(tmp_path) == before


def test_a_photograph_is_never_replaced_by_its_picture(negative, photo, photos):
    before = photo.read_bytes()
    for words in ((photo, "-o", photo), (photo, "-o", photo.parent), (photos, "-o", photos)):
        complaint = negative(*words, "--overwrite").complaint
        assert "is itself one of the photographs; choose another output" in complaint
    assert photo.read_bytes() == before


def test_a_place_that_cannot_be_written_to_is_one_line(negative, photo, tmp_path):
    (tmp_path / "file").write_text("no folder")
    complaint = negative(photo, "-o", tmp_path / "file" / "out.png").complaint
    assert f"cannot make the folder {tmp_path / 'file'} (" in complaint


def test_a_folder_that_cannot_be_made_is_one_line_for_all(negative, photos, tmp_path):
    (tmp_path / "file").write_text("no folder")
    complaint = negative(photos, "-o", tmp_path / "file" / "out").complaint
    assert complaint.startswith(f"cannot make the folder {tmp_path / 'file' / 'out'} (")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a folder closed to all")
def test_a_folder_closed_to_all_is_one_line(negative, photo):
    assert "/proc/out.png cannot be written (" in negative(photo, "-o", "/proc/out.png").complaint


def test_a_folder_in_the_way_of_a_picture_is_one_line(negative, photo, tmp_path):
    (tmp_path / "out" / "photo.png").mkdir(parents=True)
    complaint = negative(photo, "-o", tmp_path / "out", "--overwrite").complaint
    assert "photo.png is a folder; expected the name of a file" in complaint


@pytest.mark.parametrize("output", ["file.txt", "new.png"])
def test_several_photographs_need_a_folder(negative, photo, noise, tmp_path, output):
    (tmp_path / "file.txt").write_text("no folder")
    complaint = negative(photo, noise, "-o", tmp_path / output).complaint
    assert "names one file and there are several photographs; give a folder for -o" in complaint


def test_a_new_folder_may_be_called_like_a_picture(negative, photo, noise, tmp_path):
    assert negative(photo, noise, "-o", f"{tmp_path}/new.png/").status == 0
    assert files_below(tmp_path / "new.png") == ["noise.png", "photo.png"]


def test_two_photographs_for_one_picture_are_refused(negative, photo, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "photo.png").write_bytes(photo.read_bytes())
    complaint = negative(photo, tmp_path / "other", "-o", tmp_path / "out").complaint
    assert f"would both become {tmp_path / 'out' / 'photo.png'}; rename one" in complaint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words", [["-", "PHOTO", "-o", "out"], ["PHOTO", "NOISE", "-o", "-"], ["-", "-", "-o", "out"]]
)
def test_a_pipe_holds_one_picture(negative, photo, noise, words):
    named = {"PHOTO": photo, "NOISE": noise}
    complaint = negative(*(named.get(word, word) for word in words)).complaint
    assert complaint.startswith("a pipe holds one picture")


def test_json_and_a_picture_cannot_share_a_pipe(negative, photo):
    assert negative(photo, "-o", "-", "--json").complaint.startswith("--json prints to the pipe")


# Some of several


def test_a_photograph_that_fails_leaves_the_others_done(negative, photos, tmp_path):
    done = negative(photos, "-o", tmp_path / "out")
    assert done.status == 1
    assert done.lines == [str(tmp_path / "out" / name) for name in ("a.png", "c.png")]
    assert files_below(tmp_path / "out") == ["a.png", "c.png"]
    first, last = done.stderr.splitlines()
    assert first.startswith(f"impasto: {photos / 'b.png'} is not a picture")
    assert last == "impasto: 2 done, 1 failed"
    with Image.open(tmp_path / "out" / "c.png") as image:
        assert image.getpixel((3, 3)) == NEGATIVE


def test_json_names_what_failed(negative, photos, tmp_path):
    done = negative(photos, tmp_path / "ghost.png", "-o", tmp_path / "out", "--json")
    report = json.loads(done.stdout)
    assert done.status == 1
    assert [row["photo"] for row in report["done"]] == [str(photos / n) for n in ("a.png", "c.png")]
    ghost = str(tmp_path / "ghost.png")
    assert [row["photo"] for row in report["failed"]] == [str(photos / "b.png"), ghost]
    assert report["failed"][1]["error"] == f"{ghost} does not exist; expected a picture file"


# What every command's errors pass through


def test_a_missing_extra_says_what_to_install(impasto, tiny_model_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "impasto.export.model_export", raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    complaint = impasto("models", "upgrade", tiny_model_path).complaint
    assert "needs the package 'onnx'" in complaint
    assert "pip install '.[train]'" in complaint


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (TrainingInterrupted("saved; go on with --resume"), 130, "saved; go on with --resume"),
        (MemoryError(), 2, "there is not enough memory for this; use smaller pictures"),
        (PermissionError(13, "Permission denied", "/x"), 2, "/x failed (Permission denied)"),
        (
            OSError(28, "No space left"),
            2,
            "reading or writing failed (the disk is full; make room "
            "there, or choose another place)",
        ),
        (OutputExistsError("x is there"), 2, "x is there (--overwrite)"),
        (PictureFileError("two\nlines, \x1b[31m red"), 2, r"two lines, \x1b[31m red"),
    ],
)
def test_what_surroundings_cause_is_explained(capsys, error, status, line):
    assert explain(error) == status
    assert capsys.readouterr() == ("", f"impasto: {line}\n")


@pytest.mark.parametrize("bug", [ValueError("x"), KeyError("x"), ModuleNotFoundError(name="numpy")])
def test_a_bug_of_ours_is_not_explained_away(capsys, bug):
    assert explain(bug) is None
    assert capsys.readouterr() == ("", "")
