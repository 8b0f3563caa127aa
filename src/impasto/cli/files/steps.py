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
from typing import TYPE_CHECKING, Any

from impasto.cli.display.console import print_error
from impasto.cli.display.progress import PictureProgress
from impasto.cli.files.jobs import PIPE, Job
from impasto.cli.files.video import run_clip
from impasto.cli.options import WritingOptions
from impasto.errors import ImpastoError, PictureFileError, VideoInterrupted
from impasto.runtime.video.suffixes import is_clip

if TYPE_CHECKING:
    from impasto.images.files.io import Animation, Picture
    from impasto.runtime.batching import Batching, Load
    from impasto.runtime.pipeline import Outcome as Done
    from impasto.runtime.tiles.large_pictures import LargePicture
    from impasto.runtime.transformation import Transformation


IF_TOO_LARGE = {
    "style-transfer": "give a smaller one with --size",
    "super-resolution": "cut it into parts",
}
"""What to do where memory is too small for a picture, by the task of the model."""


@dataclass(slots=True)
class Work:
    """A picture on its way, and what JSON says of it."""

    picture: "Picture | Animation"
    facts: dict[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class Steps:
    """What is done for a job: one after the other, or in threads of their own."""

    transformation: "Transformation"
    writing: WritingOptions
    progress: PictureProgress

    def goes_by_file(self, job: Job) -> bool:
        """Whether a job is a film, or a photograph too large for memory."""
        return is_clip(job.source) or self._find_large(job) is not None

    def all_for(self, job: Job) -> dict[str, Any]:
        """Do a job from end to end."""
        try:
            if is_clip(job.source):
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
        given = _read(job, self.transformation.size)
        return Work(given, {}, time.perf_counter() - started)

    @property
    def batching(self) -> "Batching[Work]":
        """What may be transformed together."""
        from impasto.images.files.io import Animation
        from impasto.runtime.batching import Load

        batching = self.transformation.batching()

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
        made = self.transformation.transform_all(given)
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
            result = self.transformation.transform(picture)
            facts.update(self._facts(picture, result))
            return result

        return Work(given.transformed(apply), facts, seconds)

    def _facts(self, picture: "Picture", result: "Picture") -> dict[str, Any]:
        precision = self.transformation.predictor.precision_for(picture.bits)
        return {"width": result.width, "height": result.height, "precision": precision}

    def known(self, job: Job, error: Exception) -> ImpastoError:
        """An error as the line that a person is told; what is a bug of ours is raised."""
        if isinstance(error, MemoryError):
            return PictureFileError(
                f"{job.source}: there is not enough memory for a picture of this size; "
                f"{IF_TOO_LARGE[self.transformation.predictor.card.task]}"
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
        result = self.transformation.transform_large(
            large,
            quality=self.writing.quality,
            bits=self.writing.bits_per_channel,
            overwrite=self.writing.overwrite,
            progress=self.progress.tile,
        )
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
        return run_clip(job, self.transformation, self.writing, self.progress)


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


def _write(result: "Picture | Animation", target: str, writing: WritingOptions) -> None:
    from impasto.images.files.io import Animation, save_animation, save_picture
    from impasto.images.files.output import save_or_keep

    if target != PIPE:
        make_folder(Path(target).parent)
    save: Callable[..., None] = (
        save_animation
        if isinstance(result, Animation)
        else partial(save_picture, bits=writing.bits_per_channel)
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


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, if they are missing.

    Raises:
        PictureFileError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureFileError(f"cannot make the folder {folder} ({error.strerror})") from error
