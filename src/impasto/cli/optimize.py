"""`impasto optimize`: one picture, optimised towards a photograph and a painting.

Flags and progress live here; the optimisation is `impasto.optimization.run`'s.
"""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from impasto.cli.display.console import (
    EXIT_OF_SIGNALS,
    print_error,
    print_json,
    print_result,
    usage_error,
)
from impasto.cli.display.downloads import fetched
from impasto.cli.display.progress import PacedLines
from impasto.cli.options import Device, Json, Overwrite, with_option_records

if TYPE_CHECKING:
    from impasto.losses.style_objective import ObjectiveSettings
    from impasto.optimization.picture_optimizer import OptimizationProgress
    from impasto.optimization.style import StyleOptimization

SECONDS_BETWEEN_LINES = 5.0


@dataclass(frozen=True, slots=True)
class ObjectiveOptions:
    """Flags that choose the objective."""

    preset: Annotated[
        Literal["default", "arxiv", "eccv", "released"],
        typer.Option(metavar="NAME", help="Objective: default, arxiv, eccv or released."),
    ] = "default"
    like: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Use the objective that this style was trained with."),
    ] = None
    content_layer: Annotated[
        str | None,
        typer.Option(
            metavar="LAYER", help="Content layer in place of the preset's, such as relu3_3."
        ),
    ] = None
    style_layers: Annotated[
        str | None,
        typer.Option(
            metavar="LAYERS",
            help="Style layers in place of the preset's, such as relu1_2,relu2_2.",
        ),
    ] = None
    style_balance: Annotated[
        float, typer.Option(metavar="FACTOR", help="Weight of style; 2 doubles it.")
    ] = 1.0

    def check(self) -> None:
        """Refuse what `like` already says.

        Raises:
            typer.Exit: with status 2, after a line that names the flag.
        """
        if self.like is None:
            return
        # `--preset default` cannot be told from no preset, and changes nothing.
        if self.content_layer or self.style_layers or self.preset != "default":
            raise usage_error("--like takes preset and layers from the model; leave them out")
        if self.style_balance != 1.0:
            raise usage_error("--like takes the balance from the model; leave --style-balance out")

    def settings(self) -> "ObjectiveSettings":
        """The objective of the preset or of the trained style.

        Raises:
            ImpastoError: an unknown layer, or a model without an objective.
        """
        from impasto.losses.style_objective import objective_settings
        from impasto.training.recorded_objective import objective_of
        from impasto.zoo.registry import resolve_model

        if self.like is not None:
            return objective_of(resolve_model(fetched(self.like), task="style-transfer").card)
        layers = self.style_layers
        return objective_settings(
            self.preset,
            content_layer=self.content_layer,
            style_layers=None if layers is None else tuple(layers.replace(" ", "").split(",")),
            style_balance=self.style_balance,
        )


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Flags of the search: sizes, start, steps, arithmetic."""

    size: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            min=32,
            max=8192,
            help="Resize the photograph's longer side to this first.",
        ),
    ] = None
    iterations: Annotated[
        int,
        typer.Option(metavar="NUMBER", min=1, help="Evaluations of the objective at each level."),
    ] = 500
    start: Annotated[
        Literal["noise", "content"],
        typer.Option(metavar="noise|content", help="Starting picture: noise or the photograph."),
    ] = "noise"
    seed: Annotated[int, typer.Option(metavar="NUMBER", min=0, help="Seed of the noise.")] = 0
    method: Annotated[
        Literal["lbfgs", "adam"], typer.Option(metavar="lbfgs|adam", help="Optimizer.")
    ] = "lbfgs"
    painting_size: Annotated[
        int,
        typer.Option(metavar="PIXELS", min=32, max=4096, help="Shorter side of the painting."),
    ] = 256
    single_scale: Annotated[
        bool, typer.Option("--single-scale", help="Optimise large pictures at full size only.")
    ] = False
    device: Device = "auto"
    bf16: Annotated[
        bool,
        typer.Option("--bf16", help="Compute in bf16: faster, but a slightly higher objective."),
    ] = False

    def optimization(
        self, photo: Path, painting: Path, objective: ObjectiveOptions
    ) -> "StyleOptimization":
        """The optimisation of a photograph towards a painting."""
        from impasto.images.files.io import load_picture
        from impasto.optimization.picture_optimizer import OptimizationSettings
        from impasto.optimization.style import StyleOptimization

        return StyleOptimization(
            photograph=load_picture(photo, longer_side=self.size),
            painting=painting,
            objective=objective.settings(),
            settings=OptimizationSettings(
                method=self.method, num_iterations=self.iterations, seed=self.seed
            ),
            size=self.size,
            start=self.start,
            painting_short_side=self.painting_size,
            multi_level=not self.single_scale,
            device=self.device,
            bf16=self.bf16,
        )


@with_option_records
def optimize(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", hidden=True)],
    painting: Annotated[Path, typer.Argument(metavar="PAINTING", hidden=True)],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Picture to write.")
    ],
    search: SearchOptions,
    objective: ObjectiveOptions,
    save_every: Annotated[
        int,
        typer.Option(
            metavar="NUMBER", min=0, help="Save the picture in OUT.run every NUMBER iterations."
        ),
    ] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a stopped search.")] = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Optimise a picture towards a photograph's content and a painting's style.

    PHOTO is the photograph, PAINTING the painting. The method of Gatys et al. takes minutes for
    every picture where a trained style takes a fraction of a second. It needs no training, and
    shows what a style could become. Ctrl-C saves the search; --resume continues it.
    """
    from impasto.images.files.io import save_picture
    from impasto.images.files.output import check_target, save_or_keep
    from impasto.optimization.run import optimize_photograph
    from impasto.training.interruption import stop_on_signals

    # Refused here: the photograph is decoded and the loss network loaded further down.
    objective.check()
    check_target(output, overwrite=overwrite)
    # With the suffix: cat.png and cat.jpg are two searches.
    folder = output.with_name(output.name + ".run")
    checkpoint, stop = folder / "state.safetensors", threading.Event()
    optimization = search.optimization(photo, painting, objective)
    recorder = _Recorder(search.iterations, folder, save_every=save_every)
    with stop_on_signals(stop) as signals:
        picture = optimize_photograph(
            optimization,
            checkpoint=checkpoint,
            resume=resume,
            on_progress=recorder,
            stop_requested=stop.is_set,
        )
    if picture is None:
        print_error(f"stopped and saved in {folder}; go on with the same command and --resume")
        raise typer.Exit(EXIT_OF_SIGNALS + signals.first)
    save_or_keep(lambda path: save_picture(picture, path, overwrite=overwrite), output)
    # After the picture is written: until then --resume can start from it again.
    checkpoint.unlink(missing_ok=True)
    if json:
        print_json({"picture": str(output), **recorder.summary()})
    else:
        print_result(str(output))


class _Recorder:
    """Receives the progress: prints lines, saves pictures on the way, keeps the last report.

    Args:
        num_iterations: of each level.
        folder: for the pictures on the way.
        save_every: iterations between two of them; 0 saves none.
    """

    def __init__(self, num_iterations: int, folder: Path, *, save_every: int) -> None:
        self._num_iterations = num_iterations
        self._folder = folder
        self._save_every = save_every
        self._lines = PacedLines(SECONDS_BETWEEN_LINES)
        self._started = time.monotonic()
        self._last: OptimizationProgress | None = None
        # Level, then count: iterations begin again at each level.
        self._last_save = (0, 0)

    def __call__(self, progress: "OptimizationProgress") -> None:
        self._last = progress
        height, width = progress.picture.shape[2:]
        terms = "  ".join(f"{name} {value:.4g}" for name, value in progress.terms.items())
        self._lines.print(
            f"{width}×{height}  iteration {progress.num_iterations}/{self._num_iterations}  "
            f"lowest {progress.value:.4g}  {terms}",
            is_last=progress.num_iterations >= self._num_iterations,
        )
        if not self._save_every:
            return
        from impasto.images.files.io import Picture, save_picture
        from impasto.tensors import to_array

        # L-BFGS evaluates several times a step, so a report may skip the exact multiple.
        save = (progress.level, progress.num_iterations // self._save_every)
        if save <= self._last_save:
            return
        self._last_save = save
        if progress.num_iterations >= self._save_every:
            self._folder.mkdir(parents=True, exist_ok=True)
            name = f"scale-{progress.level}-iteration-{progress.num_iterations:05d}.png"
            picture = Picture(rgb=to_array(progress.picture))
            save_picture(picture, self._folder / name, overwrite=True)

    def summary(self) -> dict[str, object]:
        """The last report, for JSON."""
        assert self._last is not None
        return {
            "iterations": self._last.num_iterations,
            "objective": self._last.value,
            "terms": self._last.terms,
            "seconds": round(time.monotonic() - self._started, 1),
        }
