"""`impasto optimize`: a photograph and a painting in, the picture that suits both out, slowly."""

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from impasto.cli.display.console import (
    EXIT_OF_SIGNALS,
    print_error,
    print_json,
    print_note,
    print_result,
    usage_error,
)
from impasto.cli.display.downloads import fetched

if TYPE_CHECKING:
    from impasto.losses.style_objective import ObjectiveSettings
    from impasto.optimization.picture_optimizer import OptimizationProgress

SECONDS_BETWEEN_LINES = 5.0


def optimize(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", hidden=True)],
    painting: Annotated[Path, typer.Argument(metavar="PAINTING", hidden=True)],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="The picture to write.")
    ],
    size: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            min=32,
            max=8192,
            help="Resize the photograph's longer side to this first.",
        ),
    ] = None,
    iterations: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="Evaluations of the objective, a size.")
    ] = 500,
    start: Annotated[
        Literal["noise", "content"],
        typer.Option(metavar="noise|content", help="Begin with noise or the photograph."),
    ] = "noise",
    method: Annotated[
        Literal["lbfgs", "adam"], typer.Option(metavar="lbfgs|adam", help="How to go down.")
    ] = "lbfgs",
    preset: Annotated[
        Literal["default", "arxiv", "eccv", "released"],
        typer.Option(metavar="NAME", help="default, arxiv, eccv or released."),
    ] = "default",
    like: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="The objective that this style was trained by."),
    ] = None,
    content_layer: Annotated[
        str | None, typer.Option(metavar="LAYER", help="Such as relu3_3, over the preset's.")
    ] = None,
    style_layers: Annotated[
        str | None, typer.Option(metavar="LAYERS", help="Such as relu1_2,relu2_2; likewise.")
    ] = None,
    style_balance: Annotated[
        float, typer.Option(metavar="FACTOR", help="2 doubles the weight of style.")
    ] = 1.0,
    painting_size: Annotated[
        int,
        typer.Option(metavar="PIXELS", min=32, max=4096, help="The painting's shorter side."),
    ] = 256,
    single_scale: Annotated[
        bool, typer.Option("--single-scale", help="Do not begin large pictures small.")
    ] = False,
    save_every: Annotated[
        int,
        typer.Option(
            metavar="NUMBER", min=0, help="Keep the picture every so many iterations, in OUT.run."
        ),
    ] = 0,
    seed: Annotated[int, typer.Option(metavar="NUMBER", min=0, help="Of the noise.")] = 0,
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option(metavar="auto|cpu|cuda", help="auto takes a GPU where there is one."),
    ] = "auto",
    bf16: Annotated[
        bool, typer.Option("--bf16", help="Faster; ends a little above what f32 reaches.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it was stopped.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a picture that exists.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Search for the picture that joins a photograph's content and a painting's style.

    PHOTO is the photograph, PAINTING the painting: the method of Gatys et al., which takes minutes
    for every picture where a trained style takes a fraction of a second. It needs no training, and
    shows what a style could become. Ctrl-C saves; --resume goes on.
    """
    from impasto.images.files.io import Picture, load_picture, save_picture
    from impasto.images.files.output import check_target, save_or_keep
    from impasto.optimization.picture_optimizer import OptimizationSettings
    from impasto.optimization.run import optimize_photograph
    from impasto.optimization.style import StyleOptimization
    from impasto.tensors import to_array
    from impasto.training.interruption import stop_on_signals

    if like is not None and (content_layer or style_layers or preset != "default"):
        raise usage_error("--like takes preset and layers from the model; leave them out")
    check_target(output, overwrite=overwrite)
    folder = output.with_name(output.name + ".run")
    wanted = StyleOptimization(
        photograph=load_picture(photo, longer_side=size),
        painting=painting,
        objective=_objective(like, preset, content_layer, style_layers, style_balance),
        settings=OptimizationSettings(method=method, num_iterations=iterations, seed=seed),
        size=size,
        start=start,
        painting_short_side=painting_size,
        multi_level=not single_scale,
        device=device,
        bf16=bf16,
    )
    reporter = _Reporter(iterations)

    def keep(progress: "OptimizationProgress") -> None:
        reporter(progress)
        if save_every and reporter.passed(progress, save_every):
            folder.mkdir(parents=True, exist_ok=True)
            rgb = to_array(progress.picture)
            name = f"scale-{progress.level}-iteration-{progress.num_iterations:05d}.png"
            save_picture(Picture(rgb=rgb), folder / name, overwrite=True)

    checkpoint, stop = folder / "state.safetensors", threading.Event()
    with stop_on_signals(stop) as heard:
        picture = optimize_photograph(
            wanted,
            checkpoint=checkpoint,
            resume=resume,
            on_progress=keep,
            stop_requested=stop.is_set,
        )
    if picture is None:
        print_error(f"stopped and saved in {folder}; go on with the same command and --resume")
        raise typer.Exit(EXIT_OF_SIGNALS + heard.first)
    save_or_keep(lambda place: save_picture(picture, place, overwrite=overwrite), output)
    checkpoint.unlink(missing_ok=True)
    if json:
        print_json({"picture": str(output), **reporter.outcome()})
    else:
        print_result(str(output))


def _objective(
    like: str | None,
    preset: str,
    content_layer: str | None,
    style_layers: str | None,
    style_balance: float,
) -> "ObjectiveSettings":
    from impasto.losses.style_objective import objective_settings
    from impasto.training.recorded_objective import objective_of
    from impasto.zoo.registry import resolve_model

    if like is not None:
        if style_balance != 1.0:
            raise usage_error("--like takes the balance from the model; leave --style-balance out")
        return objective_of(resolve_model(fetched(like), task="style-transfer").card)
    layers = None if style_layers is None else tuple(style_layers.replace(" ", "").split(","))
    return objective_settings(
        preset, content_layer=content_layer, style_layers=layers, style_balance=style_balance
    )


class _Reporter:
    """Lines on stderr every few seconds, and what is told at the end."""

    def __init__(self, num_iterations: int) -> None:
        self._num_iterations = num_iterations
        self._started = time.monotonic()
        self._next_line = 0.0
        self._last: OptimizationProgress | None = None
        self._kept = (0, 0)

    def __call__(self, progress: "OptimizationProgress") -> None:
        self._last = progress
        is_last = progress.num_iterations >= self._num_iterations
        if time.monotonic() < self._next_line and not is_last:
            return
        self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
        height, width = progress.picture.shape[2:]
        terms = "  ".join(f"{name} {value:.4g}" for name, value in progress.terms.items())
        print_note(
            f"{width}×{height}  iteration {progress.num_iterations}/{self._num_iterations}  "
            f"lowest {progress.value:.4g}  {terms}"
        )

    def passed(self, progress: "OptimizationProgress", every: int) -> bool:
        """Whether a multiple of `every` iterations was passed since this was last true."""
        now = (progress.level, progress.num_iterations // every)
        if now <= self._kept:
            return False
        self._kept = now
        return progress.num_iterations >= every

    def outcome(self) -> dict[str, object]:
        """What was reached, for JSON."""
        assert self._last is not None
        return {
            "iterations": self._last.num_iterations,
            "objective": self._last.value,
            "terms": self._last.terms,
            "seconds": round(time.monotonic() - self._started, 1),
        }
