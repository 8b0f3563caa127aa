"""A whole training, from recipe to model file: set up, train, export."""

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lightning.fabric import Fabric

from impasto.data.photos import open_photographs
from impasto.data.source import PhotoSource
from impasto.data.stream import CropStream, SkippedPhotograph
from impasto.errors import (
    CheckpointError,
    OutputExistsError,
    RecipeError,
    TrainingError,
    TrainingInterrupted,
)
from impasto.files import exists_already, reason_of
from impasto.system.input_files import special_kind
from impasto.system.work_files import refuse_second_run
from impasto.training.any_painting_task import AnyPaintingTask
from impasto.training.card_of_run import RunFacts, card_task, facts_of, num_usable, trained_card
from impasto.training.checkpoint import Checkpoint, load_checkpoint, restore_checkpoint
from impasto.training.devices import check_batches, describe_hardware, launched_fabric
from impasto.training.logs import draw_curve
from impasto.training.loop import CHECKPOINT_NAME, Trainer
from impasto.training.plan import measured_pace
from impasto.training.progress import OnProgress, Progress, ignore_progress
from impasto.training.recipe import StyleRecipe
from impasto.training.recipe_file import Recipe, parse_recipe
from impasto.training.sheet import CONTACT_SHEETS_FOLDER, sheet_photographs
from impasto.training.style_task import StyleTask
from impasto.training.super_resolution_task import SuperResolutionTask
from impasto.training.task import TrainingTask
from impasto.training.time_limit import TimeLimit, fit_within
from impasto.training.written_model import (
    forget_model,
    is_own_model,
    record_model,
)
from impasto.zoo.model_file import ModelFile
from impasto.zoo.registry import resolve_model
from impasto.zoo.style_file import is_style_file

CURVE_NAME = "curve.png"

TASKS: Mapping[str, Callable[[Any], TrainingTask]] = {
    "style-transfer": StyleTask,
    "any-painting": AnyPaintingTask,
    "super-resolution": SuperResolutionTask,
}
"""What builds a task from its recipe, by the recipe's `task`."""

SUBCOMMANDS = {"style-transfer": "style", "any-painting": "styles", "super-resolution": "sr"}
"""Of `impasto train`, likewise."""

SHORT_MINUTES = 2.0

OnSkipped = Callable[[tuple[SkippedPhotograph, ...]], None]
"""Called once, with the photographs passed over and why."""


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """The results of a training.

    Attributes:
        model: the file written; None in every process but the first.
        folder: where checkpoint, logs and contact sheets are.
        skipped: photographs and paintings passed over, and why.
        stopped: where the time limit stopped it and how to go on, in one line; empty for a
            training that took all its steps.
    """

    model: ModelFile | None
    folder: Path
    skipped: tuple[SkippedPhotograph, ...]
    stopped: str = ""


def run_folder(output: Path) -> Path:
    """Return where a training of `output` keeps its checkpoint, logs and contact sheets."""
    return output.with_suffix(".run")


def resumed_recipe(output: Path) -> Recipe:
    """Return the recipe that the checkpoint of `output` was made with.

    Raises:
        CheckpointError: when there is no readable checkpoint, or its recipe is of another version.
    """
    path = run_folder(output) / CHECKPOINT_NAME
    try:
        return parse_recipe(_checkpoint_of(run_folder(output)).state.recipe)
    except RecipeError as error:
        raise CheckpointError(
            f"{path} was made by another version of impasto ({error}); begin the training anew"
        ) from error


def train_model(
    recipe: Recipe,
    output: Path,
    *,
    minutes: float | None = None,
    time_limit_minutes: float | None = None,
    started: float | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
    on_skipped: OnSkipped = lambda _: None,
) -> TrainingOutcome:
    """Train a network and write it to `output`.

    Args:
        recipe: what to train; when resuming, the one of the checkpoint.
        output: the model file to write; the run's folder lies beside it.
        minutes: plan the stages to fill this time on this machine, in place of the recipe's.
        time_limit_minutes: stop in time to have written checkpoint and model by then.
        started: `time.monotonic()` where the time limit begins; None is now.
        resume: continue from the checkpoint in that folder, and replace the model that it wrote.
        overwrite: replace the output, and begin anew although a checkpoint is there.
        on_progress: called with every log line and event.
        on_skipped: called with the pictures passed over, also when the training stops early.

    Raises:
        OutputExistsError: when output or an unfinished run is there and may not be overwritten.
        OutputAppearedError: when a file appeared at output meanwhile; the model is beside it.
        RecipeError: when the output or a setting is unfit.
        CheckpointError: when there is nothing to resume, or it was made otherwise.
        TrainingError: when another training is going on in the run's folder.
        TrainingInterrupted: after Ctrl-C or SIGTERM; the state is saved.
    """
    folder, limit = run_folder(output), _limit_of(time_limit_minutes, started)
    _check_suffix(recipe, output)
    _check_paths(output, folder, resume=resume, overwrite=overwrite)
    with launched_fabric(recipe) as fabric, _alone_in(folder, fabric):
        checkpoint = _checkpoint_of(folder) if resume else None
        check_batches(recipe, fabric.world_size)
        source = open_photographs(recipe.photos.path, seed=recipe.seed)
        recipe, task = _task_of(recipe, resume=resume)
        facts = facts_of(recipe, task.card_fields(), output)
        if minutes is not None and not resume:
            recipe = _planned(recipe, task, fabric, minutes, on_progress)
        trainer = make_trainer(
            fabric, task, recipe, source, folder, checkpoint=checkpoint, on_progress=on_progress
        )
        try:
            stopped = fit_within(trainer, limit)
        except TrainingInterrupted as stop:
            how = f"saved in {folder}; {_how_to_go_on(recipe, output, overwrite=overwrite)}"
            raise TrainingInterrupted(f"{stop}; {how}", signal_number=stop.signal_number) from None
        finally:
            on_skipped((*trainer.skipped, *task.skipped))
        model = None
        if fabric.is_global_zero:
            replace = overwrite or (resume and is_own_model(output, folder))
            model = _finish(trainer, recipe, facts, source, output, replace=replace)
        if stopped and limit is not None:
            stopped = limit.note(stopped, _how_to_go_on(recipe, output, overwrite=False))
    return TrainingOutcome(model, folder, (*trainer.skipped, *task.skipped), stopped)


def _limit_of(minutes: float | None, started: float | None) -> TimeLimit | None:
    if minutes is None:
        return None
    return TimeLimit(minutes, time.monotonic() if started is None else started)


def _checkpoint_of(folder: Path) -> Checkpoint:
    path = folder / CHECKPOINT_NAME
    _check_resumable(path)
    return load_checkpoint(path)


def _check_resumable(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(f"nothing to resume: there is no {path}; leave --resume out")


@contextlib.contextmanager
def _alone_in(folder: Path, fabric: Fabric) -> Iterator[None]:
    """Refuse a second training in a run's folder; the first process speaks for the others."""
    if not fabric.is_global_zero:
        yield
        return
    with refuse_second_run(
        folder,
        work="training",
        refusal=TrainingError,
        unwritable=partial(_no_folder, folder),
    ):
        yield


def _check_suffix(recipe: Recipe, output: Path) -> None:
    if is_style_file(output):
        if not (isinstance(recipe, StyleRecipe) and recipe.tune == "constants"):
            raise RecipeError(
                f"the output is {output}, which holds a style's constants and no network; this "
                "training needs a file name that ends in .onnx"
            )
    elif output.suffix != ".onnx":
        raise RecipeError(f"the output is {output}; expected a file name that ends in .onnx")


def _check_paths(output: Path, folder: Path, *, resume: bool, overwrite: bool) -> None:
    if output.is_dir():
        raise RecipeError(f"{output} is a folder; give the name of a file to write")
    if special_kind(output) is not None:
        raise RecipeError(f"{output} is a device or pipe; give the name of a file to write")
    is_unfinished = (folder / CHECKPOINT_NAME).exists()
    if output.exists() and not (overwrite or (is_unfinished and is_own_model(output, folder))):
        raise exists_already(output)
    if resume:
        _check_resumable(folder / CHECKPOINT_NAME)
    if is_unfinished and not (resume or overwrite):
        raise OutputExistsError(
            f"{folder} holds an unfinished training; go on with --resume, or begin anew with "
            "--overwrite"
        )


def _task_of(recipe: Recipe, *, resume: bool) -> tuple[Recipe, TrainingTask]:
    """Return the task, its network taken from a model file where the recipe names one.

    A run that is resumed has its weights, and the recipe their architecture, from its checkpoint.
    """
    if recipe.initialise_from is None or resume:
        return recipe, TASKS[recipe.task](recipe)
    start = resolve_model(str(recipe.initialise_from), task=card_task(recipe))
    network = recipe.architecture_from(start.card.architecture)
    recipe = parse_recipe({**recipe.model_dump(exclude={"network"}), "network": network})
    task = TASKS[recipe.task](recipe)
    task.start_from(start)
    return recipe, task


def _planned(
    recipe: Recipe,
    task: TrainingTask,
    fabric: Fabric,
    minutes: float,
    on_progress: OnProgress,
) -> Recipe:
    """Return the recipe with stages that fill the given minutes on this machine."""
    # In a minute or two, the seconds that are measured are missed.
    num_steps = 4 if minutes > SHORT_MINUTES else 2
    batch_size = recipe.stages[0].batch_size
    pace = measured_pace(fabric, task, batch_size=batch_size, num_steps=num_steps)
    stages = task.plan(minutes, pace, fabric.world_size)
    recipe = parse_recipe({**recipe.model_dump(), "stages": stages})
    start = "" if recipe.initialise_from is None else f"from {recipe.initialise_from.stem} on, "
    steps = ", then ".join(
        f"{stage.steps} steps of {stage.batch_size} at {stage.crop_size}²" for stage in stages
    )
    if fabric.is_global_zero:
        message = f"plan for {minutes:g} min: {start}{steps}"
        on_progress(Progress(step=0, num_steps=recipe.num_steps, losses={}, message=message))
    return recipe


def make_trainer(
    fabric: Fabric,
    task: TrainingTask,
    recipe: Recipe,
    source: PhotoSource,
    folder: Path,
    *,
    checkpoint: Checkpoint | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Trainer:
    """Return the trainer of a task, ready to begin or to go on.

    Args:
        fabric: launched.
        task: of the recipe; its network may differ from the recipe's.
        recipe: how to train.
        source: the recipe's photographs.
        folder: for checkpoint, logs and contact sheets. It is created; without a checkpoint, those
            of an older run are removed from it.
        checkpoint: to continue from.
        on_progress: called with every log line and event.

    Raises:
        DataError: no photograph can be read.
        RecipeError: the folder cannot be created.
        CheckpointError: the checkpoint is not of this task's network.
    """
    settings = recipe.photos.stream_settings(seed=recipe.seed)
    largest = max(stage.crop_size for stage in recipe.stages)
    photographs = sheet_photographs(source, settings, crop_size=largest)
    if fabric.is_global_zero:
        _prepare(folder, anew=checkpoint is None)
    return Trainer(
        fabric,
        task,
        recipe,
        CropStream(source, settings, rank=fabric.global_rank, num_ranks=fabric.world_size),
        folder,
        sheet_photographs=photographs,
        checkpoint=checkpoint,
        on_progress=on_progress,
    )


def _prepare(folder: Path, *, anew: bool) -> None:
    """Create a run's folder; for a new run, remove an older one's checkpoint, record and sheets."""
    try:
        (folder / CONTACT_SHEETS_FOLDER).mkdir(parents=True, exist_ok=True)
        if anew:
            (folder / CHECKPOINT_NAME).unlink(missing_ok=True)
            forget_model(folder)
            for sheet in (folder / CONTACT_SHEETS_FOLDER).glob("step-*.jpg"):
                sheet.unlink()
    except OSError as error:
        raise _no_folder(folder, error) from error


def _no_folder(folder: Path, error: OSError) -> RecipeError:
    return RecipeError(
        f"cannot make the folder {folder} for the training's files: {reason_of(error)}; "
        "give the output another place"
    )


def _how_to_go_on(recipe: Recipe, output: Path, *, overwrite: bool) -> str:
    is_foreign = output.exists() and not is_own_model(output, run_folder(output))
    replace = " --overwrite" if overwrite and is_foreign else ""
    return (
        f"go on with: impasto train {SUBCOMMANDS[recipe.task]} --resume{replace} "
        f"-o {shlex.quote(str(output))}"
    )


def _finish(
    trainer: Trainer,
    recipe: Recipe,
    facts: RunFacts,
    source: PhotoSource,
    output: Path,
    *,
    replace: bool,
) -> ModelFile:
    """Write the model and draw the curve; an unfinished run remembers which model it wrote."""
    began = time.monotonic()
    is_finished = trainer.state.step == recipe.num_steps
    if not is_finished:
        # The network may have left the finite numbers since; the checkpoint never does.
        saved = load_checkpoint(trainer.folder / CHECKPOINT_NAME)
        trainer.state = restore_checkpoint(saved, trainer.task.network, trainer.optimizer)
    card = trained_card(
        facts,
        recipe,
        trainer.state,
        num_photographs=num_usable(source, trainer.skipped),
        hardware=", then ".join(trainer.state.hardware) or describe_hardware(trainer.fabric),
    )
    draw_curve(trainer.folder, trainer.folder / CURVE_NAME, title=card.title)
    model = trainer.task.export(card, output, replace=replace)
    if is_finished:
        forget_model(trainer.folder)
    else:
        record_model(trainer.folder, output, export_seconds=time.monotonic() - began)
    return model
