"""A picture optimised by itself, without a network: slow, and what networks are measured against.

The method of Gatys et al. 2015, 2016 with the very objectives that networks are trained by. Large
pictures are done at growing sizes (Gatys et al. 2017). An *iteration* is one evaluation of the
objective and its gradient. Nothing here reads or writes pictures.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.errors import NotFiniteError, PictureError, SettingError
from impasto.losses.style_objective import LossTerms
from impasto.optimization.lbfgs import LbfgsState, advance, begin
from impasto.optimization.quadratic_model import Bounds, Pairs
from impasto.tensors import Pictures, check_pictures

Method = Literal["lbfgs", "adam"]
Judge = Callable[[Pictures], LossTerms]
"""The objective, with its targets at the size of what it is given."""

PICTURE_RANGE = Bounds(0.0, 1.0)
SMALLEST_SCALE = 256
"""The longer side at which a large picture is begun: the size that styles are learnt at."""


@dataclass(frozen=True, slots=True)
class OptimizationSettings:
    """How a picture is optimised.

    Attributes:
        method: projected L-BFGS, or Adam with each step clipped.
        num_iterations: evaluations of objective and gradient, at every size; the paper shows 500.
        history_size: of L-BFGS; beyond 50 pairs nothing was gained (measured).
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
    """Where an optimisation stands.

    Attributes:
        num_iterations: done at this size.
        value: of the objective, the lowest so far.
        terms: the weighted terms of the newest evaluation, by name.
        picture: 1×3×H×W in [0, 1], the one of that value.
        scale: the number of the size, from 0.
        num_scales: how many sizes there are.
    """

    num_iterations: int
    value: float
    terms: dict[str, float]
    picture: Tensor
    scale: int = 0
    num_scales: int = 1


OnOptimization = Callable[[OptimizationProgress], None]


class PictureOptimizer:
    """One picture on its way, at one size.

    Args:
        judge: the objective; frozen.
        start: 1×3×H×W in [0, 1].
        settings: method and length.

    Raises:
        PictureError: when the start is no picture, or not a single one.
        NotFiniteError: when the objective is not finite at the start.
    """

    def __init__(self, judge: Judge, start: Pictures, settings: OptimizationSettings) -> None:
        check_pictures(start, name="the start")
        if start.shape[0] != 1:
            raise PictureError(f"the start has {start.shape[0]} pictures; expected one, 1×3×H×W")
        self.judge, self.settings = judge, settings
        self.terms: dict[str, float] = {}
        self.is_stuck = False
        self.state = begin(self._evaluate, start, bounds=PICTURE_RANGE)
        if not math.isfinite(self.state.value):
            raise NotFiniteError("the objective is not finite at the start; check its targets")
        self._point = self.state.point
        self._gradient = self.state.gradient
        self._moments = (torch.zeros_like(start), torch.zeros_like(start))

    @property
    def picture(self) -> Tensor:
        """The best picture so far, 1×3×H×W in [0, 1]."""
        return self.state.point

    @property
    def value(self) -> float:
        """The objective there."""
        return self.state.value

    @property
    def num_iterations(self) -> int:
        """Evaluations so far, the one at the start included."""
        return self.state.num_evaluations

    @property
    def is_done(self) -> bool:
        """Whether all iterations are done, or no step leads any further."""
        return self.is_stuck or self.num_iterations >= self.settings.num_iterations

    def advance(self) -> None:
        """Take one step: of L-BFGS with its line search, or of Adam."""
        if self.settings.method == "adam":
            self._adam_step()
            return
        self.is_stuck = not advance(
            self.state,
            self._evaluate,
            bounds=PICTURE_RANGE,
            history_size=self.settings.history_size,
            budget=self.settings.num_iterations,
        )

    def _adam_step(self) -> None:
        """Kingma and Ba 2015, algorithm 1, with the usual constants; the best point is kept."""
        first, second = self._moments
        count = self.num_iterations
        first.lerp_(self._gradient, 1 - 0.9)
        second.lerp_(self._gradient.square(), 1 - 0.999)
        step = (first / (1 - 0.9**count)) / ((second / (1 - 0.999**count)).sqrt() + 1e-12)
        self._point = PICTURE_RANGE.clip(self._point - self.settings.learning_rate * step)
        value, self._gradient = self._evaluate(self._point)
        self.state.num_evaluations += 1
        if value < self.state.value:
            self.state.point, self.state.value = self._point, value
            self.state.gradient = self._gradient

    def _evaluate(self, point: Tensor) -> tuple[float, Tensor]:
        picture = point.detach().requires_grad_()
        try:
            terms = self.judge(picture)
        except NotFiniteError:
            return math.inf, torch.zeros_like(point)
        (gradient,) = torch.autograd.grad(terms.total, picture)
        self.terms = {name: float(term.detach()) for name, term in terms.weighted.items()}
        return float(terms.total.detach()), gradient.float()

    def numbers(self) -> dict[str, float]:
        """What to keep beside `tensors` to go on later."""
        return {"value": self.value, "num_iterations": self.num_iterations}

    def tensors(self) -> dict[str, Tensor]:
        """What to keep to go on later, bit for bit, on the processor."""
        first, second = self._moments
        kept = {
            "best": self.state.point,
            "best_gradient": self.state.gradient,
            "point": self._point,
            "gradient": self._gradient,
            "moment_1": first,
            "moment_2": second,
        }
        for kind, history in (
            ("step", self.state.pairs.steps),
            ("change", self.state.pairs.changes),
        ):
            kept |= {f"{kind}_{index:03d}": tensor for index, tensor in enumerate(history)}
        return {
            name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
            for name, tensor in kept.items()
        }

    def restore(self, tensors: dict[str, Tensor], numbers: dict[str, float]) -> None:
        """Go on from what `tensors` and `numbers` returned.

        Raises:
            PictureError: when they are of a picture of another size.
        """
        shape, device = self.picture.shape, self.picture.device
        if any(tensor.shape != shape for tensor in tensors.values()) or "best" not in tensors:
            raise PictureError("what was kept is of a picture of another size; begin anew")
        mine = {name: tensor.to(device) for name, tensor in tensors.items()}
        self.state = LbfgsState(
            point=mine["best"],
            value=numbers["value"],
            gradient=mine["best_gradient"],
            pairs=Pairs.of(
                [mine[name] for name in sorted(mine) if name.startswith("step_")],
                [mine[name] for name in sorted(mine) if name.startswith("change_")],
                most=self.settings.history_size,
            ),
            num_evaluations=int(numbers["num_iterations"]),
        )
        self._point, self._gradient = mine["point"], mine["gradient"]
        self._moments = (mine["moment_1"], mine["moment_2"])


def scales_of(height: int, width: int, *, smallest: int = SMALLEST_SCALE) -> list[tuple[int, int]]:
    """Return the sizes at which a picture is optimised, its own last.

    Each is half the next, down to a longer side of at most `smallest`.
    """
    sizes = [(height, width)]
    while max(sizes[0]) > smallest:
        rows, columns = sizes[0]
        sizes.insert(0, (max(rows // 2, 1), max(columns // 2, 1)))
    return sizes


def white_noise(height: int, width: int, *, seed: int) -> Tensor:
    """Return 1×3×H×W of independent values, uniform in [0, 1]."""
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def resized(pictures: Pictures, size: tuple[int, int]) -> Tensor:
    """Return N×3×H×W pictures at another size, H and W, antialiased and within [0, 1]."""
    if tuple(pictures.shape[2:]) == size:
        return pictures
    return F.interpolate(
        pictures, size=size, mode="bicubic", align_corners=False, antialias=True
    ).clamp(0, 1)


def optimize_picture(
    judge_at: Callable[[tuple[int, int]], Judge],
    sizes: Sequence[tuple[int, int]],
    start: Pictures,
    settings: OptimizationSettings,
    *,
    on_progress: OnOptimization = lambda _: None,
) -> Tensor:
    """Return the picture, 1×3×H×W in [0, 1], that an objective likes best.

    Args:
        judge_at: the objective for a size, H and W.
        sizes: one after the other; `scales_of` makes them.
        start: 1×3×H×W in [0, 1], of any size; what one size ends with is the next one's start.
        settings: the same at every size.
        on_progress: called after every step, and at the start of every size.

    Raises:
        PictureError: when the start is no picture, or not a single one.
        NotFiniteError: when the objective is not finite at the start.
    """
    picture = start
    for scale, size in enumerate(sizes):
        optimizer = PictureOptimizer(judge_at(size), resized(picture, size), settings)
        on_progress(progress_of(optimizer, scale, len(sizes)))
        while not optimizer.is_done:
            optimizer.advance()
            on_progress(progress_of(optimizer, scale, len(sizes)))
        picture = optimizer.picture
    return picture


def progress_of(optimizer: PictureOptimizer, scale: int, num_scales: int) -> OptimizationProgress:
    """Return where an optimiser stands."""
    return OptimizationProgress(
        num_iterations=optimizer.num_iterations,
        value=optimizer.value,
        terms=optimizer.terms,
        picture=optimizer.picture,
        scale=scale,
        num_scales=num_scales,
    )
