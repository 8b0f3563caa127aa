"""A clip written to its file: H.264 or VP9, with the times and colours of the one it was made from.

The file is the pipeline's to name and to put in its place.
"""

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.stream import VideoStream

from impasto.errors import OutputExistsError, VideoFileError
from impasto.files import is_special, reason_of
from impasto.images.reading import shown
from impasto.runtime.clips.clip import ClipFacts, ClipFrame
from impasto.runtime.clips.frames import rgb_to_frame
from impasto.runtime.clips.reading import open_film
from impasto.runtime.clips.soundtrack import Soundtrack, seconds_of
from impasto.runtime.clips.suffixes import WRITABLE_SUFFIXES

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
_FULL, _LIMITED = 2, 1
_USUAL_RATE = Fraction(25)
_H264_PRESET = "veryfast"
_VP9_OPTIONS = {"deadline": "realtime", "cpu-used": "6", "row-mt": "1"}


@dataclass(frozen=True, slots=True)
class ClipTarget:
    """Where a clip goes.

    Attributes:
        path: of the file, under its last name.
        temporary: of the file while it is written.
        quality: 1 to 100.
        overwrite: a file that is there may be replaced.
    """

    path: Path
    temporary: Path
    quality: int
    overwrite: bool = False


class ClipWriter:
    """A clip, open for writing.

    Args:
        target: where it goes.
        source: the clip whose soundtrack, title and chapters it takes.
        facts: of that clip.
        width: of the frames, in pixels, even.
        height: likewise.

    Attributes:
        notes: what could not be taken over, one line each.
        num_frames: written so far.

    Raises:
        VideoFileError: the place cannot be written to.
    """

    def __init__(
        self, target: ClipTarget, *, source: Path, facts: ClipFacts, width: int, height: int
    ) -> None:
        self._name = shown(target.path)
        self._facts = facts
        self.num_frames = 0
        self._end = -math.inf
        with self._errors_as_ours():
            self._open(target, source)
            self._stream = self._add_film(target, width, height)
            self._soundtrack = Soundtrack(self._source, self._output)
        self.notes = self._soundtrack.notes

    def write(self, frame: ClipFrame) -> int:
        """Write one more frame; returns how many are written.

        Raises:
            VideoFileError: the place cannot be written to any more.
        """
        picture = rgb_to_frame(frame.rgb, colour=self._facts.colour)
        picture.pts, picture.time_base = frame.time, self._facts.time_base
        picture.duration = frame.duration
        with self._errors_as_ours():
            packets = self._stream.encode(picture)
            self._output.mux(packets)
            if packets:  # never sound before film, whose first times may be negative
                self._soundtrack.write_until(seconds_of(packets[-1]))
        self._end = float((frame.time + frame.duration) * self._facts.time_base)
        self.num_frames += 1
        return self.num_frames

    def finish(self, *, is_whole: bool) -> None:
        """Write what the encoders hold, and the index, without which nothing plays.

        Args:
            is_whole: the soundtrack goes on to its own end, and not only to that of the frames.

        Raises:
            VideoFileError: the place cannot be written to any more.
        """
        with self._errors_as_ours():
            self._output.mux(self._stream.encode(None))
            self._soundtrack.write_until(math.inf if is_whole else self._end)
            self._soundtrack.finish()
            self._output.close()

    def close(self) -> None:
        """Let go of the files; without `finish`, what was written is of no use."""
        self._source.close()
        with contextlib.suppress(av.FFmpegError):
            self._output.close()

    def _open(self, target: ClipTarget, source: Path) -> None:
        kind = _FORMATS[target.path.suffix.lower()]
        options = {"movflags": "+faststart"} if kind in ("mp4", "mov") else {}
        self._source = open_film(source)
        self._output = av.open(str(target.temporary), "w", format=kind, container_options=options)
        self._output.metadata.update(self._source.metadata)
        self._output.set_chapters(self._source.chapters())

    def _add_film(self, target: ClipTarget, width: int, height: int) -> VideoStream:
        codec, options = _encoder(target)
        rate = self._facts.frame_rate or _USUAL_RATE
        stream = self._output.add_stream(codec, rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = self._facts.time_base
        stream.codec_context.sample_aspect_ratio = self._facts.pixel_aspect
        colour = self._facts.colour
        stream.codec_context.color_primaries = colour.primaries
        stream.codec_context.color_trc = colour.transfer
        stream.codec_context.colorspace = colour.matrix
        stream.codec_context.color_range = _FULL if colour.is_full_range else _LIMITED
        return stream

    @contextlib.contextmanager
    def _errors_as_ours(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            if isinstance(error, VideoFileError):
                raise
            reason = reason_of(error)
            raise VideoFileError(f"{self._name} cannot be written ({reason})") from error


def check_video_target(target: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Refuse a path that a clip cannot be written to; worth asking before long work.

    Raises:
        OutputExistsError: a file is there and may not be replaced.
        VideoFileError: a folder, a device, a missing folder, or a suffix of no format.
    """
    path = Path(target)
    if path.is_dir():
        raise VideoFileError(f"{shown(path)} is a folder; give the name of a file in it")
    if is_special(path):
        raise VideoFileError(f"{shown(path)} is a device or pipe; give the name of a file")
    if path.suffix.lower() not in WRITABLE_SUFFIXES:
        raise VideoFileError(
            f"{shown(path)} ends in no suffix of a film that can be written; "
            f"expected one of {', '.join(WRITABLE_SUFFIXES)}"
        )
    if not path.parent.is_dir():
        raise VideoFileError(
            f"{shown(path)} cannot be written: the folder {shown(path.parent)} does not exist; "
            "make it first"
        )
    if path.exists() and not overwrite:
        raise OutputExistsError(
            f"{shown(path)} exists already; choose another name or allow overwriting"
        )
    return path


def _encoder(target: ClipTarget) -> tuple[str, dict[str, str]]:
    """The codec, and its options at a quality: linear from bad to nearly without loss."""
    if target.path.suffix.lower() == ".webm":
        crf = round(63 - 0.41 * target.quality)
        return "libvpx-vp9", {"crf": str(crf), "b": "0", **_VP9_OPTIONS}
    return "libx264", {"crf": str(round(51 - 0.36 * target.quality)), "preset": _H264_PRESET}
