"""Files in, pictures transformed, files out: what `stylize` and `upscale` have in common."""

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

from impasto.cli.console import (
    EXIT_FAILED_FILES,
    answer,
    answer_json,
    complain,
    fail,
    is_terminal,
    silent_libraries,
    tell,
)
from impasto.cli.jobs import PIPE, Job, check_targets, plan_jobs
from impasto.cli.progress import PictureProgress
from impasto.errors import ImpastoError, PictureFileError

if TYPE_CHECKING:
    from impasto.images.io import Animation, AskedBits, Picture

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
    int, typer.Option(metavar="1-100", min=1, max=100, help="Of JPEG, WebP, AVIF and HEIC files.")
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
Json = Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")]


@dataclass(frozen=True, slots=True)
class Transformation:
    """What is done to every picture.

    Attributes:
        name: of the model, for JSON.
        key: what JSON calls that.
        precision: that the model computes in, for one picture.
        apply: one picture to another.
        smaller: what to do where memory is too small for a picture.
    """

    name: str
    key: str
    precision: "Callable[[Picture], str]"
    apply: "Callable[[Picture], Picture]"
    smaller: str


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

    suffixes = {".png" if job.target == PIPE else Path(job.target).suffix for job in jobs}
    for suffix in sorted(suffixes):
        check_encoding(
            format_named(suffix),
            quality=writing.quality,
            lossless=writing.lossless,
            bits=_asked_bits(writing),
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
    from impasto.runtime.pipeline import run_pipeline

    steps = _Steps(transformation, writing)
    if not are_many:  # in this thread, which Ctrl-C reaches while a pipe is waited for
        outcome.done.append(steps.all_for(jobs[0]))
        if not writing.json and jobs[0].target != PIPE:
            answer(jobs[0].target)
        return
    with PictureProgress(len(jobs)) as progress:
        for done in run_pipeline(
            jobs, read=steps.read, transform=steps.transform, write=steps.write
        ):
            if done.error is not None:
                outcome.note_failure(done.item.source, steps.known(done.item, done.error))
            else:
                assert done.result is not None
                outcome.done.append(done.result)
                if not writing.json and done.item.target != PIPE:
                    progress.say(done.item.target)
            progress.advance()


@dataclass(slots=True)
class _Work:
    """A picture on its way, and what JSON says of it."""

    picture: "Picture | Animation"
    facts: dict[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Steps:
    """What is done for a job: one after the other, or in threads of their own."""

    transformation: Transformation
    writing: Writing

    def all_for(self, job: Job) -> dict[str, Any]:
        """Do a job from end to end."""
        try:
            return self.write(job, self.transform(self.read(job)))
        except MemoryError as error:
            raise self.known(job, error) from None

    def read(self, job: Job) -> _Work:
        """The photograph of a job."""
        started = time.perf_counter()
        return _Work(_read(job), {}, time.perf_counter() - started)

    def transform(self, work: _Work) -> _Work:
        """The picture that it becomes."""
        started = time.perf_counter()
        facts: dict[str, Any] = {}

        def apply(picture: "Picture") -> "Picture":
            result = self.transformation.apply(picture)
            facts.update(width=result.width, height=result.height)
            facts.update(precision=self.transformation.precision(picture))
            return result

        picture = _applied(apply, work.picture, facts)
        return _Work(picture, facts, work.seconds + time.perf_counter() - started)

    def write(self, job: Job, work: _Work) -> dict[str, Any]:
        """Put it where it belongs, and say what was done; waiting for a turn takes no time."""
        started = time.perf_counter()
        _write(work.picture, job.target, self.writing)
        seconds = round(work.seconds + time.perf_counter() - started, 3)
        return {"photo": job.source, "picture": job.target, **work.facts, "seconds": seconds}

    def known(self, job: Job, error: Exception) -> ImpastoError:
        """An error as the line that a person is told; what is a bug of ours is raised."""
        if isinstance(error, MemoryError):
            return PictureFileError(
                f"{job.source}: there is not enough memory for a picture of this size; "
                f"{self.transformation.smaller}"
            )
        if not isinstance(error, ImpastoError):
            raise error
        return error


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
        _make_folder(Path(target).parent)
    save: Callable[..., None] = (
        save_animation
        if isinstance(result, Animation)
        else partial(save_picture, bits=_asked_bits(writing))
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


def _asked_bits(writing: Writing) -> "AskedBits":
    match writing.bits:
        case "8":
            return 8
        case "16":
            return 16
    return "auto"


def _check_folder(folder: Path) -> None:
    _make_folder(folder)
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PictureFileError(f"cannot write into {folder} ({error.strerror})") from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureFileError(f"cannot make the folder {folder} ({error.strerror})") from error
