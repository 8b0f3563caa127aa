"""`impasto stylize`: photographs in, repainted photographs out."""

import sys
import time
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
    from impasto.runtime.stylizer import Stylizer

# The range that runtime.stylizer accepts; importing it would make --help slow.
MINIMUM_SIZE, MAXIMUM_SIZE = 16, 16_384

Photos = Annotated[list[str], typer.Argument(metavar="PHOTO", hidden=True)]
Style = Annotated[
    str,
    typer.Option(
        "--style", "-s", metavar="STYLE", help="A style's name (see 'impasto models') or file."
    ),
]
Output = Annotated[
    str,
    typer.Option("--output", "-o", metavar="OUT", help="A file, a folder, or - for a pipe."),
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
Json = Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person asked the pictures to look like, and how to write them."""

    size: int | None
    strength: float
    keep_colors: bool
    quality: int
    overwrite: bool


def stylize(
    photos: Photos,
    *,
    style: Style,
    output: Output,
    size: Size = None,
    strength: Strength = 1.0,
    keep_colors: KeepColors = False,
    precision: Precision = "auto",
    quality: Quality = 92,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Repaint photographs in a trained style.

    PHOTO is a photograph, a folder of them, or - for one from a pipe. One photograph becomes the
    file OUT, whose suffix decides the format. Several, or a folder, go into the folder OUT with
    their names and nested folders. A pipe gets PNG. Folders that are missing are made.

    A file that exists is an error, and nothing is done, unless --overwrite is given. If some of
    several photographs fail, the others are done and the exit status is 1.
    """
    settings = Settings(size, strength, keep_colors, quality, overwrite)
    jobs = plan_jobs(photos, output)
    check_targets(jobs, overwrite=overwrite)
    _check_pipes(jobs, json=json)
    from impasto.runtime.stylizer import Stylizer

    stylizer = Stylizer(style, precision=precision)
    if len(jobs) > 1:
        _make_folder(Path(output))  # or fail here, once, and not with every picture
    done, failed = _run_all(jobs, stylizer, settings, quiet=json)
    if json:
        answer_json({"style": stylizer.card.name, "done": done, "failed": failed})
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
    jobs: list[Job], stylizer: "Stylizer", settings: Settings, *, quiet: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Do every job; a failure ends a single one with its error, and is noted among several."""
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    with PictureProgress(len(jobs)) as progress:
        for job in jobs:
            try:
                done.append(_run(job, stylizer, settings))
            except ImpastoError as error:
                if len(jobs) == 1:
                    raise
                failed.append({"photo": job.source, "error": str(error)})
                complain(str(error))
            else:
                if not quiet and job.target != PIPE:
                    progress.say(job.target)
            progress.advance()
    return done, failed


def _run(job: Job, stylizer: "Stylizer", settings: Settings) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        stylized = stylizer.stylize(
            _read(job.source),
            size=settings.size,
            strength=settings.strength,
            keep_colors=settings.keep_colors,
        )
        _write(stylized, job.target, settings)
    except MemoryError:
        raise PictureFileError(
            f"{job.source}: there is not enough memory for a picture of this size; "
            f"give a smaller one with --size"
        ) from None
    return {
        "photo": job.source,
        "picture": job.target,
        "width": stylized.width,
        "height": stylized.height,
        "precision": stylizer.precision,
        "seconds": round(time.perf_counter() - started, 3),
    }


def _read(source: str) -> "Picture":
    from impasto.images.io import load_picture

    return load_picture(sys.stdin.buffer if source == PIPE else source)


def _write(picture: "Picture", target: str, settings: Settings) -> None:
    from impasto.images.io import save_picture

    if target == PIPE:
        encoded = BytesIO()  # so that a broken pipe is known for one
        save_picture(picture, encoded)
        sys.stdout.buffer.write(encoded.getvalue())
        sys.stdout.buffer.flush()
        return
    _make_folder(Path(target).parent)
    save_picture(picture, target, quality=settings.quality, overwrite=settings.overwrite)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureFileError(f"cannot make the folder {folder} ({error.strerror})") from error
