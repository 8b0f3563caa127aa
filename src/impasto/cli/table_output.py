"""The table of an evaluation: printed, and written to a file."""

import json
from pathlib import Path
from typing import Any

from impasto.cli.display.console import print_json, print_result, usage_error
from impasto.errors import PictureFileError
from impasto.files import check_output, write_whole


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
