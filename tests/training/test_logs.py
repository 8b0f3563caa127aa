import itertools
import json
import time

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from impasto.errors import TrainingError
from impasto.training.logs import LOG_NAME, TrainingLog, draw_curve, read_log


def write_steps(folder, steps, *, first_step=0, **terms):
    log = TrainingLog(folder, first_step=first_step)
    for step in steps:
        record = {"total": 10.0 / step, "content": 4.0 / step, "style": 6.0 / step}
        log.write(step, {**record, "total_variation": 0.0, **terms})
    log.close()


def scalars(folder):
    board = EventAccumulator(str(folder / "tensorboard"))
    board.Reload()
    return {event.step: event.value for event in board.Scalars("total")}


def test_each_line_is_a_json_object(tmp_path):
    write_steps(tmp_path, [1, 2])
    lines = (tmp_path / LOG_NAME).read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]
    assert json.loads(lines[1])["total"] == 5.0


def test_tensorboard_holds_the_numbers(tmp_path):
    write_steps(tmp_path, [1, 2, 4])
    assert scalars(tmp_path) == {1: 10.0, 2: 5.0, 4: 2.5}


def test_lines_are_there_at_once(tmp_path):
    log = TrainingLog(tmp_path, first_step=0)
    log.write(1, {"total": 1.0})
    assert len(read_log(tmp_path)) == 1
    log.close()


@pytest.fixture
def a_second_a_call(monkeypatch):
    """TensorBoard orders a folder's files by the second of their beginning; so let it pass."""
    seconds = itertools.count(1_700_000_000)
    monkeypatch.setattr(time, "time", lambda: float(next(seconds)))


@pytest.mark.usefixtures("a_second_a_call")
def test_resumed_log_has_each_step_once(tmp_path):
    write_steps(tmp_path, [1, 2, 3, 4, 5])
    write_steps(tmp_path, [4, 5, 6], first_step=3)
    assert [record["step"] for record in read_log(tmp_path)] == [1, 2, 3, 4, 5, 6]
    assert sorted(scalars(tmp_path)) == [1, 2, 3, 4, 5, 6]


@pytest.mark.usefixtures("a_second_a_call")
def test_log_that_goes_back_has_each_step_once(tmp_path):
    log = TrainingLog(tmp_path, first_step=0)
    for step in (1, 2, 3):
        log.write(step, {"total": float(step)})
    log.go_back(1)
    log.write(1, {"event": "back"})
    log.write(2, {"total": 20.0})
    log.close()
    assert [(r["step"], r.get("total")) for r in read_log(tmp_path)] == [(1, 1), (1, None), (2, 20)]
    assert scalars(tmp_path) == {1: 1.0, 2: 20.0}


def test_a_run_that_begins_anew_drops_every_line(tmp_path):
    write_steps(tmp_path, [1, 2])
    write_steps(tmp_path, [1])
    assert [record["step"] for record in read_log(tmp_path)] == [1]


def test_line_cut_short_by_a_crash_is_left_out(tmp_path):
    write_steps(tmp_path, [1, 2])
    with (tmp_path / LOG_NAME).open("ab") as file:
        file.write(b'{"step": 3, "tot\xc3')
    assert [record["step"] for record in read_log(tmp_path)] == [1, 2]
    write_steps(tmp_path, [3], first_step=2)
    assert [record["step"] for record in read_log(tmp_path)] == [1, 2, 3]


def test_no_log_has_no_records(tmp_path):
    assert read_log(tmp_path) == []


@pytest.mark.parametrize("num_steps", [1, 2, 120])
def test_curve_is_a_picture(tmp_path, num_steps):
    write_steps(tmp_path, range(1, num_steps + 1))
    draw_curve(tmp_path, tmp_path / "curve.png", title="Starry Night")
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.size == (770, 440)
        colours = picture.convert("RGB").getcolors(maxcolors=100_000)
    assert len(colours) > 10
    assert {path.name for path in tmp_path.iterdir()} == {"curve.png", LOG_NAME, "tensorboard"}


def test_curve_as_svg_names_axes_and_terms(tmp_path):
    write_steps(tmp_path, [1, 2, 3])
    draw_curve(tmp_path, tmp_path / "curve.svg", title="t")
    drawn = (tmp_path / "curve.svg").read_text()
    for name in ("step", "weighted loss", "total", "content", "style"):
        assert f"<!-- {name} -->" in drawn
    assert "<!-- total variation -->" not in drawn  # it was 0 all along


def test_curve_of_nothing_is_still_a_picture(tmp_path):
    draw_curve(tmp_path, tmp_path / "curve.png", title="t")
    with Image.open(tmp_path / "curve.png") as picture:
        picture.load()


@pytest.mark.parametrize("title", ["$x", r"$\nonsense$", "神奈川沖浪裏", "a_b^{"])
def test_curve_takes_any_title(tmp_path, title):
    write_steps(tmp_path, [1, 2])
    draw_curve(tmp_path, tmp_path / "curve.png", title=title)
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_log_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / LOG_NAME).mkdir()
    with pytest.raises(
        TrainingError, match=r"cannot write the log in .*; mend that, then go on with --resume"
    ):
        TrainingLog(tmp_path, first_step=0)


def test_curve_that_cannot_be_written_is_one_clear_line(tmp_path):
    with pytest.raises(TrainingError, match=r"cannot write .*curve\.png: No such file"):
        draw_curve(tmp_path, tmp_path / "none" / "curve.png", title="t")
