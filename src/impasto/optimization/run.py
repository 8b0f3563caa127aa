"""Run a whole optimisation of a photograph in a painting's style, resumable after a stop.

Search: `picture_optimizer`. Objective: `style`. File of a stopped run: `checkpoint`.
"""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from impasto.errors import CheckpointError, SettingError, TrainingError
from impasto.files import reason_of
from impasto.images.files.io import Picture, resize_longer_side
from impasto.optimization.checkpoint import description_of, load_checkpoint, save_checkpoint
from impasto.optimization.picture_optimizer import (
    OnOptimization,
    SavedLevel,
    levels_of,
    optimization_steps,
    progress_of,
    white_noise,
)
from impasto.optimization.style import StyleObjectives, StyleOptimization
from impasto.runtime.input_pictures import fill_transparent
from impasto.system.work_files import refuse_second_run
from impasto.tensors import to_array, to_tensor

SECONDS_BETWEEN_SAVES = 30.0
SMALLEST_SIDE = 32
"""In pixels; below, the deepest style layer has next to no positions left."""


def optimize_photograph(
    optimization: StyleOptimization,
    *,
    checkpoint: Path,
    resume: bool = False,
    on_progress: OnOptimization = lambda _: None,
    stop_requested: Callable[[], bool] = lambda: False,
) -> Picture | None:
    """Return the photograph in the painting's style, or None after it was stopped and saved.

    Args:
        optimization: pictures and settings.
        checkpoint: file of the state, written every half minute and when the run is stopped.
        resume: continue from that file.
        on_progress: called after every step, and at the start of every level.
        stop_requested: asked before every step.

    Raises:
        CheckpointError: there is nothing to resume, or it has other settings or pictures.
        SettingError: a setting out of range, or a size too small.
        PictureFileError: the painting cannot be read.
        TrainingError: CUDA is requested and missing, or another optimisation is going on with the
            same checkpoint.
    """

    def unwritable(error: OSError) -> CheckpointError:
        return CheckpointError(f"cannot write {checkpoint}: {reason_of(error)}")

    with refuse_second_run(
        checkpoint.parent,
        work="optimisation",
        refusal=TrainingError,
        unwritable=unwritable,
        lock=f".{checkpoint.name}.lock",
    ):
        return _optimize(optimization, checkpoint, resume, on_progress, stop_requested)


def _optimize(
    optimization: StyleOptimization,
    checkpoint: Path,
    resume: bool,
    on_progress: OnOptimization,
    stop_requested: Callable[[], bool],
) -> Picture | None:
    picture = _photograph_at_size(optimization)
    photograph = to_tensor(fill_transparent(picture)).to(_device(optimization.device))
    objectives = StyleObjectives(
        photograph,
        optimization.painting,
        optimization.objective,
        painting_short_side=optimization.painting_short_side,
        bf16=optimization.bf16,
    )
    size = (picture.height, picture.width)
    levels = levels_of(*size) if optimization.multi_level else [size]
    description = description_of(optimization, photograph, levels)
    saved = load_checkpoint(checkpoint, description) if resume else None
    start = photograph
    if optimization.start == "noise":
        # Of the first level's size: resized to it, noise would no longer be white.
        start = white_noise(*levels[0], seed=optimization.settings.seed).to(photograph.device)
    next_save = time.monotonic() + SECONDS_BETWEEN_SAVES
    steps = optimization_steps(objectives.at, levels, start, optimization.settings, saved=saved)
    for level, optimizer in steps:
        on_progress(progress_of(optimizer, level, len(levels)))
        if optimizer.is_done:  # the next level begins without a decision to make
            continue
        stop = stop_requested()
        if stop or time.monotonic() > next_save:
            save_checkpoint(checkpoint, description, SavedLevel(level, optimizer.state()))
            next_save = time.monotonic() + SECONDS_BETWEEN_SAVES
        if stop:
            return None
    return picture.with_rgb(to_array(optimizer.picture))


def _photograph_at_size(optimization: StyleOptimization) -> Picture:
    picture = optimization.photograph
    if optimization.size is not None:
        picture = resize_longer_side(picture, optimization.size)
    if min(picture.width, picture.height) < SMALLEST_SIDE:
        raise SettingError(
            f"the photograph is {picture.width}×{picture.height}; expected {SMALLEST_SIDE} pixels "
            "or more on each side: give a larger --size"
        )
    return picture


def _device(name: str) -> torch.device:
    cuda = torch.cuda.is_available()
    if name == "cuda" and not cuda:
        raise TrainingError("device is 'cuda' but no CUDA device is there; use 'auto' or 'cpu'")
    return torch.device("cuda" if cuda and name != "cpu" else "cpu")
