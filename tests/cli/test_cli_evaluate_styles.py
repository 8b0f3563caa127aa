"""`impasto evaluate styles` with a tiny model, and pictures of another program."""

import json

import numpy as np
import pytest
from PIL import Image

from model_fixtures import make_card, make_model_bytes


def draw(path, seed):
    noise = np.random.default_rng(seed).uniform(0, 255, (9, 10, 3)).astype(np.uint8)
    Image.fromarray(noise).resize((88, 80), Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def folders(tmp_path):
    """Folders of photographs, paintings, and another program's pictures; and a model file."""
    for folder, names in (
        ("photos", ("one", "two", "three")),
        ("paintings", ("waves", "stars")),
        ("theirs", ("one", "two", "three")),
    ):
        (tmp_path / folder).mkdir()
        for seed, name in enumerate(names):
            draw(tmp_path / folder / f"{name}.png", seed if folder != "paintings" else 10 + seed)
    (tmp_path / "waves.onnx").write_bytes(make_model_bytes(card=make_card(name="waves")))
    return tmp_path


def words(folders, *more):
    return (
        *("evaluate", "styles", "--size", "64"),
        *("--photos", folders / "photos", "--paintings", folders / "paintings"),
        *more,
    )


def test_a_table_has_models_and_other_programs_pictures(impasto, folders):
    theirs = f"{folders / 'theirs'}=stars"
    done = impasto(*words(folders, "-s", folders / "waves.onnx", "--pictures", theirs))
    assert done.status == 0
    assert done.lines[0] == "## Styles at 64²"
    assert [line.split(" | ")[0] for line in done.lines if line.startswith("| ")][2:] == [
        "| waves",
        "| theirs",
    ]


def test_json_sheet_and_file(impasto, folders):
    sheet, report = folders / "sheet.png", folders / "report.json"
    more = ("--limit", "2", "--sheet", sheet, "-o", report, "--json")
    call = words(folders, "-s", f"{folders / 'waves.onnx'}=stars", *more)
    done = impasto(*call)
    assert done.status == 0
    content = json.loads(done.stdout)
    assert content == json.loads(report.read_text())
    assert [one["painting"] for one in content["styles"]] == ["stars"]
    assert len(content["photographs"]) == 2
    with Image.open(sheet) as drawn:
        assert drawn.size[0] > 2 * 256
    assert "exists already" in impasto(*call).complaint


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--pictures", "theirs"), "measured against the painting theirs, which is not among"),
        (("-s", "waves=moon"), "measured against the painting moon, which is not among stars"),
        (("-s", "https://x.org/moon.onnx#sha256=00"), "measured against the painting moon, which"),
        ((), "there is nothing to measure; give --style, or --pictures DIR=PAINTING"),
        (("-s", "waves.onnx", "-s", "waves.onnx=stars"), "two styles are called waves"),
        (("-o", "table.txt", "-s", "waves.onnx"), "expected a name that ends in .md or .json"),
    ],
)
def test_bad_input_is_one_line(impasto, folders, monkeypatch, more, says):
    monkeypatch.chdir(folders)
    done = impasto(*words(folders, *more))
    assert done.status == 2
    assert says in done.complaint
