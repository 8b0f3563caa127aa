"""Does the loss network's training matter? The same style, learnt against an untrained VGG-16."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from impasto.evaluation.photographs import square, stylized
from impasto.images.files.io import Picture, load_picture, save_picture
from impasto.reproduction.claim import Effort, Result, Settings, with_note
from impasto.reproduction.journal import Journal, Key, digest_of
from impasto.reproduction.trained_style import mean_terms, terms_of
from impasto.reproduction.trainings import TrainingAmount, Trainings
from impasto.reproduction.untrained import write_untrained_weights
from impasto.runtime.predictor import Predictor
from impasto.training.loop import CHECKPOINT_NAME
from impasto.training.recipe import StyleRecipe
from impasto.training.run import run_folder, train_model
from impasto.zoo.model_file import ModelFile, read_model_file

STATEMENT = (
    "Sections 3.3 and 5 of the report: losses are perceptual because VGG-16 was trained to "
    "classify; its knowledge goes over to the networks."
)
KINDS = ("trained", "untrained")
CHANNELS = (16, 32, 64)


AMOUNTS: Mapping[Effort, TrainingAmount] = {
    "tiny": TrainingAmount(2, 32, 1, (2, 2, 4), 48, 1, 1),
    "quick": TrainingAmount(300, 64, 4, CHANNELS, 160, 12, 2),
    "full": TrainingAmount(2000, 160, 4, CHANNELS, 256, 50, 3),
}


def run(settings: Settings, journal: Journal) -> Result:
    """Train with either loss network, and score both networks by the trained one."""
    trainings = Trainings.of(settings, journal, AMOUNTS[settings.effort])
    rows: dict[str, Any] = {}
    columns = [[square(photo, trainings.amount.size) for photo in trainings.shown]]
    shown = [digest_of(photo) for photo in trainings.shown]
    for kind in KINDS:
        key = trainings.key({"loss_network": kind}, shown=shown)
        unit = journal.unit(key, partial(_measure, kind, trainings, key))
        if unit is not None:
            rows[kind] = unit["network"]
            rows["photograph"] = unit[
                "photograph"
            ]  # the same in both, as one objective scores them
            paths = [journal.path(key, f"-{index}.png") for index in range(len(shown))]
            columns.append([load_picture(path).rgb for path in paths])
    labels = ["photograph", *(kind for kind in KINDS if kind in rows)]
    picture = trainings.sheet([list(row) for row in zip(*columns, strict=True)], labels)
    content = {"style": trainings.style.name, "rows": rows}
    return Result(_text(rows, trainings.amount, len(trainings.photos)), content, {"": picture})


def _measure(kind: str, trainings: Trainings, key: Key) -> dict[str, Any]:
    style, journal, size = trainings.style, trainings.journal, trainings.amount.size
    weights = None
    if kind == "untrained":
        weights = journal.folder / "untrained.safetensors"
        write_untrained_weights(weights)
    recipe = trainings.recipe(
        objective={"loss_network_weights": weights},
        network={"channels": trainings.amount.channels},
    )
    predictor = Predictor(_trained(recipe, journal.path(key, ".onnx")))
    for index, photo in enumerate(trainings.shown):
        picture = Picture(rgb=stylized(predictor, square(photo, size)))
        save_picture(picture, journal.path(key, f"-{index}.png"), overwrite=True)
    # By the shipped style's objective, whichever loss network trained: two loss networks' losses
    # are numbers of different things.
    terms: dict[str, list[dict[str, float]]] = {"photograph": [], "network": []}
    for photo in trainings.photos:
        photograph = square(photo, size)
        objective = style.objective_for(photograph)
        terms["photograph"].append(terms_of(objective, photograph))
        terms["network"].append(terms_of(objective, stylized(predictor, photograph)))
    return {name: mean_terms(each) for name, each in terms.items()}


def _trained(recipe: StyleRecipe, output: Path) -> ModelFile:
    """Return the model of a recipe: from its file, from its checkpoint, or trained anew."""
    # A stop between training and scoring must not cost the training.
    if output.exists():
        return read_model_file(output)
    resume = (run_folder(output) / CHECKPOINT_NAME).exists()
    model = train_model(recipe, output, resume=resume).model
    assert model is not None  # only further processes of a training return none
    return model


def _text(
    rows: Mapping[str, Mapping[str, float]], amount: TrainingAmount, num_photographs: int
) -> str:
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
    return with_note(columns, cells, note)
