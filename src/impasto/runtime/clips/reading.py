"""A clip read from its file, one upright frame at a time.

Its sound and subtitles are the soundtrack's, which reads the file a second time.
"""

import itertools
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
from av.container.input import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from impasto.errors import VideoFileError
from impasto.images.reading import one_line, shown
from impasto.runtime.clips.clip import ClipFacts, ClipFrame, ColourTags, matrix_or_guess
from impasto.runtime.clips.frames import Turn, frame_to_rgb, turn_of

_FULL = 2
_USUAL_RATE = Fraction(25)
_WHOLE_SHARE = 0.98
"""A film that lacks fewer of its frames than this leaves is taken for whole."""

_SECOND = Fraction(1, av.time_base)
_NO_FILMS = ("image2", "tty", "_pipe")


class ClipReader:
    """A clip, open for reading.

    Args:
        path: of the file.

    Attributes:
        name: what messages call it.
        facts: what is known of it.
        num_damaged: packets that could not be decoded so far, and were left out.

    Raises:
        VideoFileError: it is missing, no film, or holds no frame that can be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = shown(path)
        self.num_damaged = 0
        self._num_packets = 0
        self._container = open_film(Path(path))
        try:
            self._stream = self._choose_stream()
            self._decoded = self._decode()
            self._first = self._first_frame()
        except BaseException:
            self._container.close()
            raise
        self._turn = turn_of(self._first)
        self.facts = _facts_of(self._container, self._stream, self._first, self._turn)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._container.close()

    def frames(self, *, width: int, height: int) -> Iterator[ClipFrame]:
        """All frames, once, in the order they are shown, each later than the one before.

        Args:
            width: they are resized to, in pixels.
            height: likewise.

        Raises:
            VideoFileError: the clip ends before the end it announces.
        """
        time_base = self.facts.time_base
        step = max(1, round(1 / ((self.facts.frame_rate or _USUAL_RATE) * time_base)))
        last: int | None = None
        for frame in itertools.chain([self._first], self._decoded):
            time = frame.pts if frame.pts is not None else (0 if last is None else last + step)
            if last is not None and time <= last:
                time = last + 1  # two frames at one moment
            last = time
            rgb = frame_to_rgb(
                frame, width=width, height=height, colour=self.facts.colour, turn=self._turn
            )
            yield ClipFrame(rgb, time, frame.duration or 0)

    def _choose_stream(self) -> VideoStream:
        films = [
            stream
            for stream in self._container.streams.video
            if not stream.disposition & Disposition.attached_pic
        ]
        if not films:
            held = "only sound" if self._container.streams.audio else "no pictures"
            raise VideoFileError(f"{self.name} holds {held}; expected a film")
        films[0].thread_type = "AUTO"
        return films[0]

    def _first_frame(self) -> VideoFrame:
        for frame in self._decoded:
            return frame
        raise VideoFileError(f"{self.name} holds no frames that can be read; get the file again")

    def _decode(self) -> Iterator[VideoFrame]:
        announced = self._announced()
        try:
            for packet in self._container.demux(self._stream):
                self._num_packets += packet.size > 0
                yield from self._frames_in(packet)
        except av.FFmpegError as error:
            raise VideoFileError(
                f"{self.name} is damaged ({one_line(error)}); get the file again"
            ) from error
        if 0 < self._num_packets < _WHOLE_SHARE * announced - 1:
            raise VideoFileError(
                f"{self.name} is cut short: {self._num_packets} of {announced} frames are there"
            )

    def _announced(self) -> int:
        """How many packets there should be; 0 where the file has no list that can be relied on."""
        has_list = "mp4" in self._container.format.name
        return len(self._stream.index_entries) if has_list else 0

    def _frames_in(self, packet: Any) -> list[VideoFrame]:
        try:
            return list(packet.decode())
        except av.error.InvalidDataError:
            self.num_damaged += 1
            return []


def open_film(path: Path) -> InputContainer:
    """Open a file that may be a film.

    Raises:
        VideoFileError: it is missing, may not be read, or is no film.
    """
    name = shown(path)
    if path.is_dir():
        raise VideoFileError(f"{name} is a folder; expected a film")
    try:
        container = av.open(str(path), metadata_errors="replace")
    except FileNotFoundError as error:
        raise VideoFileError(f"{name} does not exist; expected a film") from error
    except PermissionError as error:
        raise VideoFileError(f"{name} may not be read; change its permissions") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoFileError(
            f"{name} is no film that can be read, or is cut short ({_reason(error)}); "
            f"expected MP4, Matroska, WebM or the like"
        ) from error
    if container.format.name.endswith(_NO_FILMS):
        container.close()
        raise VideoFileError(f"{name} is no film; expected MP4, Matroska, WebM or the like")
    return container


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or one_line(error)


def _facts_of(
    container: InputContainer, stream: VideoStream, frame: VideoFrame, turn: Turn
) -> ClipFacts:
    width, height = frame.width, frame.height
    aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    if turn[0]:
        width, height, aspect = height, width, 1 / aspect
    rate = stream.average_rate or stream.guessed_rate or None
    return ClipFacts(
        width=width,
        height=height,
        pixel_aspect=aspect,
        time_base=stream.time_base or 1 / _USUAL_RATE,
        frame_rate=rate,
        num_frames=_count_of(container, stream, rate),
        colour=_colour_of(frame, stream),
    )


def _count_of(container: InputContainer, stream: VideoStream, rate: Fraction | None) -> int | None:
    if stream.frames:
        return int(stream.frames)
    if container.duration is None or rate is None:
        return None
    return max(1, round(container.duration * _SECOND * rate))


def _colour_of(frame: VideoFrame, stream: VideoStream) -> ColourTags:
    is_rgb = frame.format.is_rgb
    is_full = stream.color_range == _FULL or frame.format.name.startswith("yuvj")
    return ColourTags(
        primaries=stream.color_primaries,
        transfer=stream.color_trc,
        matrix=matrix_or_guess(0 if is_rgb else stream.colorspace, height=frame.height),
        is_full_range=is_full and not is_rgb,
    )
