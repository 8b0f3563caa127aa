"""The command `impasto` and its subcommands."""

import io
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from impasto import __version__
from impasto.cli import models, train
from impasto.cli.batch import batch
from impasto.cli.camera import camera
from impasto.cli.display.console import explain, let_go_of_stdout, one_line_errors, print_result
from impasto.cli.evaluate import evaluate_super_resolution
from impasto.cli.evaluate_styles import evaluate_styles
from impasto.cli.invert import invert
from impasto.cli.optimize import optimize
from impasto.cli.reproduce import reproduce
from impasto.cli.stylize import stylize
from impasto.cli.upscale import upscale
from impasto.system.signals import end_as_by_ctrl_c

app = typer.Typer(
    name="impasto",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("stylize", no_args_is_help=True)(one_line_errors(stylize))
app.command("upscale", no_args_is_help=True)(one_line_errors(upscale))
app.command("batch", no_args_is_help=True)(one_line_errors(batch))
app.command("camera", no_args_is_help=True)(one_line_errors(camera))
app.command("optimize", no_args_is_help=True)(one_line_errors(optimize))
app.command("invert", no_args_is_help=True)(one_line_errors(invert))
app.command("reproduce", no_args_is_help=True)(one_line_errors(reproduce))
evaluate = typer.Typer(help="Measure models on pictures.", no_args_is_help=True)
evaluate.command("sr", no_args_is_help=True)(one_line_errors(evaluate_super_resolution))
evaluate.command("styles", no_args_is_help=True)(one_line_errors(evaluate_styles))
app.add_typer(evaluate, name="evaluate")
app.add_typer(models.app, name="models")
app.add_typer(train.app, name="train")


def _show_version(is_asked: bool) -> None:
    if is_asked:
        print_result(f"impasto {__version__}")
        raise typer.Exit


@app.callback()
def _impasto(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Stylize photographs after paintings, upscale them, and train new models."""


def main() -> None:
    """Run the command line with the program's arguments, and exit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # File names may hold any bytes, and texts characters that the terminal lacks.
        is_utf8 = sys.stdout.encoding.lower() in ("utf-8", "utf8")
        sys.stdout.reconfigure(errors="surrogateescape" if is_utf8 else "backslashreplace")
    # Here and not in `run`: a program that calls it has signal handlers of its own.
    end_as_by_ctrl_c()
    status = run(sys.argv[1:])
    # Last: Python flushes stdout once more as it exits, and a reader that is gone would be
    # reported.
    let_go_of_stdout()
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit status.

    An error of the command line itself, such as an unknown option, takes one line too.
    """
    try:
        # By itself click prints its errors in three lines, with the usage above, and exits.
        status = app(list(arguments), prog_name="impasto", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        status = explain(error)
        if status is None:
            raise
    return int(status or 0)
