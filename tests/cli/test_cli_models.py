"""`impasto models`: listing, cards, and the user's own."""

import json

import numpy as np
import pytest
from onnx import numpy_helper
from PIL import Image

from impasto.networks.architecture import NetworkArchitecture
from impasto.zoo import registry
from impasto.zoo.model_file import MODEL_METADATA_KEY, read_model_file
from model_fixtures import make_card, make_model_bytes, make_onnx


@pytest.fixture
def released(tmp_path, monkeypatch):
    """A package that ships one model, `starry_night`, instead of what it really ships."""
    folder = tmp_path / "released"
    folder.mkdir()
    card = make_card(name="starry_night", title="Starry Night")
    (folder / "starry_night.onnx").write_bytes(make_model_bytes(card=card))
    monkeypatch.setattr(registry, "RELEASED_MODELS_FOLDER", folder)
    return folder


@pytest.fixture
def model_with_weights(tmp_path):
    """A model file that holds the named weights of its card's small network."""
    import torch

    from impasto.networks.style_transfer import build_style_network

    torch.manual_seed(0)  # one in a hundred starts does not bear float16
    architecture = NetworkArchitecture(channels=(1, 1, 1), num_residual_blocks=0)
    card = make_card(architecture=architecture)
    model = make_onnx(metadata={MODEL_METADATA_KEY: card.to_json()})
    for name, value in build_style_network(architecture).state_dict().items():
        model.graph.initializer.append(numpy_helper.from_array(value.numpy(), name))
    path = tmp_path / "old.onnx"
    path.write_bytes(model.SerializeToString())
    return path


# Listing


def test_models_are_listed_with_whose_they_are(impasto, released, tiny_model_path):
    impasto("models", "add", tiny_model_path)
    done = impasto("models")
    assert done.status == 0
    assert done.lines == [
        "starry_night  shipped  style-transfer: Starry Night, Katsushika Hokusai",
        "tiny_style    yours    style-transfer: A tiny style, Katsushika Hokusai",
    ]


def test_the_list_says_where_one_s_own_models_are(impasto, user_models):
    assert str(user_models) in impasto("models").stderr


def test_a_damaged_model_is_listed_with_its_problem(impasto, released, user_models):
    user_models.mkdir(parents=True)
    (user_models / "broken.onnx").write_bytes(b"hello")
    done = impasto("models")
    assert done.status == 0
    assert done.lines[1].startswith("broken        yours    cannot be used: ")


def test_the_list_as_json_holds_the_cards(impasto, released, tiny_model_path, user_models):
    impasto("models", "add", tiny_model_path)
    (user_models / "broken.onnx").write_bytes(b"hello")
    done = impasto("models", "--json")
    assert (done.status, done.stderr) == (0, "")
    rows = json.loads(done.stdout)
    assert [(row["name"], row["released"]) for row in rows] == [
        ("starry_night", True),
        ("broken", False),
        ("tiny_style", False),
    ]
    assert rows[1]["card"] is None
    assert "not a sound ONNX file" in rows[1]["problem"]
    assert rows[2] == {
        "name": "tiny_style",
        "released": False,
        "path": str(user_models / "tiny_style.onnx"),
        "problem": None,
        "card": make_card().model_dump(mode="json"),
    }


def test_without_any_model_the_list_is_empty(impasto, released):
    (released / "starry_night.onnx").unlink()
    assert impasto("models").stdout == b""
    assert json.loads(impasto("models", "--json").stdout) == []


def test_options_of_the_list_are_not_lost_before_a_command(impasto):
    complaint = impasto("models", "--json", "show", "starry_night").complaint
    assert complaint == "give options after the command: impasto models show ..."


def test_a_network_is_listed_with_the_names_that_it_holds(impasto, released, any_painting):
    assert impasto("models").lines == [
        "starry_night  shipped  style-transfer: Starry Night, Katsushika Hokusai",
        "any_painting  yours    style-transfer: Any painting; --style takes any painting's file, "
        "or a name below",
        "red_sky       a style  Red Sky, Katsushika Hokusai",
        "blue_hour     a style  Blue Hour, Katsushika Hokusai",
    ]
    rows = json.loads(impasto("models", "--json").stdout)
    assert [sorted(row.get("styles", [])) for row in rows] == [[], ["blue_hour", "red_sky"]]


def test_the_list_says_which_styles_of_a_network_need_its_name(impasto, released, any_painting):
    any_painting.rename(any_painting.with_name("mine.onnx"))
    assert impasto("models").lines[-1] == (
        "blue_hour     a style  Blue Hour, Katsushika Hokusai (with --network mine)"
    )


def test_the_card_of_a_network_says_what_it_has_learnt_from(impasto, released, any_painting):
    lines = impasto("models", "show", "any_painting").lines
    for label, value in (
        ("paintings", "3; three paintings"),
        ("not trained on", "Nocturne, Guernica"),
        ("styles", "red_sky, blue_hour"),
    ):
        assert f"{label:<24}{value}" in lines


def test_a_network_is_not_rebuilt_without_its_styles(impasto, any_painting):
    before = any_painting.read_bytes()
    assert (
        "cannot be rebuilt from its weights" in impasto("models", "upgrade", any_painting).complaint
    )
    assert any_painting.read_bytes() == before


def test_a_style_of_the_network_has_a_card(impasto, released, any_painting):
    lines = impasto("models", "show", "blue_hour").lines
    assert f"{'title':<24}Blue Hour" in lines
    assert not any(line.startswith("styles") for line in lines)
    complaint = impasto("models", "show", "blue_house").complaint
    assert "did you mean 'blue_hour'?" in complaint


# The sheet


def test_a_sheet_shows_the_photograph_and_every_style(impasto, released, tmp_path):
    done = impasto("models", "--sheet", tmp_path / "sheet.png")
    assert done.status == 0
    assert done.lines[-1] == str(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 4 + 2 * (256 + 4)


def test_a_sheet_may_show_mixtures_of_four_styles(impasto, released, any_painting, tmp_path):
    words = ("models", "--sheet", tmp_path / "sheet.png", "--mix")
    done = impasto(*words, "red_sky,blue_hour,red_sky,red_sky")
    assert done.lines == [str(tmp_path / "sheet.png")]
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 4 + 5 * (256 + 4)
    assert "expected four: A,B,C,D" in impasto(*words, "red_sky,blue_hour", "--overwrite").complaint


def test_a_sheet_beside_json_leaves_stdout_to_json(impasto, released, photo, tmp_path):
    done = impasto("models", "--json", "--sheet", tmp_path / "sheet.png", "--photo", photo)
    assert [row["name"] for row in json.loads(done.stdout)] == ["starry_night"]
    assert done.stderr == f"{tmp_path / 'sheet.png'}\n"


def test_a_sheet_says_which_models_it_leaves_out(impasto, released, user_models, tmp_path):
    user_models.mkdir(parents=True)
    (user_models / "broken.onnx").write_bytes(b"hello")
    done = impasto("models", "--sheet", tmp_path / "sheet.png")
    assert done.status == 0
    assert f"left out of the sheet: {user_models / 'broken.onnx'}" in done.stderr


def test_a_sheet_that_exists_is_replaced_only_with_leave(impasto, released, photo, tmp_path):
    sheet = tmp_path / "sheet.png"
    sheet.write_bytes(b"mine")
    words = ("models", "--sheet", sheet, "--photo", photo)
    assert impasto(*words).complaint.endswith("(--overwrite)")
    assert sheet.read_bytes() == b"mine"
    assert impasto(*words, "--overwrite").status == 0
    assert sheet.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sheet", "sheet.xyz"], "no format that can be written"),
        (["--sheet", "nowhere/sheet.png"], "nowhere does not exist"),
        (["--sheet", "sheet.png", "--photo", "ghost.jpg"], "ghost.jpg does not exist"),
        (["--photo", "photo.png"], "add --sheet FILE"),
        (["--overwrite"], "add --sheet FILE"),
        (["--mix", "a,b,c,d"], "add --sheet FILE"),
        (["--sheet", "sheet.png", "--network", "mine"], "add --mix A,B,C,D"),
        (["--sheet", "sheet.png", "--mix", "a,b,c,d", "--json"], "leave it out with --mix"),
    ],
)
def test_a_sheet_that_cannot_be_made_is_one_line(
    impasto, released, tmp_path, monkeypatch, words, message
):
    monkeypatch.chdir(tmp_path)
    assert message in impasto("models", *words).complaint
    assert not (tmp_path / "sheet.png").exists()


# Cards


def test_show_prints_the_card_with_its_licences(impasto, tiny_model_path):
    done = impasto("models", "show", tiny_model_path)
    assert (done.status, done.stderr) == (0, "")
    facts = {line[:24].strip(): line[24:] for line in done.lines}
    expected = {
        "name": "tiny_style",
        "painting": "Under the Wave off Kanagawa, Katsushika Hokusai, c. 1831",
        "photographs": "two photographs",
        "usable photographs": "2",
        "losses reached": "content 1.5, style 0.25",
        "licence of code": "Apache-2.0",
        "licence of weights": "CC-BY-4.0",
        "licence of painting": "public domain",
        "licence of photographs": "CC0",
        "commercial use": "clear",
        "file": f"{tiny_model_path}, 0.00 MB",
    }
    assert {label: facts[label] for label in expected} == expected


def test_show_as_json_is_the_whole_card(impasto, tiny_model_path):
    done = impasto("models", "show", tiny_model_path, "--json")
    assert json.loads(done.stdout) == make_card().model_dump(mode="json")


def test_show_says_that_a_file_is_not_the_shipped_one_of_its_name(impasto, released, tmp_path):
    shipped = impasto("models", "show", "starry_night")
    assert shipped.lines[-1].split(maxsplit=1) == ["origin", "ships with Impasto"]
    card = make_card(name="starry_night", title="Starry Night")
    (tmp_path / "other.onnx").write_bytes(make_model_bytes(card=card, bias=0.5))
    done = impasto("models", "show", tmp_path / "other.onnx")
    whose = "your own, not the starry_night that ships with Impasto"
    assert done.lines[-1].split(maxsplit=1) == ["origin", whose]


def test_texts_of_a_card_are_shown_with_what_is_invisible_in_them(impasto, user_models, tmp_path):
    card = make_card(title="Starry\u202e Night\u200b", name="other")
    (tmp_path / "other.onnx").write_bytes(make_model_bytes(card=card))
    shown = impasto("models", "show", tmp_path / "other.onnx").lines
    assert r"title                   Starry\u202e Night\u200b" in shown
    impasto("models", "add", tmp_path / "other.onnx")
    assert r"Starry\u202e Night\u200b" in "".join(impasto("models").lines)


def test_show_takes_a_name(impasto, released):
    assert impasto("models", "show", "starry_night").lines[0].split() == ["name", "starry_night"]


def test_a_card_without_a_painting_is_shown(impasto, tmp_path):
    card = make_card(name="x2", task="super-resolution", scale=2, painting=None)
    (tmp_path / "x2.onnx").write_bytes(make_model_bytes(card=card, scale=2))
    shown = impasto("models", "show", tmp_path / "x2.onnx").stdout.decode()
    assert "super-resolution" in shown
    assert "painting seen at" not in shown


@pytest.mark.parametrize("command", ["show", "remove"])
def test_an_unknown_name_suggests_the_nearest(impasto, released, command):
    complaint = impasto("models", command, "stary_night").complaint
    assert "there is no model 'stary_night'; did you mean 'starry_night'?" in complaint


# The user's own


def test_an_added_model_is_a_style_by_name(impasto, user_models, tiny_model_path):
    done = impasto("models", "add", tiny_model_path, "--name", "mine")
    assert done.lines == [f"mine: {user_models / 'mine.onnx'}"]
    assert impasto("models", "show", "mine").status == 0


def test_a_model_is_replaced_only_with_leave(impasto, user_models, tiny_model_path):
    impasto("models", "add", tiny_model_path)
    before = tiny_model_path.read_bytes()
    tiny_model_path.write_bytes(make_model_bytes(bias=0.5))
    complaint = impasto("models", "add", tiny_model_path).complaint
    assert "there is a model 'tiny_style' already" in complaint
    assert complaint.endswith("(--overwrite)")
    assert (user_models / "tiny_style.onnx").read_bytes() == before
    assert impasto("models", "add", tiny_model_path, "--overwrite").status == 0
    assert (user_models / "tiny_style.onnx").read_bytes() != before


def test_a_removed_model_is_gone(impasto, user_models, tiny_model_path):
    impasto("models", "add", tiny_model_path)
    done = impasto("models", "remove", "tiny_style")
    assert done.lines == [f"removed {user_models / 'tiny_style.onnx'}"]
    assert not (user_models / "tiny_style.onnx").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["add", "ghost.onnx"], "is not there"),
        (["add", "tiny.onnx", "--name", "../evil"], "cannot be a model's name"),
        (["add", "tiny.onnx", "--name", "starry_night"], "name of a model that ships"),
        (["remove", "starry_night"], "ships with Impasto and cannot be removed"),
        (["remove", "tiny.onnx"], "there is no model 'tiny.onnx'"),
    ],
)
def test_what_cannot_be_added_or_removed_is_one_line(
    impasto, released, tiny_model_path, monkeypatch, words, message
):
    monkeypatch.chdir(tiny_model_path.parent)
    assert message in impasto("models", *words).complaint


def test_a_home_that_cannot_be_used_is_one_line(impasto, tiny_model_path, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "file"))
    assert impasto("models").status == 0
    assert str(tmp_path / "file") in impasto("models", "add", tiny_model_path).complaint


# Upgrading


def test_upgrade_builds_the_graph_anew_and_keeps_the_card(impasto, model_with_weights, tmp_path):
    before = model_with_weights.read_bytes()
    done = impasto("models", "upgrade", model_with_weights, "-o", tmp_path / "new.onnx")
    assert (done.status, done.lines) == (0, [str(tmp_path / "new.onnx")]), done
    upgraded = read_model_file(tmp_path / "new.onnx")
    assert upgraded.card == read_model_file(model_with_weights).card
    assert upgraded.data != before
    assert model_with_weights.read_bytes() == before


def test_upgrade_replaces_an_output_only_with_leave(impasto, model_with_weights, tmp_path):
    (tmp_path / "new.onnx").write_bytes(b"mine")
    words = ("models", "upgrade", model_with_weights, "-o", tmp_path / "new.onnx")
    assert "new.onnx exists already" in impasto(*words).complaint
    assert (tmp_path / "new.onnx").read_bytes() == b"mine"


def test_a_model_without_its_weights_cannot_be_upgraded(impasto, tiny_model_path):
    before = tiny_model_path.read_bytes()
    complaint = impasto("models", "upgrade", tiny_model_path).complaint
    assert "are missing or have another shape than the card's architecture" in complaint
    assert tiny_model_path.read_bytes() == before


# Quantizing


@pytest.fixture
def photographs(tmp_path):
    """A folder of six small photographs."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 256, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_a_quantized_form_is_written_beside_its_file_and_used(
    impasto, tmp_path, tiny_model_path, photographs
):
    done = impasto("models", "quantize", tiny_model_path, "--photos", photographs)
    target = tmp_path / "tiny.int8.onnx"
    assert (done.status, done.lines[-1]) == (0, str(target))
    assert len(done.lines) == 3 * 2 + 2  # three photographs at two sizes, the summary, the file
    assert "in float: nothing (0% of the work)" in done.lines[-2]
    assert done.stderr.startswith("everything in 8 bits: at least ")
    shown = impasto("models", "show", target)
    assert any(line.startswith("quantized   ") for line in shown.lines)
    call = ("stylize", photographs / "0.png", "--style", tiny_model_path, "--precision", "int8")
    painted = json.loads(impasto(*call, "-o", tmp_path / "out.png", "--json").stdout)
    assert painted["done"][0]["precision"] == "int8"
    pixels = np.asarray(Image.open(tmp_path / "out.png"), dtype=int)
    negative = 255 - np.asarray(Image.open(photographs / "0.png"), dtype=int)
    assert np.abs(pixels - negative).max() <= 6  # grain and rounding


def test_quantizing_answers_in_json(impasto, tmp_path, tiny_model_path, photographs):
    out = tmp_path / "form.onnx"
    call = ("models", "quantize", tiny_model_path, "--photos", photographs, "-o", out)
    found = json.loads(impasto(*call, "--json").stdout)
    assert found["file"] == str(out)
    assert found["quantization"] == read_model_file(out).card.quantization.model_dump()
    assert len(found["checked"]) == 6
    assert "exists already" in impasto(*call).complaint


def test_what_is_not_near_enough_writes_nothing(impasto, tmp_path, tiny_model_path, photographs):
    call = ("models", "quantize", tiny_model_path, "--photos", photographs, "--min-psnr", 99)
    done = impasto(*call)
    assert done.status == 2
    assert "expected 99" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "tiny.int8.onnx").exists()


def test_int8_without_a_quantized_form_takes_one_line(impasto, tiny_model_path, photographs):
    done = impasto(
        "stylize",
        photographs / "0.png",
        "-s",
        tiny_model_path,
        "--precision",
        "int8",
        "-o",
        "x.png",
    )
    assert "has no quantized form" in done.complaint
