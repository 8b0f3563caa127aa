"""`impasto evaluate styles`: styles measured on a folder of photographs, as a table.

Flags and outputs live here; the measuring is `impasto.evaluation.styles`'s.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from impasto.cli.display.console import usage_error
from impasto.cli.display.progress import PictureProgress
from impasto.cli.options import Json, Overwrite, with_option_records
from impasto.cli.table_output import TableFile, check_table, publish_table, save_sheet

if TYPE_CHECKING:
    from impasto.evaluation.styles import Contender, StyleEvaluation

SMALLEST_SIZE = 64


@dataclass(frozen=True, slots=True)
class ContenderOptions:
    """Flags that choose what is measured, and against which paintings."""

    paintings: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Folder of paintings to compare with; a file's name is its name."
        ),
    ]
    style: Annotated[
        list[str] | None,
        typer.Option(
            "--style",
            "-s",
            metavar="STYLE[=PAINTING]",
            help="Style's name or file, and its own painting if that has another name; repeatable.",
        ),
    ] = None
    pictures: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR=PAINTING",
            help="Folder of another program's pictures, named like the photographs; repeatable.",
        ),
    ] = None
    precision: Annotated[
        Literal["auto", "f32", "bf16"],
        typer.Option(metavar="auto|f32|bf16", help="Arithmetic precision of the styles."),
    ] = "f32"

    def contenders(self, paintings: dict[str, Path]) -> "list[Contender]":
        """What is measured, opened; by default every shipped style whose painting is there.

        Raises:
            typer.Exit: nothing to measure, two of one name, or no painting of the name.
            ImpastoError: a style or folder that cannot be used.
        """
        from impasto.cli.display.downloads import fetched
        from impasto.evaluation.styles import folder_contender, model_contender
        from impasto.zoo.registry import list_models, resolve_model

        styles = self.style or []
        # Shipped styles whose painting is not there are left out, since nobody asked for them by
        # name.
        if not styles and not self.pictures:
            shipped = [e.name for e in list_models(task="style-transfer") if e.released]
            styles = [name for name in shipped if name in paintings]
        contenders = []
        for text in styles:
            model, name, painting = _split(text, paintings)
            file = resolve_model(fetched(model), task="style-transfer")
            contenders.append(
                model_contender(name, file, painting=painting, precision=self.precision)
            )
        for text in self.pictures or ():
            folder, name, painting = _split(text, paintings)
            contenders.append(folder_contender(name, Path(folder), painting=painting))
        names = [contender.name for contender in contenders]
        if not names:
            raise usage_error(
                "there is nothing to measure; give --style, or --pictures DIR=PAINTING"
            )
        if twice := {name for name in names if names.count(name) > 1}:
            raise usage_error(
                f"two styles are called {sorted(twice)[0]}; give each a name of its own"
            )
        return contenders


@dataclass(frozen=True, slots=True)
class StyleReportOptions:
    """Flags of the table and the sheet."""

    output: TableFile = None
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Sheet of the first photographs in every style."),
    ] = None
    overwrite: Overwrite = False
    json: Json = False

    def check(self) -> None:
        """Refuse outputs that could not be written."""
        from impasto.images.files.output import check_target

        check_table(self.output, overwrite=self.overwrite)
        if self.sheet is not None:
            check_target(self.sheet, overwrite=self.overwrite)

    def publish(self, evaluation: "StyleEvaluation") -> None:
        """Print and write the table, and draw the sheet."""
        from impasto.evaluation.style_report import style_sheet, styles_to_json, styles_to_markdown

        if self.sheet is not None:
            save_sheet(style_sheet(evaluation), self.sheet, overwrite=self.overwrite)
        publish_table(
            styles_to_markdown(evaluation),
            styles_to_json(evaluation),
            output=self.output,
            overwrite=self.overwrite,
            as_json=self.json,
        )


@with_option_records
def evaluate_styles(
    *,
    photos: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of photographs to stylize and measure.")
    ],
    measured: ContenderOptions,
    size: Annotated[
        int,
        typer.Option(metavar="PIXELS", min=SMALLEST_SIZE, help="Side of the square photographs."),
    ] = 256,
    limit: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=1, help="Number of photographs; default: all."),
    ] = None,
    report: StyleReportOptions,
) -> None:
    """Measure styles on photographs, beside pictures that other programs made.

    Prints a table of medians in Markdown: losses, distances at layers that no training uses,
    structure, artefacts, and how often the nearest painting is the right one.
    """
    from impasto.images.files.io import list_pictures

    report.check()
    files = {path.stem: path for path in list_pictures(measured.paintings)}
    if not files:
        raise usage_error(f"{measured.paintings} has no pictures; expected a folder of paintings")
    photographs = list_pictures(photos)[:limit]
    report.publish(_measured(measured.contenders(files), photographs, files, size=size))


def _measured(
    contenders: "list[Contender]", photos: list[Path], paintings: dict[str, Path], *, size: int
) -> "StyleEvaluation":
    """Measure with a bar."""
    from impasto.data.paintings import load_painting
    from impasto.evaluation.style_measures import StyleScorer
    from impasto.evaluation.styles import evaluate_styles

    targets = {name: load_painting(file) for name, file in paintings.items()}
    with PictureProgress(len(photos)) as progress:
        return evaluate_styles(
            contenders,
            photos,
            StyleScorer(targets),
            size=size,
            on_progress=lambda _: progress.advance(),
        )


def _split(text: str, paintings: dict[str, Path]) -> tuple[str, str, str]:
    """What to open, its name in the table, and its painting, out of `THING[=PAINTING]`."""
    # From the right: a path may have an = in it.
    thing, _, painting = text.rpartition("=") if "=" in text else (text, "", "")
    if thing.endswith("#sha256"):  # the checksum of a URL, and no painting behind it
        thing, painting = text, ""
    name = Path(thing.partition("#sha256=")[0]).name.removesuffix(".onnx")
    painting = painting or name
    if painting not in paintings:
        raise usage_error(
            f"{text} is measured against the painting {painting}, which is not among "
            f"{', '.join(paintings)}; add =PAINTING"
        )
    return thing, name, painting
