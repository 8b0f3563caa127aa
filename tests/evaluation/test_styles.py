import numpy as np
import pytest
from PIL import Image

from impasto.errors import DataError
from impasto.evaluation.style_measures import StyleScorer
from impasto.evaluation.style_report import style_sheet, styles_to_json, styles_to_markdown
from impasto.evaluation.styles import (
    Contender,
    evaluate_styles,
    folder_contender,
    model_contender,
)
from impasto.tensors import to_tensor
from impasto.zoo.model_file import model_from_bytes
from model_fixtures import make_card, make_model_bytes


def drawn(seed, size=(80, 72)):
    noise = np.random.default_rng(seed).uniform(0, 255, (9, 10, 3)).astype(np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    for seed in range(3):
        drawn(seed).save(folder / f"photo_{seed}.png")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def scorer():
    paintings = {
        name: np.asarray(drawn(seed), np.float32) / 255
        for name, seed in (("waves", 10), ("stars", 11))
    }
    return StyleScorer({name: to_tensor(rgb) for name, rgb in paintings.items()})


def test_every_contender_is_measured_on_every_photograph(photos, scorer):
    seen = []
    contenders = [
        Contender("as it is", "waves", lambda _, photograph: photograph),
        Contender("flat", "stars", lambda _, photograph: np.full_like(photograph, 0.5)),
    ]
    evaluation = evaluate_styles(contenders, photos, scorer, size=64, on_progress=seen.append)
    assert seen == [photo.name for photo in photos] == evaluation.photographs
    assert [len(row.scores) for row in evaluation.rows] == [3, 3]
    assert all(scores.content == 0 for scores in evaluation.rows[0].scores)
    assert all(scores.content > 0 for scores in evaluation.rows[1].scores)


def test_pictures_of_another_program_are_found_by_name(photos, scorer, tmp_path):
    for photo in photos:
        Image.open(photo).resize((160, 144)).save(tmp_path / f"{photo.stem}.jpg", quality=95)
    contender = folder_contender("theirs", tmp_path, painting="waves")
    evaluation = evaluate_styles([contender], photos, scorer, size=64)
    assert all(scores.structure_distance < 0.1 for scores in evaluation.rows[0].scores)
    (tmp_path / "photo_1.jpg").unlink()
    with pytest.raises(DataError, match=r"has no picture called photo_1; expected one for each"):
        evaluate_styles([contender_of(tmp_path)], photos, scorer, size=64)


def contender_of(folder):
    return folder_contender("theirs", folder, painting="waves")


def test_a_model_is_run_in_f32(photos, scorer):
    model = model_from_bytes(make_model_bytes(card=make_card(name="inverse")))
    evaluation = evaluate_styles(
        [model_contender("inverse", model, painting="stars")], photos[:1], scorer, size=64
    )
    assert evaluation.rows[0].scores[0].content > 0


def test_the_report_has_medians_and_counts(photos, scorer):
    same = Contender("a|b", "waves", lambda _, photograph: photograph)
    evaluation = evaluate_styles([same], photos, scorer, size=64, num_shown=2)
    text = styles_to_markdown(evaluation)
    hits = sum(scores.nearest == "waves" for scores in evaluation.rows[0].scores)
    assert f"| {hits} of 3 |" in text
    assert "a\\|b" in text
    assert "| 1.0 |" in text  # style, times lower
    content = styles_to_json(evaluation)
    assert content["styles"][0]["num_nearest"] == hits
    assert content["styles"][0]["medians"]["style_fall"] == pytest.approx(1)
    assert [p["name"] for p in content["styles"][0]["photographs"]] == evaluation.photographs
    height, width, _ = style_sheet(evaluation, cell_size=32).shape
    assert height >= 2 * 32
    assert width >= 2 * 32


def test_no_photographs_are_refused(scorer):
    with pytest.raises(DataError, match="no photographs were given"):
        evaluate_styles([], [], scorer, size=64)
