"""`impasto invert`: what the layers of the loss network keep of a picture, as a sheet."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from impasto.cli.display.console import print_result, usage_error
from impasto.cli.display.progress import PacedLines

if TYPE_CHECKING:
    from torch import Tensor

    from impasto.optimization.picture_optimizer import OptimizationSettings

SECONDS_BETWEEN_LINES = 5.0


def invert(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", hidden=True)],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="The sheet to draw.")
    ],
    loss: Annotated[
        Literal["feature", "style"],
        typer.Option(metavar="feature|style", help="Which loss is to be inverted."),
    ] = "feature",
    layers: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER",
            help="A column's layer, or layers with commas between; the paper's if none is given.",
        ),
    ] = None,
    size: Annotated[
        int, typer.Option(metavar="PIXELS", min=32, max=2048, help="The longer side.")
    ] = 256,
    iterations: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="Evaluations of the loss, a column.")
    ] = 200,
    smoothness: Annotated[
        float | None,
        typer.Option(metavar="WEIGHT", min=0, help="Of the total variation; 0.5, for style 0.05."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="NUMBER", min=0, help="Of the noise.")] = 0,
    each: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also keep each picture, as PNG.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace pictures that exist.")
    ] = False,
) -> None:
    """Show what the loss network's layers keep of a picture, and what they leave free.

    PICTURE is searched for from noise, by its features at a layer, or by the Gram matrices of
    several. The sheet has the picture first, and then a column for each.
    """
    from impasto.images.contact_sheet import contact_sheet
    from impasto.images.files.io import Picture, load_picture, resize_longer_side, save_picture
    from impasto.images.files.output import check_target, save_or_keep
    from impasto.optimization.picture_optimizer import OptimizationSettings
    from impasto.runtime.input_pictures import fill_transparent
    from impasto.tensors import to_array, to_tensor

    def save(made: Picture, place: Path) -> None:
        save_or_keep(lambda place: save_picture(made, place, overwrite=overwrite), place)

    check_target(output, overwrite=overwrite)
    columns = _columns(loss, layers)
    names = ["+".join(column) for column in columns]
    if each is not None:
        each.mkdir(parents=True, exist_ok=True)
        for name in names:
            check_target(each / f"{name}.png", overwrite=overwrite)
    rgb = fill_transparent(resize_longer_side(load_picture(picture, longer_side=size), size))
    target = to_tensor(rgb)
    settings = OptimizationSettings(num_iterations=iterations, seed=seed)
    found = []
    for name, column in zip(names, columns, strict=True):
        inverted = _invert(target, loss, column, settings, smoothness)
        found.append(to_array(inverted))
        if each is not None:
            save(Picture(rgb=found[-1]), each / f"{name}.png")
    sheet = contact_sheet([[rgb, *found]], cell_size=size, column_labels=["", *names])
    save(Picture(rgb=sheet), output)
    print_result(str(output))


def _columns(loss: str, layers: list[str] | None) -> list[tuple[str, ...]]:
    from impasto.losses.loss_network import LAYER_NAMES
    from impasto.optimization.inversion import PAPER_FEATURE_LAYERS, PAPER_STYLE_SETS

    if not layers:
        return list(PAPER_STYLE_SETS) if loss == "style" else [(x,) for x in PAPER_FEATURE_LAYERS]
    columns = [tuple(column.replace(" ", "").split(",")) for column in layers]
    unknown = [layer for column in columns for layer in column if layer not in LAYER_NAMES]
    if unknown:
        raise usage_error(
            f"--layers was given {unknown[0]!r}; expected among {', '.join(LAYER_NAMES)}"
        )
    if loss == "feature" and any(len(column) > 1 for column in columns):
        raise usage_error("features are inverted one layer at a time; give --layers once for each")
    return columns


def _invert(
    target: "Tensor",
    loss: str,
    layers: tuple[str, ...],
    settings: "OptimizationSettings",
    smoothness: float | None,
) -> "Tensor":
    from impasto.optimization.inversion import invert_features, invert_style
    from impasto.optimization.picture_optimizer import OptimizationProgress

    name, lines = "+".join(layers), PacedLines(SECONDS_BETWEEN_LINES)

    def report(progress: OptimizationProgress) -> None:
        count = f"{progress.num_iterations}/{settings.num_iterations}"
        lines.print(
            f"{name}  iteration {count}  {progress.value:.4g}",
            is_last=progress.num_iterations >= settings.num_iterations,
        )

    given = {} if smoothness is None else {"smoothness": smoothness}
    if loss == "style":
        return invert_style(target, layers, settings, on_progress=report, **given)
    return invert_features(target, layers[0], settings, on_progress=report, **given)
