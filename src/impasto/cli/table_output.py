"""The table of an evaluation, printed and written to a file, and its sheet of pictures."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impasto.cli.display.console import print_json, print_result, usage_error
from impasto.errors import PictureFileError
from impasto.files import check_output, write_whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TableFile = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="OUT", help="File for the table, .md or .json."),
]


def check_table(output: Path | None, *, overwrite: bool) -> None:
    """Refuse a file that the table could not be written to.

    Raises:
        typer.Exit: a suffix other than .md and .json.
        ImpastoError: a folder or device, a missing folder, or a file that exists.
    """
    if output is None:
        return
    if output.suffix.lower() not in (".md", ".json"):
        raise usage_error(f"-o was given {output}; expected a name that ends in .md or .json")
    check_output(output, overwrite=overwrite, error=PictureFileError)


def publish_table(
    text: str, content: dict[str, Any], *, output: Path | None, overwrite: bool, as_json: bool
) -> None:
    """Write the table to its file, if there is one, and print it.

    Args:
        text: in Markdown.
        content: the same as plain data.
        output: .md or .json; None writes no file.
        overwrite: a file that is there may be replaced.
        as_json: print the data in place of the text.
    """
    # The file first: what was measured is saved, even if stdout is closed.
    if output is not None:
        is_json = output.suffix.lower() == ".json"
        written = json.dumps(content, indent=2) + "\n" if is_json else text
        write_whole(output, written.encode(), replace=overwrite)
    if as_json:
        print_json(content)
    else:
        print_result(text.rstrip("\n"))


def save_sheet(rgb: "NDArray[np.float32]", sheet: Path, *, overwrite: bool) -> None:
    """Write a sheet of pictures; where a file has appeared meanwhile, beside it.

    Args:
        rgb: H×W×3 in [0, 1].
        sheet: path of the picture file.
        overwrite: a file that is there may be replaced.
    """
    # Here, because the images room makes --help slow.
    from impasto.images.files.io import Picture, save_picture
    from impasto.images.files.output import save_or_keep

    save_or_keep(lambda path: save_picture(Picture(rgb=rgb), path, overwrite=overwrite), sheet)
