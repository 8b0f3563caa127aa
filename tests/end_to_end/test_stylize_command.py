"""The command `impasto` as installed, in a process of its own, with the styles that ship."""

import hashlib
import json
import os
import pty
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

IMPASTO = Path(sys.executable).with_name("impasto")
PHOTO = Path(__file__).parents[2] / "examples" / "photos" / "chelsea.png"
RECIPES = Path(__file__).parents[2] / "recipes"
PYTHON_SETTINGS = {"PYTHONUNBUFFERED", "PYTHONUTF8"}  # they would hide failing flushes and names
SHIPPED = (
    "composition_vii",
    "delaunay_metzinger",
    "great_wave",
    "starry_night",
    "the_scream",
    "udnie",
)
ENLARGING = (
    "faithful_x2",
    "faithful_x4",
    "faithful_x8",
    "paper_feature_x4",
    "paper_feature_x8",
    "paper_pixel_x4",
    "paper_pixel_x8",
    "sharp_x2",
    "sharp_x4",
    "sharp_x8",
    "srcnn_x4",
)
STYLE = ("--style", "starry_night", "--size", "64")


@pytest.fixture
def environment(tmp_path):
    """Nothing of the person who runs the tests, and texts in UTF-8."""
    kept = {name: value for name, value in os.environ.items() if name not in PYTHON_SETTINGS}
    return kept | {"IMPASTO_HOME": str(tmp_path / "home"), "PYTHONIOENCODING": "utf-8:strict"}


@pytest.fixture
def impasto(environment, tmp_path):
    """Calls the installed command in an empty folder."""

    def call(*words, **settings):
        return subprocess.run(
            [IMPASTO, *words],
            check=False,
            cwd=tmp_path,
            env=environment,
            **{"capture_output": True, "timeout": 120} | settings,
        )

    return call


def assert_one_line(done, status, message):
    assert (done.returncode, done.stdout) == (status, b"")
    assert done.stderr.startswith(b"impasto: ")
    assert done.stderr.count(b"\n") == 1
    assert message in done.stderr.decode()


def test_the_shipped_style_repaints_a_photograph(impasto, tmp_path):
    done = impasto("stylize", PHOTO, "-s", "starry_night", "--size", "200", "-o", "new/cat.jpg")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"new/cat.jpg\n", b"")
    with Image.open(PHOTO) as image:
        photograph = image.resize((200, 133))
    with Image.open(tmp_path / "new" / "cat.jpg") as image:
        assert image.size == (200, 133)
        assert image.info["icc_profile"]
        difference = np.asarray(image, float) - np.asarray(photograph.convert("RGB"), float)
    assert np.abs(difference).mean() > 10  # of 255: it was repainted


def shipped_with(impasto, model, recipes):
    """The card and the recipe of a shipped model; both say how it was trained."""
    card = json.loads(impasto("models", "show", model, "--json").stdout)
    assert json.loads((recipes / f"{model}.card.json").read_text("utf-8")) == card
    recipe = tomllib.loads((recipes / f"{model}.toml").read_text("utf-8"))
    told = card["training"]["recipe"]
    for stage, said in zip(recipe["stages"], told["stages"], strict=True):
        assert stage.items() <= said.items()
    return card, recipe


@pytest.mark.parametrize("style", SHIPPED)
def test_every_shipped_style_comes_with_its_recipe_and_card(impasto, style):
    recipes = RECIPES / "style"
    card, recipe = shipped_with(impasto, style, recipes)
    told = card["training"]["recipe"]
    assert recipe["seed"] == told["seed"]
    assert recipe["network"].items() <= told["network"].items()
    painting = (recipes / recipe["painting"]["file"]).read_bytes()
    assert hashlib.sha256(painting).hexdigest() == card["painting"]["sha256"]


def test_the_shipped_network_for_any_painting_comes_with_its_recipe_and_card(impasto):
    card, recipe = shipped_with(impasto, "any_painting", RECIPES / "styles")
    held_out = card["paintings"]["held_out"]
    assert sorted(recipe["paintings"]["held_out"]) == sorted(held_out)
    assert len(held_out) >= 40


@pytest.mark.parametrize("model", ENLARGING)
def test_every_shipped_enlarging_model_comes_with_its_recipe_card_and_scores(impasto, model):
    card, recipe = shipped_with(impasto, model, RECIPES / "sr")
    told = card["training"]["recipe"]
    for part in ("network", "objective", "optimizer"):
        assert recipe[part].items() <= told[part].items()
    scale = f"×{card['architecture']['scale']}"
    assert {f"{name} {scale}" for name in ("Set5", "Set14", "BSD100")} <= card["scores"].keys()


def test_the_shipped_models_are_listed_with_their_licences(impasto):
    listed = json.loads(impasto("models", "--json").stdout)
    assert [(row["name"], row["released"], row["problem"]) for row in listed] == [
        (name, True, None) for name in sorted(("any_painting", *SHIPPED, *ENLARGING))
    ]
    shown = impasto("models", "show", "starry_night").stdout.decode()
    assert "Gogh" in shown
    assert "licence of painting" in shown


def test_a_pipe_gives_the_same_picture_as_a_file(impasto, tmp_path):
    piped = impasto("stylize", "-", *STYLE, "-o", "-", input=PHOTO.read_bytes())
    assert (piped.returncode, piped.stderr) == (0, b"")
    assert impasto("stylize", PHOTO, *STYLE, "-o", "cat.png").returncode == 0
    assert piped.stdout == (tmp_path / "cat.png").read_bytes()


def test_a_broken_pipe_ends_quietly(environment):
    for words in (["stylize", PHOTO, *STYLE, "-o", "-"], ["--help"], ["models"]):
        command = [IMPASTO, *words]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        process.stdout.close()
        said = process.stderr.read()
        process.stderr.close()
        assert (process.wait(), said) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_line(impasto):
    with Path("/dev/full").open("wb") as full:
        for words in (["stylize", PHOTO, *STYLE, "-o", "-"], ["models", "show", "starry_night"]):
            done = impasto(*words, capture_output=False, stdout=full, stderr=subprocess.PIPE)
            assert done.returncode == 2
            assert done.stderr == (
                b"impasto: reading or writing failed (the disk is full; make room there, or choose "
                b"another place)\n"
            )


def test_a_user_s_mistake_exits_with_2_and_one_line(impasto):
    unknown = impasto("stylize", PHOTO, "-s", "stary_night", "-o", "out.png")
    assert_one_line(unknown, 2, "there is no model 'stary_night'; did you mean 'starry_night'?")
    assert_one_line(impasto("stylize", "ghost.jpg", *STYLE, "-o", "out.png"), 2, "does not exist")
    assert_one_line(impasto("stylize", PHOTO, "-o", "out.png"), 2, "missing option '--style'")
    assert_one_line(impasto("paint"), 2, "no such command 'paint'")


def test_a_failed_file_of_several_exits_with_1(impasto, tmp_path):
    done = impasto("stylize", PHOTO, "ghost.jpg", *STYLE, "-o", "out")
    assert (done.returncode, done.stdout) == (1, b"out/chelsea.png\n")
    assert b"ghost.jpg does not exist" in done.stderr
    assert done.stderr.endswith(b"impasto: 1 done, 1 failed\n")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["chelsea.png"]


@pytest.mark.skipif(os.name != "posix", reason="needs named pipes and signals")
@pytest.mark.usefixtures("heard_ctrl_c")
def test_ctrl_c_exits_with_130_and_one_line(environment, tmp_path):
    os.mkfifo(tmp_path / "slow.png")
    process = subprocess.Popen(
        [IMPASTO, "stylize", "slow.png", *STYLE, "-o", "out.png"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with (tmp_path / "slow.png").open("wb"):  # waits until the command reads
        process.send_signal(signal.SIGINT)
    # Closed by now: a signal that just preceded the read is noticed when the read comes back.
    answered, said = process.communicate(timeout=60)
    assert (process.returncode, answered, said) == (130, b"", b"impasto: interrupted\n")
    assert not (tmp_path / "out.png").exists()


def terminal_output(command, **settings):
    """What a command writes to stderr where that is a terminal, and its stdout."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stderr=theirs, stdout=subprocess.PIPE, **settings)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that nobody holds the terminal any more
            break
        if not part:
            break
        shown += part
    os.close(ours)
    answered, _ = process.communicate(timeout=60)
    return shown, answered


@pytest.mark.skipif(os.name != "posix", reason="needs pseudo terminals")
def test_several_photographs_show_a_bar_on_a_terminal_and_one_does_not(environment, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "photos" / name).write_bytes(PHOTO.read_bytes())
    place = {"cwd": tmp_path, "env": environment | {"TERM": "xterm", "COLUMNS": "80"}}
    shown, answered = terminal_output([IMPASTO, "stylize", "photos", *STYLE, "-o", "out"], **place)
    assert b"2/2" in shown
    assert answered == b"out/a.png\nout/b.png\n"
    shown, answered = terminal_output([IMPASTO, "stylize", PHOTO, *STYLE, "-o", "c.png"], **place)
    assert (shown, answered) == (b"", b"c.png\n")


@pytest.mark.skipif(os.name != "posix", reason="needs a shell that closes streams")
def test_closed_streams_are_no_trouble(environment, tmp_path):
    def shell(line):
        command = ["sh", "-c", line, IMPASTO, PHOTO, PHOTO.with_name("coffee.png")]
        place = {"cwd": tmp_path, "env": environment}
        return subprocess.run(command, check=False, capture_output=True, timeout=60, **place)

    done = shell('"$0" stylize "$1" "$2" -s starry_night --size 64 -o out/ <&- >&- 2>&-')
    assert done.returncode == 0
    assert sorted(path.name for path in tmp_path.glob("out/*")) == ["chelsea.png", "coffee.png"]
    assert_one_line(shell('"$0" stylize "$1" -s starry_night -o - >&-'), 2, "add > FILE")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names are bytes on Linux only")
def test_a_name_that_is_no_text_is_answered_as_it_is(impasto, tmp_path):
    name = b"caf\xe9.png"
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(PHOTO.read_bytes())
    done = impasto("stylize", name, *STYLE, "-o", "out/")
    assert (done.returncode, done.stdout) == (0, b"out/caf\xe9.png\n")
    again = impasto("stylize", name, *STYLE, "-o", "out/")
    assert_one_line(again, 2, r"caf\udce9.png' exists already")


def test_help_and_version_are_answered(impasto):
    done = impasto("--help")
    assert (done.returncode, done.stderr) == (0, b"")
    assert all(name in done.stdout for name in (b"stylize", b"models", b"train"))
    assert impasto("--version").stdout.startswith(b"impasto 0.")


@pytest.mark.parametrize("words", ["", "stylize", "models", "models show", "train style"])
def test_help_imports_nothing_heavy(words):
    program = """
import sys
from impasto.cli.main import run
status = run([*sys.argv[1:], "--help"])
heavy = {"numpy", "torch", "openvino", "PIL", "pydantic", "onnx", "lightning", "rich"}
print(status, *heavy & set(sys.modules), file=sys.stderr)
"""
    command = [sys.executable, "-c", program, *words.split()]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60)
    typer_s_own = {"pydantic"} if words else set()  # it checks the values of options
    status, *heavy = done.stderr.decode().split()
    assert (status, set(heavy) - typer_s_own) == ("0", set())


def test_the_module_is_the_command(impasto, environment, tmp_path):
    command = [sys.executable, "-m", "impasto", "stylize", "--help"]
    module = subprocess.run(command, check=False, capture_output=True, cwd=tmp_path, timeout=60)
    assert module.stdout == impasto("stylize", "--help").stdout
    assert module.stdout.startswith(b"Usage: impasto stylize")
