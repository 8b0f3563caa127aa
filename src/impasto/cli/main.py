"""The command `impasto` and its subcommands."""

from typing import Annotated

import typer

from impasto import __version__
from impasto.cli import models, train
from impasto.cli.console import answer, one_line_errors
from impasto.cli.stylize import stylize

app = typer.Typer(
    name="impasto",
    help="Repaint photographs in the style of paintings, and train new styles.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("stylize", no_args_is_help=True)(one_line_errors(stylize))
app.add_typer(models.app, name="models")
app.add_typer(train.app, name="train")


def _show_version(wanted: bool) -> None:
    if wanted:
        answer(f"impasto {__version__}")
        raise typer.Exit


@app.callback()
def _impasto(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Repaint photographs in the style of paintings, and train new styles."""


def main() -> None:
    """Run the command line."""
    app()
