"""Each claim in its tiny form, from settings to files, and once more out of its journal."""

import dataclasses
import json
import math

import pytest
from PIL import Image

from impasto.errors import DataError, UnknownModelError
from impasto.reproduction import objective
from impasto.reproduction.catalogue import CLAIMS, reproduce
from impasto.reproduction.speed import ITERATIONS
from impasto.reproduction.trained_style import TrainedStyle
from impasto.zoo import registry


def measured(name, settings, folder, **changes):
    """The JSON of a claim, and the names of its pictures."""
    lines = []
    settings = dataclasses.replace(settings, **changes)
    files = reproduce(name, settings, folder, command=f"reproduce {name}", tell=lines.append)
    content = json.loads((folder / f"{name}.json").read_text())
    text = (folder / f"{name}.md").read_text()
    assert CLAIMS[name].STATEMENT in text
    assert content["command"] in text
    pictures = [file.name for file in files if file.suffix == ".jpg"]
    for picture in pictures:
        assert f"]({picture})" in text
        with Image.open(folder / picture) as image:
            assert min(image.size) > 32
    return content, pictures, lines


def test_objective_counts_the_iterations_that_a_network_equals(tiny_settings, tmp_path):
    content, pictures, lines = measured("objective", tiny_settings, tmp_path)
    (row,) = content["rows"]
    assert len(row["curve"]) == content["num_iterations"] == 4
    assert row["num_photographs"] == 2
    assert len(lines) == 4  # a photograph is optimised, and scored as the network stylizes it
    reached = [k for k, value in enumerate(row["curve"], 1) if value <= row["network"]]
    assert row["equals"] == (reached[0] if reached else 5)
    for photograph in row["by_photograph"]:
        terms = photograph["network"]
        parts = (terms[name] for name in ("content", "style", "total_variation"))
        assert terms["total"] == pytest.approx(math.fsum(parts), rel=1e-5)
        assert photograph["content"]["content"] == 0
    assert pictures == ["objective.jpg"]
    again, _, lines = measured("objective", tiny_settings, tmp_path)
    assert (again, lines) == (content, [])


def test_objective_optimises_once_for_all_networks_of_one_objective(
    tiny_settings, tmp_path, monkeypatch
):
    before, _, _ = measured("objective", tiny_settings, tmp_path)
    monkeypatch.setattr(TrainedStyle, "digest", property(lambda _: "another"))
    after, _, lines = measured("objective", tiny_settings, tmp_path)
    assert len(lines) == 2
    assert after["rows"][0]["curve"] == before["rows"][0]["curve"]
    monkeypatch.setattr(TrainedStyle, "objective_digest", property(lambda _: "another"))
    _, _, lines = measured("objective", tiny_settings, tmp_path)
    assert len(lines) == 2  # the photographs are optimised anew


def test_objective_goes_on_at_all_sizes_alike(tiny_settings, tmp_path, monkeypatch):
    amount = objective.Amount(2, {32: 2, 40: 1})
    monkeypatch.setattr(objective, "AMOUNTS", {"tiny": amount})
    content, _, lines = measured("objective", tiny_settings, tmp_path)
    assert [line.split()[1] for line in lines] == ["32", "32", "40", "40", "32", "32"]
    assert [(row["size"], row["num_photographs"]) for row in content["rows"]] == [(32, 2), (40, 1)]


@pytest.mark.slow
def test_speed_multiplies_an_iteration_and_divides_by_a_pass(tiny_settings, tmp_path):
    content, pictures, _ = measured("speed", tiny_settings, tmp_path)
    (row,), (ratio,) = content["rows"], content["times_faster_than_500_iterations"]
    assert ratio["shipped"] == pytest.approx(500 * row["iteration"] / row["networks"]["shipped"])
    assert min(row["networks"]["wide"], row["networks"]["shipped"]) > 0
    text = (tmp_path / "speed.md").read_text()
    assert all(f"times faster than {number}" in text for number in ITERATIONS)
    assert pictures == ["speed.jpg"]


def test_inversions_say_how_alike_what_was_found_is(tiny_settings, tmp_path):
    content, pictures, lines = measured("inversions", tiny_settings, tmp_path)
    assert [unit["loss"] for unit in content["units"]] == ["feature"] * 2 + ["style"] * 2
    assert all(0 < unit["loss_left"] < 1 and -1 <= unit["ssim"] <= 1 for unit in content["units"])
    assert pictures == ["inversions.jpg"]
    assert len(lines) == 4
    assert measured("inversions", tiny_settings, tmp_path)[2] == []


def test_comparisons_show_both_and_larger_pictures(tiny_settings, tmp_path):
    content, pictures, lines = measured("comparisons", tiny_settings, tmp_path)
    (row,) = content["rows"]
    assert row["photograph"]["content"] == 0 < row["network"]["content"]
    assert pictures == ["comparisons.jpg", "comparisons-larger.jpg"]
    assert len(lines) == 1


def test_shift_compares_at_equal_pixel_loss(tiny_settings, tmp_path):
    content, pictures, _ = measured("shift", tiny_settings, tmp_path)
    one = content["means"]["1"]
    assert one["noise"]["pixel"] == pytest.approx(one["shift"]["pixel"], rel=0.1)
    assert one["blur"]["pixel"] == pytest.approx(one["shift"]["pixel"], rel=0.1)
    # The drawn photographs are soft: deep in the network their shift by a pixel is hardly seen.
    assert one["shift"]["relu4_3"] < one["noise"]["relu4_3"]
    assert content["means"]["4"]["shift"]["pixel"] > one["shift"]["pixel"]
    assert pictures == ["shift.jpg"]


@pytest.mark.slow
def test_architecture_trains_and_costs_every_variant(tiny_settings, tmp_path):
    content, pictures, lines = measured("architecture", tiny_settings, tmp_path)
    rows = {row["variant"]: row for row in content["rows"]}
    assert len(rows) == len(lines) == 5
    assert rows["no downsampling"]["receptive_field"] < rows["default"]["receptive_field"]
    assert all(row["objective"]["total"] > 0 for row in rows.values())
    assert pictures == ["architecture.jpg"]


@pytest.mark.slow
def test_loss_network_trains_against_both_and_judges_alike(tiny_settings, tmp_path):
    content, pictures, lines = measured("loss-network", tiny_settings, tmp_path)
    assert set(content["rows"]) == {"photograph", "trained", "untrained"}
    assert content["rows"]["trained"] != content["rows"]["untrained"]
    assert pictures == ["loss-network.jpg"]
    assert len(lines) == 2


def test_semantics_measures_boxes_and_equal_ones_elsewhere(tiny_settings, tmp_path):
    boxes = tmp_path / "boxes.json"
    names = [photo.name for photo in tiny_settings.photos[:3]]
    entries = {name: {"boxes": [[0, 0, 24, 24], [0, 0, 79, 59]]} for name in names[:2]}
    entries[names[2]] = {"boxes": [[40, 20, 64, 50]], "others": [[0, 0, 16, 60]]}
    boxes.write_text(json.dumps({"photographs": entries}))
    content, pictures, _ = measured("semantics", tiny_settings, tmp_path, boxes=boxes)
    assert [row["transformation"] for row in content["rows"]][1:] == ["blur", "noise"]
    # The box of 79×59 has no equal elsewhere, and where it lies the other one has none either.
    assert {row["num_photographs"] for row in content["rows"]} == {1}
    for row in content["rows"]:
        low, high = row["distance_elsewhere"]["interval"]
        assert low <= row["distance_elsewhere"]["mean"] <= high
    assert pictures == ["semantics.jpg"]


def test_semantics_needs_photographs_with_boxes(tiny_settings, tmp_path):
    with pytest.raises(DataError, match="none of the photographs with boxes"):
        measured("semantics", tiny_settings, tmp_path)


def test_super_resolution_says_which_models_are_missing(
    tiny_settings, tmp_path, tmp_path_factory, truths, user_models, monkeypatch
):
    monkeypatch.setattr(registry, "RELEASED_MODELS_FOLDER", user_models)  # none there either
    out = tmp_path_factory.mktemp("results")
    content, pictures, _ = measured("super-resolution", tiny_settings, out, data=tmp_path)
    assert truths.parent == tmp_path
    assert {tuple(row["models"]) for row in content["rows"]} == {("bicubic",)}
    text = (out / "super-resolution.md").read_text()
    assert "paper_feature_x4 | missing | missing" in text
    assert pictures == []


def test_super_resolution_measures_the_models_given(
    tiny_settings, tmp_path_factory, truths, repeating
):
    changes = {"models": (str(repeating()),), "shown": tuple(truths.glob("*.png"))}
    out = tmp_path_factory.mktemp("results")
    content, pictures, _ = measured(
        "super-resolution", tiny_settings, out, data=truths.parent, **changes
    )
    (row,) = content["rows"]
    assert row["set"] == "Pair"
    psnr = {name: unit["means"]["psnr"] for name, unit in row["models"].items()}
    assert psnr["repeating"] < psnr["bicubic"]
    assert "missing" not in (out / "super-resolution.md").read_text().split("Ours")[0]
    assert pictures == ["super-resolution-x4.jpg"]


def test_a_style_whose_painting_is_not_there_says_so(tiny_settings, tmp_path):
    with pytest.raises(DataError, match="give --paintings DIR"):
        measured("comparisons", tiny_settings, tmp_path, paintings=tiny_settings.training)


def test_an_unknown_claim_is_named_with_those_there_are(tiny_settings, tmp_path):
    with pytest.raises(UnknownModelError, match=r"no target 'spede'.*semantics"):
        reproduce("spede", tiny_settings, tmp_path, command="")


def test_what_there_was_no_time_for_is_said(tiny_settings, tmp_path):
    reproduce("objective", tiny_settings, tmp_path, command="", minutes=0)
    assert json.loads((tmp_path / "objective.json").read_text())["num_units_left"] == 2
    assert "2 units of work are left" in (tmp_path / "objective.md").read_text()
