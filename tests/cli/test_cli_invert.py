import pytest
from PIL import Image

from impasto.cli.main import run
from training_fixtures import draw


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    draw(5, 48, 36).save(path)
    return path


def arguments(picture, output, *more):
    return ["invert", str(picture), "-o", str(output), "--size", "32", "--iterations", "3", *more]


def test_a_sheet_has_the_picture_and_a_column_for_each_layer(picture, tmp_path, capsys):
    output, each = tmp_path / "sheet.png", tmp_path / "each"
    layers = ("--layers", "relu1_1", "--layers", "relu2_1")
    assert run(arguments(picture, output, *layers, "--each", str(each))) == 0
    assert capsys.readouterr().out == f"{output}\n"
    with Image.open(output) as sheet:
        assert sheet.width == 4 + 3 * (32 + 4)
    assert sorted(file.name for file in each.iterdir()) == ["relu1_1.png", "relu2_1.png"]


def test_style_takes_several_layers_to_a_column(picture, tmp_path):
    output, each = tmp_path / "sheet.png", tmp_path / "each"
    layers = ("--loss", "style", "--layers", "relu1_1,relu2_1")
    assert run(arguments(picture, output, *layers, "--each", str(each))) == 0
    assert [file.name for file in each.iterdir()] == ["relu1_1+relu2_1.png"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--layers", "relu9_9"), "--layers was given 'relu9_9'; expected among relu1_1"),
        (("--layers", "relu1_1,relu2_1"), "features are inverted one layer at a time"),
    ],
)
def test_what_cannot_be_done_takes_one_line(picture, tmp_path, capsys, more, message):
    assert run(arguments(picture, tmp_path / "sheet.png", *more)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
