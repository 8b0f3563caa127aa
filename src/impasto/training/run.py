"""A whole training, from recipe to model file: set up, train, export, fill in the card."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import impasto
from impasto.data.photos import open_photographs
from impasto.data.source import PhotoSource
from impasto.data.stream import CropStream, SkippedPhotograph, StreamSettings
from impasto.errors import CheckpointError, OutputExistsError, RecipeError, TrainingInterrupted
from impasto.export import export_model, load_network
from impasto.loss_network import weights_sha256
from impasto.training.checkpoint import Checkpoint, TrainingState, load_checkpoint
from impasto.training.logs import draw_curve
from impasto.training.loop import (
    CHECKPOINT_NAME,
    OnProgress,
    Trainer,
    describe_hardware,
    make_fabric,
    stop_on_signals,
)
from impasto.training.recipe import StyleRecipe, parse_recipe
from impasto.training.tasks import StyleTask
from impasto.zoo.card import Licences, ModelCard, Painting, TrainingRecord
from impasto.zoo.model_file import ModelFile
from impasto.zoo.registry import resolve_model

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
class TrainingOutcome:
    """What a training leaves.

    Attributes:
        model: the file written; None in every process but the first.
        folder: where checkpoint, logs and contact sheets are.
        skipped: photographs passed over, and why.
    """

    model: ModelFile | None
    folder: Path
    skipped: tuple[SkippedPhotograph, ...]


def run_folder(output: Path) -> Path:
    """Return where a training of `output` keeps its checkpoint, logs and contact sheets."""
    return output.with_suffix(".run")


def resumed_recipe(output: Path) -> StyleRecipe:
    """Return the recipe that the checkpoint of `output` was made with.

    Raises:
        CheckpointError: when there is no readable checkpoint.
    """
    return parse_recipe(load_checkpoint(run_folder(output) / CHECKPOINT_NAME).state.recipe)


def train_style(
    recipe: StyleRecipe,
    output: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: OnProgress = lambda progress: None,
    on_skipped: Callable[[tuple[SkippedPhotograph, ...]], None] = lambda skipped: None,
) -> TrainingOutcome:
    """Train a style network and write it to `output`.

    Args:
        recipe: what to train; when resuming, the one of the checkpoint.
        output: the model file to write; the run's folder lies beside it.
        resume: go on from the checkpoint in that folder.
        overwrite: begin anew although output or checkpoint are there.
        on_progress: called with every log line and event.
        on_skipped: called with the photographs passed over, also when the training stops early.

    Raises:
        OutputExistsError: when output or an unfinished run is there and may not be overwritten.
        TrainingInterrupted: after Ctrl-C or SIGTERM; the state is saved.
        ImpastoError: whatever else is wrong, in one line.
    """
    folder = run_folder(output)
    checkpoint = _checkpoint_of(folder) if resume else None
    _check_places(output, folder, resume=resume, overwrite=overwrite)
    fabric = make_fabric(recipe)
    fabric.launch()
    source = open_photographs(recipe.photos.path, seed=recipe.seed)
    stream = CropStream(
        source,
        StreamSettings(
            seed=recipe.seed,
            synthetic_share=recipe.photos.synthetic_share,
            resize_ratio=recipe.photos.resize_ratio,
            num_workers=recipe.photos.num_workers,
        ),
        rank=fabric.global_rank,
        num_ranks=fabric.world_size,
    )
    recipe, task = _task_of(recipe)
    folder.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(
        fabric, task, recipe, stream, folder, checkpoint=checkpoint, on_progress=on_progress
    )
    try:
        with stop_on_signals(trainer.stop_requested):
            state = trainer.fit()
    except TrainingInterrupted as stop:
        raise TrainingInterrupted(
            f"{stop}; saved in {folder}; go on with: impasto train style --resume -o {output}"
        ) from None
    finally:
        on_skipped(stream.skipped)
    model = None
    if fabric.is_global_zero:
        card = _card(recipe, output, state, source, stream, describe_hardware(fabric))
        draw_curve(folder, folder / "curve.png", title=card.title)
        model = export_model(task.network, card, output)
    fabric.barrier()
    return TrainingOutcome(model, folder, stream.skipped)


def _checkpoint_of(folder: Path) -> Checkpoint:
    path = folder / CHECKPOINT_NAME
    if not path.is_file():
        raise CheckpointError(f"nothing to resume: there is no {path}; leave --resume out")
    return load_checkpoint(path)


def _check_places(output: Path, folder: Path, *, resume: bool, overwrite: bool) -> None:
    if output.suffix != ".onnx":
        raise RecipeError(f"the output is {output}; expected a file name that ends in .onnx")
    if output.parent.exists() and not output.parent.is_dir():
        raise RecipeError(f"{output.parent} is not a folder; give the output another place")
    if overwrite:
        return
    if output.exists():
        raise OutputExistsError(f"{output} exists already; give another name, or --overwrite")
    if not resume and (folder / CHECKPOINT_NAME).exists():
        raise OutputExistsError(
            f"{folder} holds an unfinished training; go on with --resume, or begin anew with "
            "--overwrite"
        )


def _task_of(recipe: StyleRecipe) -> tuple[StyleRecipe, StyleTask]:
    """Return the task, its network taken from a model file where the recipe names one."""
    if recipe.initialise_from is None:
        return recipe, StyleTask(recipe)
    start = resolve_model(str(recipe.initialise_from), task="style-transfer")
    recipe = recipe.model_copy(update={"network": start.card.architecture})
    task = StyleTask(recipe)
    task.network.load_state_dict(load_network(start).state_dict())
    return recipe, task


def _card(
    recipe: StyleRecipe,
    output: Path,
    state: TrainingState,
    source: PhotoSource,
    stream: CropStream,
    hardware: str,
) -> ModelCard:
    painting = recipe.painting
    num_photographs = source.num_photographs
    return ModelCard(
        name=model_name(output.stem),
        title=painting.title or output.stem.replace("_", " "),
        task="style-transfer",
        created=datetime.now(UTC).date().isoformat(),
        architecture=recipe.network,
        painting=Painting(
            title=painting.title or painting.file.stem,
            artist=painting.artist or None,
            year=painting.year or None,
            source=painting.source or None,
            sha256=hashlib.sha256(painting.file.read_bytes()).hexdigest(),
            short_side=painting.short_side,
        ),
        training=TrainingRecord(
            recipe=_portable(recipe),
            dataset=recipe.photos.description or recipe.photos.path.name,
            num_photographs=None
            if num_photographs is None
            else num_photographs - len(stream.skipped),
            steps=state.step,
            minutes=round(state.seconds / 60, 1),
            seed=recipe.seed,
            hardware=hardware,
            versions=_versions(),
            loss_network_sha256=weights_sha256(recipe.objective.loss_network_weights),
            losses={name: float(f"{value:.6g}") for name, value in state.running_terms.items()},
            scales={} if state.scales is None else state.scales.model_dump(),
            initialised_from=recipe.initialise_from and recipe.initialise_from.stem,
        ),
        licences=recipe.licences or UNSTATED_LICENCES,
        impasto_version=impasto.__version__,
    )


def _portable(recipe: StyleRecipe) -> dict[str, object]:
    """Return the recipe without the folders of this machine: a card goes to strangers."""
    table = recipe.model_dump(mode="json", exclude={"licences"})
    table["painting"]["file"] = recipe.painting.file.name
    table["photos"]["path"] = recipe.photos.path.name
    for section, key in ((table, "initialise_from"), (table["objective"], "loss_network_weights")):
        if section[key] is not None:
            section[key] = Path(section[key]).name
    return table


def model_name(stem: str) -> str:
    """Return a file's stem as a model name: lower case, digits, `-` and `_`."""
    name = re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-_")[:64].rstrip("-_")
    return name or "style"


def _versions() -> dict[str, str]:
    versions = {"impasto": impasto.__version__}
    for package in RECORDED_PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
