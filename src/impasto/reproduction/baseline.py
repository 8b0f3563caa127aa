"""The baseline: a photograph optimised by itself, as Gatys et al. do, with a style's own objective.

As in the paper: projected L-BFGS from white noise, at the picture's own size from the start. Its
state is saved every half minute, so that a stopped run continues within a picture.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from impasto.evaluation.photographs import Pixels
from impasto.images.files.io import Picture
from impasto.optimization.picture_optimizer import OptimizationProgress, OptimizationSettings
from impasto.optimization.run import optimize_photograph
from impasto.optimization.style import StyleOptimization
from impasto.reproduction.claim import Device
from impasto.reproduction.journal import Journal, Key, digest_of
from impasto.reproduction.trained_style import TrainedStyle

METHOD = 2
"""Of optimisation, in a journal's keys: to be raised where a change of it changes curves."""


@dataclass(frozen=True, slots=True)
class Optimized:
    """The result of an optimisation.

    Attributes:
        curve: the lowest objective after 1, 2, … iterations.
        picture: H×W×3, at the end.
    """

    curve: list[float]
    picture: Pixels


def optimization_key(style: TrainedStyle, photo: Path, *, size: int, num_iterations: int) -> Key:
    """Return a journal's key for what `optimized` makes of a photograph's square of `size` pixels.

    It names the style's objective, not its network, which has no part in it: trained anew by the
    same objective, a style is compared with what was optimised before.

    Raises:
        CheckpointError: the photograph cannot be read.
    """
    return {
        "style": style.name,
        "size": size,
        "photo": photo.name,
        "iterations": num_iterations,
        "content": digest_of(photo),
        "objective": style.objective_digest,
        "method": METHOD,
    }


def optimized(
    style: TrainedStyle,
    photograph: Pixels,
    *,
    num_iterations: int,
    device: Device,
    journal: Journal,
    key: Key,
) -> Optimized:
    """Optimise a photograph in a style, or continue a stopped optimisation.

    Args:
        style: by whose objective.
        photograph: H×W×3.
        num_iterations: evaluations of the objective and its gradient.
        device: to compute on.
        journal: beside which the state is kept.
        key: of the unit of work.
    """
    checkpoint = journal.path(key, ".safetensors")
    lines = journal.path(key, ".curve.jsonl")
    resume = checkpoint.exists()
    # Lines without a checkpoint are of a run that was stopped before it was first saved.
    if not resume:
        lines.unlink(missing_ok=True)

    def keep(progress: OptimizationProgress) -> None:
        # Appended at once: the values before a stop are in no checkpoint.
        with lines.open("a", encoding="utf-8") as file:
            file.write(json.dumps([progress.num_iterations, progress.value]) + "\n")

    optimization = StyleOptimization(
        photograph=Picture(rgb=photograph),
        painting=style.painting,
        objective=style.objective,
        settings=OptimizationSettings(num_iterations=num_iterations),
        painting_short_side=style.painting_short_side,
        multi_level=False,  # iterations on small pictures do not count among the paper's
        device=device,
    )
    picture = optimize_photograph(
        optimization, checkpoint=checkpoint, resume=resume, on_progress=keep
    )
    assert picture is not None  # nobody asked it to stop
    # Iterations since the last save were done again, and their later lines are the same ones.
    values = dict(json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines())
    curve: list[float] = []
    for iteration in range(1, num_iterations + 1):
        # Progress comes after each step: within a line search, the value is that before it.
        curve.append(values[iteration] if iteration in values else curve[-1])
    checkpoint.unlink(missing_ok=True)
    lines.unlink(missing_ok=True)
    return Optimized(curve, picture.rgb)


def iterations_to_reach(curve: list[float], objective: float) -> int | None:
    """Return after how many iterations a curve is at an objective or below; None if never."""
    return next((k for k, value in enumerate(curve, start=1) if value <= objective), None)
