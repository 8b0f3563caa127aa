"""One photograph or film on the command line: read, transformed, written.

Which of them there are, and what is said of them, is in `pictures`; films have more in `clips`.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from impasto.cli.display.console import print_error
from impasto.cli.display.progress import PictureProgress
from impasto.cli.files.jobs import PIPE, Job
from impasto.cli.files.video import TransformClip, run_clip
from impasto.errors import ImpastoError, PictureFileError, VideoInterrupted
from impasto.runtime.video.suffixes import is_video

if TYPE_CHECKING:
    from impasto.images.files.io import Animation, AskedBits, Picture
    from impasto.runtime.batching import Batching, Load
    from impasto.runtime.pipeline import Outcome as Done
    from impasto.runtime.tiles.grid import Progress
    from impasto.runtime.tiles.large_pictures import LargePicture, LargeResult


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
class Transformation:
    """What is done to every picture.

    Attributes:
        name: of the model, for JSON.
        key: what JSON calls that.
        precision: that the model computes in, for one picture.
        film_precision: that it computes in for films.
        apply: pictures to as many others.
        batching: which may be given to it together.
        apply_to_clip: one film to another, from file to file.
        find_large: a photograph and where it goes, if it is to go from file to file by windows;
            None for one that is read whole.
        apply_to_large: that way, told how to write and whom to tell of each tile.
        smaller: what to do where memory is too small for a picture.
        longer_side: pixels that pictures are resized to first, if they are.
    """

    name: str
    key: str
    precision: "Callable[[Picture], str]"
    film_precision: str
    apply: "Callable[[Sequence[Picture]], Sequence[Picture]]"
    batching: "Batching[Picture]"
    apply_to_clip: "TransformClip"
    find_large: "Callable[[Path, Path], LargePicture | None]"
    apply_to_large: "Callable[[LargePicture, Writing, Progress], LargeResult]"
    smaller: str
    longer_side: int | None = None


@dataclass(slots=True)
class Work:
    """A picture on its way, and what JSON says of it."""

    picture: "Picture | Animation"
    facts: dict[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class Steps:
    """What is done for a job: one after the other, or in threads of their own."""

    transformation: Transformation
    writing: Writing
    progress: PictureProgress

    def goes_by_file(self, job: Job) -> bool:
        """Whether a job is a film, or a photograph too large for memory."""
        return is_video(job.source) or self._find_large(job) is not None

    def all_for(self, job: Job) -> dict[str, Any]:
        """Do a job from end to end.

        Raises:
            ImpastoError: a file or setting is refused, or memory ran out.
        """
        try:
            if is_video(job.source):
                return self._run_clip(job)
            large = self._find_large(job)
            if large is not None:
                return self._run_large(job, large)
            return self.write(job, self.transform([self.read(job)])[0])
        except MemoryError as error:
            raise self.known(job, error) from None

    def one_by_one(self, job: Job) -> "Done[Job, dict[str, Any]]":
        """Do a job from end to end; an error becomes part of the answer."""
        from impasto.runtime.pipeline import Outcome as Done

        try:
            return Done(job, self.all_for(job), None)
        except VideoInterrupted:
            raise
        except ImpastoError as error:
            return Done(job, None, error)

    def read(self, job: Job) -> Work:
        """The photograph of a job."""
        started = time.perf_counter()
        given = _read(job, self.transformation.longer_side)
        return Work(given, {}, time.perf_counter() - started)

    @property
    def batching(self) -> "Batching[Work]":
        """What may be transformed together."""
        from impasto.images.files.io import Animation
        from impasto.runtime.batching import Load

        batching = self.transformation.batching

        def load(work: Work) -> "Load":
            if isinstance(work.picture, Animation):  # done while it is written
                return Load(None, 0.0)
            return batching.load(work.picture)

        return batching.by(load)

    def transform(self, works: Sequence[Work]) -> list[Work]:
        """The pictures that they become."""
        from impasto.images.files.io import Animation

        started = time.perf_counter()
        if isinstance(works[0].picture, Animation):  # alone
            return [self._transform_animation(works[0].picture, works[0].seconds)]
        given = [work.picture for work in works if not isinstance(work.picture, Animation)]
        made = self.transformation.apply(given)
        seconds = (time.perf_counter() - started) / len(works)
        return [
            Work(result, self._facts(picture, result), work.seconds + seconds)
            for work, picture, result in zip(works, given, made, strict=True)
        ]

    def write(self, job: Job, work: Work) -> dict[str, Any]:
        """Put it where it belongs, and say what was done; waiting for a turn takes no time."""
        started = time.perf_counter()
        _write(work.picture, job.target, self.writing)
        seconds = round(work.seconds + time.perf_counter() - started, 3)
        return {"photo": job.source, "picture": job.target, **work.facts, "seconds": seconds}

    def _transform_animation(self, given: "Animation", seconds: float) -> Work:
        facts: dict[str, Any] = {"frames": given.num_frames}

        def apply(picture: "Picture") -> "Picture":
            (result,) = self.transformation.apply([picture])
            facts.update(self._facts(picture, result))
            return result

        return Work(given.transformed(apply), facts, seconds)

    def _facts(self, picture: "Picture", result: "Picture") -> dict[str, Any]:
        precision = self.transformation.precision(picture)
        return {"width": result.width, "height": result.height, "precision": precision}

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

    def _find_large(self, job: Job) -> "LargePicture | None":
        if PIPE in (job.source, job.target):
            return None
        return self.transformation.find_large(Path(job.source), Path(job.target))

    def _run_large(self, job: Job, large: "LargePicture") -> dict[str, Any]:
        started = time.perf_counter()
        make_folder(Path(job.target).parent)
        result = self.transformation.apply_to_large(large, self.writing, self.progress.tile)
        return {
            "photo": job.source,
            "picture": job.target,
            "width": result.width,
            "height": result.height,
            "precision": result.precision,
            "seconds": round(time.perf_counter() - started, 3),
        }

    def _run_clip(self, job: Job) -> dict[str, Any]:
        make_folder(Path(job.target).parent)
        return run_clip(
            job,
            self.transformation.apply_to_clip,
            quality=self.writing.quality,
            overwrite=self.writing.overwrite,
            progress=self.progress,
        ) | {"precision": self.transformation.film_precision}


def _read(job: Job, longer_side: int | None) -> "Picture | Animation":
    """The picture or animation to transform: its first frame where only one can be written."""
    from impasto.images.files.io import Animation, format_named, load_picture_or_animation

    source = sys.stdin.buffer if job.source == PIPE else job.source
    given = load_picture_or_animation(source, longer_side=longer_side)
    if not isinstance(given, Animation) or job.target == PIPE:
        return given
    file_format = format_named(Path(job.target).suffix)
    if file_format.is_animated:
        return given
    print_error(
        f"{job.source} has {given.num_frames} frames and {file_format.name} files hold one: "
        f"only the first goes into {job.target}"
    )
    return given.first()


def _write(result: "Picture | Animation", target: str, writing: Writing) -> None:
    from impasto.images.files.io import Animation, save_animation, save_picture
    from impasto.images.files.output import save_or_keep

    if target != PIPE:
        make_folder(Path(target).parent)
    save: Callable[..., None] = (
        save_animation
        if isinstance(result, Animation)
        else partial(save_picture, bits=asked_bits(writing))
    )
    save = partial(
        save,
        result,
        quality=writing.quality,
        lossless=writing.lossless,
        overwrite=writing.overwrite,
    )
    if target != PIPE:  # it was free when the work began
        save_or_keep(save, Path(target))
        return
    stream = BytesIO()  # so that a broken pipe is known for one
    save(stream)
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


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, if they are missing.

    Raises:
        PictureFileError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureFileError(f"cannot make the folder {folder} ({error.strerror})") from error
