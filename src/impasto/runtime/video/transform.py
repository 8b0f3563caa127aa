"""Videos stylized and upscaled from file to file, frame by frame.

Reading, computing and writing run in threads of their own (`impasto.runtime.pipeline`). Reading and
writing: `reading`, `writing`. Less flicker: `stabilization`.
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Unpack

from impasto.errors import (
    ImpastoError,
    OutputAppearedError,
    OutputExistsError,
    VideoFileError,
    VideoInterrupted,
)
from impasto.files import put_in_place, reason_of, remove_temporary, temporary_beside
from impasto.images.files.io import Picture
from impasto.images.resize import fit_longer_side
from impasto.runtime.batching import Batching, transform_batches
from impasto.runtime.mask_files import open_mask
from impasto.runtime.masks import MaskInput
from impasto.runtime.pipeline import run_stages
from impasto.runtime.stylizer import DEFAULT_STYLE, StyleKeywords, StyleSettings, Stylizer
from impasto.runtime.transformation import Stylization, Transformation
from impasto.runtime.video.facts import TimedPicture, even
from impasto.runtime.video.reading import VideoReader
from impasto.runtime.video.writing import VideoOutput, VideoWriter, check_video_output
from impasto.system.visible_text import shown_path

NUM_AHEAD = 3
"""Most frames that wait between two stages of the pipeline."""

Transform = Callable[[Sequence[Picture]], Sequence[Picture]]
"""From consecutive frames to their results."""


@dataclass(frozen=True, slots=True)
class VideoProgress:
    """The progress of a video.

    Attributes:
        num_done: frames written so far.
        num_frames: all frames of the video; None if unknown.
        seconds: since the start.
    """

    num_done: int
    num_frames: int | None
    seconds: float

    @property
    def frames_per_second(self) -> float:
        """The average so far."""
        return self.num_done / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """The time left at this speed; None if the number of frames is unknown."""
        if self.num_frames is None:
            return None
        return max(0, self.num_frames - self.num_done) / self.frames_per_second


@dataclass(frozen=True, slots=True)
class VideoSummary:
    """A video that was written.

    Attributes:
        width: of the frames, in pixels.
        height: of the frames, in pixels.
        num_frames: frames written.
        seconds: that it took.
        notes: a line for everything that could not be kept as it was.
    """

    width: int
    height: int
    num_frames: int
    seconds: float
    notes: tuple[str, ...]


OnProgress = Callable[[VideoProgress], None]


@dataclass(frozen=True, slots=True)
class _Task:
    """A transformation of a video and its output."""

    transform: Transform
    batching: Batching[Picture]
    scale: int
    target: VideoOutput
    on_progress: OnProgress | None


def transform_video(
    transformation: Transformation,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    quality: int = 92,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> VideoSummary:
    """Transform a video; sound, subtitles, times, colour tags and pixel aspect are kept.

    The video is rotated upright and deinterlaced, and begins at 0. Transparency is kept in `.webm`
    and `.mov` (as ProRes 4444), and laid on white elsewhere. The file appears whole or not at all;
    Ctrl-C, or a video that proves to be damaged, leaves what is finished beside it as
    `TARGET.partial.mp4`.

    Args:
        transformation: what is done to each frame. Where it does not enlarge, both sides of the
            frames become even.
        source: the video.
        target: the file to write, `.mp4`, `.m4v`, `.mov` or `.mkv` (H.264), or `.webm` (VP9).
        quality: 1 to 100; the encoder's constant rate factor is 51 - 0.36 quality.
        overwrite: replace a file that is there.
        on_progress: called in this thread after each frame.

    Raises:
        OutputExistsError: the target is there and may not be replaced; one that appears while
            the video is made is kept, and the video goes beside it.
        VideoFileError: the source is no video, damaged or cut short, or the target cannot be
            written, or the quality is out of range.
        VideoInterrupted: Ctrl-C, after a frame was done; before, it is KeyboardInterrupt.
        ModelFileError: the model cannot be run.
    """
    transform, batching = transformation.for_file(os.fspath(source)).for_frames()
    scale = transformation.predictor.card.scale
    clip_target = _target(target, quality=quality, overwrite=overwrite)
    task = _Task(transform, batching, scale, clip_target, on_progress)
    return _transform(Path(source), task, size=transformation.size)


def stylize_video(
    stylizer: Stylizer,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    settings: StyleSettings = DEFAULT_STYLE,
    *,
    stabilize: bool = False,
    mask: MaskInput | None = None,
    outside: Stylizer | None = None,
    quality: int = 92,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
    **keywords: Unpack[StyleKeywords],
) -> VideoSummary:
    """Stylize a video: `transform_video` with a `Stylization`.

    Args:
        stylizer: the style.
        source: as for `transform_video`.
        target: as for `transform_video`.
        settings: how frames are stylized.
        stabilize: reduce flicker.
        mask: where frames take the style, as for `Stylizer`; or the path of a video, whose frames
            are the masks of the frames in their order. Its last one stays.
        outside: the style where the mask is black; None leaves the frame there.
        quality: as for `transform_video`.
        overwrite: as for `transform_video`.
        on_progress: as for `transform_video`.
        keywords: fields of `StyleSettings` that replace those of `settings`.

    Raises:
        SettingError: a setting is out of range, or `outside` comes without a mask.
        PictureFileError: the mask cannot be read.
        PictureError: it is no mask, or has another aspect ratio than the video; further errors
            are those of `transform_video`.
    """
    stylization = Stylization(
        stylizer,
        replace(settings, **keywords),
        stabilize,
        mask=None if mask is None else open_mask(mask),
        outside=outside,
    )
    return transform_video(
        stylization, source, target, quality=quality, overwrite=overwrite, on_progress=on_progress
    )


def partial_path(target: str | os.PathLike[str]) -> Path:
    """The path for the finished part of a video: `video.partial.mp4` for `video.mp4`."""
    path = Path(target)
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def _target(target: str | os.PathLike[str], *, quality: int, overwrite: bool) -> VideoOutput:
    if not 1 <= quality <= 100:
        raise VideoFileError(f"quality is {quality}, expected a number from 1 to 100")
    path = check_video_output(target, overwrite=overwrite)
    try:
        return VideoOutput(path, temporary_beside(path), quality, overwrite)
    except OSError as error:
        raise VideoFileError(
            f"{shown_path(path)} cannot be written ({reason_of(error)})"
        ) from error


def _transform(source: Path, task: _Task, *, size: int | None) -> VideoSummary:
    try:
        with VideoReader(source) as reader:
            resized = reader.facts.width, reader.facts.height
            if size is not None:
                resized = fit_longer_side(*resized, size)
            width, height = map(even, resized) if task.scale == 1 else resized
            summary = _write_video(source, reader, task, width=width, height=height)
    finally:
        remove_temporary(task.target.temporary)
    if (width, height) != resized:
        note = f"{resized[0]}×{resized[1]} pixels became {width}×{height}: both sides must be even"
        return replace(summary, notes=(note, *summary.notes))
    return summary


def _write_video(
    source: Path, reader: VideoReader, task: _Task, *, width: int, height: int
) -> VideoSummary:
    started = time.perf_counter()
    writer = VideoWriter(
        task.target,
        source=source,
        facts=reader.facts,
        width=width * task.scale,
        height=height * task.scale,
    )
    try:
        _run(reader, writer, task, width=width, height=height)
        writer.finish(is_whole=True)
    except (ImpastoError, KeyboardInterrupt) as error:
        raise _with_part_kept(error, writer, task.target, reader) from None
    finally:
        writer.close()
    try:
        put_in_place(task.target.temporary, task.target.path, replace=task.target.overwrite)
    except OutputExistsError:
        raise
    except OSError as error:
        name, reason = shown_path(task.target.path), reason_of(error)
        raise VideoFileError(f"{name} cannot be written ({reason})") from error
    return VideoSummary(
        width=width * task.scale,
        height=height * task.scale,
        num_frames=writer.num_frames,
        seconds=time.perf_counter() - started,
        notes=(*writer.notes, *reader.notes),
    )


def _run(reader: VideoReader, writer: VideoWriter, task: _Task, *, width: int, height: int) -> None:
    started = time.perf_counter()

    def transform(batch: Sequence[tuple[TimedPicture, Picture]]) -> Sequence[TimedPicture]:
        results = task.transform([picture for _, picture in batch])
        return [
            frame.with_colours(result.rgb, result.alpha)
            for (frame, _), result in zip(batch, results, strict=True)
        ]

    written = run_stages(
        reader.frames(width=width, height=height),
        partial(map, lambda frame: (frame, Picture(frame.rgb, frame.alpha))),
        partial(
            transform_batches,
            transform=transform,
            batching=task.batching.by(lambda pair: task.batching.load(pair[1])),
        ),
        partial(map, writer.write),
        num_ahead=NUM_AHEAD,
    )
    # After an error, too, all threads end before the caller finishes the file they write to.
    with closing(written):
        for num_done in written:
            if task.on_progress is not None:
                seconds = time.perf_counter() - started
                task.on_progress(VideoProgress(num_done, reader.facts.num_frames, seconds))


def _with_part_kept(
    error: ImpastoError | KeyboardInterrupt,
    writer: VideoWriter,
    target: VideoOutput,
    reader: VideoReader,
) -> BaseException:
    """Keep the frames that are done, if there are any, and return the error to raise."""
    num_done, num_frames = writer.num_frames, reader.facts.num_frames
    if num_done == 0:
        return error
    part = partial_path(target.path)
    try:
        writer.finish(is_whole=False)
        put_in_place(target.temporary, part, replace=False)
    except OutputAppearedError as appeared:  # an earlier part is not replaced
        part = appeared.saved_path
    except (VideoFileError, OSError):
        return error  # most likely the error is that nothing can be written any more
    of_all = "" if num_frames is None else f" of {num_frames}"
    if isinstance(error, KeyboardInterrupt):
        return VideoInterrupted(
            f"interrupted after {num_done}{of_all} frames; they are in {shown_path(part)}"
        )
    return type(error)(f"{error}; the {num_done} frames that are done are in {shown_path(part)}")
