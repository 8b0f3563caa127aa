"""How commands speak: results to stdout, everything else to stderr, errors in one line."""

import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import typer

from impasto.errors import ImpastoError, MissingExtraError, TrainingInterrupted

Arguments = ParamSpec("Arguments")

EXIT_FAILED_FILES = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130

TRAIN_PACKAGES = {
    "torch", "lightning", "onnx", "onnxscript", "safetensors", "tensorboard", "jaxtyping",
    "matplotlib",
}  # fmt: skip


def tell(message: str) -> None:
    """Say something to the person, on stderr."""
    print(message, file=sys.stderr, flush=True)  # noqa: T201


def answer(text: str) -> None:
    """Print a result, on stdout."""
    print(text, flush=True)  # noqa: T201


def answer_json(content: Any) -> None:
    """Print a result as JSON, on stdout."""
    answer(json.dumps(content, indent=2, ensure_ascii=False))


def fail(message: str) -> typer.Exit:
    """Say what is wrong in one line; raise what this returns."""
    tell(f"impasto: {' '.join(message.split())}")
    return typer.Exit(EXIT_USER_ERROR)


def one_line_errors(command: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Let a command end with one line, never a traceback, on whatever a user can cause."""

    @wraps(command)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except TrainingInterrupted as stop:
            tell(f"impasto: {stop}")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except ImpastoError as error:
            raise fail(str(error)) from None
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in TRAIN_PACKAGES:
                raise
            raise fail(str(MissingExtraError(package, extra="train"))) from None
        except KeyboardInterrupt:
            tell("impasto: interrupted")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            raise typer.Exit(EXIT_FAILED_FILES) from None

    return wrapped
