"""`impasto train`: a painting becomes a style, photographs become super-resolution."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impasto.cli.display.console import (
    one_line_errors,
    print_json,
    print_note,
    print_result,
    usage_error,
)
from impasto.cli.display.downloads import fetched
from impasto.cli.display.progress import CountProgress, PacedLines, time_left

if TYPE_CHECKING:
    from impasto.data.stream import SkippedPhotograph
    from impasto.training.progress import OnProgress, Progress
    from impasto.zoo.card import Task

NETWORK_KINDS = {"paper": "paper-super-resolution"}
"""What the command line calls by a shorter name than recipes do."""

DEFAULT_START = "composition_vii"
"""The shipped style that a training for so many minutes goes on from unless told otherwise: in two
minutes it takes another painting further than five to ten from nothing do (measured)."""

MAX_SKIPPED_SHOWN = 20

app = typer.Typer(help="Train new models.", no_args_is_help=True)


@app.callback()
def _train() -> None:
    """Train new models."""


@app.command("style", no_args_is_help=True)
@one_line_errors
def train_style_command(
    painting: Annotated[
        Path | None,
        typer.Argument(metavar="painting", help="The painting; a recipe may name it instead."),
    ] = None,
    *,
    photos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of photographs to train on, nested or tar shards."
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The model file to write.")
    ] = Path("my-style.onnx"),
    recipe: Annotated[Path | None, typer.Option(metavar="FILE", help="A TOML recipe.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Over the recipe, such as stages.0.steps=500."
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            help="Plan for so much time on this machine; starts from a shipped style unless told.",
        ),
    ] = None,
    style_balance: Annotated[
        float | None,
        typer.Option(metavar="FACTOR", help="2 doubles the weight of style, 0.5 halves it."),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Start from this model, by name, file or address; or from none."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Of weights, order and crops.")
    ] = None,
    device: Annotated[str | None, typer.Option(metavar="DEVICE", help="auto, cpu or cuda.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training of this output.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Begin anew although the output is there.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Learn a painting's style: writes a model file, and logs and contact sheets beside it.

    Ctrl-C saves and says how to go on.
    """
    settings = settings or []
    if init is None and minutes is not None and not _says_what_network(recipe, settings):
        init = DEFAULT_START
    given: dict[str, Any] = {
        "painting__file": painting,
        "photos__path": photos,
        "objective__style_balance": style_balance,
        "initialise_from": None if init is None else fetched(init),
        "seed": seed,
        "device": device,
    }
    if not resume and recipe is None:
        _check_inputs(painting, photos, settings)
    asked = _Asked(output, recipe, settings, minutes, resume, overwrite, json)
    _train_model(asked, given, task="style-transfer", try_it="impasto stylize PHOTO --style")


@app.command("sr", no_args_is_help=True)
@one_line_errors
def train_super_resolution_command(
    *,
    photos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of photographs to train on, nested or tar shards."
        ),
    ] = None,
    scale: Annotated[
        int | None, typer.Option(metavar="2|4|8", help="How many times larger; 4 unless told.")
    ] = None,
    loss: Annotated[
        str | None, typer.Option(metavar="NAME", help="l1, pixel, feature or mix; l1 unless told.")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="subpixel, paper or srcnn; subpixel unless told."),
    ] = None,
    degradation: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="bicubic, or blur-bicubic as in the paper."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The model file to write.")
    ] = Path("my-sr.onnx"),
    recipe: Annotated[Path | None, typer.Option(metavar="FILE", help="A TOML recipe.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Over the recipe, such as stages.0.steps=500."
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="Plan the steps for so much time on this machine."),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Start from this model, also of another scale."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Of weights, order and patches.")
    ] = None,
    device: Annotated[str | None, typer.Option(metavar="DEVICE", help="auto, cpu or cuda.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training of this output.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Begin anew although the output is there.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Learn super-resolution: writes a model file, and logs and contact sheets beside it.

    Ctrl-C saves and says how to go on.
    """
    given: dict[str, Any] = {
        "photos__path": photos,
        "network__kind": None if network is None else NETWORK_KINDS.get(network, network),
        "network__scale": scale,
        "objective__loss": loss,
        "degradation": degradation,
        "initialise_from": None if init is None else fetched(init),
        "seed": seed,
        "device": device,
    }
    if not resume and recipe is None and photos is None:
        raise usage_error("no photographs were given; add --photos DIR, a folder of photographs")
    asked = _Asked(output, recipe, settings or [], minutes, resume, overwrite, json)
    _train_model(asked, given, task="super-resolution", try_it="impasto upscale PHOTO --model")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What every training can be asked for."""

    output: Path
    recipe: Path | None
    settings: list[str]
    minutes: float | None
    resume: bool
    overwrite: bool
    json: bool


def _train_model(asked: _Asked, given: dict[str, Any], *, task: "Task", try_it: str) -> None:
    changed = [name for name, value in given.items() if value is not None]
    _check_minutes(asked.minutes, asked.settings)
    if asked.resume and (asked.recipe or asked.settings or changed or asked.minutes is not None):
        raise usage_error("--resume goes on with the recipe of the run; give only -o beside it")
    from impasto.training.recipe_file import load_recipe
    from impasto.training.run import resumed_recipe, train_model

    if asked.resume:
        full = resumed_recipe(asked.output)
        if full.task != task:
            raise usage_error(f"{asked.output} is a training of {full.task}; resume it as that")
    else:
        full = load_recipe(asked.recipe, asked.settings, task=task, **given)
    with training_progress() as report:
        outcome = train_model(
            full,
            asked.output,
            minutes=asked.minutes,
            resume=asked.resume,
            overwrite=asked.overwrite,
            on_progress=report,
            on_skipped=_tell_skipped,
        )
    if outcome.model is None:
        return
    if asked.json:
        card = outcome.model.card.model_dump(mode="json")
        print_json({"model": str(asked.output), "run": str(outcome.folder), "card": card})
    else:
        print_result(str(asked.output))
        print_note(f"Logs, curve and contact sheets: {outcome.folder}")
        print_note(f"Try it: {try_it} {asked.output} -o OUT")


def _check_minutes(minutes: float | None, settings: list[str]) -> None:
    if minutes is None:
        return
    if not 0 < minutes < math.inf:
        raise usage_error(f"--minutes was given {minutes:g}; expected a number above 0, such as 30")
    if "stages" in _sections(settings):
        raise usage_error("--minutes plans the stages; leave it out, or the --set of stages")


def _says_what_network(recipe: Path | None, settings: list[str]) -> bool:
    return recipe is not None or not _sections(settings).isdisjoint({"network", "initialise_from"})


def _sections(settings: list[str]) -> set[str]:
    return {setting.partition("=")[0].partition(".")[0].strip() for setting in settings}


def _check_inputs(painting: Path | None, photos: Path | None, settings: list[str]) -> None:
    sections = _sections(settings)
    if painting is None and "painting" not in sections:
        raise usage_error(
            "no painting was given; expected impasto train style PAINTING --photos DIR"
        )
    if photos is None and "photos" not in sections:
        raise usage_error("no photographs were given; add --photos DIR, a folder of photographs")


@contextmanager
def training_progress(*, has_bar: bool | None = None) -> "Iterator[OnProgress]":
    """Yield what reports a training: a bar with events above it on a terminal, else lines."""
    with CountProgress(
        "training", lines=PacedLines(), is_transient=False, has_bar=has_bar
    ) as steps:

        def show(progress: "Progress") -> None:
            if progress.message:
                steps.note(progress.message)
            details = _describe(progress)
            line = f"step {progress.step}/{progress.num_steps}  {details}"
            steps.show(
                progress.step,
                progress.num_steps,
                details=details if progress.losses else "",
                line="" if progress.message else line,
            )

        yield show


def _describe(progress: "Progress") -> str:
    terms = "  ".join(f"{name} {value:.4g}" for name, value in progress.losses.items())
    seconds = progress.seconds_left
    remaining = "" if seconds is None else f"  {time_left(round(seconds))}"
    return f"{terms}  {progress.pictures_per_second:.1f} images/s{remaining}"


def _tell_skipped(skipped: "tuple[SkippedPhotograph, ...]") -> None:
    if not skipped:
        return
    print_note(
        "1 file was skipped:" if len(skipped) == 1 else f"{len(skipped)} files were skipped:"
    )
    for photograph in skipped[:MAX_SKIPPED_SHOWN]:
        print_note(f"  {photograph.name}: {photograph.reason}")
    if len(skipped) > MAX_SKIPPED_SHOWN:
        print_note(f"  and {len(skipped) - MAX_SKIPPED_SHOWN} more")
