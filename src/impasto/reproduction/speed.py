"""Table 1: how much faster one pass through a network is than optimising a picture."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from impasto.errors import ModelFileError
from impasto.evaluation.circumstances import load_average, processor
from impasto.evaluation.photographs import Pixels, square
from impasto.evaluation.timing import median_seconds
from impasto.export.model_export import model_bytes
from impasto.networks.architecture import NetworkArchitecture
from impasto.networks.style_transfer import build_style_network
from impasto.optimization.picture_optimizer import (
    OptimizationSettings,
    PictureOptimizer,
    white_noise,
)
from impasto.reproduction.claim import Effort, Result, Settings, first, with_note
from impasto.reproduction.journal import Journal
from impasto.reproduction.plot import drawn
from impasto.reproduction.trained_style import TrainedStyle, first_style
from impasto.runtime.predictor import Predictor
from impasto.zoo.model_file import model_from_bytes
from impasto.zoo.registry import resolve_model

STATEMENT = (
    "Table 1: a network is about 1,000 times faster than 500 iterations of optimising a picture, "
    "at 256², 512² and 1024²."
)
ITERATIONS = (100, 300, 500)
WANTED_AT_500 = 5000
BUSY_LOAD = 3.0
"""Runnable processes; above, other processes slow this one down."""
PAPER: Mapping[int, tuple[float, ...]] = {
    256: (3.17, 9.52, 15.86, 0.015),
    512: (10.97, 32.91, 54.85, 0.05),
    1024: (42.89, 128.66, 214.44, 0.21),
}
"""Seconds of 100, 300 and 500 iterations, and of the network, on a GPU of 2016."""


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is measured.

    Attributes:
        num_rounds: rounds by size; in each, every network runs once, and L-BFGS takes one step.
    """

    num_rounds: Mapping[int, int]


AMOUNTS: Mapping[Effort, Amount] = {
    "tiny": Amount({32: 1}),
    "quick": Amount({256: 7, 512: 5, 1024: 3}),
    "full": Amount({256: 25, 512: 15, 1024: 9}),
}


def run(settings: Settings, journal: Journal) -> Result:
    """Time networks and iterations in turns."""
    style = first_style(settings)
    photo = first(settings.photos, 1)[0]
    predictors: dict[str, Predictor] = {}
    rows = []
    for size, num_rounds in AMOUNTS[settings.effort].num_rounds.items():
        key = {
            "style": style.name,
            "size": size,
            "rounds": num_rounds,
            "networks": "shipped, int8, wide",
            "model": style.digest,
            "precision": style.precision,
            # Seconds of another machine would be mixed with this one's.
            "threads": torch.get_num_threads(),
            "hardware": processor(),
        }
        predictors = predictors or _networks(style)
        picture = square(photo, size)
        row = journal.unit(key, partial(_measure, style, predictors, picture, num_rounds))
        if row is not None:
            rows.append({"size": size, **row})
    return _result(rows, style)


def _networks(style: TrainedStyle) -> dict[str, Predictor]:
    """Return the networks to time: the style, its int8 model if it has one, and a wide one."""
    networks = {"shipped": style.predictor}
    # As many threads as torch has: methods are to be compared, not numbers of threads.
    num_threads = torch.get_num_threads()
    with contextlib.suppress(ModelFileError):  # not every style has an int8 model
        quantized = resolve_model(style.model, quantized=True)
        networks["int8"] = Predictor(quantized, precision="int8", num_threads=num_threads)
    # Of the paper's width, with random weights, on which speed does not depend.
    torch.manual_seed(0)
    architecture = NetworkArchitecture(channels=(32, 64, 128))
    network = build_style_network(architecture).eval()
    card = style.model.card.model_copy(update={"architecture": architecture})
    model = model_from_bytes(model_bytes(network, card))
    networks["wide"] = Predictor(model, num_threads=num_threads)
    return networks


def _measure(
    style: TrainedStyle, predictors: Mapping[str, Predictor], picture: Pixels, num_rounds: int
) -> dict[str, Any]:
    """Return the seconds of each network, and of an iteration at each useful precision."""
    precisions = ["f32", *(["bf16"] if style.precision == "bf16" else [])]
    optimizers = {name: _optimizer(style, picture, bf16=name == "bf16") for name in precisions}
    candidates: dict[str, Any] = {
        # Bound as a default, or every lambda would run the last predictor.
        name: (lambda predictor=predictor: predictor(picture))
        for name, predictor in predictors.items()
    }
    candidates |= {name: optimizer.step for name, optimizer in optimizers.items()}
    before = {name: optimizer.num_iterations for name, optimizer in optimizers.items()}
    seconds = median_seconds(candidates, num_rounds=num_rounds, num_warmups=1)
    for name, optimizer in optimizers.items():
        # A step may take several iterations: its line search evaluates again. The warm-up, which
        # is not timed, has taken some of them.
        seconds[name] /= (optimizer.num_iterations - before[name]) / (num_rounds + 1)
    # The baseline gets the precision that is fastest for it.
    iteration = min(precisions, key=lambda name: seconds[name])
    return {
        "networks": {name: seconds[name] for name in predictors},
        "iterations": {name: seconds[name] for name in precisions},
        "iteration": seconds[iteration],
        "iteration_precision": iteration,
        "load_average": load_average(),
    }


def _optimizer(style: TrainedStyle, picture: Pixels, *, bf16: bool) -> PictureOptimizer:
    height, width, _ = picture.shape
    start = white_noise(height, width, seed=0)
    settings = OptimizationSettings(num_iterations=10**6)  # never reached: each step is whole
    return PictureOptimizer(style.objective_for(picture, bf16=bf16), start, settings)


def _result(rows: list[dict[str, Any]], style: TrainedStyle) -> Result:
    columns = ["size", "network", "one pass, s", "one iteration, s"]
    columns += [f"{n} iterations, s" for n in ITERATIONS]
    columns += [f"times faster than {n}" for n in ITERATIONS]
    cells = []
    for row in rows:
        for name, network in row["networks"].items():
            label = _label(style, name)
            cells.append([f"{row['size']}²", label, *_cells(row["iteration"], network)])
        if row["size"] in PAPER:
            *_, total, network = PAPER[row["size"]]
            cells.append([f"{row['size']}²", "*paper*", *_cells(total / ITERATIONS[-1], network)])
    precisions = ", ".join(sorted({row["iteration_precision"] for row in rows}))
    note = (
        f"Networks: our runtime ({style.predictor.backend.name}, {style.precision} unless said "
        "otherwise), all shipped styles having one architecture. Iterations: an evaluation of the "
        f"objective and its gradient by torch, with L-BFGS's own work, in {precisions or 'f32'}, "
        "timed in its first steps, where that work is least, and multiplied. Both on "
        f"{torch.get_num_threads()} thread(s) of the processor, in turns; medians. Wanted: "
        f"{WANTED_AT_500:,} times over 500 iterations with shipped styles. The paper's seconds "
        "are of another time and machine: only its ratios compare."
    )
    note += _busy([row["load_average"] for row in rows])
    ratios = [
        {"size": row["size"], **{n: row["iteration"] * 500 / s for n, s in row["networks"].items()}}
        for row in rows
    ]
    content = {
        "style": style.name,
        "model": style.model.sha256,
        "precision": style.precision,
        "num_threads": torch.get_num_threads(),
        "rows": rows,
        "times_faster_than_500_iterations": ratios,
    }
    pictures = {"": _plot(ratios)} if rows else {}
    return Result(with_note(columns, cells, note), content, pictures)


def _busy(loads: list[float | None]) -> str:
    """What to say of a machine that did other things meanwhile."""
    highest = max([load for load in loads if load is not None], default=0.0)
    if highest <= BUSY_LOAD:
        return ""
    return (
        f" **The machine was busy** (load average {highest:g}): all seconds are too long, those of "
        "short runs most of all, and the ratios are rough."
    )


def _label(style: TrainedStyle, network: str) -> str:
    if network == "wide":
        return "32-64-128"
    channels = "-".join(map(str, style.model.card.architecture.channels))  # type: ignore[arg-type]
    return f"{style.name} ({channels})" + (", int8" if network == "int8" else "")


def _cells(iteration: float, network: float) -> list[str]:
    totals = [n * iteration for n in ITERATIONS]
    ratios = [f"{total / network:,.0f}" for total in totals]
    return [f"{network:.3g}", f"{iteration:.3g}", *(f"{t:.4g}" for t in totals), *ratios]


def _plot(ratios: list[dict[str, Any]]) -> Pixels:
    def draw(axes: Any) -> None:
        positions = range(len(ratios))
        paper = [PAPER[r["size"]] for r in ratios if r["size"] in PAPER]
        bars = {
            "shipped style": [r["shipped"] for r in ratios],
            "shipped style, int8": [r["int8"] for r in ratios if "int8" in r],
            "32-64-128": [r["wide"] for r in ratios],
            "paper": [times[2] / times[3] for times in paper],
        }
        drawn_bars = {label: heights for label, heights in bars.items() if heights}
        for number, (label, heights) in enumerate(drawn_bars.items()):
            shifted = [position + 0.2 * (number - 1.5) for position in positions]
            axes[0, 0].bar(shifted[: len(heights)], heights, width=0.18, label=label)
        axes[0, 0].set_xticks(list(positions), [f"{r['size']}²" for r in ratios])
        axes[0, 0].set(ylabel="times faster than 500 iterations", yscale="log")
        axes[0, 0].legend(fontsize=8, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1))

    return drawn(draw, width=6.0)
