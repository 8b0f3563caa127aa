import json

import pytest
from PIL import Image

from impasto.cli.main import run
from training_fixtures import draw


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    draw(5, 48, 36).save(path)
    return path


def arguments(photo, painting, *more):
    layers = ("--content-layer", "relu1_2", "--style-layers", "relu1_2,relu2_2")
    sizes = ("--painting-size", "32", "--iterations", "6", "--device", "cpu")
    return ["optimize", str(photo), str(painting), *layers, *sizes, *map(str, more)]


def test_a_picture_is_written_and_its_place_printed(photo, painting, tmp_path, capsys):
    output = tmp_path / "out.png"
    assert run(arguments(photo, painting, "-o", output)) == 0
    assert capsys.readouterr().out == f"{output}\n"
    with Image.open(output) as image:
        assert image.size == (48, 36)
    assert not (tmp_path / "out.png.run" / "state.safetensors").exists()


def test_pictures_on_the_way_are_kept_and_the_end_is_told_as_json(
    photo, painting, tmp_path, capsys
):
    output = tmp_path / "out.png"
    assert run(arguments(photo, painting, "-o", output, "--save-every", "2", "--json")) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["picture"] == str(output)
    assert told["iterations"] == 6
    assert set(told["terms"]) == {"content", "style", "total_variation"}
    assert len(list((tmp_path / "out.png.run").glob("scale-0-iteration-*.png"))) >= 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--resume",), "there is nothing to resume in"),
        (("--like", "starry_night"), "--like takes preset and layers from the model"),
        (("--size", "40", "--style-balance", "-1"), "the style balance is -1"),
    ],
)
def test_what_cannot_be_done_takes_one_line(photo, painting, tmp_path, capsys, more, message):
    assert run(arguments(photo, painting, "-o", tmp_path / "out.png", *more)) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("impasto: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "out.png").exists()


def test_a_picture_that_exists_is_not_replaced_unasked(photo, painting, capsys):
    before = photo.read_bytes()
    assert run(arguments(photo, painting, "-o", photo)) == 2
    assert "exists already" in capsys.readouterr().err
    assert photo.read_bytes() == before
