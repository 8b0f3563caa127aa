"""How commands speak: results to stdout, everything else to stderr, errors in one line."""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, ParamSpec, TextIO

import typer

from impasto.errors import (
    ImpastoError,
    MissingExtraError,
    OutputAppearedError,
    OutputExistsError,
    TrainingInterrupted,
    VideoInterrupted,
)
from impasto.files import reason_of
from impasto.system import signals
from impasto.system.visible_text import visible

LAYOUT = "\n\t"
"""What is ours in a text of several lines."""

Arguments = ParamSpec("Arguments")

EXIT_FAILED_FILES = 1
EXIT_USER_ERROR = 2
EXIT_OF_SIGNALS = 128
"""With the number of the signal added: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP."""

TRAIN_PACKAGES = {
    "torch", "lightning", "onnx", "onnxscript", "safetensors", "tensorboard", "jaxtyping",
    "matplotlib",
}  # fmt: skip
RAY_PACKAGES = {"ray", "pyarrow", "fsspec", "pandas"}
EXTRAS = (
    dict.fromkeys(TRAIN_PACKAGES, "train") | dict.fromkeys(RAY_PACKAGES, "ray") | {"av": "video"}
)
"""Packages that only an extra brings, and which."""


# Typer brings its own copy of click or shares an installed one; this base class is in both.
USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]


def print_note(message: str) -> None:
    """Say something to the person, on stderr; what is invisible in it is written out.

    Nothing happens where the terminal is gone.
    """
    with contextlib.suppress(OSError):
        print(visible(message, but=LAYOUT), file=sys.stderr, flush=True)  # noqa: T201


def print_result(text: str) -> None:
    """Print a result, on stdout; what is invisible in it is written out."""
    print(visible(text, but=LAYOUT), flush=True)  # noqa: T201


def print_path(path: str) -> None:
    """Print the path of a result, on stdout: for a pipe as it is, whatever is in it."""
    if is_terminal(sys.stdout):
        print_result(path)
    else:
        print(path, flush=True)  # noqa: T201


def print_json(content: Any) -> None:
    """Print a result as JSON, on stdout."""
    print_result(json.dumps(content, indent=2))


def let_go_of_stdout() -> None:
    """Send nowhere what stdout did not take, so that Python's last flush does not fail again."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextlib.contextmanager
def silent_libraries() -> Iterator[None]:
    """Keep what C libraries print to stderr of damaged files out of sight; our line says it.

    Python's own stderr goes on through a copy of the descriptor. The descriptor is the whole
    process's: enter this once, around all threads.
    """
    try:
        copy = os.dup(2)
    except OSError:  # closed: there is nothing to see
        yield
        return
    ours = sys.stderr
    if _writes_to(ours, 2):
        ours.flush()
        sys.stderr = open(  # noqa: SIM115  (a descriptor, closed below)
            copy, "w", buffering=1, encoding=ours.encoding, errors=ours.errors, closefd=False
        )
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        if sys.stderr is not ours:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.flush()
            sys.stderr = ours
        os.dup2(copy, 2)
        os.close(copy)


def _writes_to(stream: TextIO | None, descriptor: int) -> bool:
    try:
        return stream is not None and stream.fileno() == descriptor
    except (OSError, ValueError):  # a stream of something else than a file
        return False


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person sees or types what goes through a standard stream, which may be closed."""
    return stream is not None and stream.isatty()


def print_error(message: str) -> None:
    """Say what is wrong, on stderr, in one line whatever the message holds."""
    words = " ".join(message.split())
    print_note(f"impasto: {visible(words)}")


def usage_error(message: str) -> typer.Exit:
    """Say what is wrong in one line; raise what this returns."""
    print_error(message)
    return typer.Exit(EXIT_USER_ERROR)


def one_line_errors(command: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Let a command end with one line, never a traceback, on whatever a user can cause."""

    @wraps(command)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (Exception, KeyboardInterrupt) as error:
            status = explain(error)
            if status is None:
                raise
            raise typer.Exit(status) from None

    return wrapped


def explain(error: BaseException) -> int | None:
    """Say in one line what went wrong, and return the exit status; None for a bug of ours."""
    ended_by = signals.signal_behind(error)
    match error:
        case _ if ended_by is not None:
            print_error(_how_it_ended(error))
            return EXIT_OF_SIGNALS + ended_by
        case BrokenPipeError():
            return EXIT_FAILED_FILES  # nobody listens any more
        case VideoInterrupted():
            print_error(str(error))
            return EXIT_OF_SIGNALS + signal.SIGINT
        case _ if type(error).__name__ == "NoArgsIsHelpError":  # click's way to show the help
            print_note(str(error))
            return EXIT_USER_ERROR
        case _:
            message = _message_of(error)
    if message is None:
        return None
    print_error(message)
    return EXIT_USER_ERROR


def _how_it_ended(error: BaseException) -> str:
    """What is said after a signal; cleaning up may have failed, where a terminal is gone."""
    match error:
        case signals.Terminated():
            return f"ended by {error}"
        case TrainingInterrupted() | VideoInterrupted():
            return str(error)
    return "interrupted"


def _message_of(error: BaseException) -> str | None:
    message: str | None = None
    match error:
        case OutputAppearedError():
            message = str(error)
        case OutputExistsError() if "--overwrite" not in str(error):
            message = f"{error} (--overwrite)"
        case ImpastoError():
            message = str(error)
        case ModuleNotFoundError(name=str(name)) if name.partition(".")[0] in EXTRAS:
            package = name.partition(".")[0]
            message = str(MissingExtraError(package, extra=EXTRAS[package]))
        case MemoryError():
            message = "there is not enough memory for this; use smaller pictures"
        case OSError():
            place = "reading or writing" if error.filename is None else error.filename
            message = f"{place} failed ({reason_of(error)})"
        case _ if isinstance(error, USAGE_ERROR):
            message = _usage_message(error)
    return message


def _usage_message(error: Any) -> str:
    message = error.format_message().rstrip(".").replace("Value error, ", "")
    command = error.ctx.command_path if error.ctx is not None else "impasto"
    return f"{message[:1].lower()}{message[1:]} (see '{command} --help')"
