"""Files in, pictures transformed, files out: what `stylize` and `upscale` have in common.

What is particular to films is in `clips`.
"""

import dataclasses
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from impasto.cli.clips import TransformClip, run_clip
from impasto.cli.console import (
    EXIT_FAILED_FILES,
    answer_json,
    complain,
    fail,
    is_terminal,
    silent_libraries,
    tell,
)
from impasto.cli.jobs import PIPE, Job, check_targets, plan_jobs
from impasto.cli.progress import PictureProgress
from impasto.errors import ImpastoError, PictureFileError, VideoInterrupted
from impasto.runtime.clips.suffixes import is_clip

if TYPE_CHECKING:
    from impasto.images.io import Animation, AskedBits, Picture
    from impasto.runtime.large_pictures import LargeResult
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
    int, typer.Option(metavar="1-100", min=1, max=100, help="Of JPEG, WebP, AVIF, HEIC and films.")
]
Lossless = Annotated[
    bool, typer.Option("--lossless", help="Of WebP and HEIC files, whatever the quality.")
]
Bits = Annotated[
    Literal["auto", "8", "16"],
    typer.Option(
        metavar="auto|8|16", help="Per channel of PNG and TIFF; auto is the photograph's."
    ),
]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Pass over pictures that are there already.")
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
        precision: that the model computes in, for one picture.
        film_precision: that it computes in for films.
        apply: one picture to another.
        apply_to_clip: one film to another, from file to file.
        smaller: what to do where memory is too small for a picture.
        apply_to_file: transform a photograph from file to file by windows, told how to write and
            whom to tell of each tile; gives what the result is, or None for a photograph that is
            to be read whole.
    """

    name: str
    key: str
    precision: "Callable[[Picture], str]"
    film_precision: str
    apply: "Callable[[Picture], Picture]"
    apply_to_clip: "TransformClip"
    smaller: str
    apply_to_file: "Callable[[Path, Path, Writing, Progress], LargeResult | None]"


@dataclass(frozen=True, slots=True)
class Writing:
    """How results are written, and which of them."""

    quality: int
    lossless: bool
    bits: Literal["auto", "8", "16"]
    skip_existing: bool
    overwrite: bool
    json: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, passed over and not done, each as JSON has it."""

    done: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)

    def note_failure(self, photo: object, error: ImpastoError) -> None:
        """Remember what failed, and why."""
        self.failed.append({"photo": str(photo), "error": str(error)})


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
    if writing.skip_existing and writing.overwrite:
        raise fail("--skip-existing keeps what --overwrite replaces; give only one of them")
    outcome = Outcome()
    jobs = plan_jobs(photos, output, on_unreadable=outcome.note_failure)
    check_targets(jobs, overwrite=writing.overwrite or writing.skip_existing)
    _check_formats(jobs, writing)
    _check_pipes(jobs, json=writing.json)
    are_many = len(jobs) > 1 or bool(outcome.failed)
    if writing.skip_existing:
        jobs = _without_existing(jobs, outcome)
    report: dict[str, Any] = {}
    if jobs:
        transformation = load()
        report[transformation.key] = transformation.name
        if are_many:
            _check_folder(Path(output))  # here, once, and not with every picture
        _run_all(jobs, transformation, writing, outcome, are_many=are_many)
    if writing.json:
        answer_json(report | dataclasses.asdict(outcome))
    _conclude(outcome)


def _without_existing(jobs: list[Job], outcome: Outcome) -> list[Job]:
    """The jobs whose pictures are not there yet; the others are noted as skipped."""
    left = [job for job in jobs if job.target == PIPE or not Path(job.target).exists()]
    outcome.skipped.extend(
        {"photo": job.source, "picture": job.target} for job in jobs if job not in left
    )
    return left


def _conclude(outcome: Outcome) -> None:
    """Say at the end what was not done, and why; exit with 1 where something failed."""
    if outcome.skipped:
        tell(f"{len(outcome.skipped)} skipped, being there already")
    if outcome.failed:
        for failure in outcome.failed:
            complain(failure["error"])
        complain(f"{len(outcome.done)} done, {len(outcome.failed)} failed")
        raise typer.Exit(EXIT_FAILED_FILES)


def _check_formats(jobs: list[Job], writing: Writing) -> None:
    """Refuse before the work begins what a format cannot hold."""
    from impasto.images.io import check_encoding, format_named

    pictures = [job for job in jobs if not is_clip(job.source)]
    suffixes = {".png" if job.target == PIPE else Path(job.target).suffix for job in pictures}
    for suffix in sorted(suffixes):
        check_encoding(
            format_named(suffix),
            quality=writing.quality,
            lossless=writing.lossless,
            bits=asked_bits(writing),
        )


def _check_pipes(jobs: list[Job], *, json: bool) -> None:
    for job in jobs:
        if job.source == PIPE and (sys.stdin is None or is_terminal(sys.stdin)):
            raise fail("- reads a photograph from a pipe, and there is none; add < PHOTO")
        if job.target == PIPE and json:
            raise fail("--json prints to the pipe that -o - writes the picture to; use only one")
        if job.target == PIPE and (sys.stdout is None or is_terminal(sys.stdout)):
            raise fail("-o - writes a PNG to a pipe, and there is none; add > FILE")


def _run_all(
    jobs: list[Job],
    transformation: Transformation,
    writing: Writing,
    outcome: Outcome,
    *,
    are_many: bool,
) -> None:
    """Do every job; a failure ends a single one with its error, and is noted among several."""
    with PictureProgress(len(jobs)) as progress:
        for job in jobs:
            try:
                outcome.done.append(
                    _run_clip(job, transformation, writing, progress)
                    if is_clip(job.source)
                    else _run(job, transformation, writing, progress.tile)
                )
            except VideoInterrupted:
                raise
            except ImpastoError as error:
                if not are_many:
                    raise
                outcome.note_failure(job.source, error)
            else:
                if not writing.json and job.target != PIPE:
                    progress.say(job.target)
            progress.advance()


def _run_clip(
    job: Job, transformation: Transformation, writing: Writing, progress: PictureProgress
) -> dict[str, Any]:
    make_folder(Path(job.target).parent)
    return run_clip(
        job,
        transformation.apply_to_clip,
        quality=writing.quality,
        overwrite=writing.overwrite,
        progress=progress,
    ) | {"precision": transformation.film_precision}


def _run(
    job: Job, transformation: Transformation, writing: Writing, tell: "Progress"
) -> dict[str, Any]:
    started = time.perf_counter()
    facts: dict[str, Any] = {}

    def apply(picture: "Picture") -> "Picture":
        result = transformation.apply(picture)
        facts.update(width=result.width, height=result.height)
        facts.update(precision=transformation.precision(picture))
        return result

    try:
        if not _run_by_windows(job, transformation, writing, tell, facts):
            _write(_applied(apply, _read(job), facts), job.target, writing)
    except MemoryError:
        raise PictureFileError(
            f"{job.source}: there is not enough memory for a picture of this size; "
            f"{transformation.smaller}"
        ) from None
    seconds = round(time.perf_counter() - started, 3)
    return {"photo": job.source, "picture": job.target, **facts, "seconds": seconds}


def _run_by_windows(
    job: Job,
    transformation: Transformation,
    writing: Writing,
    tell: "Progress",
    facts: dict[str, Any],
) -> bool:
    """Whether a photograph was too large for memory, and so was done from file to file."""
    if PIPE in (job.source, job.target):
        return False
    with silent_libraries():
        result = transformation.apply_to_file(Path(job.source), Path(job.target), writing, tell)
    if result is None:
        return False
    facts.update(width=result.width, height=result.height, precision=result.precision)
    return True


def tile_of(text: str) -> "TileSize":
    """What --tile means: a word, or a number of pixels; other words are refused further down."""
    return int(text) if text.isdecimal() else text  # type: ignore[return-value]


def _read(job: Job) -> "Picture | Animation":
    """The picture or animation to transform: its first frame where only one can be written."""
    from impasto.images.io import Animation, format_named, load_picture_or_animation

    with silent_libraries():
        given = load_picture_or_animation(sys.stdin.buffer if job.source == PIPE else job.source)
    if not isinstance(given, Animation) or job.target == PIPE:
        return given
    file_format = format_named(Path(job.target).suffix)
    if file_format.is_animated:
        return given
    complain(
        f"{job.source} has {given.num_frames} frames and {file_format.name} files hold one: "
        f"only the first goes into {job.target}"
    )
    return given.first()


def _applied(
    apply: "Callable[[Picture], Picture]", given: "Picture | Animation", facts: dict[str, Any]
) -> "Picture | Animation":
    from impasto.images.io import Animation

    if not isinstance(given, Animation):
        return apply(given)
    facts["frames"] = given.num_frames
    return given.transformed(apply)


def _write(result: "Picture | Animation", target: str, writing: Writing) -> None:
    from impasto.images.io import Animation, save_animation, save_picture

    stream = BytesIO()  # so that a broken pipe is known for one
    place = stream if target == PIPE else target
    if target != PIPE:
        make_folder(Path(target).parent)
    save: Callable[..., None] = (
        save_animation
        if isinstance(result, Animation)
        else partial(save_picture, bits=asked_bits(writing))
    )
    save(
        result,
        place,
        quality=writing.quality,
        lossless=writing.lossless,
        overwrite=writing.overwrite,
    )
    if target == PIPE:
        sys.stdout.buffer.write(stream.getvalue())
        sys.stdout.buffer.flush()


def asked_bits(writing: Writing) -> "AskedBits":
    """What --bits means."""
    match writing.bits:
        case "8":
            return 8
        case "16":
            return 16
    return "auto"


def _check_folder(folder: Path) -> None:
    make_folder(folder)
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PictureFileError(f"cannot write into {folder} ({error.strerror})") from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, if they are missing.

    Raises:
        PictureFileError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureFileError(f"cannot make the folder {folder} ({error.strerror})") from error
