"""The card of a trained model, from its recipe, its task and the state of its training."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import impasto
from impasto.data.photos import PhotoFolder
from impasto.data.source import PhotoSource
from impasto.data.stream import SkippedPhotograph
from impasto.losses.loss_network import weights_sha256
from impasto.system.machine import package_versions
from impasto.training.checkpoint import TrainingState
from impasto.training.recipe_file import Recipe
from impasto.training.task import CardFields
from impasto.zoo.card import Licences, ModelCard, Task, TrainingRecord, as_line, model_name
from impasto.zoo.style_file import name_without_suffix

RECORDED_PACKAGES = ("torch", "lightning", "onnx", "onnxscript", "openvino", "numpy", "pillow")

UNSTATED_LICENCES = Licences(
    code="Apache-2.0",
    weights="whoever trained them decides; not stated",
    painting="not stated",
    training_photographs="not stated",
    commercial_use="unclear",
    note="the recipe names no licences",
)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a card needs of files, read before the first step: they may be gone after the last.

    Attributes:
        name: of the model, from its file's name.
        title: for people.
        of_task: what only the task can say.
        dataset: the photographs, in words.
        loss_network_sha256: of the weights file.
        initialised_from: name of the model started from, if any.
    """

    name: str
    title: str
    of_task: CardFields
    dataset: str
    loss_network_sha256: str
    initialised_from: str | None


def facts_of(recipe: Recipe, of_task: CardFields, output: Path) -> RunFacts:
    """Collect the facts of a training of `output`.

    Raises:
        WeightsError: when the loss network's weights cannot be read.
    """
    start = recipe.initialise_from
    return RunFacts(
        name=model_name(name_without_suffix(output)),
        title=of_task.title or as_line(name_without_suffix(output).replace("_", " ")),
        of_task=of_task,
        dataset=recipe.photos.description or as_line(recipe.photos.path.name),
        loss_network_sha256=weights_sha256(recipe.objective.loss_network_weights),
        initialised_from=None if start is None else as_line(start.stem),
    )


def trained_card(
    facts: RunFacts,
    recipe: Recipe,
    state: TrainingState,
    *,
    num_photographs: int | None,
    hardware: str,
) -> ModelCard:
    """Return the card of a training that is finished, or was stopped by its time limit."""
    return ModelCard(
        name=facts.name,
        title=facts.title,
        task=card_task(recipe),
        scale=facts.of_task.scale,
        degradation=facts.of_task.degradation,
        created=datetime.now(UTC).date().isoformat(),
        architecture=recipe.network,
        painting=facts.of_task.painting,
        paintings=facts.of_task.paintings,
        training=TrainingRecord(
            recipe=_portable(recipe),
            dataset=facts.dataset,
            num_photographs=num_photographs,
            steps=state.step,
            planned_steps=recipe.num_steps if state.step < recipe.num_steps else None,
            minutes=round(state.seconds / 60, 1),
            seed=recipe.seed,
            hardware=as_line(hardware),
            versions={"impasto": impasto.__version__, **package_versions(RECORDED_PACKAGES)},
            loss_network_sha256=facts.loss_network_sha256,
            losses={name: float(f"{value:.6g}") for name, value in state.running_terms.items()},
            scales={} if state.normalisers is None else state.normalisers.model_dump(),
            initialised_from=facts.initialised_from,
        ),
        licences=recipe.licences or UNSTATED_LICENCES,
        impasto_version=impasto.__version__,
    )


def card_task(recipe: Recipe) -> Task:
    """Return the task of a recipe's models: a network for any painting is one for styles."""
    return "style-transfer" if recipe.task == "any-painting" else recipe.task


def num_usable(source: PhotoSource, skipped: tuple[SkippedPhotograph, ...]) -> int | None:
    """Return how many photographs of a source are usable, as far as the training has seen.

    A damaged shard is among the skipped too, but counts as no photograph.
    """
    if source.num_photographs is None:
        return None
    is_folder = isinstance(source, PhotoFolder)
    num_unusable = sum(is_folder or ".tar:" in photograph.name for photograph in skipped)
    return max(source.num_photographs - num_unusable, 0)


def _portable(recipe: Recipe) -> dict[str, object]:
    """Return the recipe without the folders of this machine: a card goes to strangers."""
    table = recipe.model_dump(mode="json", exclude={"licences"})
    for *sections, key in recipe.PATH_KEYS:
        section = table[sections[0]] if sections else table
        if section[key] is not None:
            section[key] = Path(section[key]).name
    return table
