"""`impasto stylize`: photographs in, repainted photographs out."""

from typing import Annotated

import typer

from impasto.cli.pictures import (
    Backend,
    Bits,
    Json,
    Lossless,
    Output,
    Overwrite,
    Photos,
    Precision,
    Quality,
    SkipExisting,
    Transformation,
    Writing,
    transform_files,
)

# The range that runtime.stylizer accepts; importing it would make --help slow.
MINIMUM_SIZE, MAXIMUM_SIZE = 16, 16_384

Style = Annotated[
    str,
    typer.Option(
        "--style", "-s", metavar="STYLE", help="A style's name (see 'impasto models') or file."
    ),
]
Size = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS",
        min=MINIMUM_SIZE,
        max=MAXIMUM_SIZE,
        help="Resize the longer side to this first.",
    ),
]
Strength = Annotated[
    float,
    typer.Option(metavar="SHARE", min=0, max=1, help="0 is the photograph, 1 the full style."),
]
KeepColors = Annotated[
    bool, typer.Option("--keep-colors", help="Keep the photograph's colours, paint its light.")
]


def stylize(
    photos: Photos,
    *,
    style: Style,
    output: Output,
    size: Size = None,
    strength: Strength = 1.0,
    keep_colors: KeepColors = False,
    precision: Precision = "auto",
    backend: Backend = "auto",
    quality: Quality = 92,
    lossless: Lossless = False,
    bits: Bits = "auto",
    skip_existing: SkipExisting = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Repaint photographs in a trained style.

    PHOTO is a photograph, a folder of them, or - for one from a pipe. One photograph becomes the
    file OUT, whose suffix decides the format. Several, or a folder, go into the folder OUT with
    their names and nested folders. A pipe gets PNG. Folders that are missing are made.
    Animations stay animations where the format has them.

    A file that exists is an error, and nothing is done, unless --overwrite or --skip-existing is
    given. If some of several photographs fail, the others are done and the exit status is 1.
    """
    writing = Writing(
        quality=quality,
        lossless=lossless,
        bits=bits,
        skip_existing=skip_existing,
        overwrite=overwrite,
        json=json,
    )

    def load() -> Transformation:
        from impasto.runtime.stylizer import Stylizer

        stylizer = Stylizer(style, precision=precision, backend=backend)
        return Transformation(
            name=stylizer.card.name,
            key="style",
            precision=stylizer.precision_for,
            apply=lambda picture: stylizer.stylize(
                picture, size=size, strength=strength, keep_colors=keep_colors
            ),
            smaller="give a smaller one with --size",
        )

    transform_files(photos, output, load, writing)
