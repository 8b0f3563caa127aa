import shutil
import threading
import time

import pytest

from impasto.errors import OutputAppearedError, OutputExistsError, SettingError, TrainingInterrupted
from impasto.training.checkpoint import load_checkpoint
from impasto.training.loop import CHECKPOINT_NAME
from impasto.training.run import resumed_recipe, run_folder, train_model
from impasto.training.time_limit import DEFAULT_RESERVE_SECONDS, TimeLimit, stop_after
from impasto.training.written_model import RECORD_NAME, is_own_model, recorded_model
from impasto.zoo.model_file import read_model_file
from training_fixtures import stop_at, tiny_recipe

NUM_STEPS = 5
WAITING_STEP = 2
SECONDS_TO_THAT_STEP = 4


def test_the_reserve_is_taken_off_the_time_that_is_left():
    limit = TimeLimit(10, started=time.monotonic() - 60)
    # 10 minutes less one used: 540 s; less 30 s by default, or 1.25 × 40 s after such an export.
    assert limit.seconds_to_train(None) == pytest.approx(540 - DEFAULT_RESERVE_SECONDS, abs=5)
    assert limit.seconds_to_train(40) == pytest.approx(540 - 50, abs=5)


def test_a_short_limit_keeps_half_of_it_for_training():
    limit = TimeLimit(0.5, started=time.monotonic())
    assert 10 < limit.seconds_to_train(None) <= 15
    assert 10 < limit.seconds_to_train(1000) <= 15


def test_a_limit_that_is_over_leaves_no_time():
    assert TimeLimit(1, started=time.monotonic() - 1000).seconds_to_train(None) == 0


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf")])
def test_a_limit_must_be_a_number_above_zero(minutes):
    with pytest.raises(SettingError, match=r"time limit is .* expected a number above 0"):
        TimeLimit(minutes, started=0.0)


def test_the_stop_comes_after_the_seconds_and_says_why():
    requested = threading.Event()
    with stop_after(0, requested) as is_over:
        assert is_over.wait(timeout=60)
        assert requested.wait(timeout=60)


@pytest.mark.parametrize("seconds", [3600, 1e18])
def test_no_stop_comes_once_the_training_has_ended(seconds):
    requested = threading.Event()
    with stop_after(seconds, requested) as is_over:
        pass
    assert not requested.is_set()
    assert not is_over.is_set()
    assert not timers()


def timers():
    return [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def wait_for_the_limit(progress):
    """Hold the training at a step until its time is over, so that it cannot take them all."""
    while progress.step >= WAITING_STEP and timers():
        time.sleep(0.01)


def train_until_the_limit(recipe, output, **settings):
    """A training whose last minutes begin a few seconds from now."""
    started = time.monotonic() - 3600 + DEFAULT_RESERVE_SECONDS + SECONDS_TO_THAT_STEP
    return train_model(
        recipe,
        output,
        time_limit_minutes=60,
        started=started,
        on_progress=wait_for_the_limit,
        **settings,
    )


@pytest.fixture(scope="module")
def limited(tmp_path_factory, painting, photos):
    """The outcome of a training that its time limit stopped."""
    output = tmp_path_factory.mktemp("limited") / "style.onnx"
    stages = [{"steps": NUM_STEPS, "crop_size": 32, "batch_size": 2}]
    return train_until_the_limit(tiny_recipe(painting, photos, stages=stages), output)


@pytest.fixture
def stopped(limited, tmp_path):
    """The output of a copy of that training, to go on with."""
    shutil.copytree(limited.folder, tmp_path / "style.run")
    shutil.copy(limited.model.path, tmp_path)
    return tmp_path / "style.onnx"


def test_the_limit_stops_between_two_steps_and_writes_everything(limited):
    state = load_checkpoint(limited.folder / CHECKPOINT_NAME).state
    assert state.step <= WAITING_STEP
    card = limited.model.card
    assert (card.training.steps, card.training.planned_steps) == (state.step, NUM_STEPS)
    assert read_model_file(limited.model.path).card == card
    assert (limited.folder / "curve.png").is_file()
    assert is_own_model(limited.model.path, limited.folder)


def test_the_outcome_says_where_it_stopped_and_how_to_go_on(limited):
    output = limited.model.path
    first, second, third = limited.stopped.split("; ")
    assert first.startswith(f"stopped at step {limited.model.card.training.steps} of {NUM_STEPS}")
    assert first.endswith(" minutes")
    assert second == "model written"
    assert third == f"go on with: impasto train style --resume -o {output}"


def test_resumed_to_the_end_it_replaces_its_own_model(stopped):
    outcome = train_model(resumed_recipe(stopped), stopped, resume=True)
    assert outcome.stopped == ""
    training = outcome.model.card.training
    assert (training.steps, training.planned_steps) == (NUM_STEPS, None)
    assert "planned_steps" not in outcome.model.card.to_json()
    assert [path.name for path in stopped.parent.glob("*.onnx")] == ["style.onnx"]
    assert not (run_folder(stopped) / RECORD_NAME).exists()
    with pytest.raises(OutputExistsError, match="exists already"):
        train_model(resumed_recipe(stopped), stopped, resume=True)


def test_resumed_with_a_limit_it_remembers_the_new_model(stopped):
    before = recorded_model(run_folder(stopped))
    outcome = train_model(
        resumed_recipe(stopped), stopped, resume=True, time_limit_minutes=1, started=0.0
    )
    assert outcome.stopped
    assert is_own_model(stopped, run_folder(stopped))
    assert recorded_model(run_folder(stopped)).export_seconds != before.export_seconds


def test_begun_again_it_is_called_unfinished(stopped, painting, photos):
    with pytest.raises(OutputExistsError, match="an unfinished training; go on with --resume"):
        train_model(tiny_recipe(painting, photos), stopped)


def test_somebody_else_s_file_is_not_replaced(stopped):
    stopped.write_bytes(b"somebody's")
    with pytest.raises(OutputExistsError, match="exists already"):
        train_model(resumed_recipe(stopped), stopped, resume=True)
    assert stopped.read_bytes() == b"somebody's"


def test_a_file_that_replaces_the_model_while_it_trains_is_kept(stopped):
    with pytest.raises(OutputAppearedError):
        train_model(
            resumed_recipe(stopped),
            stopped,
            resume=True,
            on_progress=lambda _: stopped.write_bytes(b"somebody's"),
        )
    assert stopped.read_bytes() == b"somebody's"


def test_without_its_checkpoint_the_model_counts_as_finished(stopped, painting, photos):
    (run_folder(stopped) / CHECKPOINT_NAME).unlink()
    with pytest.raises(OutputExistsError, match="exists already"):
        train_model(tiny_recipe(painting, photos), stopped)


def test_ctrl_c_before_the_limit_saves_and_writes_no_model(tmp_path, painting, photos):
    output = tmp_path / "style.onnx"
    with pytest.raises(TrainingInterrupted, match=r"saved in .*; go on with: .* --resume -o"):
        train_model(
            tiny_recipe(painting, photos), output, time_limit_minutes=60, on_progress=stop_at(1)
        )
    assert not output.exists()


def test_beginning_anew_forgets_the_model_of_the_older_run(stopped, painting, photos):
    recipe = tiny_recipe(painting, photos)
    with pytest.raises(TrainingInterrupted) as error:
        train_model(recipe, stopped, overwrite=True, on_progress=stop_at(1))
    assert "--resume --overwrite -o" in str(error.value)
    assert not (run_folder(stopped) / RECORD_NAME).exists()


@pytest.mark.parametrize("text", ["", "[]", '{"sha256": "0"}', '{"export_seconds": NaN}'])
def test_a_damaged_record_makes_no_file_the_run_s_own(tmp_path, text):
    (tmp_path / RECORD_NAME).write_text(text)
    assert recorded_model(tmp_path) is None
    assert not is_own_model(tmp_path / RECORD_NAME, tmp_path)
