"""The documentation: it builds without a warning, its code runs, and its links lead somewhere.

The code of a page runs from top to bottom in a folder with the files that the page speaks of.
Trainings are the real ones, with a few steps of a tiny network: `impasto` is found in a folder of
the test's, where it adds such settings. A block that is not run says why, in a comment before it.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from impasto.training.run import train_model
from impasto.zoo.model_file import read_model_file
from training_fixtures import TINY_SETTINGS, draw, environment, leave_unfinished, tiny_recipe
from video_fixtures import make_film

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
BLOCK = re.compile(
    r"(?P<before>[^\n]*)\n(?P<blank>\n?)```(?P<language>\w+)\n(?P<code>.*?)```", re.DOTALL
)
NOT_RUN = re.compile(r"<!-- not run: (?P<reason>.+) -->")
TIMEOUT_SECONDS = 1500  # a machine may be busy
FILE_NAME = re.compile(r"This is `(?P<name>[\w.-]+)`")
STAGES = "stages=[{steps=3, crop_size=32, batch_size=2}, {steps=2, crop_size=48, batch_size=2}]"
SETTINGS = {
    "train style": (*TINY_SETTINGS, "network.num_residual_blocks=0", STAGES),
    "train sr": (
        "network.channels=4",
        "network.num_residual_blocks=0",
        "stages=[{steps=2, crop_size=32, batch_size=2}]",
    ),
}
ADDS_SETTINGS = f"""#!{sys.executable}
import os, sys
words = sys.argv[1:]
settings = {SETTINGS!r}.get(" ".join(words[:2]), ())
if settings and "--resume" not in words:
    if "--minutes" in words:
        place = words.index("--minutes")
        assert float(words[place + 1]) > 0
        del words[place : place + 2]
    for setting in settings:
        words += ["--set", setting]
impasto = {str(Path(sysconfig.get_path("scripts")) / "impasto")!r}
os.execv(impasto, [impasto, *words])
"""


@dataclass(frozen=True)
class Block:
    """A piece of code on a page."""

    language: str
    code: str
    before: str


def blocks_of(page):
    text = page.read_text(encoding="utf-8")
    return [
        Block(match["language"], match["code"], match["before"]) for match in BLOCK.finditer(text)
    ]


def runs(block):
    return block.language in ("sh", "python", "toml") and not NOT_RUN.search(block.before)


PAGES_WITH_CODE = [page for page in PAGES if any(runs(block) for block in blocks_of(page))]


def name_of(page):
    return page.name


@pytest.fixture(scope="module")
def tiny_style(tmp_path_factory, painting, photos):
    """A trained model file, and beside it the run's folder."""
    output = tmp_path_factory.mktemp("tiny-style") / "my-style.onnx"
    train_model(tiny_recipe(painting, photos), output)
    return output


@pytest.fixture
def folder(tmp_path, monkeypatch, tiny_style):
    """A folder with what the pages speak of; `impasto` in it trains for a few steps only."""
    work = tmp_path / "work"
    shutil.copytree(ROOT / "examples" / "photos", work / "my-photos")
    draw(1, 80, 60).save(work / "painting.jpg")
    draw(2, 80, 60).save(work / "other-painting.jpg")
    for name in ("holiday.jpg", "photo.jpg"):
        Image.open(work / "my-photos" / "rocket.jpg").resize((96, 64)).save(work / name)
    (work / "examples").symlink_to(ROOT / "examples")
    for file in (work / "my-photos").iterdir():
        Image.open(file).convert("RGB").resize((96, 72)).save(file)
    command = tmp_path / "bin" / "impasto"
    command.parent.mkdir()
    command.write_text(ADDS_SETTINGS)
    command.chmod(0o755)
    scripts = sysconfig.get_path("scripts")
    monkeypatch.setenv("PATH", os.pathsep.join([str(command.parent), scripts, os.environ["PATH"]]))
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    return work


def prepare(page, folder, tiny_style):
    """Put what a page takes for granted beside its files."""
    if page.name in ("commands.md", "model-file.md"):
        shutil.copy(tiny_style, folder / "my-style.onnx")
    if page.name == "files.md":
        draw(3, 48, 36).save(folder / "cat.gif", save_all=True, append_images=[draw(4, 48, 36)])
    if page.name == "video.md":
        make_film(folder / "holiday.mp4")
    if page.name == "resuming.md":
        recipe = tiny_recipe(folder / "painting.jpg", folder / "my-photos")
        leave_unfinished(recipe, folder / "my-style.onnx")


@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=name_of)
def test_the_code_of_a_page_runs(page, folder, tiny_style, capsys):
    prepare(page, folder, tiny_style)
    names = {"__name__": "__docs__"}
    with contextlib.chdir(folder):
        for block in filter(runs, blocks_of(page)):
            if block.language == "python":
                exec(compile(block.code, page.name, "exec"), names)  # our own pages
            elif block.language == "toml":
                named = FILE_NAME.search(block.before)
                assert named, f"{page.name}: no 'This is `NAME`' before the recipe"
                Path(named["name"]).write_text(block.code)
            else:
                run_shell(block.code)


def run_shell(code):
    done = subprocess.run(
        ["sh", "-e", "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
def test_the_example_of_an_own_loop_ends_in_a_stylized_photograph(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "own_training_loop.py"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert read_model_file(tmp_path / "mine.onnx").card.own_loop.notes.startswith("20 steps on")
    with Image.open(tmp_path / "chelsea-mine.jpg") as picture:
        assert picture.size == (451, 300)


def test_pages_that_teach_have_code_that_runs():
    names = {page.name for page in PAGES_WITH_CODE}
    taught = {"README.md", "tutorial.md", "own-loop.md", "own-loss-network.md", "resuming.md"}
    assert taught | {"commands.md", "training.md", "model-file.md"} <= names


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_not_run_says_why(page):
    for block in blocks_of(page):
        if block.language in ("sh", "python", "toml") and not runs(block):
            assert len(NOT_RUN.search(block.before)["reason"].split()) > 2


def test_the_site_builds_without_a_warning(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", DOCS, tmp_path / "site"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    method = (tmp_path / "site" / "method.html").read_text()
    assert "<math" in method
    starry_night = (tmp_path / "site" / "styles" / "starry_night.html").read_text()
    assert "The Starry Night, Vincent van Gogh, 1889" in starry_night
    losses = (tmp_path / "site" / "api" / "losses.html").read_text()
    assert "impasto.losses.perceptual.gram_matrix" in losses
