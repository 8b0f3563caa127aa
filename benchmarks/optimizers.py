"""Projected L-BFGS beside SciPy's L-BFGS-B and torch's L-BFGS, at equal evaluations.

    python benchmarks/optimizers.py [--size 128] [--iterations 200] [--no-bf16]

The objective is that of a default training on the Starry Night; the start is white noise, the same
for all. SciPy keeps the bounds by itself; torch's L-BFGS has no bounds, so its pixels are clamped
before each evaluation. Each keeps the same number of pairs. Every photograph is also optimised in
bf16, unless told otherwise, and the picture that comes of it judged in float32; processors without
bf16 take many times as long for that.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measure import publish
from scipy.optimize import minimize
from torch import Tensor

from impasto.evaluation.photographs import as_tensor, square
from impasto.image_optimization import OptimizationSettings, PictureOptimizer, white_noise
from impasto.optimization_run import StyleJudges, objective_settings

ROOT = Path(__file__).parents[1]
PAINTING = ROOT / "examples" / "paintings" / "starry_night.jpg"
PHOTOS = ("chelsea.png", "coffee.png", "china.jpg")
NUM_PAIRS = 50

Evaluate = Callable[[Tensor], tuple[float, Tensor]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    given = parser.parse_args()
    kinds = ["start", "projected L-BFGS", "SciPy L-BFGS-B", "torch L-BFGS"]
    kinds += ["in bf16"] if given.bf16 else []
    lines = [f"| photograph | {' | '.join(kinds)} |", "|---" * (1 + len(kinds)) + "|"]
    content = {}
    for name in PHOTOS:
        found = compare(
            ROOT / "examples" / "photos" / name, given.size, given.iterations, bf16=given.bf16
        )
        content[name] = found
        lines.append(f"| {name} | " + " | ".join(f"{value:.4f}" for value in found.values()) + " |")
    lines.append("")
    lines.append(f"{given.size}², objective after {given.iterations} evaluations, lower is better.")
    publish(
        "optimizers",
        command=f"python benchmarks/optimizers.py --size {given.size} "
        f"--iterations {given.iterations}{'' if given.bf16 else ' --no-bf16'}",
        table="\n".join(lines),
        content={"objectives": content},
    )


def compare(photo: Path, size: int, iterations: int, *, bf16: bool) -> dict[str, float]:
    content = as_tensor(square(photo, size))
    judge = StyleJudges(content, PAINTING, objective_settings()).at((size, size))
    start = white_noise(size, size, seed=0)

    def evaluate(point: Tensor) -> tuple[float, Tensor]:
        picture = point.detach().requires_grad_()
        total = judge(picture).total
        (gradient,) = torch.autograd.grad(total, picture)
        return float(total.detach()), gradient

    found = {
        "start": evaluate(start)[0],
        "ours": ours(judge, start, iterations)[0],
        "scipy": scipys(evaluate, start, iterations),
        "torch": torchs(evaluate, start, iterations),
    }
    if bf16:
        half = StyleJudges(content, PAINTING, objective_settings(), bf16=True).at((size, size))
        found["bf16"] = evaluate(ours(half, start, iterations)[1])[0]
    return found


def ours(judge: Callable[..., object], start: Tensor, iterations: int) -> tuple[float, Tensor]:
    settings = OptimizationSettings(num_iterations=iterations, history_size=NUM_PAIRS)
    optimizer = PictureOptimizer(judge, start, settings)  # type: ignore[arg-type]
    while not optimizer.is_done:
        optimizer.advance()
    return optimizer.value, optimizer.picture


def scipys(evaluate: Evaluate, start: Tensor, iterations: int) -> float:
    values: list[float] = []

    def as_it_asks(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = evaluate(torch.from_numpy(flat.astype(np.float32)).view_as(start))
        values.append(value)
        return value, gradient.numpy().ravel().astype(np.float64)

    minimize(
        as_it_asks,
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
    return min(values[:iterations])


def torchs(evaluate: Evaluate, start: Tensor, iterations: int) -> float:
    point = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([point], lr=1.0, max_iter=1, history_size=NUM_PAIRS)
    values: list[float] = []

    def closure() -> float:
        with torch.no_grad():
            point.clamp_(0, 1)
        value, point.grad = evaluate(point)
        values.append(value)
        return value

    while len(values) < iterations:
        optimizer.step(closure)
    return min(values[:iterations])


if __name__ == "__main__":
    main()
