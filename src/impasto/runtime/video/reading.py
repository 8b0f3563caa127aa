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
import numpy as np
from av.codec.context import CodecContext
from av.container.input import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from impasto.errors import VideoFileError
from impasto.files import reason_of
from impasto.images.formats.pillow_errors import MAX_PIXELS
from impasto.runtime.video.deinterlacing import Deinterlacer, TimedFrame
from impasto.runtime.video.facts import (
    ColourTags,
    TimedPicture,
    VideoFacts,
    damage_notes,
    matrix_or_guess,
)
from impasto.runtime.video.frames import Orientation, frame_to_colours, has_alpha, orientation_of
from impasto.runtime.video.opening import open_video
from impasto.runtime.video.times import Clock, is_video_stream
from impasto.system.visible_text import shown_path

_FULL = 2
_USUAL_RATE = Fraction(25)
_WHOLE_SHARE = 0.98
"""A film that lacks fewer of its frames than this leaves is taken for whole."""

_SECOND = Fraction(1, av.time_base)
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""FFmpeg's own decoders of these leave the transparency out."""

_ASPECTS = Fraction(1, 100), Fraction(100)
"""Between which the shape of a pixel is believed."""

_RATES = Fraction(1, 3600), Fraction(1000)
"""Between which frames per second are believed; DV says 60,000."""


class VideoReader:
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
        self.name = shown_path(path)
        self.num_damaged = 0
        self._num_packets = 0
        self._deinterlacer = Deinterlacer()
        self._container = open_video(Path(path))
        try:
            self._stream = self._choose_stream()
            self._decoder = _alpha_decoder(self._stream)
            self._decoded = self._decode()
            self._first = self._first_frame()
        except BaseException:
            self._container.close()
            raise
        self._orientation = orientation_of(self._first)
        self.facts = _facts_of(self._container, self._stream, self._first, self._orientation)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._container.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read as it was, so far, one line each."""
        notes = []
        if self._deinterlacer.num_interlaced:
            notes.append(f"interlaced frames deinterlaced: {self._deinterlacer.num_interlaced}")
        return (*notes, *damage_notes(self.num_damaged, of="video"))

    def frames(self, *, width: int, height: int) -> Iterator[TimedPicture]:
        """All frames, once, in the order they are shown, each later than the one before.

        Args:
            width: they are resized to, in pixels.
            height: likewise.

        Raises:
            VideoFileError: the clip ends before the end it announces.
        """
        decoded = itertools.chain([self._first], self._decoded)
        for timed in self._deinterlacer.frames(self._timed(decoded)):
            rgb, alpha = self._converted(timed.frame, width=width, height=height)
            yield TimedPicture(rgb, alpha, timed.time, timed.duration)

    def _timed(self, frames: Iterator[VideoFrame]) -> Iterator[TimedFrame]:
        time_base = self.facts.time_base
        step = max(1, round(1 / ((self.facts.frame_rate or _USUAL_RATE) * time_base)))
        last: int | None = None
        for frame in frames:
            time = frame.pts if frame.pts is not None else (0 if last is None else last + step)
            if last is not None and time <= last:
                time = last + 1  # two frames at one moment
            last = time
            yield TimedFrame(frame, time, frame.duration or 0)

    def _choose_stream(self) -> VideoStream:
        films = [stream for stream in self._container.streams.video if is_video_stream(stream)]
        if not films:
            held = "only sound" if self._container.streams.audio else "no pictures"
            raise VideoFileError(f"{self.name} holds {held}; expected a video")
        if films[0].codec_context is None:
            raise VideoFileError(
                f"{self.name} is encoded in a way that cannot be read; convert it to MP4 first"
            )
        films[0].thread_type = "AUTO"
        films[0].codec_context.options["max_pixels"] = str(MAX_PIXELS)
        return films[0]

    def _first_frame(self) -> VideoFrame:
        for frame in self._decoded:
            return frame
        raise VideoFileError(f"{self.name} holds no frames that can be read; get the file again")

    def _decode(self) -> Iterator[VideoFrame]:
        announced = self._announced()
        try:
            for packet in Clock(self._container).demux([self._stream]):
                self._num_packets += packet.size > 0
                yield from self._frames_in(packet)
        except av.FFmpegError as error:
            raise VideoFileError(
                f"{self.name} is damaged ({reason_of(error)}); get the file again"
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
            if self._decoder is None:
                return list(packet.decode())
            frames: list[VideoFrame] = self._decoder.decode(packet if packet.size else None)
            return frames
        except av.error.EOFError:
            return []
        except av.FFmpegError:
            self.num_damaged += 1
            return []

    def _converted(
        self, frame: VideoFrame, *, width: int, height: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        facts = self.facts
        try:
            return frame_to_colours(
                frame,
                width=width,
                height=height,
                colour=facts.colour,
                orientation=self._orientation,
                has_alpha=facts.has_alpha,
            )
        except (av.FFmpegError, ValueError) as error:
            raise VideoFileError(
                f"{self.name} has frames that cannot be converted ({reason_of(error)})"
            ) from error


def _alpha_decoder(stream: VideoStream) -> Any:
    """A decoder for a stream that FFmpeg's own would read without its transparency; or None."""
    name = _ALPHA_DECODERS.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode") != "1":
        return None
    return CodecContext.create(name, "r")


def _facts_of(
    container: InputContainer, stream: VideoStream, frame: VideoFrame, orientation: Orientation
) -> VideoFacts:
    width, height = frame.width, frame.height
    aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    if not _ASPECTS[0] <= aspect <= _ASPECTS[1]:
        aspect = Fraction(1)
    if orientation[0]:
        width, height, aspect = height, width, 1 / aspect
    rate = _rate_of(stream)
    return VideoFacts(
        width=width,
        height=height,
        pixel_aspect=aspect,
        time_base=stream.time_base or 1 / _USUAL_RATE,
        frame_rate=rate,
        num_frames=_count_of(container, stream, rate),
        colour=_colour_of(frame, stream),
        has_alpha=has_alpha(frame) and not _has_undefined_alpha(container, stream),
        bits=frame.format.components[0].bits,
    )


def _rate_of(stream: VideoStream) -> Fraction | None:
    """Frames per second, where the film says it in a way that can be believed."""
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return next((rate for rate in rates if rate and _RATES[0] <= rate <= _RATES[1]), None)


def _has_undefined_alpha(container: InputContainer, stream: VideoStream) -> bool:
    """Whether a fourth channel means nothing: that of 32-bit AVI without compression."""
    return container.format.name == "avi" and stream.codec_context.name == "rawvideo"


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
