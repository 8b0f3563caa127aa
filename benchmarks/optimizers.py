"""Projected L-BFGS beside SciPy's L-BFGS-B and torch's L-BFGS, at equal evaluations.

    python benchmarks/optimizers.py [--size 128] [--iterations 200] [--no-bf16]

The objective is the one that the shipped Starry Night was trained by; the start is white noise, the
same for all. SciPy keeps the bounds by itself; torch's L-BFGS has no bounds, so its pixels are
clamped before each evaluation. Each keeps the same number of pairs. Beside each objective is how
many evaluations the shipped network's one pass equals. Every photograph is also optimised in bf16,
by default, and the objective of the result is computed in float32; processors without bf16 take
many times as long for that.
"""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from measure import publish
from scipy.optimize import minimize
from torch import Tensor

from impasto.evaluation.photographs import square
from impasto.losses.style_objective import LossTerms
from impasto.optimization.picture_optimizer import (
    Objective,
    OptimizationSettings,
    PictureOptimizer,
    white_noise,
)
from impasto.reproduction.baseline import iterations_to_reach
from impasto.reproduction.trained_style import TrainedStyle, load_styles, terms_of

ROOT = Path(__file__).parents[1]
STYLE = "starry_night"
PHOTOS = ("chelsea.png", "coffee.png", "china.jpg")
NUM_PAIRS = 50


class Recorder:
    """An objective that records its values."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.values: list[float] = []

    def __call__(self, picture: Tensor) -> LossTerms:
        terms = self.objective(picture)
        self.values.append(float(terms.total.detach()))
        return terms

    def with_gradient(self, point: Tensor) -> tuple[float, Tensor]:
        picture = point.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self(picture).total, picture)
        return self.values[-1], gradient


@dataclass(frozen=True)
class Ending:
    """The lowest objective of an optimiser, and its evaluations to reach the network's."""

    objective: float
    network_equals: int | None

    @classmethod
    def of(cls, values: list[float], network: float) -> "Ending":
        return cls(min(values), iterations_to_reach(values, network))

    def __str__(self) -> str:
        return f"{self.objective:.4f} ({self.network_equals or 'never'})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    (style,) = load_styles([STYLE], ROOT / "examples" / "paintings")
    kinds = ["start", "network", "projected L-BFGS", "SciPy L-BFGS-B", "torch L-BFGS"]
    kinds += ["in bf16"] if options.bf16 else []
    lines = [f"| photograph | {' | '.join(kinds)} |", "|---" * (1 + len(kinds)) + "|"]
    content = {}
    for name in PHOTOS:
        photograph = square(ROOT / "examples" / "photos" / name, options.size)
        objectives = compare(style, photograph, options.iterations)
        if options.bf16:
            objectives["bf16"] = in_bf16(style, photograph, options.iterations)
        lines.append(f"| {name} | " + " | ".join(map(in_words, objectives.values())) + " |")
        content[name] = {
            kind: asdict(value) if isinstance(value, Ending) else value
            for kind, value in objectives.items()
        }
    lines.append("")
    lines.append(
        f"{options.size}², objective of {STYLE} after {options.iterations} evaluations, lower is "
        "better; in brackets, after how many it is as low as the shipped network's."
    )
    publish(
        "optimizers",
        command=f"python benchmarks/optimizers.py --size {options.size} "
        f"--iterations {options.iterations}{'' if options.bf16 else ' --no-bf16'}",
        table="\n".join(lines),
        content={"objectives": content},
    )


def in_words(value: float | Ending) -> str:
    return str(value) if isinstance(value, Ending) else f"{value:.4f}"


def compare(
    style: TrainedStyle, photograph: np.ndarray, iterations: int
) -> dict[str, float | Ending]:
    objective, start = style.objective_for(photograph), noise_for(photograph)
    network = terms_of(objective, style.stylized(photograph))["total"]
    optimizers = {
        "ours": optimize_with_ours,
        "scipy": optimize_with_scipy,
        "torch": optimize_with_torch,
    }
    endings = {}
    for name, optimize in optimizers.items():
        recorder = Recorder(objective)
        optimize(recorder, start, iterations)
        endings[name] = Ending.of(recorder.values[:iterations], network)
    return {"start": recorder.values[0], "network": network, **endings}


def in_bf16(style: TrainedStyle, photograph: np.ndarray, iterations: int) -> float:
    """The objective in float32 of the picture that ours reaches in bf16."""
    half = Recorder(style.objective_for(photograph, bf16=True))
    picture = optimize_with_ours(half, noise_for(photograph), iterations)
    with torch.no_grad():
        return float(style.objective_for(photograph)(picture).total)


def noise_for(photograph: np.ndarray) -> Tensor:
    height, width = photograph.shape[:2]
    return white_noise(height, width, seed=0)


def optimize_with_ours(objective: Recorder, start: Tensor, iterations: int) -> Tensor:
    settings = OptimizationSettings(num_iterations=iterations, history_size=NUM_PAIRS)
    optimizer = PictureOptimizer(objective, start, settings)
    while not optimizer.is_done:
        optimizer.step()
    return optimizer.picture


def optimize_with_scipy(objective: Recorder, start: Tensor, iterations: int) -> None:
    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        point = torch.from_numpy(flat.astype(np.float32)).view_as(start)
        value, gradient = objective.with_gradient(point)
        return value, gradient.numpy().ravel().astype(np.float64)

    minimize(
        value_and_gradient,
        start.numpy().ravel().astype(np.float64),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, 1)] * start.numel(),
        options={
            "maxfun": iterations,
            "maxiter": iterations,
            "maxcor": NUM_PAIRS,
            "ftol": 0,
            "gtol": 0,
        },
    )


def optimize_with_torch(objective: Recorder, start: Tensor, iterations: int) -> None:
    point = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([point], lr=1.0, max_iter=1, history_size=NUM_PAIRS)

    def closure() -> float:
        with torch.no_grad():
            point.clamp_(0, 1)
        value, point.grad = objective.with_gradient(point)
        return value

    while len(objective.values) < iterations:
        optimizer.step(closure)


if __name__ == "__main__":
    main()
