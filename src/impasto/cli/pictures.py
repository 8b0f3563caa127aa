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
    from impasto.runtime.memory import Tile as TileSize
    from impasto.runtime.tiled_predictor import Progress

Photos = Annotated[list[str], typer.Argument(metavar="PHOTO", hidden=True)]
Output = Annotated[
    str,
    typer.Option("--output", "-o", metavar="OUT", help="A file, a folder, or - for a pipe."),
]
Precision = Annotated[
    Literal["auto", "f32", "bf16"],
    typer.Option(
        metavar="auto|f32|bf16", help="Of the arithmetic; auto is what the processor is fast in."
    ),
]
Quality = Annotated[
    int, typer.Option(metavar="1-100", min=1, max=100, help="Of JPEG and WebP files.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Tile = Annotated[
    str,
    typer.Option(
        metavar="auto|off|PIXELS",
        help="Cut pictures into tiles: auto where memory asks for it, or always, so large.",
    ),
]
Memory = Annotated[
    str, typer.Option(metavar="SIZE", help="What the program may take, such as 1G or 512M.")
]
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
        apply_to_file: transform a photograph from file to file by windows, told how to write and
            whom to tell of each tile; gives the size of the result, or None for a photograph that
            is to be read whole.
    """

    name: str
    key: str
    precision: str
    apply: "Callable[[Picture], Picture]"
    smaller: str
    apply_to_file: "Callable[[Path, Path, Writing, Progress], tuple[int, int] | None]"


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
        make_folder(Path(output))  # or fail here, once, and not with every picture
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
                done.append(_run(job, transformation, writing, progress.tile))
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


def _run(
    job: Job, transformation: Transformation, writing: Writing, tell: "Progress"
) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        size = _run_by_windows(job, transformation, writing, tell)
        if size is None:
            result = transformation.apply(_read(job.source))
            _write(result, job.target, writing)
            size = result.width, result.height
    except MemoryError:
        raise PictureFileError(
            f"{job.source}: there is not enough memory for a picture of this size; "
            f"{transformation.smaller}"
        ) from None
    return {
        "photo": job.source,
        "picture": job.target,
        "width": size[0],
        "height": size[1],
        "precision": transformation.precision,
        "seconds": round(time.perf_counter() - started, 3),
    }


def _run_by_windows(
    job: Job, transformation: Transformation, writing: Writing, tell: "Progress"
) -> tuple[int, int] | None:
    """The size of what became of a photograph too large for memory; None if it is not one."""
    if PIPE in (job.source, job.target):
        return None
    return transformation.apply_to_file(Path(job.source), Path(job.target), writing, tell)


def tile_of(text: str) -> "TileSize":
    """What --tile means: a word, or a number of pixels; other words are refused further down."""
    return int(text) if text.isdecimal() else text  # type: ignore[return-value]


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
    make_folder(Path(target).parent)
    save_picture(picture, target, quality=writing.quality, overwrite=writing.overwrite)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, if they are missing.

    Raises:
        PictureFileError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureFileError(f"cannot make the folder {folder} ({error.strerror})") from error
