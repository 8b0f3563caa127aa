"""`impasto train`: a style from a painting, super-resolution from photographs.

Flags, checks and progress live here; the training is `impasto.training.run`'s.
"""

import contextlib
import math
import time
from collections.abc import Iterator
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
from impasto.cli.options import Json, with_option_records
from impasto.cli.style_start import DEFAULT_START, start_flags
from impasto.zoo.names import ANY_PAINTING

if TYPE_CHECKING:
    from impasto.data.stream import SkippedPhotograph
    from impasto.training.progress import OnProgress, Progress
    from impasto.training.recipe_file import Recipe

NETWORK_KINDS = {"paper": "paper-super-resolution"}
"""Kinds of networks that the command line calls by a shorter name than recipes do."""

MAX_SKIPPED_LISTED = 20

app = typer.Typer(help="Train new models.", no_args_is_help=True)

ModelOutput = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="Model file to write.")
]


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """Flags of every training."""

    photos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of photographs to train on, nested or tar shards."
        ),
    ] = None
    recipe: Annotated[Path | None, typer.Option(metavar="FILE", help="TOML recipe.")] = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override a setting of the recipe, such as stages.0.steps=500.",
        ),
    ] = None
    minutes: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="Plan the steps for this time on this machine."),
    ] = None
    time_limit: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES",
            help="Stop before the last step if need be, with the model written by then.",
        ),
    ] = None
    seed: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Seed of weights, order and crops.")
    ] = None
    # The recipe checks the word, since it may name the device itself.
    device: Annotated[str | None, typer.Option(metavar="DEVICE", help="auto, cpu or cuda.")] = None
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the training of this output.")
    ] = False
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start again although the output exists.")
    ] = False
    json: Json = False

    @property
    def sections(self) -> set[str]:
        """Sections of the recipe that `--set` changes."""
        return {each.partition("=")[0].partition(".")[0].strip() for each in self.settings or ()}

    @property
    def chooses_network(self) -> bool:
        """Whether a recipe or `--set` says what the training starts from."""
        return self.recipe is not None or not self.sections.isdisjoint(
            {"network", "initialise_from"}
        )

    def check(self) -> None:
        """Refuse a training without photographs, or one whose length cannot be planned.

        Raises:
            typer.Exit: with status 2, after one line.
        """
        # A recipe or a run may name the photographs; whether it does is checked when it is read.
        is_new = not self.resume and self.recipe is None
        if is_new and self.photos is None and "photos" not in self.sections:
            raise usage_error(
                "no photographs were given; add --photos DIR, a folder of photographs"
            )
        for flag, minutes in (("--minutes", self.minutes), ("--time-limit", self.time_limit)):
            if minutes is not None and not 0 < minutes < math.inf:
                raise usage_error(
                    f"{flag} was given {minutes:g}; expected a number above 0, such as 30"
                )
        if self.minutes is not None and "stages" in self.sections:
            raise usage_error("--minutes plans the stages; leave it out, or the --set of stages")

    def load_recipe(self, output: Path, task: str, flags: dict[str, Any]) -> "Recipe":
        """The recipe of a new training, or of the one that is resumed.

        Args:
            output: the model file, beside which a run is resumed.
            task: that the recipe must be for.
            flags: the command's own, by the recipe's dotted keys with `__` for the dot; None where
                one was not given.

        Raises:
            typer.Exit: flags beside `--resume`, or a run of another task.
            ImpastoError: no run to resume, or an impossible recipe.
        """
        from impasto.training.recipe_file import load_recipe
        from impasto.training.run import resumed_recipe

        flags |= {"photos__path": self.photos, "seed": self.seed, "device": self.device}
        if not self.resume:
            return load_recipe(self.recipe, self.settings or [], task=task, **flags)
        # A recipe that changes half-way would make the checkpoint and the card lie.
        has_flags = any(value is not None for value in (*flags.values(), self.minutes))
        if self.recipe or self.settings or has_flags:
            raise usage_error(
                "--resume goes on with the recipe of the run; give only -o and --time-limit "
                "beside it"
            )
        recipe = resumed_recipe(output)
        if recipe.task != task:
            raise usage_error(f"{output} is a training of {recipe.task}; resume it as that")
        return recipe


@app.callback()
def _train() -> None:
    """Train new models."""


@app.command("style", no_args_is_help=True)
@one_line_errors
@with_option_records
def train_style_command(
    painting: Annotated[
        Path | None,
        typer.Argument(metavar="painting", help="Painting to learn; a recipe may name it instead."),
    ] = None,
    *,
    output: ModelOutput = Path("my-style.onnx"),
    style_balance: Annotated[
        float | None,
        typer.Option(metavar="FACTOR", help="Weight of style: 2 doubles it, 0.5 halves it."),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Model to start from: a name, file or URL, or none. "
            f"With --minutes, {ANY_PAINTING} by default, or {DEFAULT_START} without it.",
        ),
    ] = None,
    training: TrainingOptions,
) -> None:
    """Learn a painting's style: writes a model file, and logs and contact sheets beside it.

    An output that ends in .style.json is an add-on of some kilobytes for the network for any
    painting. Ctrl-C saves the training; --resume continues it.
    """
    started = time.monotonic()
    is_new = not training.resume and training.recipe is None
    if is_new and painting is None and "painting" not in training.sections:
        raise usage_error(
            "no painting was given; expected impasto train style PAINTING --photos DIR"
        )
    training.check()
    flags: dict[str, Any] = {
        "painting__file": painting,
        "objective__style_balance": style_balance,
        "initialise_from": None if init is None else fetched(init),
    }
    if not training.resume:
        flags |= start_flags(
            flags["initialise_from"],
            output,
            minutes=training.minutes,
            has_recipe=training.recipe is not None,
            chooses_network=training.chooses_network,
        )
    recipe = training.load_recipe(output, "style-transfer", flags)
    try_it = "impasto stylize PHOTO --style"
    _train_model(recipe, output, training, started=started, try_it=try_it)


@app.command("styles", no_args_is_help=True)
@one_line_errors
@with_option_records
def train_styles_command(
    paintings: Annotated[
        Path | None,
        typer.Argument(metavar="paintings", help="Folder of paintings; a recipe may name it."),
    ] = None,
    *,
    output: ModelOutput = Path("any-painting.onnx"),
    init: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Network for any painting to start from."),
    ] = None,
    training: TrainingOptions,
) -> None:
    """Learn the network for any painting: writes a model file, and logs and sheets beside it.

    Ctrl-C saves the training; --resume continues it.
    """
    started = time.monotonic()
    is_new = not training.resume and training.recipe is None
    if is_new and paintings is None and "paintings" not in training.sections:
        raise usage_error(
            "no paintings were given; expected impasto train styles PAINTINGS --photos DIR"
        )
    training.check()
    flags: dict[str, Any] = {
        "paintings__path": paintings,
        "initialise_from": None if init is None else fetched(init),
    }
    recipe = training.load_recipe(output, "any-painting", flags)
    try_it = "impasto stylize PHOTO --style PAINTING --network"
    _train_model(recipe, output, training, started=started, try_it=try_it)


@app.command("sr", no_args_is_help=True)
@one_line_errors
@with_option_records
def train_super_resolution_command(
    *,
    output: ModelOutput = Path("my-sr.onnx"),
    scale: Annotated[
        int | None, typer.Option(metavar="2|4|8", help="Scale factor; default 4.")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Loss: l1 (default), pixel, feature or mix."),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Network: subpixel (default), paper or srcnn."),
    ] = None,
    degradation: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Degradation: bicubic, or the paper's blur-bicubic."),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Model to start from, of this or another scale."),
    ] = None,
    training: TrainingOptions,
) -> None:
    """Learn super-resolution: writes a model file, and logs and contact sheets beside it.

    Ctrl-C saves the training; --resume continues it.
    """
    started = time.monotonic()
    training.check()
    flags: dict[str, Any] = {
        "network__kind": None if network is None else NETWORK_KINDS.get(network, network),
        "network__scale": scale,
        "objective__loss": loss,
        "degradation": degradation,
        "initialise_from": None if init is None else fetched(init),
    }
    recipe = training.load_recipe(output, "super-resolution", flags)
    try_it = "impasto upscale PHOTO --model"
    _train_model(recipe, output, training, started=started, try_it=try_it)


def _train_model(
    recipe: "Recipe", output: Path, options: TrainingOptions, *, started: float, try_it: str
) -> None:
    from impasto.training.run import train_model

    with training_progress() as on_progress:
        outcome = train_model(
            recipe,
            output,
            minutes=options.minutes,
            time_limit_minutes=options.time_limit,
            started=started,
            resume=options.resume,
            overwrite=options.overwrite,
            on_progress=on_progress,
            on_skipped=_print_skipped,
        )
    if outcome.model is None:  # only the main process of several has one
        return
    if outcome.stopped:
        print_note(outcome.stopped)
    if options.json:
        card = outcome.model.card.model_dump(mode="json")
        print_json({"model": str(output), "run": str(outcome.folder), "card": card})
    else:
        print_result(str(output))
        print_note(f"Logs, curve and contact sheets: {outcome.folder}")
        print_note(f"Try it: {try_it} {output} -o OUT")


@contextlib.contextmanager
def training_progress(*, has_bar: bool | None = None) -> "Iterator[OnProgress]":
    """Yield what reports a training: a bar with events above it on a terminal, else lines."""
    with CountProgress(
        "training", lines=PacedLines(), is_transient=False, has_bar=has_bar
    ) as steps:

        def show(progress: "Progress") -> None:
            if progress.message:
                steps.note(progress.message)
            terms = "  ".join(f"{name} {value:.4g}" for name, value in progress.losses.items())
            seconds = progress.seconds_left
            remaining = "" if seconds is None else f"  {time_left(round(seconds))}"
            details = f"{terms}  {progress.pictures_per_second:.1f} images/s{remaining}"
            line = f"step {progress.step}/{progress.num_steps}  {details}"
            steps.show(
                progress.step,
                progress.num_steps,
                details=details if progress.losses else "",
                line="" if progress.message else line,
            )

        yield show


def _print_skipped(skipped: "tuple[SkippedPhotograph, ...]") -> None:
    if not skipped:
        return
    print_note(
        "1 file was skipped:" if len(skipped) == 1 else f"{len(skipped)} files were skipped:"
    )
    for photograph in skipped[:MAX_SKIPPED_LISTED]:
        print_note(f"  {photograph.name}: {photograph.reason}")
    if len(skipped) > MAX_SKIPPED_LISTED:
        print_note(f"  and {len(skipped) - MAX_SKIPPED_LISTED} more")
