"""The sheet of thumbnails, with a style of negatives and one of blurs."""

import numpy as np
import pytest
from PIL import Image

from impasto.errors import OutputExistsError, PictureFileError, SettingError, UnknownModelError
from impasto.images.contact_sheet import contact_sheet
from impasto.images.files.io import load_picture
from impasto.runtime.stylizer import Stylizer
from impasto.runtime.thumbnails import (
    EXAMPLE_PHOTOGRAPH,
    SQUARE_SIDE,
    THUMBNAIL_SIZE,
    save_mixture_sheet,
    save_thumbnail_sheet,
)
from impasto.zoo.registry import ModelEntry, list_models
from model_fixtures import make_card, make_model_bytes

STEP = THUMBNAIL_SIZE + 4  # a cell and the gap behind it


@pytest.fixture
def entry(tmp_path):
    """Makes an entry of the list of models, with its file."""

    def make(name, **settings):
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(make_model_bytes(**settings))
        card = settings.get("card") or make_card()
        return ModelEntry(name=name, path=path, released=False, card=card)

    return make


@pytest.fixture
def photo(tmp_path):
    """A square photograph of one colour, (51, 102, 204)."""
    path = tmp_path / "photo.png"
    Image.new("RGB", (40, 40), (51, 102, 204)).save(path)
    return path


def centre_of_cell(sheet, *, row, column):
    """The colour in the middle of a cell; rows are as high as one with its label."""
    height = sheet.shape[0] // round(sheet.shape[0] / STEP)
    y = row * height + (height - THUMBNAIL_SIZE) + THUMBNAIL_SIZE // 2 - 4
    return sheet[y, 4 + column * STEP + THUMBNAIL_SIZE // 2]


def test_a_sheet_holds_the_photograph_then_each_style(entry, photo, tmp_path):
    entries = [entry("negative"), entry("darker", bias=0.5)]
    assert save_thumbnail_sheet(entries, tmp_path / "sheet.png", photo=photo) == []
    sheet = load_picture(tmp_path / "sheet.png").rgb
    assert sheet.shape[1] == 4 + 3 * STEP
    expected = [
        (0.2, 0.4, 0.8),  # 51, 102, 204 of 255
        (0.8, 0.6, 0.2),  # 1 - x
        (0.3, 0.1, 0.0),  # 0.5 - x, clipped
    ]
    for column, colour in enumerate(expected):
        np.testing.assert_allclose(centre_of_cell(sheet, row=0, column=column), colour, atol=0.01)


def test_thumbnails_carry_the_names_of_their_styles(entry, photo, tmp_path):
    save_thumbnail_sheet([entry("negative")], tmp_path / "sheet.png", photo=photo)
    colours = ((0.2, 0.4, 0.8), (0.8, 0.6, 0.2))
    cells = [np.full((8, 8, 3), colour, np.float32) for colour in colours]
    drawn = contact_sheet(
        [cells], cell_size=THUMBNAIL_SIZE, column_labels=["photograph", "negative"]
    )
    sheet = load_picture(tmp_path / "sheet.png").rgb
    np.testing.assert_allclose(sheet, drawn, atol=0.01)


def test_a_row_has_four_thumbnails_and_the_last_is_filled_up(entry, photo, tmp_path):
    entries = [entry(f"style_{number}") for number in range(5)]  # six cells with the photograph
    save_thumbnail_sheet(entries, tmp_path / "sheet.png", photo=photo)
    sheet = load_picture(tmp_path / "sheet.png").rgb
    assert sheet.shape[1] == 4 + 4 * STEP
    for column, colour in enumerate([(0.8, 0.6, 0.2)] * 2 + [(1, 1, 1)] * 2):
        np.testing.assert_allclose(centre_of_cell(sheet, row=1, column=column), colour, atol=0.01)


def test_a_style_called_photograph_hides_nothing(entry, photo, tmp_path):
    save_thumbnail_sheet([entry("photograph")], tmp_path / "sheet.png", photo=photo)
    assert load_picture(tmp_path / "sheet.png").width == 4 + 2 * STEP


def test_what_is_transparent_is_white_on_the_sheet(entry, tmp_path):
    Image.new("RGBA", (40, 40), (51, 102, 204, 0)).save(tmp_path / "clear.png")
    save_thumbnail_sheet([entry("a")], tmp_path / "sheet.png", photo=tmp_path / "clear.png")
    sheet = load_picture(tmp_path / "sheet.png").rgb
    for column in range(2):
        assert centre_of_cell(sheet, row=0, column=column).tolist() == [1, 1, 1]


def test_the_package_holds_a_photograph_for_the_sheet(entry, tmp_path):
    save_thumbnail_sheet([entry("negative")], tmp_path / "sheet.png")
    sheet = load_picture(tmp_path / "sheet.png").rgb
    assert sheet[:, 4 : 4 + THUMBNAIL_SIZE].std() > 0.1
    assert EXAMPLE_PHOTOGRAPH.endswith(".jpg")


def test_models_for_other_tasks_are_left_out(entry, photo, tmp_path):
    upscaler = entry("x2", card=make_card(task="super-resolution", scale=2), scale=2)
    assert save_thumbnail_sheet([upscaler, entry("a")], tmp_path / "s.png", photo=photo) == []
    assert load_picture(tmp_path / "s.png").width == 4 + 2 * STEP


def test_models_that_cannot_be_used_are_left_out_and_told(entry, photo, tmp_path):
    damaged = ModelEntry("damaged", tmp_path / "d.onnx", released=False, problem="d: no ONNX file")
    wrong_graph = entry("wrong_graph", kernel=np.zeros((3, 4, 1, 1), np.float16))
    entries = [damaged, wrong_graph, entry("a")]
    problems = save_thumbnail_sheet(entries, tmp_path / "sheet.png", photo=photo)
    assert problems[0] == "d: no ONNX file"
    assert problems[1].startswith(f"{wrong_graph.path}: its operator Conv does not fit")
    assert len(problems) == 2
    assert load_picture(tmp_path / "sheet.png").width == 4 + 2 * STEP


def test_without_a_style_there_is_no_sheet(photo, tmp_path):
    damaged = ModelEntry("damaged", tmp_path / "d.onnx", released=False, problem="d: no ONNX file")
    with pytest.raises(UnknownModelError, match="there is no style to show; add one with"):
        save_thumbnail_sheet([damaged], tmp_path / "sheet.png", photo=photo)
    assert not (tmp_path / "sheet.png").exists()


def test_a_file_that_exists_is_replaced_only_with_leave(entry, photo, tmp_path):
    (tmp_path / "sheet.png").write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match="exists already"):
        save_thumbnail_sheet([entry("a")], tmp_path / "sheet.png", photo=photo)
    assert (tmp_path / "sheet.png").read_bytes() == b"mine"
    save_thumbnail_sheet([entry("a")], tmp_path / "sheet.png", photo=photo, overwrite=True)
    assert load_picture(tmp_path / "sheet.png").width == 4 + 2 * STEP


@pytest.mark.parametrize(
    ("target", "photo_name", "message"),
    [
        ("sheet.xyz", "photo.png", "no format that can be written"),
        ("sheet.png", "ghost.png", "does not exist"),
    ],
)
def test_a_target_or_photograph_that_cannot_be_used_is_refused(
    entry, photo, tmp_path, target, photo_name, message
):
    with pytest.raises(PictureFileError, match=message):
        save_thumbnail_sheet([entry("a")], tmp_path / target, photo=tmp_path / photo_name)


# Styles of a network for any painting


def test_a_sheet_shows_each_style_that_a_network_holds(any_painting, entry, photo, tmp_path):
    entries = [each for each in list_models() if each.name == "any_painting"]
    assert save_thumbnail_sheet(entries, tmp_path / "sheet.png", photo=photo) == []
    sheet = load_picture(tmp_path / "sheet.png").rgb
    assert sheet.shape[1] == 4 + 3 * STEP  # the photograph, red_sky and blue_hour
    red, blue = (centre_of_cell(sheet, row=0, column=column) for column in (1, 2))
    assert red.argmax() == 0
    assert blue.argmax() == 2


def test_a_square_of_mixtures_has_the_styles_at_its_corners(any_painting, tmp_path):
    Image.new("RGB", (80, 80), (255, 220, 0)).save(tmp_path / "yellow.png")
    corners = ["red_sky", "blue_hour", str(tmp_path / "yellow.png"), "blue_hour"]
    save_mixture_sheet(corners, tmp_path / "sheet.png")
    sheet = load_picture(tmp_path / "sheet.png").rgb
    assert sheet.shape[1] == 4 + SQUARE_SIDE * STEP
    height = sheet.shape[0] // SQUARE_SIDE

    def mean_of_cell(row, column):
        y, x = (row + 1) * height - THUMBNAIL_SIZE // 2 - 4, 4 + column * STEP + STEP // 2
        return sheet[y - 60 : y + 60, x - 60 : x + 60].mean(axis=(0, 1))

    blue = mean_of_cell(0, 4)
    np.testing.assert_allclose(mean_of_cell(4, 4), blue, atol=0.01)
    np.testing.assert_allclose(mean_of_cell(2, 4), blue, atol=0.01)  # of one style and itself
    red, middle = mean_of_cell(0, 0), mean_of_cell(0, 2)
    assert red[0] > middle[0] > blue[0]
    assert red[2] < middle[2] < blue[2]
    yellow = mean_of_cell(4, 0)
    assert yellow[1] > 0.6
    assert yellow[2] < 0.2


def test_a_square_of_mixtures_is_of_four_styles(any_painting, tmp_path):
    with pytest.raises(SettingError, match="3 styles to mix in a square, expected four: A,B,C,D"):
        save_mixture_sheet(["red_sky"] * 3, tmp_path / "sheet.png")


def test_a_style_at_a_corner_is_that_style(any_painting, photo, tmp_path):
    save_mixture_sheet(["blue_hour"] * 4, tmp_path / "sheet.png", photo=photo)
    expected = np.asarray(Stylizer("blue_hour")(Image.new("RGB", (256, 256), (51, 102, 204))))
    sheet = load_picture(tmp_path / "sheet.png").rgb
    found = sheet[-STEP + 100 : -STEP + 150, 100:150]
    assert abs(found.mean() - expected[100:150, 100:150].mean() / 255) < 0.02
