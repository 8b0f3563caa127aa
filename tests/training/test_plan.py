import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from impasto.errors import RecipeError
from impasto.training.devices import make_fabric
from impasto.training.plan import (
    MOST_STEPS,
    OVERHEAD_SECONDS,
    TIMED_STEPS,
    measured_pace,
    plan_refinement,
    plan_stages,
)
from impasto.training.recording import WARM_UP_STEPS
from impasto.training.sections import Stage
from impasto.training.style_task import StyleTask
from training_fixtures import CallRecorder, tiny_recipe


def pace_of(seconds):
    """A machine that takes so long for a step at 128²; the work grows with the pixels."""
    return lambda crop_size: seconds * (crop_size / 128) ** 2


def test_half_an_hour_on_two_cores():
    # 1,800 s less 20; two thirds at 0.78125 s, a third at 2.53125 s.
    small, large = plan_stages(30, pace_of(0.5))
    assert (small.steps, small.crop_size, small.learning_rate) == (1518, 160, None)
    assert (large.steps, large.crop_size, large.learning_rate) == (234, 288, 1e-3)


def test_little_time_is_spent_on_smaller_crops_and_batches():
    # 60 s less 20; at 160² 26.7 s hold 34 steps of 0.78125 s, too few: at 128² 53 of 0.5 s, and
    # twice as many of half as many pictures.
    small, large = plan_stages(1, pace_of(0.5))
    assert (small.steps, small.crop_size, small.batch_size) == (106, 128, 2)
    assert (large.steps, large.crop_size, large.batch_size) == (13, 256, 2)


def test_halved_batches_divide_among_the_processes():
    batches = {
        processes: plan_stages(1, pace_of(0.5), num_processes=processes)[0].batch_size
        for processes in (1, 2, 4)
    }
    assert batches == {1: 2, 2: 2, 4: 4}
    assert plan_stages(1, pace_of(0.1), batch_size=3)[0].batch_size == 3


def test_what_paints_already_learns_at_lower_rates():
    fresh, started = plan_stages(30, pace_of(0.5)), plan_stages(30, pace_of(0.5), started=True)
    assert [stage.learning_rate for stage in started] == [1e-3, 5e-4]
    assert [stage.steps for stage in started] == [stage.steps for stage in fresh]


def test_a_fast_machine_stops_at_the_paper_s_length():
    small, large = plan_stages(600, pace_of(0.001))
    assert small.steps == large.steps == MOST_STEPS


def test_batches_are_those_asked_for():
    assert {stage.batch_size for stage in plan_stages(30, pace_of(0.5), batch_size=8)} == {8}


def test_too_little_time_says_how_much_would_do():
    with pytest.raises(RecipeError, match=r"0\.1 minutes are too few .* give at least 0\.\d+"):
        plan_stages(0.1, pace_of(0.5))


@given(minutes=st.floats(2, 500), seconds=st.floats(0.01, 1))
def test_the_plan_fills_the_time_and_no_more(minutes, seconds):
    pace = pace_of(seconds)
    stages = plan_stages(minutes, pace)
    planned = sum(stage.steps * stage.batch_size / 4 * pace(stage.crop_size) for stage in stages)
    assert planned <= 60 * minutes - OVERHEAD_SECONDS + 1e-6
    capped = any(stage.steps == MOST_STEPS for stage in stages)
    lost_to_rounding = sum(pace(stage.crop_size) for stage in stages)
    assert capped or planned > 60 * minutes - OVERHEAD_SECONDS - lost_to_rounding


def test_measuring_leaves_network_and_chance_as_they_were(painting, photos):
    recipe = tiny_recipe(painting, photos)
    task = StyleTask(recipe)
    before = {name: value.clone() for name, value in task.network.state_dict().items()}
    state = torch.get_rng_state()
    pace = measured_pace(make_fabric(recipe), task, batch_size=2)
    assert pace(256) == pytest.approx(4 * pace(128))
    assert pace(128) > 0
    assert torch.equal(torch.get_rng_state(), state)
    after = task.network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(parameter.grad is None for parameter in task.network.parameters())


def test_the_steps_measured_are_the_loop_s_recorded_ones(painting, photos):
    recipe = tiny_recipe(painting, photos)
    recorder = CallRecorder()
    measured_pace(make_fabric(recipe), StyleTask(recipe), batch_size=2, recorder=recorder)
    warmed_up = ["warm up"] * WARM_UP_STEPS + ["record"]
    # What is recorded is replayed before the clock starts.
    assert recorder.calls == warmed_up + ["replay"] * (TIMED_STEPS // 2 + TIMED_STEPS)
    losses, gradient = recorder.results[-1].losses, recorder.results[-1].gradient
    assert torch.isfinite(losses).all()
    assert gradient[0] > 0
    # The copy's weights stay: every step has the same loss.
    assert all(torch.equal(result.losses, losses) for result in recorder.results)


def test_a_pace_is_measured_where_nothing_can_be_recorded(painting, photos):
    recipe = tiny_recipe(painting, photos)
    recorder = CallRecorder(RuntimeError("operation not permitted"))
    pace = measured_pace(make_fabric(recipe), StyleTask(recipe), batch_size=2, recorder=recorder)
    assert recorder.calls == ["warm up"] * WARM_UP_STEPS + ["record"]
    assert pace(128) > 0


def test_a_minute_of_refinement_is_one_stage():
    # 60 s less 10 hold 200 steps of 0.25 s.
    stage = Stage(steps=5, crop_size=128, batch_size=2, learning_rate=0.02)
    assert plan_refinement(1, pace_of(0.25), stage=stage) == [
        stage.model_copy(update={"steps": 200})
    ]
    with pytest.raises(
        RecipeError, match=r"0\.1 minutes are too few to tune .*: 16 steps; .* 0\.12"
    ):
        plan_refinement(0.1, pace_of(0.25), stage=stage)
