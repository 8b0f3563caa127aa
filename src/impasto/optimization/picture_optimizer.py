"""Optimise one picture by itself, without a network: slow, and what networks are compared with.

The method of Gatys et al. 2015, 2016, with the objectives that networks are trained by. Large
pictures go through a pyramid of levels (Gatys et al. 2017). An *iteration* is one evaluation of
the objective and its gradient. Files and checkpoints: `run`.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.errors import NotFiniteError, PictureError, SettingError
from impasto.losses.style_objective import LossTerms
from impasto.optimization.adam import Adam
from impasto.optimization.lbfgs import Lbfgs
from impasto.optimization.minimizer import Bounds, Minimizer, MinimizerState
from impasto.tensors import Pictures, check_pictures

Method = Literal["lbfgs", "adam"]
Level = tuple[int, int]
"""Height and width of a picture at one size of its pyramid."""

Objective = Callable[[Pictures], LossTerms]
"""Returns the loss of a picture, with targets of the picture's size."""

ObjectiveAt = Callable[[Level], Objective]
"""Returns an objective of its own for each level."""

PICTURE_RANGE = Bounds(0.0, 1.0)
SMALLEST_LEVEL = 256
"""Longer side of the first level in pixels, at most: the size that styles are trained at."""


@dataclass(frozen=True, slots=True)
class OptimizationSettings:
    """How a picture is optimised.

    Attributes:
        method: projected L-BFGS, or Adam with each step clipped.
        num_iterations: evaluations of objective and gradient at each level; the paper shows 500.
        history_size: of L-BFGS; more than 50 pairs gained nothing (measured).
        learning_rate: of Adam, in the range of a picture.
        seed: of a start from noise.

    Raises:
        SettingError: a setting out of range, or another method.
    """

    method: Method = "lbfgs"
    num_iterations: int = 500
    history_size: int = 50
    learning_rate: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        if self.method not in ("lbfgs", "adam"):
            raise SettingError(f"method is {self.method!r}; expected 'lbfgs' or 'adam'")
        if self.num_iterations < 1 or self.history_size < 1:
            raise SettingError(
                f"num_iterations is {self.num_iterations} and history_size {self.history_size}; "
                "expected 1 or more"
            )
        if not 0 < self.learning_rate <= 1:
            raise SettingError(f"learning_rate is {self.learning_rate}; expected above 0, up to 1")


@dataclass(frozen=True, slots=True)
class OptimizationProgress:
    """The progress of an optimisation.

    Attributes:
        num_iterations: done at this level.
        value: of the objective, the lowest so far.
        terms: the weighted terms of the newest evaluation, by name.
        picture: 1×3×H×W in [0, 1], the one with that value.
        level: its number, from 0.
        num_levels: of the pyramid.
    """

    num_iterations: int
    value: float
    terms: dict[str, float]
    picture: Tensor
    level: int = 0
    num_levels: int = 1


OnOptimization = Callable[[OptimizationProgress], None]


class PictureOptimizer:
    """The optimisation of one picture at one level.

    Args:
        objective: frozen.
        start: 1×3×H×W in [0, 1].
        settings: method and length.

    Raises:
        PictureError: when the start is no picture, or not a single one.
        NotFiniteError: when the objective is not finite at the start.
    """

    def __init__(
        self, objective: Objective, start: Pictures, settings: OptimizationSettings
    ) -> None:
        check_pictures(start, name="the start")
        if start.shape[0] != 1:
            raise PictureError(f"the start has {start.shape[0]} pictures; expected one, 1×3×H×W")
        self.objective, self.settings = objective, settings
        self.terms: dict[str, float] = {}
        self.is_stuck = False
        self._minimizer: Minimizer
        if settings.method == "adam":
            self._minimizer = Adam(
                self._evaluate, start, bounds=PICTURE_RANGE, learning_rate=settings.learning_rate
            )
        else:
            self._minimizer = Lbfgs(
                self._evaluate,
                start,
                bounds=PICTURE_RANGE,
                history_size=settings.history_size,
                max_evaluations=settings.num_iterations,
            )
        if not math.isfinite(self.value):
            raise NotFiniteError("the objective is not finite at the start; check its targets")

    @property
    def picture(self) -> Tensor:
        """The best picture so far, 1×3×H×W in [0, 1]."""
        return self._minimizer.best

    @property
    def value(self) -> float:
        """The objective of that picture."""
        return self._minimizer.value

    @property
    def num_iterations(self) -> int:
        """Evaluations so far, the one at the start included."""
        return self._minimizer.num_evaluations

    @property
    def is_done(self) -> bool:
        """Whether all iterations are done, or no step lowers the objective further."""
        return self.is_stuck or self.num_iterations >= self.settings.num_iterations

    def step(self) -> None:
        """Take one step: of L-BFGS with its line search, or of Adam."""
        self.is_stuck = not self._minimizer.step()

    def state(self) -> MinimizerState:
        """Return a copy, on the processor, of everything needed to continue bit for bit."""
        state = self._minimizer.state()
        # Contiguous, since safetensors, the checkpoint's format, refuses other tensors.
        tensors = {
            name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
            for name, tensor in state.tensors.items()
        }
        return MinimizerState(tensors, state.numbers)

    def restore(self, state: MinimizerState) -> None:
        """Continue from a state of an optimisation with the same settings.

        Raises:
            PictureError: when the state is of a picture of another size.
        """
        shape, device = self.picture.shape, self.picture.device
        tensors = state.tensors
        if any(tensor.shape != shape for tensor in tensors.values()) or "best" not in tensors:
            raise PictureError("what was kept is of a picture of another size; begin anew")
        # Copies, because Adam changes its moments in place.
        copies = {name: tensor.to(device, copy=True) for name, tensor in tensors.items()}
        self._minimizer.restore(MinimizerState(copies, state.numbers))

    def _evaluate(self, point: Tensor) -> tuple[float, Tensor]:
        picture = point.detach().requires_grad_()
        try:
            terms = self.objective(picture)
        except NotFiniteError:
            # An infinite value makes a line search shorten its step instead of ending the run.
            return math.inf, torch.zeros_like(point)
        (gradient,) = torch.autograd.grad(terms.total, picture)
        self.terms = {name: float(term.detach()) for name, term in terms.weighted.items()}
        return float(terms.total.detach()), gradient.float()


@dataclass(frozen=True, slots=True)
class SavedLevel:
    """A point from which an optimisation continues.

    Attributes:
        level: its number, from 0.
        state: of the optimiser there.
    """

    level: int
    state: MinimizerState


def optimization_steps(
    objective_at: ObjectiveAt,
    levels: Sequence[Level],
    start: Pictures,
    settings: OptimizationSettings,
    *,
    saved: SavedLevel | None = None,
) -> Iterator[tuple[int, PictureOptimizer]]:
    """Optimise a picture level by level, at the pace of the caller, who may stop at any time.

    Args:
        objective_at: called once for each level.
        levels: one after the other; `levels_of` returns them.
        start: 1×3×H×W in [0, 1], of any size; the result of each level is the start of the next.
        settings: the same at every level.
        saved: where to continue; the start is then not used.

    Yields:
        The number of the level and its optimiser, before the first step of each level and after
        every step.

    Raises:
        PictureError: when the start is no picture, or not a single one, or the saved state is of
            another size.
        NotFiniteError: when the objective is not finite at the start.
    """
    picture, first_level = start, 0
    if saved is not None:
        picture, first_level = saved.state.tensors["best"].to(start.device), saved.level
    for level in range(first_level, len(levels)):
        size = levels[level]
        # Each objective is made when its level begins: it may measure normalisers in a pass through
        # the loss network, and the run may be stopped before.
        optimizer = PictureOptimizer(objective_at(size), resized(picture, size), settings)
        if saved is not None and level == first_level:
            optimizer.restore(saved.state)
        yield level, optimizer
        while not optimizer.is_done:
            optimizer.step()
            yield level, optimizer
        picture = optimizer.picture


def optimize_picture(
    objective_at: ObjectiveAt,
    levels: Sequence[Level],
    start: Pictures,
    settings: OptimizationSettings,
    *,
    on_progress: OnOptimization = lambda _: None,
) -> Tensor:
    """Return the picture, 1×3×H×W in [0, 1], with the lowest objective that was reached.

    Args:
        objective_at: called once for each level.
        levels: at least one.
        start: 1×3×H×W in [0, 1], of any size.
        settings: the same at every level.
        on_progress: called after every step, and at the start of every level.

    Raises:
        PictureError: when the start is no picture, or not a single one.
        NotFiniteError: when the objective is not finite at the start.
    """
    picture = start
    for level, optimizer in optimization_steps(objective_at, levels, start, settings):
        on_progress(progress_of(optimizer, level, len(levels)))
        picture = optimizer.picture
    return picture


def progress_of(optimizer: PictureOptimizer, level: int, num_levels: int) -> OptimizationProgress:
    """Return an optimiser's progress."""
    return OptimizationProgress(
        num_iterations=optimizer.num_iterations,
        value=optimizer.value,
        terms=optimizer.terms,
        picture=optimizer.picture,
        level=level,
        num_levels=num_levels,
    )


def levels_of(height: int, width: int, *, smallest: int = SMALLEST_LEVEL) -> list[Level]:
    """Return the levels at which a picture is optimised, its own size last.

    Each is half the next, down to a longer side of at most `smallest`.
    """
    levels = [(height, width)]
    while max(levels[0]) > smallest:
        rows, columns = levels[0]
        levels.insert(0, (max(rows // 2, 1), max(columns // 2, 1)))
    return levels


def white_noise(height: int, width: int, *, seed: int) -> Tensor:
    """Return 1×3×H×W of independent values, uniform in [0, 1]."""
    # A generator of the processor, so that a seed gives the same noise on every device.
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def resized(pictures: Pictures, size: tuple[int, int]) -> Tensor:
    """Return N×3×H×W pictures at another size, H and W, antialiased and within [0, 1]."""
    if tuple(pictures.shape[2:]) == size:
        return pictures
    # Bicubic interpolation overshoots at edges, and a start beyond the range is refused.
    return F.interpolate(
        pictures, size=size, mode="bicubic", align_corners=False, antialias=True
    ).clamp(0, 1)
