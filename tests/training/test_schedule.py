import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.training.schedule import cycle_at, learning_rate_at, stage_at
from impasto.training.sections import OptimizerSection, Stage

STAGES = (Stage(steps=3, crop_size=32), Stage(steps=1, crop_size=64), Stage(steps=2, crop_size=48))

# Top 1, from 1/4 up over half of the steps, then down to 1/10.
CYCLE = OptimizerSection(learning_rate=1.0, warmup_share=0.5, start_divisor=4.0, end_divisor=10.0)

optimizers = st.builds(
    OptimizerSection,
    learning_rate=st.floats(1e-5, 1.0),
    warmup_share=st.floats(0.0, 1.0),
    start_divisor=st.floats(1.0, 1000.0),
    end_divisor=st.floats(1.0, 1000.0),
)


def rate(step, num_steps, optimizer):
    return cycle_at(step, num_steps, optimizer, top=optimizer.learning_rate)


def test_stage_of_each_step():
    assert [stage_at(step, STAGES).crop_size for step in range(6)] == [32, 32, 32, 64, 48, 48]


def test_past_the_end_it_is_the_last_stage():
    assert stage_at(6, STAGES) is STAGES[-1]
    assert stage_at(1000, STAGES) is STAGES[-1]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.25),
        (1, 1 + (0.25 - 1) * (1 + math.cos(math.pi / 4)) / 2),
        (2, 0.625),  # half way up a cosine is the middle: (0.25 + 1) / 2
        (4, 1.0),
        (6, 0.55),  # half way down: (1 + 0.1) / 2
        (8, 0.1),
    ],
)
def test_rate_of_a_cycle_of_eight_steps(step, expected):
    assert rate(step, 8, CYCLE) == pytest.approx(expected, rel=1e-12)


def test_without_warmup_it_starts_at_the_top():
    optimizer = OptimizerSection(learning_rate=0.5, warmup_share=0.0)
    assert rate(0, 10, optimizer) == 0.5


def test_with_nothing_but_warmup_it_ends_near_the_top():
    optimizer = OptimizerSection(learning_rate=0.5, warmup_share=1.0)
    assert rate(9_999, 10_000, optimizer) == pytest.approx(0.5, rel=1e-6)


def test_a_single_step_has_a_rate():
    assert 0 < rate(0, 1, OptimizerSection(learning_rate=0.5)) <= 0.5


@given(optimizers, st.integers(1, 3000))
def test_rate_stays_between_its_ends_and_its_top(optimizer, num_steps):
    top = optimizer.learning_rate
    low = min(top / optimizer.start_divisor, top / optimizer.end_divisor)
    for step in {0, num_steps // 3, num_steps // 2, num_steps - 1, num_steps}:
        assert low * (1 - 1e-9) <= rate(step, num_steps, optimizer) <= top * (1 + 1e-9)


@given(optimizers, st.integers(0, 999))
def test_rate_is_continuous(optimizer, step):
    # A cosine over n steps moves by at most π/2n of its height in one; the shorter side of the
    # cycle decides, down to a jump of the whole height where that side has under two steps.
    shorter = min(optimizer.warmup_share, 1 - optimizer.warmup_share) * 1000
    change = rate(step + 1, 1000, optimizer) - rate(step, 1000, optimizer)
    assert abs(change) <= optimizer.learning_rate * min(1.0, math.pi / 2 / max(shorter - 1, 1e-9))


@given(optimizers)
def test_rate_climbs_and_then_falls(optimizer):
    rates = [rate(step, 200, optimizer) for step in range(200)]
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_stages_share_one_cycle():
    rates = [learning_rate_at(step, STAGES, CYCLE) for step in range(6)]
    assert rates == [cycle_at(step, 6, CYCLE, top=1.0) for step in range(6)]


def test_a_stage_with_a_learning_rate_begins_a_cycle_with_it():
    stages = (*STAGES, Stage(steps=3, learning_rate=0.1), Stage(steps=1))
    rates = [learning_rate_at(step, stages, CYCLE) for step in range(10)]
    assert rates[:6] == [learning_rate_at(step, STAGES, CYCLE) for step in range(6)]
    assert rates[6:] == [cycle_at(step, 4, CYCLE, top=0.1) for step in range(4)]


def test_the_first_stage_may_name_the_rate_itself():
    stages = (Stage(steps=8, learning_rate=0.1),)
    assert learning_rate_at(4, stages, CYCLE) == pytest.approx(0.1)  # the middle of it: the top
