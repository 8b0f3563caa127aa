"""Where a training stands: the stage and the learning rate of a step, as pure functions."""

import math
from collections.abc import Sequence

from impasto.training.sections import OptimizerSection, Stage


def stage_at(step: int, stages: Sequence[Stage]) -> Stage:
    """Return the stage that step number `step` (from 0) belongs to; past the end, the last."""
    for stage in stages:
        if step < stage.steps:
            return stage
        step -= stage.steps
    return stages[-1]


def learning_rate_at(step: int, stages: Sequence[Stage], optimizer: OptimizerSection) -> float:
    """Return the rate of step number `step` (from 0) of a whole training.

    A stage that names a learning rate begins a cycle with it; the stages after it share that
    cycle until the next one that does.
    """
    top, begin, end = optimizer.learning_rate, 0, 0
    for stage in stages:
        if stage.learning_rate is not None:
            if step < end:
                break
            top, begin = stage.learning_rate, end
        end += stage.steps
    return cycle_at(step - begin, end - begin, optimizer, top=top)


def cycle_at(step: int, num_steps: int, optimizer: OptimizerSection, *, top: float) -> float:
    """Return the rate of step number `step` (from 0) of a cycle: a cosine up, then one down.

    Source: Smith and Topin 2018, with cosine instead of straight lines.
    """
    warmup = optimizer.warmup_share * num_steps
    if step < warmup:
        return _cosine(top / optimizer.start_divisor, top, step / warmup)
    return _cosine(top, top / optimizer.end_divisor, (step - warmup) / max(num_steps - warmup, 1))


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
