"""`impasto stylize`: photographs in, repainted photographs out."""

import sys
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from impasto.cli.console import EXIT_FAILED_FILES, answer, answer_json, fail, tell
from impasto.errors import OutputExistsError, PictureFileError

if TYPE_CHECKING:
    from impasto.images.picture import Picture
    from impasto.runtime.stylizer import Stylizer

PIPE = "-"
DEFAULT_SUFFIX = ".png"


@dataclass(frozen=True, slots=True)
class Job:
    """One photograph and where its picture goes; `-` is the pipe."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Look:
    """What a person asked the picture to look like."""

    size: int | None
    strength: float
    keep_colors: bool


def stylize(
    photos: Annotated[
        list[str], typer.Argument(help="Photographs or folders of them; - reads a pipe.")
    ],
    style: Annotated[
        str, typer.Option("--style", "-s", help="A style's name (see 'impasto models') or file.")
    ],
    output: Annotated[
        str,
        typer.Option("--output", "-o", help="File, or folder for several; - writes a pipe (PNG)."),
    ],
    size: Annotated[
        int | None, typer.Option(min=1, help="Resize the longer side to this many pixels first.")
    ] = None,
    strength: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="0 is the photograph, 1 the full style.")
    ] = 1.0,
    keep_colors: Annotated[
        bool, typer.Option("--keep-colors", help="Keep the photograph's colours.")
    ] = False,
    precision: Annotated[
        Literal["auto", "f32", "bf16"],
        typer.Option(help="Of the arithmetic; auto takes what the processor is fast in."),
    ] = "auto",
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of JPEG and WebP files.")] = 92,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Repaint photographs in a trained style.

    A folder gives a folder: names and the folder's tree are kept. An existing file is an error
    unless --overwrite is given.
    """
    jobs = plan_jobs(photos, output)
    _refuse_existing(jobs, overwrite=overwrite)
    if json and any(job.target == PIPE for job in jobs):
        raise fail("--json prints to the pipe that -o - writes the picture to; use only one")
    from impasto.runtime.stylizer import Stylizer

    stylizer = Stylizer(style, precision=precision)
    look = Look(size, strength, keep_colors)
    done, failed = [], []
    for job in jobs:
        try:
            done.append(_run(job, stylizer, look, quality=quality, overwrite=overwrite))
        except (PictureFileError, OutputExistsError) as error:
            if len(jobs) == 1:
                raise
            failed.append({"photo": job.source, "error": str(error)})
            tell(f"impasto: {error}")
        else:
            if not json and job.target != PIPE:
                answer(job.target)
    if json:
        answer_json({"style": stylizer.card.name, "done": done, "failed": failed})
    if failed:
        tell(f"impasto: {len(done)} done, {len(failed)} failed")
        raise typer.Exit(EXIT_FAILED_FILES)


def plan_jobs(photos: list[str], output: str) -> list[Job]:
    """Return which photograph goes where.

    Raises:
        PictureFileError: when a photograph is missing, a folder empty, or two would have the same
            target.
    """
    if len(photos) == 1 and (photos[0] == PIPE or not Path(photos[0]).is_dir()):
        return [Job(photos[0], _target_of_one(photos[0], output))]
    if output == PIPE or PIPE in photos:
        raise PictureFileError("a pipe holds one picture; give one photograph, or a folder for -o")
    folder = Path(output)
    if folder.is_file():
        raise PictureFileError(f"{output} is a file; several photographs need a folder for -o")
    jobs = [job for photo in photos for job in _jobs_below(Path(photo), folder)]
    targets: dict[str, str] = {}
    for job in jobs:
        other = targets.setdefault(job.target, job.source)
        if other != job.source:
            raise PictureFileError(
                f"{other} and {job.source} would both become {job.target}; rename one of them"
            )
    return jobs


def _target_of_one(photo: str, output: str) -> str:
    if output != PIPE and (Path(output).is_dir() or output.endswith(("/", "\\"))):
        name = Path("picture.png" if photo == PIPE else photo)
        return str(Path(output) / _writable_name(name))
    return output


def _jobs_below(photo: Path, folder: Path) -> list[Job]:
    from impasto.images.io import list_pictures

    if not photo.is_dir():
        return [Job(str(photo), str(folder / _writable_name(Path(photo.name))))]
    pictures = list_pictures(photo)
    if not pictures:
        raise PictureFileError(f"no pictures found in {photo}; give a folder of photographs")
    return [
        Job(str(path), str(folder / _writable_name(path.relative_to(photo)))) for path in pictures
    ]


def _writable_name(path: Path) -> Path:
    """Keep a name whose suffix can be written, else make it a PNG."""
    from impasto.images.io import WRITABLE_SUFFIXES

    if path.suffix.lower() in WRITABLE_SUFFIXES:
        return path
    return path.with_name(path.name + DEFAULT_SUFFIX)


def _refuse_existing(jobs: list[Job], *, overwrite: bool) -> None:
    """Refuse before the work begins what would be refused at its end."""
    from impasto.images.io import check_target

    for job in jobs:
        if job.target == PIPE:
            continue
        if len(jobs) == 1 and Path(job.target).parent.is_dir():
            check_target(job.target, overwrite=overwrite)
        elif Path(job.target).exists() and not overwrite:
            raise OutputExistsError(
                f"{job.target} exists already; give another name, or --overwrite"
            )


def _run(
    job: Job, stylizer: "Stylizer", look: Look, *, quality: int, overwrite: bool
) -> dict[str, object]:
    started = time.perf_counter()
    picture = _read(job.source)
    stylized = stylizer.stylize(
        picture, size=look.size, strength=look.strength, keep_colors=look.keep_colors
    )
    _write(stylized, job.target, quality=quality, overwrite=overwrite)
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

    return load_picture(BytesIO(sys.stdin.buffer.read()) if source == PIPE else source)


def _write(picture: "Picture", target: str, *, quality: int, overwrite: bool) -> None:
    from impasto.images.io import save_picture

    if target == PIPE:
        save_picture(picture, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    try:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureFileError(
            f"cannot make the folder {Path(target).parent}: {error.strerror}"
        ) from error
    save_picture(picture, target, quality=quality, overwrite=overwrite)


