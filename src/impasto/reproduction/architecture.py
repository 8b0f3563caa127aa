"""Section 3.4: the benefit of residual connections, downsampling and learnt upsampling."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from impasto.data.photos import open_photographs
from impasto.errors import TrainingInterrupted
from impasto.evaluation.photographs import Pixels, at_8_bits, square
from impasto.images.files.io import Picture, load_picture, save_picture
from impasto.losses.style_objective import ObjectiveSettings
from impasto.optimization.style import StyleObjectives
from impasto.reproduction.claim import Effort, Result, Settings, with_note
from impasto.reproduction.cost import multiply_adds, receptive_field
from impasto.reproduction.journal import Journal, Key, digest_of
from impasto.reproduction.trained_style import TrainedStyle, mean_terms, terms_of
from impasto.reproduction.trainings import TrainingAmount, Trainings
from impasto.reproduction.variants import VARIANTS
from impasto.tensors import to_array, to_tensor
from impasto.training.checkpoint import load_checkpoint
from impasto.training.devices import launched_fabric
from impasto.training.interruption import stop_on_signals
from impasto.training.loop import CHECKPOINT_NAME
from impasto.training.recipe import StyleRecipe
from impasto.training.run import make_trainer
from impasto.training.style_task import StyleTask

STATEMENT = (
    "Section 3.4: residual connections make the identity easy to learn; downsampling saves work "
    "and lets each pixel depend on more of the picture; upsampling is learnt with the rest."
)
COST_SIZE = 256
SEED = 0
TERMS = ("total", "content", "style", "total_variation")


AMOUNTS: Mapping[Effort, TrainingAmount] = {
    "tiny": TrainingAmount(2, 48, 1, (2, 2, 4), 48, 1),
    "quick": TrainingAmount(300, 64, 4, (8, 16, 32), 128, 12),
    "full": TrainingAmount(2000, 160, 4, (16, 32, 64), 256, 50),
}


def run(settings: Settings, journal: Journal) -> Result:
    """Train every variant for as many steps, and score its pictures of photographs."""
    trainings = Trainings.of(settings, journal, AMOUNTS[settings.effort])
    amount, shown = trainings.amount, trainings.shown[0]
    rows, cells, labels = [], [square(shown, amount.size)], ["photograph"]
    for name in VARIANTS:
        key = trainings.key({"variant": name}, shown=digest_of(shown))
        unit = journal.unit(key, partial(_measure, name, trainings, key))
        rows.append({"variant": name, **_cost(name, amount), **(unit or {})})
        if unit is not None:
            labels.append(name)
            cells.append(load_picture(journal.path(key, ".png")).rgb)
    content = {"style": trainings.style.name, "rows": rows}
    text = _text(rows, amount, len(trainings.photos))
    return Result(text, content, {"": trainings.sheet([cells], labels)})


def _measure(name: str, trainings: Trainings, key: Key) -> dict[str, Any]:
    style, journal, size = trainings.style, trainings.journal, trainings.amount.size
    # The objective is trained and scored alike: without the grid loss.
    recipe = trainings.recipe(objective={"grid_weight": 0.0}, seed=SEED)
    # Before the network is built, so that it depends on nothing that was measured before it.
    torch.manual_seed(SEED)
    network = VARIANTS[name](trainings.amount.channels)
    task = StyleTask(recipe)
    task.network = network
    _train(task, recipe, journal.path(key, ".train"))
    # Scored by torch, since a model file holds only networks of the package.
    network.to("cpu").eval()
    terms = [_score(network, task, square(photo, size), style) for photo in trainings.photos]
    picture = _stylized(network, square(trainings.shown[0], size))
    save_picture(Picture(rgb=picture), journal.path(key, ".png"), overwrite=True)
    return {"objective": mean_terms(terms)}


def _cost(name: str, amount: TrainingAmount) -> dict[str, int]:
    """Return cost and receptive field of a variant, which need no training."""
    network = VARIANTS[name](amount.channels).eval()
    return {
        "multiply_adds": multiply_adds(network, COST_SIZE),
        "num_parameters": sum(parameter.numel() for parameter in network.parameters()),
        # One channel has the same field as many, at a fraction of the work.
        "receptive_field": receptive_field(VARIANTS[name]((1, 1, 1))),
    }


def _train(task: StyleTask, recipe: StyleRecipe, folder: Path) -> None:
    """Train with the package's own loop, from the checkpoint if there is one."""
    path = folder / CHECKPOINT_NAME
    checkpoint = load_checkpoint(path) if path.exists() else None
    source = open_photographs(recipe.photos.path, seed=recipe.seed)
    with launched_fabric(recipe) as fabric:
        trainer = make_trainer(fabric, task, recipe, source, folder, checkpoint=checkpoint)
        with stop_on_signals(trainer.stop_requested) as heard:
            try:
                trainer.fit()
            except TrainingInterrupted as stop:
                # With its signal, which decides the exit status.
                raise TrainingInterrupted(str(stop), signal_number=heard.first) from None


def _score(
    network: nn.Module, task: StyleTask, photograph: Pixels, style: TrainedStyle
) -> dict[str, float]:
    """Return the terms of a network's picture, by the objective of its training."""
    objective = ObjectiveSettings(
        task.objective.preset,
        task.objective.weights,
        task.objective.normalisers,
        task.recipe.objective.padding,
    )
    objectives = StyleObjectives(
        to_tensor(photograph),
        style.painting,
        objective,
        painting_short_side=style.painting_short_side,
    )
    return terms_of(objectives.at(photograph.shape[:2]), _stylized(network, photograph))


def _stylized(network: nn.Module, photograph: Pixels) -> Pixels:
    with torch.no_grad():
        return at_8_bits(to_array(network(to_tensor(photograph))))


def _text(rows: list[dict[str, Any]], amount: TrainingAmount, num_photographs: int) -> str:
    columns = ["network", "multiply-adds", "parameters", "receptive field"]
    columns += ["objective", "content", "style", "variation"]
    cells = [
        [
            row["variant"],
            f"{row['multiply_adds'] / 1e9:.2f} G",
            f"{row['num_parameters']:,}",
            f"{row['receptive_field']}²",
            *(f"{row['objective'][term]:.3f}" if "objective" in row else "–" for term in TERMS),
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
    return with_note(columns, cells, note)
