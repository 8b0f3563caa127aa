"""Does the loss network's training matter? The same style, learnt against an untrained VGG-16."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from impasto.evaluation.photographs import Pixels, square, stylized
from impasto.evaluation.report import table
from impasto.images.contact_sheet import contact_sheet
from impasto.images.files.io import Picture, load_picture, save_picture
from impasto.optimization.picture_optimizer import Objective
from impasto.reproduction.claim import Effort, Result, Settings, first
from impasto.reproduction.journal import Journal, Key, digest_of
from impasto.reproduction.trained_style import TrainedStyle, load_styles, terms_of
from impasto.reproduction.untrained import write_untrained_weights
from impasto.runtime.predictor import Predictor
from impasto.training.loop import CHECKPOINT_NAME
from impasto.training.recipe_file import Recipe, parse_recipe
from impasto.training.run import run_folder, train_model
from impasto.zoo.model_file import ModelFile, read_model_file

CLAIM = (
    "Sections 3.3 and 5 of the report: losses are perceptual because VGG-16 was trained to "
    "classify; its knowledge goes over to the networks."
)
KINDS = ("trained", "untrained")
CHANNELS = (16, 32, 64)


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is trained.

    Attributes:
        num_steps: against each loss network.
        crop_size: of the photographs.
        batch_size: likewise.
        size: at which pictures are judged.
        num_photographs: that are judged.
        num_shown: that are in the picture.
        channels: of the network.
    """

    num_steps: int
    crop_size: int
    batch_size: int
    size: int
    num_photographs: int
    num_shown: int
    channels: tuple[int, int, int] = CHANNELS


AMOUNTS: Mapping[Effort, Amount] = {
    "tiny": Amount(2, 32, 1, 48, 1, 1, (2, 2, 4)),
    "quick": Amount(300, 64, 4, 160, 12, 2),
    "full": Amount(2000, 160, 4, 256, 50, 3),
}


def run(settings: Settings, journal: Journal) -> Result:
    """Train twice, and judge both by the trained loss network."""
    amount = AMOUNTS[settings.effort]
    style = load_styles((settings.styles or ("starry_night",))[:1], settings.paintings)[0]
    photos = first(settings.photos, amount.num_photographs)
    shown = first(settings.shown, amount.num_shown)
    rows: dict[str, Any] = {}
    columns = []
    for kind in KINDS:
        key = {
            "loss_network": kind,
            "steps": amount.num_steps,
            "crop": amount.crop_size,
            "batch": amount.batch_size,
            "channels": list(amount.channels),
            "size": amount.size,
            "painting": digest_of(style.painting),
            "training": settings.training.name,
            "photos": [digest_of(photo) for photo in photos],
            "shown": [digest_of(photo) for photo in shown],
        }
        compute = partial(
            _measure,
            kind,
            style,
            amount=amount,
            settings=settings,
            photos=photos,
            shown=shown,
            journal=journal,
            key=key,
        )
        unit = journal.unit(key, compute)
        if unit is not None:
            rows[kind] = unit["network"]
            rows["photograph"] = unit["photograph"]
            columns.append(_kept_pictures(journal, key, amount))
    sheet = [
        [square(photo, amount.size), *(column[index] for column in columns)]
        for index, photo in enumerate(shown)
    ]
    labels = ["photograph", *(kind for kind in KINDS if kind in rows)]
    picture = contact_sheet(sheet, cell_size=max(amount.size, 160), column_labels=labels)
    content = {"style": style.name, "rows": rows}
    return Result(_text(rows, amount, len(photos)), content, {"": picture})


def _measure(
    kind: str,
    style: TrainedStyle,
    *,
    amount: Amount,
    settings: Settings,
    photos: tuple[Path, ...],
    shown: tuple[Path, ...],
    journal: Journal,
    key: Key,
) -> dict[str, Any]:
    weights = None
    if kind == "untrained":
        weights = journal.folder / "untrained.safetensors"
        write_untrained_weights(weights)
    model = _trained(_recipe(style, amount, settings, weights), journal.place(key, ".onnx"))
    predictor = Predictor(model)
    for index, photo in enumerate(shown):
        picture = Picture(rgb=stylized(predictor, square(photo, amount.size)))
        save_picture(picture, journal.place(key, f"-{index}.png"), overwrite=True)
    photographs = [square(photo, amount.size) for photo in photos]
    objectives = [style.objective_for(photograph) for photograph in photographs]
    return {
        "photograph": _mean(objectives, photographs),
        "network": _mean(objectives, [stylized(predictor, p) for p in photographs]),
    }


def _mean(objectives: list[Objective], pictures: list[Pixels]) -> dict[str, float]:
    pairs = zip(objectives, pictures, strict=True)
    terms = [terms_of(objective, picture) for objective, picture in pairs]
    return {name: float(np.mean([each[name] for each in terms])) for name in terms[0]}


def _recipe(
    style: TrainedStyle, amount: Amount, settings: Settings, weights: Path | None
) -> Recipe:
    return parse_recipe(
        {
            "device": settings.device,
            "painting": {"file": style.painting, "short_side": style.painting_short_side},
            "photos": {"path": settings.training},
            "network": {"channels": amount.channels},
            "objective": {"loss_network_weights": weights, "num_probe_pictures": 8},
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


def _trained(recipe: Recipe, output: Path) -> ModelFile:
    """The model of a recipe: from its file, from its checkpoint, or from the start."""
    if output.exists():
        return read_model_file(output)
    resume = (run_folder(output) / CHECKPOINT_NAME).exists()
    model = train_model(recipe, output, resume=resume).model
    assert model is not None  # this process is the only one
    return model


def _kept_pictures(journal: Journal, key: Key, amount: Amount) -> list[Pixels]:
    places = [journal.place(key, f"-{index}.png") for index in range(amount.num_shown)]
    return [load_picture(place).rgb for place in places if place.exists()]


def _text(rows: Mapping[str, Mapping[str, float]], amount: Amount, num_photographs: int) -> str:
    columns = ["picture", "objective", "content", "style", "variation"]
    labels = {
        "photograph": "the photograph itself",
        "trained": "trained loss network",
        "untrained": "untrained loss network",
    }
    cells = [
        [label, *(f"{value:.3f}" for value in rows[kind].values())]
        for kind, label in labels.items()
        if kind in rows
    ]
    note = (
        f"The same recipe twice: {amount.num_steps} steps of {amount.batch_size} crops of "
        f"{amount.crop_size}², the terms balanced by a probe in either loss network. The "
        "untrained one has He's random kernels. Judged alike, by the objective of the shipped "
        f"style in the trained loss network: means over {num_photographs} photographs at "
        f"{amount.size}², 8-bit pictures of the runtime, lower is better."
    )
    return table(columns, cells) + "\n\n" + note
