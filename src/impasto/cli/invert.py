"""`impasto invert`: pictures rebuilt from one layer's features or Gram matrices, on a sheet.

The optimisation is `impasto.optimization.inversion`'s, the sheet `impasto.images.contact_sheet`'s.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from impasto.cli.display.console import print_result, usage_error
from impasto.cli.display.progress import PacedLines
from impasto.cli.options import Overwrite, with_option_records

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from impasto.optimization.picture_optimizer import OptimizationProgress

SECONDS_BETWEEN_LINES = 5.0


@dataclass(frozen=True, slots=True)
class InversionOptions:
    """Flags of the inversion: loss, layers, size, steps."""

    loss: Annotated[
        Literal["feature", "style"], typer.Option(metavar="feature|style", help="Loss to invert.")
    ] = "feature"
    layers: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER",
            help="Layer of a column, or several with commas; repeatable. Default: the paper's.",
        ),
    ] = None
    size: Annotated[
        int, typer.Option(metavar="PIXELS", min=32, max=2048, help="Longer side of each picture.")
    ] = 256
    iterations: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="Evaluations of the loss for each column.")
    ] = 200
    smoothness: Annotated[
        float | None,
        typer.Option(
            metavar="WEIGHT", min=0, help="Weight of total variation; default 0.5, style 0.05."
        ),
    ] = None
    seed: Annotated[int, typer.Option(metavar="NUMBER", min=0, help="Seed of the noise.")] = 0

    def columns(self) -> list[tuple[str, ...]]:
        """The layers of each column.

        Raises:
            typer.Exit: an unknown layer, or several in one column of features.
        """
        from impasto.losses.loss_network import LAYER_NAMES
        from impasto.optimization.inversion import PAPER_FEATURE_LAYERS, PAPER_STYLE_SETS

        if not self.layers and self.loss == "style":
            return list(PAPER_STYLE_SETS)
        if not self.layers:
            return [(layer,) for layer in PAPER_FEATURE_LAYERS]
        columns = [tuple(column.replace(" ", "").split(",")) for column in self.layers]
        unknown = [layer for column in columns for layer in column if layer not in LAYER_NAMES]
        if unknown:
            raise usage_error(
                f"--layers was given {unknown[0]!r}; expected among {', '.join(LAYER_NAMES)}"
            )
        if self.loss == "feature" and any(len(column) > 1 for column in columns):
            raise usage_error(
                "features are inverted one layer at a time; give --layers once for each"
            )
        return columns

    def invert(self, target: "Tensor", layers: tuple[str, ...]) -> "NDArray[np.float32]":
        """Rebuild a picture of 1×3×H×W from its features or Gram matrices; returns H×W×3."""
        from impasto.optimization.inversion import invert_features, invert_style
        from impasto.optimization.picture_optimizer import OptimizationSettings
        from impasto.tensors import to_array

        name, lines = "+".join(layers), PacedLines(SECONDS_BETWEEN_LINES)

        def report(progress: "OptimizationProgress") -> None:
            count = f"{progress.num_iterations}/{self.iterations}"
            lines.print(
                f"{name}  iteration {count}  {progress.value:.4g}",
                is_last=progress.num_iterations >= self.iterations,
            )

        settings = OptimizationSettings(num_iterations=self.iterations, seed=self.seed)
        # The two losses have defaults of their own, which are kept in `inversion`.
        weight = {} if self.smoothness is None else {"smoothness": self.smoothness}
        if self.loss == "style":
            return to_array(invert_style(target, layers, settings, on_progress=report, **weight))
        # `columns` has refused more than one.
        (layer,) = layers
        return to_array(invert_features(target, layer, settings, on_progress=report, **weight))


@with_option_records
def invert(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", hidden=True)],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Contact sheet to write.")
    ],
    inversion: InversionOptions,
    each: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for each column's picture, PNG.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Show what the loss network's layers keep of a picture, and what they leave free.

    Starting from noise, PICTURE is rebuilt from its features at one layer, or from its Gram
    matrices at several. The sheet shows the picture, and then a column for each.
    """
    from impasto.images.contact_sheet import contact_sheet
    from impasto.images.files.io import Picture, load_picture, resize_longer_side, save_picture
    from impasto.images.files.output import check_target, save_or_keep
    from impasto.runtime.input_pictures import fill_transparent
    from impasto.tensors import to_tensor

    def save(rgb: "NDArray[np.float32]", path: Path) -> None:
        save_or_keep(lambda path: save_picture(Picture(rgb), path, overwrite=overwrite), path)

    check_target(output, overwrite=overwrite)
    columns = inversion.columns()
    names = ["+".join(layers) for layers in columns]
    if each is not None:
        each.mkdir(parents=True, exist_ok=True)
        for name in names:
            # All of them, before the first takes its minutes.
            check_target(each / f"{name}.png", overwrite=overwrite)
    size = inversion.size
    rgb = fill_transparent(resize_longer_side(load_picture(picture, longer_side=size), size))
    target = to_tensor(rgb)
    rebuilt = []
    for name, layers in zip(names, columns, strict=True):
        rebuilt.append(inversion.invert(target, layers))
        if each is not None:
            save(rebuilt[-1], each / f"{name}.png")
    save(contact_sheet([[rgb, *rebuilt]], cell_size=size, column_labels=["", *names]), output)
    print_result(str(output))
