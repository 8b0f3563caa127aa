"""Section 3.4: what residual connections, downsampling and learnt upsampling are good for."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from impasto.data.photos import open_photographs
from impasto.errors import TrainingInterrupted
from impasto.evaluation.photographs import Pixels, at_8_bits, square
from impasto.evaluation.report import table
from impasto.images.contact_sheet import contact_sheet
from impasto.images.files.io import Picture, load_picture, save_picture
from impasto.optimization.run import ObjectiveSettings, StyleJudges
from impasto.reproduction.claim import Effort, Result, Settings, first
from impasto.reproduction.cost import multiply_adds, receptive_field
from impasto.reproduction.journal import Journal, Key, digest_of
from impasto.reproduction.trained_style import TrainedStyle, load_styles, terms_of
from impasto.reproduction.variants import VARIANTS, Channels
from impasto.tensors import to_array, to_tensor
from impasto.training.checkpoint import load_checkpoint
from impasto.training.devices import launched_fabric
from impasto.training.interruption import stop_on_signals
from impasto.training.loop import CHECKPOINT_NAME
from impasto.training.recipe import StyleRecipe
from impasto.training.recipe_file import parse_recipe
from impasto.training.run import make_trainer
from impasto.training.style_task import StyleTask

CLAIM = (
    "Section 3.4: residual connections make the identity easy to learn; downsampling saves work "
    "and lets each pixel depend on more of the picture; upsampling is learnt with the rest."
)
COST_SIZE = 256
SEED = 0


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is trained.

    Attributes:
        num_steps: of every variant.
        crop_size: of the photographs.
        batch_size: likewise.
        channels: of every variant.
        size: at which pictures are judged.
        num_photographs: that are judged.
    """

    num_steps: int
    crop_size: int
    batch_size: int
    channels: Channels
    size: int
    num_photographs: int


AMOUNTS: Mapping[Effort, Amount] = {
    "tiny": Amount(2, 48, 1, (2, 2, 4), 48, 1),
    "quick": Amount(300, 64, 4, (8, 16, 32), 128, 12),
    "full": Amount(2000, 160, 4, (16, 32, 64), 256, 50),
}


def run(settings: Settings, journal: Journal) -> Result:
    """Train every variant for as many steps, and judge what it makes of photographs."""
    amount = AMOUNTS[settings.effort]
    style = load_styles((settings.styles or ("starry_night",))[:1], settings.paintings)[0]
    rows, cells, labels = [], [], ["photograph"]
    photos = first(settings.photos, amount.num_photographs)
    shown = first(settings.shown, 1)[0]
    for name in VARIANTS:
        key = {
            "variant": name,
            "steps": amount.num_steps,
            "crop": amount.crop_size,
            "batch": amount.batch_size,
            "channels": list(amount.channels),
            "size": amount.size,
            "painting": digest_of(style.painting),
            "training": settings.training.name,
            "photos": [digest_of(photo) for photo in photos],
            "shown": digest_of(shown),
        }
        compute = partial(
            _measure,
            name,
            style,
            amount=amount,
            settings=settings,
            photos=photos,
            shown=shown,
            journal=journal,
            key=key,
        )
        unit = journal.unit(key, compute)
        rows.append({"variant": name, **_cost(name, amount), **(unit or {})})
        if unit is not None:
            labels.append(name)
            cells.append(load_picture(journal.place(key, ".png")).rgb)
    row = [square(shown, amount.size), *cells]
    sheet = contact_sheet([row], cell_size=max(amount.size, 160), column_labels=labels)
    return Result(
        _text(rows, amount, len(photos)), {"style": style.name, "rows": rows}, {"": sheet}
    )


def _measure(
    name: str,
    style: TrainedStyle,
    *,
    amount: Amount,
    settings: Settings,
    photos: tuple[Path, ...],
    shown: Path,
    journal: Journal,
    key: Key,
) -> dict[str, Any]:
    recipe = _recipe(style, amount, settings)
    torch.manual_seed(SEED)
    network = VARIANTS[name](amount.channels)
    task = StyleTask(recipe)
    task.network = network
    _train(task, recipe, journal.place(key, ".train"))
    network.to("cpu").eval()
    scored = [_score(network, task, square(photo, amount.size), style) for photo in photos]
    picture = _repainted(network, square(shown, amount.size))
    save_picture(Picture(rgb=picture), journal.place(key, ".png"), overwrite=True)
    means = {term: float(np.mean([terms[term] for terms in scored])) for term in scored[0]}
    return {"objective": means}


def _cost(name: str, amount: Amount) -> dict[str, int]:
    """What a variant costs and sees, which needs no training."""
    network = VARIANTS[name](amount.channels).eval()
    return {
        "multiply_adds": multiply_adds(network, COST_SIZE),
        "num_parameters": sum(parameter.numel() for parameter in network.parameters()),
        "receptive_field": receptive_field(VARIANTS[name]((1, 1, 1))),
    }


def _recipe(style: TrainedStyle, amount: Amount, settings: Settings) -> StyleRecipe:
    recipe = parse_recipe(
        {
            "seed": SEED,
            "device": settings.device,
            "painting": {"file": style.painting, "short_side": style.painting_short_side},
            "photos": {"path": settings.training},
            # What is trained is what is judged: no grid loss.
            "objective": {"grid_weight": 0.0, "num_probe_pictures": 8},
            "stages": [
                {
                    "steps": amount.num_steps,
                    "crop_size": amount.crop_size,
                    "batch_size": amount.batch_size,
                }
            ],
            "loop": {"checkpoint_every_steps": 50, "contact_sheet_minutes": 1e6},
        }
    )
    assert isinstance(recipe, StyleRecipe)
    return recipe


def _train(task: StyleTask, recipe: StyleRecipe, folder: Path) -> None:
    """Train with the package's own loop, or go on with it."""
    place = folder / CHECKPOINT_NAME
    checkpoint = load_checkpoint(place) if place.exists() else None
    source = open_photographs(recipe.photos.path, seed=recipe.seed)
    with launched_fabric(recipe) as fabric:
        trainer = make_trainer(fabric, task, recipe, source, folder, checkpoint=checkpoint)
        with stop_on_signals(trainer.stop_requested) as heard:
            try:
                trainer.fit()
            except TrainingInterrupted as stop:
                raise TrainingInterrupted(str(stop), signal_number=heard.first) from None


def _score(
    network: nn.Module, task: StyleTask, photograph: Pixels, style: TrainedStyle
) -> dict[str, float]:
    """The objective of what a network makes of a photograph, as it was trained by it."""
    objective = ObjectiveSettings(
        task.objective.preset,
        task.objective.weights,
        task.objective.normalisers,
        task.recipe.objective.padding,
    )
    judges = StyleJudges(
        to_tensor(photograph),
        style.painting,
        objective,
        painting_short_side=style.painting_short_side,
    )
    return terms_of(judges.at(photograph.shape[:2]), _repainted(network, photograph))


def _repainted(network: nn.Module, photograph: Pixels) -> Pixels:
    with torch.no_grad():
        return at_8_bits(to_array(network(to_tensor(photograph))))


def _objective_cells(means: Mapping[str, float] | None) -> list[str]:
    terms = ("total", "content", "style", "total_variation")
    return [f"{means[term]:.3f}" if means else "–" for term in terms]


def _text(rows: list[dict[str, Any]], amount: Amount, num_photographs: int) -> str:
    columns = ["network", "multiply-adds", "parameters", "receptive field"]
    columns += ["objective", "content", "style", "variation"]
    cells = [
        [
            row["variant"],
            f"{row['multiply_adds'] / 1e9:.2f} G",
            f"{row['num_parameters']:,}",
            f"{row['receptive_field']}²",
            *_objective_cells(row.get("objective")),
        ]
        for row in rows
    ]
    channels = "-".join(map(str, amount.channels))
    note = (
        f"All of width {channels}, trained alike: {amount.num_steps} steps of {amount.batch_size} "
        f"crops of {amount.crop_size}². Multiply-adds of the convolutions at {COST_SIZE}²; "
        "receptive field: the pixels that one of the output depends on, without normalisation. "
        f"Objective: mean over {num_photographs} photographs at {amount.size}², 8-bit "
        "pictures by torch, lower is better."
    )
    return table(columns, cells) + "\n\n" + note
