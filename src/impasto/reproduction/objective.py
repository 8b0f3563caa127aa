"""Figure 5: how many iterations of L-BFGS a network's one pass is worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from impasto.evaluation.photographs import Pixels, short_side_of, square
from impasto.reproduction.baseline import (
    iterations_to_reach,
    optimization_key,
    optimized,
)
from impasto.reproduction.bootstrap import bootstrap_band, bootstrap_interval
from impasto.reproduction.claim import Effort, Result, Settings, first, with_note
from impasto.reproduction.journal import Journal
from impasto.reproduction.plot import drawn
from impasto.reproduction.trained_style import (
    TrainedStyle,
    load_styles,
    released_styles,
    terms_of,
)

STATEMENT = (
    "Figure 5: over 50 photographs, a network reaches the objective of 50 to 100 iterations of "
    "L-BFGS, at 256², 512² and 1024² alike."
)
GOALS = {256: 100, 512: 80, 1024: 80}
"""The iterations that our networks should equal, by size."""
FEWEST_FOR_INTERVAL = 3
"""Photographs; an interval over fewer would look too certain."""


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is measured.

    Attributes:
        num_iterations: of L-BFGS.
        num_photographs: by size.
        styles: where none are given; None measures all that ship.
    """

    num_iterations: int
    num_photographs: Mapping[int, int]
    styles: tuple[str, ...] | None = None


AMOUNTS: Mapping[Effort, Amount] = {
    "tiny": Amount(4, {32: 2}, ("starry_night",)),
    "quick": Amount(150, {256: 3}, ("starry_night",)),
    "full": Amount(150, {256: 50, 512: 10, 1024: 3}),
}
FULL_ON_GPU = Amount(500, {256: 50, 512: 50, 1024: 50})

Unit = dict[str, Any]
"""`curve`, and the terms of `content` and `network`, of one style, size and photograph, and whether
the photograph was smaller and is scaled up."""


def run(settings: Settings, journal: Journal) -> Result:
    """Optimise photographs, and compare with the networks' stylized pictures."""
    on_gpu = torch.cuda.is_available() and settings.device != "cpu"
    amount = AMOUNTS[settings.effort]
    if settings.effort == "full" and on_gpu:
        amount = FULL_ON_GPU
    names = settings.styles or amount.styles or released_styles()
    styles = load_styles(names, settings.paintings)
    photos = {size: first(settings.photos, num) for size, num in amount.num_photographs.items()}
    units: dict[tuple[str, int], list[Unit]] = {}
    for size, photo in _in_turn(photos):
        for style in styles:
            unit = _unit(
                style,
                photo,
                size,
                num_iterations=amount.num_iterations,
                settings=settings,
                journal=journal,
            )
            if unit is not None:
                # Not in the journal: it follows from the photograph, which the key names.
                unit["is_scaled_up"] = short_side_of(photo) < size
                units.setdefault((style.name, size), []).append(unit)
    rows = [
        _summary(style, size, units[style.name, size])
        for size in photos
        for style in styles
        if (style.name, size) in units
    ]
    return _result(rows, amount.num_iterations)


def _in_turn(photos: Mapping[int, tuple[Path, ...]]) -> list[tuple[int, Path]]:
    """Return sizes and photographs so that a stop leaves the same share of each size undone."""
    shares = [
        ((index + 0.5) / len(paths), size, path)
        for size, paths in photos.items()
        for index, path in enumerate(paths)
    ]
    return [(size, path) for _, size, path in sorted(shares)]


def _unit(
    style: TrainedStyle,
    photo: Path,
    size: int,
    *,
    num_iterations: int,
    settings: Settings,
    journal: Journal,
) -> Unit | None:
    key = optimization_key(style, photo, size=size, num_iterations=num_iterations)

    def optimize() -> Unit:
        photograph = square(photo, size)
        optimization = optimized(
            style,
            photograph,
            num_iterations=num_iterations,
            device=settings.device,
            journal=journal,
            key=key,
        )
        return {
            "content": terms_of(style.objective_for(photograph), photograph),
            "curve": [round(value, 6) for value in optimization.curve],
        }

    def score_network() -> dict[str, float]:
        photograph = square(photo, size)
        return terms_of(style.objective_for(photograph), style.stylized(photograph))

    baseline = journal.unit(key, optimize)
    if baseline is None:
        return None
    # A unit of its own: the baseline takes minutes and outlives the network, which may be trained
    # again by the same objective; and a longer baseline needs no new score of the network.
    network_key = {
        **{name: key[name] for name in ("style", "size", "photo", "content")},
        "model": style.digest,
        "precision": style.precision,
    }
    network = journal.unit(network_key, score_network)
    return None if network is None else {"photo": photo.name, **baseline, "network": network}


def _summary(style: TrainedStyle, size: int, units: list[Unit]) -> dict[str, Any]:
    networks = np.array([unit["network"]["total"] for unit in units])
    curves = np.array([unit["curve"] for unit in units])
    num_iterations = curves.shape[1]

    def crossing(rows: NDArray[np.float64]) -> float:
        """Where the mean curve meets the mean network; one more than there are, if nowhere."""
        # Where the means meet, not the mean of where each photograph's curve meets its network:
        # curves that never get there have no such iteration.
        mean = rows.mean(axis=0)
        return float(iterations_to_reach(list(mean[1:]), mean[0]) or num_iterations + 1)

    joined = np.column_stack([networks, curves])
    return {
        "style": style.name,
        "size": size,
        "precision": style.precision,
        "num_photographs": len(units),
        "num_scaled_up": sum(unit["is_scaled_up"] for unit in units),
        "model": style.model.sha256,
        "content": float(np.mean([unit["content"]["total"] for unit in units])),
        "network": float(networks.mean()),
        "curve": [float(value) for value in curves.mean(axis=0)],
        "band": bootstrap_band(curves).tolist(),
        "equals": crossing(joined),
        "equals_interval": (
            bootstrap_interval(joined, crossing) if len(units) >= FEWEST_FOR_INTERVAL else None
        ),
        "by_photograph": [
            {
                "photo": unit["photo"],
                "network": unit["network"],
                "content": unit["content"],
                "equals": iterations_to_reach(unit["curve"], unit["network"]["total"]),
            }
            for unit in units
        ],
    }


def _result(rows: list[dict[str, Any]], num_iterations: int) -> Result:
    # The ends of the paper's claim, and the end of the curve.
    marks = [k for k in (50, 100, num_iterations) if k <= num_iterations]
    marks = sorted(set(marks))
    columns = ["style", "size", "photographs", "the photograph itself", "network"]
    columns += [f"L-BFGS, {k}" for k in marks]
    columns += ["network equals", "95 %", "wanted", "paper"]
    cells = [
        [
            row["style"],
            f"{row['size']}²",
            f"{row['num_photographs']}"
            + (f" ({row['num_scaled_up']} scaled up)" if row["num_scaled_up"] else ""),
            f"{row['content']:.3f}",
            f"{row['network']:.3f}",
            *(f"{row['curve'][k - 1]:.3f}" for k in marks),
            _iterations(row["equals"], num_iterations),
            " to ".join(_iterations(end, num_iterations) for end in row["equals_interval"] or ())
            or "–",
            str(GOALS.get(row["size"], "–")),
            "50 to 100",
        ]
        for row in rows
    ]
    precisions = ", ".join(sorted({row["precision"] for row in rows}))
    note = (
        "Objective as each style was trained by it, without the grid loss; means over "
        f"photographs, lower is better. Networks: 8-bit pictures of the runtime in {precisions}. "
        "L-BFGS: projected, from white noise, float32, an iteration being one evaluation. "
        "*Network equals*: where the mean curve of L-BFGS meets the mean of the network, with an "
        "interval over photographs drawn again."
    )
    pictures = {"": _plot(rows)} if rows else {}
    return Result(
        with_note(columns, cells, note),
        {"num_iterations": num_iterations, "rows": rows},
        pictures,
    )


def _iterations(count: float, num_iterations: int) -> str:
    return f"over {num_iterations}" if count > num_iterations else f"{count:.0f}"


def _plot(rows: list[dict[str, Any]]) -> Pixels:
    styles = sorted({row["style"] for row in rows})
    sizes = sorted({row["size"] for row in rows})
    row_of = {(row["style"], row["size"]): row for row in rows}

    def draw(axes: Any) -> None:
        for i, style in enumerate(styles):
            for j, size in enumerate(sizes):
                if (style, size) in row_of:
                    _panel(axes[i, j], row_of[style, size])

    return drawn(draw, num_rows=len(styles), num_columns=len(sizes))


def _panel(axes: Any, row: dict[str, Any]) -> None:
    iterations = np.arange(1, len(row["curve"]) + 1)
    axes.fill_between(iterations, *row["band"], alpha=0.25, linewidth=0)
    axes.plot(iterations, row["curve"], label="L-BFGS")
    axes.axhline(row["network"], color="tab:red", label="network")
    axes.axhline(row["content"], color="tab:gray", linestyle="--", label="photograph")
    axes.set(
        title=f"{row['style']}, {row['size']}²", xlabel="iterations", ylabel="objective",
        yscale="log",
    )  # fmt: skip
    axes.legend(fontsize=8)
