"""Files in, pictures transformed, files out: what `stylize` and `upscale` have in common."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from impasto.cli.console import EXIT_FAILED_FILES, answer_json, complain, fail, is_terminal
from impasto.cli.jobs import PIPE, Job, check_targets, plan_jobs
from impasto.cli.progress import PictureProgress
from impasto.errors import ImpastoError, PictureFileError

if TYPE_CHECKING:
    from impasto.images.picture import Picture

Photos = Annotated[list[str], typer.Argument(metavar="PHOTO", hidden=True)]
Output = Annotated[
    str,
    typer.Option("--output", "-o", metavar="OUT", help="A file, a folder, or - for a pipe."),
]
Precision = Annotated[
    Literal["auto", "f32", "bf16", "int8"],
    typer.Option(
        metavar="auto|f32|bf16|int8",
        help="Of the arithmetic; auto is what the processor is fast in, of f32 and bf16.",
    ),
]
Backend = Annotated[
    Literal["auto", "openvino", "onnxruntime", "torch"],
    typer.Option(
        metavar="auto|openvino|onnxruntime|torch", help="What runs the model; auto is OpenVINO."
    ),
]
Quality = Annotated[
    int, typer.Option(metavar="1-100", min=1, max=100, help="Of JPEG and WebP files.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Json = Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")]


@dataclass(frozen=True, slots=True)
class Transformation:
    """What is done to every picture.

    Attributes:
        name: of the model, for JSON.
        key: what JSON calls that.
        precision: the model computes in.
        apply: one picture to another.
        smaller: what to do where memory is too small for a picture.
    """

    name: str
    key: str
    precision: str
    apply: "Callable[[Picture], Picture]"
    smaller: str


@dataclass(frozen=True, slots=True)
class Writing:
    """How results are written."""

    quality: int
    overwrite: bool
    json: bool


def transform_files(
    photos: list[str],
    output: str,
    load: Callable[[], Transformation],
    writing: Writing,
) -> None:
    """Transform photographs, folders of them and pipes; say what was done.

    Args:
        photos: as the command line gives them.
        output: a file, a folder or a pipe.
        load: opens the model, once all that can be wrong with the places is known.
        writing: how to write.

    Raises:
        typer.Exit: with status 2 for what cannot be done, 1 when some of several failed.
    """
    jobs = plan_jobs(photos, output)
    check_targets(jobs, overwrite=writing.overwrite)
    _check_pipes(jobs, json=writing.json)
    transformation = load()
    if len(jobs) > 1:
        _make_folder(Path(output))  # or fail here, once, and not with every picture
    done, failed = _run_all(jobs, transformation, writing)
    if writing.json:
        answer_json({transformation.key: transformation.name, "done": done, "failed": failed})
    if failed:
        complain(f"{len(done)} done, {len(failed)} failed")
        raise typer.Exit(EXIT_FAILED_FILES)


def _check_pipes(jobs: list[Job], *, json: bool) -> None:
    for job in jobs:
        if job.source == PIPE and (sys.stdin is None or is_terminal(sys.stdin)):
            raise fail("- reads a photograph from a pipe, and there is none; add < PHOTO")
        if job.target == PIPE and json:
            raise fail("--json prints to the pipe that -o - writes the picture to; use only one")
        if job.target == PIPE and (sys.stdout is None or is_terminal(sys.stdout)):
            raise fail("-o - writes a PNG to a pipe, and there is none; add > FILE")


def _run_all(
    jobs: list[Job], transformation: Transformation, writing: Writing
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Do every job; a failure ends a single one with its error, and is noted among several."""
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    with PictureProgress(len(jobs)) as progress:
        for job in jobs:
            try:
                done.append(_run(job, transformation, writing))
            except ImpastoError as error:
                if len(jobs) == 1:
                    raise
                failed.append({"photo": job.source, "error": str(error)})
                complain(str(error))
            else:
                if not writing.json and job.target != PIPE:
                    progress.say(job.target)
            progress.advance()
    return done, failed


def _run(job: Job, transformation: Transformation, writing: Writing) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        result = transformation.apply(_read(job.source))
        _write(result, job.target, writing)
    except MemoryError:
        raise PictureFileError(
            f"{job.source}: there is not enough memory for a picture of this size; "
            f"{transformation.smaller}"
        ) from None
    return {
        "photo": job.source,
        "picture": job.target,
        "width": result.width,
        "height": result.height,
        "precision": transformation.precision,
        "seconds": round(time.perf_counter() - started, 3),
    }


def _read(source: str) -> "Picture":
    from impasto.images.io import load_picture

    return load_picture(sys.stdin.buffer if source == PIPE else source)


def _write(picture: "Picture", target: str, writing: Writing) -> None:
    from impasto.images.io import save_picture

    if target == PIPE:
        encoded = BytesIO()  # so that a broken pipe is known for one
        save_picture(picture, encoded)
        sys.stdout.buffer.write(encoded.getvalue())
        sys.stdout.buffer.flush()
        return
    _make_folder(Path(target).parent)
    save_picture(picture, target, quality=writing.quality, overwrite=writing.overwrite)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureFileError(f"cannot make the folder {folder} ({error.strerror})") from error
