"""One job of a command: a picture or video read, transformed and written, and its line of JSON.

All jobs of a command: `transform`. More about videos: `video`.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.cli.display.console import print_error
from impasto.cli.display.progress import PictureProgress
from impasto.cli.files.jobs import PIPE, Job
from impasto.cli.files.video import run_video
from impasto.cli.options import WritingOptions
from impasto.errors import (
    ImpastoError,
    PictureError,
    PictureFileError,
    SettingError,
    VideoInterrupted,
)
from impasto.runtime.video.suffixes import is_video

if TYPE_CHECKING:
    from impasto.images.files.io import Animation, Picture
    from impasto.runtime.batching import Batching, Load
    from impasto.runtime.pipeline import Outcome
    from impasto.runtime.tiles.large_pictures import LargePicture
    from impasto.runtime.transformation import Transformation

IF_TOO_LARGE = {
    "style-transfer": "give a smaller one with --size",
    "super-resolution": "cut it into parts",
}
"""Advice where memory is too small for a picture, by the task of the model."""


@dataclass(slots=True)
class Work:
    """A picture between two steps of its job.

    Attributes:
        picture: as it is by now.
        facts: its part of the line of JSON so far.
        seconds: time spent on it; waiting between steps does not count.
        transformation: of its file.
    """

    picture: "Picture | Animation"
    facts: dict[str, Any]
    seconds: float
    transformation: "Transformation"


@dataclass(frozen=True, slots=True)
class JobRunner:
    """Runs jobs, from end to end or step by step in the threads of a pipeline."""

    transformation: "Transformation"
    writing: WritingOptions
    progress: PictureProgress

    def goes_by_file(self, job: Job) -> bool:
        """Whether a job is a video, or a picture too large for memory: neither is read whole."""
        return is_video(job.source) or self._find_large(job) is not None

    def run(self, job: Job) -> dict[str, Any]:
        """Run a job from end to end; return its line of JSON.

        Raises:
            ImpastoError: the job failed.
        """
        try:
            if is_video(job.source):
                make_folder(Path(job.output).parent)
                return run_video(job, self.transformation, self.writing, self.progress)
            large = self._find_large(job)
            if large is not None:
                return self._run_large(job, large)
            return self.write(job, self.transform([self.read(job)])[0])
        except MemoryError as error:
            raise self.explained(job, error) from None

    def outcome_of(self, job: Job) -> "Outcome[Job, dict[str, Any]]":
        """Run a job from end to end, as a pipeline would: an error is part of the outcome."""
        from impasto.runtime.pipeline import Outcome

        try:
            return Outcome(job, self.run(job), None)
        except VideoInterrupted:
            raise  # Ctrl-C: the jobs behind this one must not begin
        except ImpastoError as error:
            return Outcome(job, None, error)

    def read(self, job: Job) -> Work:
        """Read the picture of a job."""
        started = time.perf_counter()
        transformation = self.transformation.for_file(job.source)
        picture = _read(job, transformation.size)
        return Work(picture, {}, time.perf_counter() - started, transformation)

    @property
    def batching(self) -> "Batching[Work]":
        """Which pictures may be transformed together."""
        from impasto.images.files.io import Animation
        from impasto.runtime.batching import Load

        batching = self.transformation.batching()

        def load(work: Work) -> "Load":
            if isinstance(work.picture, Animation):  # transformed frame by frame, as it is written
                return Load(None, 0.0)
            kind_and_share = batching.load(work.picture)
            if work.transformation is not self.transformation:  # one of its file alone
                return Load(None, kind_and_share.share)
            return kind_and_share

        return batching.by(load)

    def transform(self, works: Sequence[Work]) -> list[Work]:
        """Transform pictures that go together; an animation comes alone."""
        from impasto.images.files.io import Animation

        started = time.perf_counter()
        first, transformation = works[0].picture, works[0].transformation
        if isinstance(first, Animation):  # its frames are transformed as they are written
            facts: dict[str, Any] = {"frames": first.num_frames}

            def apply(picture: "Picture") -> "Picture":
                result = transformation.transform(picture)
                facts.update(self._facts(picture, result))
                return result

            return [replace(works[0], picture=first.transformed(apply), facts=facts)]
        pictures = [work.picture for work in works if not isinstance(work.picture, Animation)]
        results = transformation.transform_all(pictures)
        # A batch is computed at once, so each picture has an equal share of its time.
        seconds = (time.perf_counter() - started) / len(works)
        return [
            Work(result, self._facts(picture, result), work.seconds + seconds, transformation)
            for work, picture, result in zip(works, pictures, results, strict=True)
        ]

    def write(self, job: Job, work: Work) -> dict[str, Any]:
        """Write the result of a job; return its line of JSON."""
        started = time.perf_counter()
        _write(work.picture, job.output, self.writing)
        seconds = round(work.seconds + time.perf_counter() - started, 3)
        return {"photo": job.source, "picture": job.output, **work.facts, "seconds": seconds}

    def _facts(self, picture: "Picture", result: "Picture") -> dict[str, Any]:
        precision = self.transformation.predictor.precision_for(picture.bits)
        return {"width": result.width, "height": result.height, "precision": precision}

    def explained(self, job: Job, error: Exception) -> ImpastoError:
        """The error to print; one that only a bug of ours can cause is raised."""
        if isinstance(error, MemoryError):
            return PictureFileError(
                f"{job.source}: there is not enough memory for a picture of this size; "
                f"{IF_TOO_LARGE[self.transformation.predictor.card.task]}"
            )
        if not isinstance(error, ImpastoError):
            raise error
        if isinstance(error, PictureError | SettingError):  # of its mask: neither names the file
            return type(error)(f"{job.source}: {error}")
        return error

    def _find_large(self, job: Job) -> "LargePicture | None":
        # A pipe can be read once and written in order; windows need files.
        if PIPE in (job.source, job.output):
            return None
        return self.transformation.find_large(Path(job.source), Path(job.output))

    def _run_large(self, job: Job, large: "LargePicture") -> dict[str, Any]:
        started = time.perf_counter()
        make_folder(Path(job.output).parent)
        result = self.transformation.transform_large(
            large,
            quality=self.writing.quality,
            bits=self.writing.bits_per_channel,
            overwrite=self.writing.overwrite,
            progress=self.progress.tile,
        )
        return {
            "photo": job.source,
            "picture": job.output,
            "width": result.width,
            "height": result.height,
            "precision": result.precision,
            "seconds": round(time.perf_counter() - started, 3),
        }


def _read(job: Job, longer_side: int | None) -> "Picture | Animation":
    """The picture or animation to transform: its first frame where only one can be written."""
    from impasto.images.files.io import Animation, format_named, load_picture_or_animation

    source = sys.stdin.buffer if job.source == PIPE else job.source
    picture = load_picture_or_animation(source, longer_side=longer_side)
    # A pipe gets PNG, which holds animations.
    if not isinstance(picture, Animation) or job.output == PIPE:
        return picture
    file_format = format_named(Path(job.output).suffix)
    if file_format.is_animated:
        return picture
    print_error(
        f"{job.source} has {picture.num_frames} frames and {file_format.name} files hold one: "
        f"only the first goes into {job.output}"
    )
    return picture.first()


def _write(result: "Picture | Animation", output: str, writing: WritingOptions) -> None:
    from impasto.images.files.io import Animation, save_animation, save_picture
    from impasto.images.files.output import save_or_keep

    if output != PIPE:
        make_folder(Path(output).parent)
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
    if output != PIPE:  # it was free when the work began
        save_or_keep(save, Path(output))
        return
    stream = BytesIO()  # a codec would report a broken pipe as an error of its own
    save(stream)
    sys.stdout.buffer.write(stream.getvalue())
    # Now, where an error still belongs to this job.
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
