"""What commands print: results to stdout, everything else to stderr, errors in one line.

Bars and paced lines are `progress`'s.
"""

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
"""Invisible characters that our own texts use, so that they are printed as they are."""

Arguments = ParamSpec("Arguments")

EXIT_FAILED_FILES = 1
EXIT_USER_ERROR = 2
EXIT_OF_SIGNALS = 128
"""Plus the number of the signal: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP."""

TRAIN_PACKAGES = {
    "torch", "lightning", "onnx", "onnxscript", "safetensors", "tensorboard", "jaxtyping",
    "matplotlib",
}  # fmt: skip
RAY_PACKAGES = {"ray", "pyarrow", "fsspec", "pandas"}
EXTRAS = (
    dict.fromkeys(TRAIN_PACKAGES, "train") | dict.fromkeys(RAY_PACKAGES, "ray") | {"av": "video"}
)
"""Packages that only an extra installs, and the extra."""

# Typer brings its own copy of click or shares an installed one; this base class is in both.
USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]


def print_note(message: str) -> None:
    """Print a message on stderr; invisible characters are written out.

    Does nothing where the terminal is gone.
    """
    with contextlib.suppress(OSError):
        print(visible(message, but=LAYOUT), file=sys.stderr, flush=True)  # noqa: T201


def print_result(text: str) -> None:
    """Print a result on stdout; invisible characters are written out."""
    print(visible(text, but=LAYOUT), flush=True)  # noqa: T201


def print_path(path: str) -> None:
    """Print the path of a result on stdout: byte for byte to a pipe, readable on a terminal."""
    if is_terminal(sys.stdout):
        print_result(path)
    else:
        print(path, flush=True)  # noqa: T201


def print_json(content: Any) -> None:
    """Print a result as JSON on stdout."""
    print_result(json.dumps(content, indent=2))


def let_go_of_stdout() -> None:
    """Discard what stdout did not take, so that Python's last flush does not fail again."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        # Not closed: the next file to be opened would then get the descriptor of stdout.
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextlib.contextmanager
def silent_libraries() -> Iterator[None]:
    """Hide what C libraries print about damaged files: our own line says what is wrong.

    Python's stderr continues through a copy of the descriptor. The descriptor belongs to the whole
    process: enter this once, around all threads.
    """
    try:
        copy = os.dup(2)
    except OSError:  # stderr is closed: nothing can be printed
        yield
        return
    ours = sys.stderr
    is_descriptor_2 = False
    with contextlib.suppress(OSError, ValueError):  # the stream is no file, such as a test's
        is_descriptor_2 = ours is not None and ours.fileno() == 2
    if is_descriptor_2:
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
                # Before its descriptor is closed; a terminal that is gone is no error here.
                sys.stderr.flush()
            sys.stderr = ours
        os.dup2(copy, 2)
        os.close(copy)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a standard stream is a terminal; a closed one is not."""
    return stream is not None and stream.isatty()


def print_error(message: str) -> None:
    """Print an error on stderr, in one line even if the message has several."""
    # File names may have line breaks, and errors of libraries several lines.
    words = " ".join(message.split())
    print_note(f"impasto: {visible(words)}")


def usage_error(message: str) -> typer.Exit:
    """Print what is wrong with the command; returns the exit to raise, with status 2."""
    print_error(message)
    return typer.Exit(EXIT_USER_ERROR)


def one_line_errors(command: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Let a command end with one line, never a traceback, on every error a user can cause."""

    @wraps(command)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (Exception, KeyboardInterrupt) as error:
            status = explain(error)
            if status is None:
                raise  # a bug of ours, with its traceback; or typer's own Exit, with its status
            raise typer.Exit(status) from None

    return wrapped


def explain(error: BaseException) -> int | None:
    """Print one line about an error, and return the exit status; None for a bug of ours."""
    # Asked first: a library may have wrapped Ctrl-C in an error of its own.
    signal_number = signals.signal_behind(error)
    match error:
        case _ if signal_number is not None:  # another error may come first: a terminal is gone
            ending = "interrupted"
            if isinstance(error, signals.Terminated):
                ending = f"ended by {error}"
            elif isinstance(error, TrainingInterrupted | VideoInterrupted):
                ending = str(error)
            print_error(ending)
            return EXIT_OF_SIGNALS + signal_number
        case BrokenPipeError():
            return EXIT_FAILED_FILES  # no reader to print to
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


def _message_of(error: BaseException) -> str | None:
    message: str | None = None
    match error:
        case OutputAppearedError():
            message = str(error)
        # The library does not know the flag, and messages of commands name it already.
        case OutputExistsError() if "--overwrite" not in str(error):
            message = f"{error} (--overwrite)"
        case ImpastoError():
            message = str(error)
        # A package in no extra is a bug of ours, or a broken installation: that needs its
        # traceback.
        case ModuleNotFoundError(name=str(name)) if name.partition(".")[0] in EXTRAS:
            package = name.partition(".")[0]
            message = str(MissingExtraError(package, extra=EXTRAS[package]))
        case MemoryError():
            message = "there is not enough memory for this; use smaller pictures"
        case OSError():
            subject = "reading or writing" if error.filename is None else error.filename
            message = f"{subject} failed ({reason_of(error)})"
        case _ if isinstance(error, USAGE_ERROR):
            usage: Any = error
            text = usage.format_message().rstrip(".").replace("Value error, ", "")
            command = usage.ctx.command_path if usage.ctx is not None else "impasto"
            message = f"{text[:1].lower()}{text[1:]} (see '{command} --help')"
    return message
