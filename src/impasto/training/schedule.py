"""Where a training stands: the stage and the learning rate of a step, as pure functions."""

import math
from collections.abc import Sequence

from impasto.training.recipe import OptimizerSection, Stage


def stage_at(step: int, stages: Sequence[Stage]) -> Stage:
    """Return the stage that step number `step` (from 0) belongs to; past the end, the last."""
    for stage in stages:
        if step < stage.steps:
            return stage
        step -= stage.steps
    return stages[-1]


def learning_rate_at(step: int, num_steps: int, optimizer: OptimizerSection) -> float:
    """Return the rate of step number `step` (from 0): a cosine up, then a cosine down.

    Source: Smith and Topin 2018, with cosine instead of straight lines.
    """
    top = optimizer.learning_rate
    warmup = optimizer.warmup_share * num_steps
    if step < warmup:
        return _cosine(top / optimizer.start_divisor, top, step / warmup)
    return _cosine(top, top / optimizer.end_divisor, (step - warmup) / max(num_steps - warmup, 1))


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
