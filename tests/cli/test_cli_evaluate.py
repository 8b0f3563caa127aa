"""`impasto evaluate sr` with a model that repeats each pixel, on two small pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from model_fixtures import make_card, make_model_bytes

IDENTITY = np.eye(3, dtype=np.float16)[:, :, None, None]


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "Pair"
    folder.mkdir()
    for name, size in (("first", (40, 32)), ("second", (34, 37))):
        pixels = np.random.default_rng(len(name)).integers(60, 190, (size[1], size[0], 3))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def repeating(tmp_path):
    path = tmp_path / "repeating.onnx"
    card = make_card(name="repeating", task="super-resolution", scale=2)
    path.write_bytes(make_model_bytes(card=card, kernel=IDENTITY, bias=0.0, scale=2))
    return path


def test_a_table_has_bicubic_and_the_models_at_their_own_scale(impasto, data, repeating):
    done = impasto("evaluate", "sr", "--data", data, "--model", repeating, "--per-image")
    assert done.status == 0
    assert done.lines[0] == "## Super-resolution ×2"
    rows = [line.split(" | ")[:2] for line in done.lines if line.startswith("| Pair")]
    assert rows == [["| Pair", "bicubic"], ["| Pair", "repeating"]]
    assert sum(line.startswith("| second | ") for line in done.lines) == 2
    assert any(line.startswith("- PSNR: dB, peak 255") for line in done.lines)


def test_json_sheet_and_file(impasto, data, repeating, tmp_path):
    words = ("--data", data, "--data", data, "-m", "bicubic", "-m", repeating, "--scale", "2")
    sheet, report = tmp_path / "sheet.png", tmp_path / "report.md"
    places = ("--sheet", sheet, "--crop", "second:2,3,16,10", "-o", report)
    done = impasto("evaluate", "sr", *words, "--json", *places)
    told = json.loads(done.stdout)
    assert [len(scores["models"]) for scores in told["sets"]] == [2, 2]
    assert told["protocol"]["ssim"].startswith("Wang et al. 2004")
    assert report.read_text().startswith("## Super-resolution ×2")
    with Image.open(sheet) as image:
        assert image.width > 3 * 288  # truth, bicubic, the model
    again = impasto("evaluate", "sr", *words, "-o", report)
    assert "exists already" in again.complaint
    assert impasto("evaluate", "sr", *words, "-o", report, "--overwrite").status == 0


def test_another_degradation_than_the_models_is_told_on_stderr_and_in_json(
    impasto, data, repeating
):
    words = ("--data", data, "-m", repeating, "--degradation", "blur-bicubic", "--json")
    done = impasto("evaluate", "sr", *words)
    assert done.status == 0
    assert "repeating learned from bicubic low resolution" in done.stderr
    assert done.stderr.count("\n") == 1
    (warning,) = json.loads(done.stdout)["warnings"]
    assert warning in done.stderr


def test_features_are_columns(impasto, data):
    done = impasto("evaluate", "sr", "--data", data, "--scale", "2", "--features", "--json")
    values = json.loads(done.stdout)["sets"][0]["models"][0]["means"]
    assert 0 < values["feature_relu1_2"] < 1
    assert "feature_relu5_3" in values


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--scale", "4"), "upscales by 2, expected 4"),
        (("--model", "nothing"), "there is no model 'nothing'"),
        (("--scale", "1"), "greater than or equal to 2"),
        (("--low-resolution", "a", "--low-resolution", "b"), "given 2 times and --data 1 times"),
        (("--low-resolution", "nowhere"), "nowhere does not exist; expected a folder"),
        (("--crop", "first:0,0,8,8"), "--crop is for a comparison sheet; add --sheet FILE"),
        (("--sheet", "s.txt"), "s.txt"),
        (("--sheet", "s.png", "--crop", "first:30,0,20,8"), "reaches beyond first"),
        (("-o", "report.txt"), "expected a name that ends in .md or .json"),
        (("-o", "no/such/report.md"), "does not exist"),
        (("--lpips-weights", "nothing.safetensors"), "cannot be read as safetensors"),
        (("--spectrum",), "48×48 are needed of the rest: leave it out"),
    ],
)
def test_what_cannot_be_done_takes_one_line(
    impasto, data, repeating, tmp_path, monkeypatch, words, message
):
    monkeypatch.chdir(tmp_path)
    done = impasto("evaluate", "sr", "--data", data, "-m", repeating, *words)
    assert message in done.complaint
    assert not (tmp_path / "s.png").exists()


def test_a_set_is_asked_for(impasto):
    assert "--data" in impasto("evaluate", "sr", "--scale", "2").complaint


def test_scores_go_into_the_card_and_leave_the_model_as_it_is(impasto, data, repeating):
    from impasto.zoo.model_file import read_model_file

    before = read_model_file(repeating)
    done = impasto("evaluate", "sr", "--data", data, "--model", repeating, "--into-card", "--json")
    assert done.status == 0
    (row,) = [m for m in json.loads(done.stdout)["sets"][0]["models"] if m["name"] == "repeating"]
    card = read_model_file(repeating).card
    scores = card.scores["Pair ×2"]
    assert scores["num_pictures"] == 2
    assert scores["psnr"]["mean"] == round(row["means"]["psnr"], 4)
    assert "peak 255" in scores["psnr"]["protocol"]
    assert card.model_copy(update={"scores": {}}) == before.card
    again = impasto("evaluate", "sr", "--data", data, "--model", repeating, "--json")
    assert json.loads(again.stdout)["sets"] == json.loads(done.stdout)["sets"]


def test_scores_go_into_files_only(impasto, data):
    done = impasto("evaluate", "sr", "--data", data, "--model", "faithful", "--into-card")
    assert done.status == 2
    assert "give each --model as a file" in done.stderr
