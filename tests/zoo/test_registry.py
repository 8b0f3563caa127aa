import subprocess
import sys

import platformdirs
import pytest

from impasto.errors import ModelFileError, OutputExistsError, UnknownModelError
from impasto.zoo import registry
from impasto.zoo.registry import (
    RELEASED_MODELS_FOLDER,
    add_model,
    display_name,
    is_released,
    list_models,
    remove_model,
    resolve_model,
)
from model_fixtures import make_card, make_model_bytes, make_quantized_bytes


@pytest.fixture
def released(tmp_path, monkeypatch):
    """A package that ships one model, `starry_night`, instead of what it really ships."""
    folder = tmp_path / "released"
    folder.mkdir()
    (folder / "starry_night.onnx").write_bytes(
        make_model_bytes(card=make_card(name="starry_night"))
    )
    monkeypatch.setattr(registry, "RELEASED_MODELS_FOLDER", folder)
    return folder


def names(entries):
    return [(entry.name, entry.released) for entry in entries]


def test_the_user_s_models_lie_in_impasto_home(user_models):
    assert registry.user_models_folder() == user_models


def test_without_impasto_home_the_system_s_place_is_used(monkeypatch):
    monkeypatch.delenv("IMPASTO_HOME", raising=False)
    place = platformdirs.user_data_path("impasto", appauthor=False)
    assert registry.user_models_folder() == place / "models"


def test_every_model_that_ships_can_be_used(user_models):
    assert [entry.problem for entry in list_models() if entry.problem] == []


def test_an_added_model_is_listed_after_the_released_ones(released, user_models, tiny_model_path):
    add_model(tiny_model_path)
    add_model(tiny_model_path, name="a-second")
    entries = list_models()
    assert names(entries) == [("starry_night", True), ("a-second", False), ("tiny_style", False)]
    assert entries[1].card == make_card()


def test_an_added_model_is_the_same_file(released, user_models, tiny_model_path):
    entry = add_model(tiny_model_path)
    assert entry.path == user_models / "tiny_style.onnx"
    assert resolve_model("tiny_style").data == tiny_model_path.read_bytes()
    assert [path.name for path in user_models.iterdir()] == ["tiny_style.onnx"]


def test_a_damaged_model_is_listed_with_its_problem(released, user_models):
    user_models.mkdir(parents=True)
    (user_models / "broken.onnx").write_bytes(b"hello")
    entry = list_models()[-1]
    assert (entry.name, entry.card) == ("broken", None)
    assert "not a sound ONNX file" in entry.problem


def test_half_written_and_foreign_files_are_not_listed(released, user_models):
    user_models.mkdir(parents=True)
    for name in (".tiny.onnx", ".tiny.onnx.1234.part", "notes.txt"):
        (user_models / name).write_bytes(b"")
    assert names(list_models()) == [("starry_night", True)]


def test_models_can_be_listed_by_task(released, user_models, tmp_path):
    card = make_card(name="x2", task="super-resolution", scale=2)
    upscaler = make_model_bytes(card=card, scale=2)
    (tmp_path / "x2.onnx").write_bytes(upscaler)
    add_model(tmp_path / "x2.onnx")
    assert names(list_models(task="super-resolution")) == [("x2", False)]
    assert names(list_models(task="style-transfer")) == [("starry_night", True)]


def test_a_model_is_resolved_by_path(released, user_models, tiny_model_path, monkeypatch):
    assert resolve_model(tiny_model_path).card.name == "tiny_style"
    assert resolve_model(str(tiny_model_path)).card.name == "tiny_style"
    monkeypatch.chdir(tiny_model_path.parent)
    assert resolve_model("tiny.onnx").card.name == "tiny_style"


def test_a_file_without_suffix_is_resolved(released, user_models, tiny_model_path, monkeypatch):
    tiny_model_path.rename(tiny_model_path.with_name("plain"))
    monkeypatch.chdir(tiny_model_path.parent)
    assert resolve_model("plain").card.name == "tiny_style"


def test_a_known_name_wins_over_a_file_of_that_name(released, user_models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "starry_night").write_bytes(b"a picture, say")
    assert resolve_model("starry_night").path == released / "starry_night.onnx"


def test_a_released_model_hides_a_user_s_of_the_same_name(released, user_models, tiny_model_bytes):
    user_models.mkdir(parents=True)
    (user_models / "starry_night.onnx").write_bytes(tiny_model_bytes)
    assert names(list_models()) == [("starry_night", True)]
    assert resolve_model("starry_night").card.name == "starry_night"


@pytest.mark.parametrize("typed", ["starry-night", "Starry Night", "stary_night", "starrynight"])
def test_an_unknown_name_suggests_the_nearest(released, user_models, typed):
    with pytest.raises(UnknownModelError, match="did you mean 'starry_night'") as raised:
        resolve_model(typed)
    assert str(user_models) in str(raised.value)


@pytest.mark.parametrize("typed", ["", "zebra", "..", "\x1b[31m"])
def test_a_name_like_no_other_suggests_nothing(released, user_models, typed):
    with pytest.raises(UnknownModelError, match="there is no model") as raised:
        resolve_model(typed)
    assert "did you mean" not in str(raised.value)
    assert str(raised.value).isprintable()


def test_a_missing_file_is_not_taken_for_a_name(released, user_models):
    with pytest.raises(ModelFileError, match=r"starry_night\.onnx: .* is not there"):
        resolve_model("elsewhere/starry_night.onnx")


def test_a_model_for_another_task_is_refused(released, user_models):
    with pytest.raises(ModelFileError, match="for style-transfer, expected one for super-res"):
        resolve_model("starry_night", task="super-resolution")


def test_a_damaged_file_is_not_added(released, user_models, tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"hello")
    with pytest.raises(ModelFileError, match="not a sound ONNX file"):
        add_model(tmp_path / "bad.onnx")
    assert not user_models.exists()


@pytest.mark.parametrize(
    "name", ["", "../evil", "a/b", "Starry", ".hidden", "nul", "com1", "a.b", "-x", "x" * 65, "a\n"]
)
def test_an_unsafe_name_is_refused(released, user_models, tiny_model_path, name):
    with pytest.raises(ModelFileError, match="cannot be a model's name"):
        add_model(tiny_model_path, name=name)


def test_a_released_name_cannot_be_taken(released, user_models, tiny_model_path):
    with pytest.raises(ModelFileError, match="is the name of a model that ships"):
        add_model(tiny_model_path, name="starry_night", overwrite=True)


def test_a_model_is_replaced_only_with_leave(released, user_models, tiny_model_path):
    add_model(tiny_model_path)
    other = make_model_bytes(bias=0.5)
    tiny_model_path.write_bytes(other)
    with pytest.raises(OutputExistsError, match="there is a model 'tiny_style' already"):
        add_model(tiny_model_path)
    add_model(tiny_model_path, overwrite=True)
    assert resolve_model("tiny_style").data == other


def test_a_failed_write_leaves_nothing_behind(released, user_models, tiny_model_path):
    target = user_models / "tiny_style.onnx"
    target.mkdir(parents=True)  # a folder in the way: the last step, renaming, fails
    with pytest.raises(ModelFileError, match="cannot be written"):
        add_model(tiny_model_path, overwrite=True)
    assert list(user_models.iterdir()) == [target]


def test_a_removed_model_is_gone(released, user_models, tiny_model_path):
    add_model(tiny_model_path)
    assert remove_model("tiny_style") == user_models / "tiny_style.onnx"
    assert names(list_models()) == [("starry_night", True)]


def test_a_released_model_cannot_be_removed(released, user_models):
    with pytest.raises(ModelFileError, match="ships with Impasto and cannot be removed"):
        remove_model("starry_night")
    assert (released / "starry_night.onnx").exists()


@pytest.mark.parametrize("name", ["tiny", "../released/starry_night", "/etc/passwd"])
def test_only_names_can_be_removed(released, user_models, name):
    with pytest.raises(UnknownModelError, match="there is no model"):
        remove_model(name)


def test_the_registry_works_in_a_folder_that_is_not_there(tmp_path):
    program = "from impasto.zoo.registry import list_models; list_models()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        env={"IMPASTO_HOME": str(tmp_path / "nowhere")},
    )
    assert (done.returncode, done.stderr) == (0, "")


# Quantized forms


def test_a_quantized_form_is_found_beside_its_model_and_is_no_model_of_its_own(
    released, user_models
):
    data = (released / "starry_night.onnx").read_bytes()
    (released / "starry_night.int8.onnx").write_bytes(make_quantized_bytes(data))
    found = resolve_model("starry_night", quantized=True)
    assert found.path == released / "starry_night.int8.onnx"
    assert resolve_model("starry_night").path == released / "starry_night.onnx"
    assert resolve_model(found.path, quantized=True).path == found.path
    assert names(list_models()) == [("starry_night", True)]


def test_the_quantized_form_of_a_shipped_model_may_lie_among_the_user_s(released, user_models):
    model = resolve_model("starry_night")
    target = registry.int8_output_path(model)
    assert target == user_models / "starry_night.int8.onnx"
    target.parent.mkdir(parents=True)
    target.write_bytes(make_quantized_bytes(model.data))
    assert resolve_model("starry_night", quantized=True).path == target
    assert names(list_models()) == [("starry_night", True)]


def test_a_model_without_a_quantized_form_says_how_to_make_one(tiny_model_path, user_models):
    with pytest.raises(ModelFileError, match=r"has no quantized form .*'impasto models quantize'"):
        resolve_model(tiny_model_path, quantized=True)


def test_the_quantized_form_of_another_file_is_refused(tmp_path, tiny_model_path, user_models):
    other = make_quantized_bytes(make_model_bytes(bias=0.5))
    (tmp_path / "tiny.int8.onnx").write_bytes(other)
    with pytest.raises(ModelFileError, match=r"is not the quantized form of .* make it anew"):
        resolve_model(tiny_model_path, quantized=True)


def test_a_quantized_form_is_added_and_removed_with_its_model(
    tmp_path, tiny_model_path, user_models
):
    quantized = tmp_path / "tiny.int8.onnx"
    quantized.write_bytes(make_quantized_bytes(tiny_model_path.read_bytes()))
    add_model(tiny_model_path)
    add_model(quantized)
    assert resolve_model("tiny_style", quantized=True).path == user_models / "tiny_style.int8.onnx"
    remove_model("tiny_style")
    assert list(user_models.iterdir()) == []


def test_the_name_of_a_shipped_model_is_the_shipped_files_alone(tmp_path):
    shipped = resolve_model("great_wave")
    assert is_released(shipped)
    assert display_name(shipped) == "great_wave"
    path = tmp_path / "mine.onnx"
    path.write_bytes(make_model_bytes(card=make_card(name="great_wave")))
    other = resolve_model(path)
    assert not is_released(other)
    assert display_name(other) == f"great_wave ({path}, not the one that ships with Impasto)"


def test_a_quantized_form_that_ships_is_told_from_one_that_does_not(tmp_path):
    shipped = resolve_model(RELEASED_MODELS_FOLDER / "great_wave.int8.onnx")
    assert is_released(shipped)
    path = tmp_path / "great_wave.int8.onnx"
    path.write_bytes(make_quantized_bytes(make_model_bytes(card=make_card(name="great_wave"))))
    assert not is_released(resolve_model(path))


def test_a_model_of_another_name_is_called_by_it(tiny_model_path):
    assert display_name(resolve_model(tiny_model_path)) == "tiny_style"


def test_a_network_for_any_painting_is_listed_with_its_styles(any_painting):
    entries = {entry.name: entry for entry in list_models()}
    styles = entries["any_painting"].styles
    assert {name: style.title for name, style in styles.items()} == {
        "red_sky": "Red Sky",
        "blue_hour": "Blue Hour",
    }
    assert not entries["starry_night"].styles
