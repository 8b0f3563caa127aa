"""A video read from its file, one upright frame at a time.

Sound and subtitles: `soundtrack`, which reads the file a second time.
"""

import itertools
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
from av.codec.context import CodecContext
from av.container.input import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

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
"""A video with at least this share of its frames counts as whole."""

_SECOND = Fraction(1, av.time_base)
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders by codec, in place of FFmpeg's own, which drop transparency."""

_ASPECTS = Fraction(1, 100), Fraction(100)
"""Lowest and highest credible pixel aspect."""

_RATES = Fraction(1, 3600), Fraction(1000)
"""Lowest and highest credible frames per second; DV states 60,000."""


class VideoReader:
    """A video, open for reading.

    Args:
        path: the file.

    Attributes:
        name: its name in messages.
        facts: its properties.
        num_damaged: packets left out so far because they could not be decoded.

    Raises:
        VideoFileError: the file is missing, no video, or holds no frame that can be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = shown_path(path)
        self.num_damaged = 0
        self._num_packets = 0
        self._deinterlacer = Deinterlacer()
        self._container = open_video(Path(path))
        try:
            self._stream = self._choose_stream()
            decoder = _ALPHA_DECODERS.get(self._stream.codec_context.name)
            has_alpha_mode = self._stream.metadata.get("alpha_mode") == "1"
            self._decoder: Any = (
                CodecContext.create(decoder, "r") if decoder and has_alpha_mode else None
            )
            self._decoded = self._decode()
            # Containers state size and format wrongly; the first frame has the true ones.
            first = next(self._decoded, None)
            if first is None:
                raise VideoFileError(
                    f"{self.name} holds no frames that can be read; get the file again"
                )
            self._first = first
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
        """A line for each change made in reading, so far."""
        notes = []
        if self._deinterlacer.num_interlaced:
            notes.append(f"interlaced frames deinterlaced: {self._deinterlacer.num_interlaced}")
        return (*notes, *damage_notes(self.num_damaged, of="video"))

    def frames(self, *, width: int, height: int) -> Iterator[TimedPicture]:
        """All frames, once, in the order of display; times increase strictly.

        Args:
            width: to resize them to, in pixels.
            height: to resize them to, in pixels.

        Raises:
            VideoFileError: the video is damaged, or ends early.
        """
        decoded = itertools.chain([self._first], self._decoded)
        for timed in self._deinterlacer.frames(self._timed(decoded)):
            try:
                rgb, alpha = frame_to_colours(
                    timed.frame,
                    width=width,
                    height=height,
                    colour=self.facts.colour,
                    orientation=self._orientation,
                    has_alpha=self.facts.has_alpha,
                )
            except (av.FFmpegError, ValueError) as error:
                raise VideoFileError(
                    f"{self.name} has frames that cannot be converted ({reason_of(error)})"
                ) from error
            yield TimedPicture(rgb, alpha, timed.time, timed.duration)

    def _timed(self, frames: Iterator[VideoFrame]) -> Iterator[TimedFrame]:
        """The frames with their times; those without a time follow at the frame rate."""
        time_base = self.facts.time_base
        step = max(1, round(1 / ((self.facts.frame_rate or _USUAL_RATE) * time_base)))
        last: int | None = None
        for frame in frames:
            time = frame.pts if frame.pts is not None else (0 if last is None else last + step)
            if last is not None and time <= last:
                time = last + 1  # encoders refuse two frames at one time
            last = time
            yield TimedFrame(frame, time, frame.duration or 0)

    def _choose_stream(self) -> VideoStream:
        streams = [stream for stream in self._container.streams.video if is_video_stream(stream)]
        if not streams:
            content = "only sound" if self._container.streams.audio else "no pictures"
            raise VideoFileError(f"{self.name} holds {content}; expected a video")
        if streams[0].codec_context is None:
            raise VideoFileError(
                f"{self.name} is encoded in a way that cannot be read; convert it to MP4 first"
            )
        # Several frames at once: PyAV's own choice, slices, gains nothing with one slice a frame.
        streams[0].thread_type = "AUTO"
        # A header may claim any size, and a decoder takes memory for it before a pixel is there.
        streams[0].codec_context.options["max_pixels"] = str(MAX_PIXELS)
        return streams[0]

    def _decode(self) -> Iterator[VideoFrame]:
        # Only MP4 lists its packets in a way that can be relied on.
        has_list = "mp4" in self._container.format.name
        num_listed = len(self._stream.index_entries) if has_list else 0
        try:
            for packet in Clock(self._container).demux([self._stream]):
                self._num_packets += packet.size > 0  # an empty one flushes the decoder
                yield from self._frames_in(packet)
        except av.FFmpegError as error:
            raise VideoFileError(
                f"{self.name} is damaged ({reason_of(error)}); get the file again"
            ) from error
        if 0 < self._num_packets < _WHOLE_SHARE * num_listed - 1:
            raise VideoFileError(
                f"{self.name} is cut short: {self._num_packets} of {num_listed} frames are there"
            )

    def _frames_in(self, packet: Any) -> list[VideoFrame]:
        """The frames of a packet; a damaged one has none, and is counted."""
        try:
            if self._decoder is None:
                return list(packet.decode())
            # The container's empty packet is for its own decoder; this one is flushed by None.
            frames: list[VideoFrame] = self._decoder.decode(packet if packet.size else None)
            return frames
        except av.error.EOFError:
            return []
        except av.FFmpegError:
            self.num_damaged += 1
            return []


def _facts_of(
    container: InputContainer, stream: VideoStream, frame: VideoFrame, orientation: Orientation
) -> VideoFacts:
    width, height = frame.width, frame.height
    # 0 stands for an unknown aspect.
    aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    if not _ASPECTS[0] <= aspect <= _ASPECTS[1]:
        aspect = Fraction(1)
    if orientation[0]:
        width, height, aspect = height, width, 1 / aspect
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    rate = next((it for it in rates if it and _RATES[0] <= it <= _RATES[1]), None)
    num_frames = int(stream.frames) or None
    if num_frames is None and container.duration is not None and rate is not None:
        num_frames = max(1, round(container.duration * _SECOND * rate))
    # `yuvj420p` and its like are FFmpeg's old names of full range.
    is_full = stream.color_range == _FULL or frame.format.name.startswith("yuvj")
    # R'G'B' is written as limited-range luma and chroma, and needs a matrix for it.
    is_rgb = frame.format.is_rgb
    colour = ColourTags(
        primaries=stream.color_primaries,
        transfer=stream.color_trc,
        matrix=matrix_or_guess(0 if is_rgb else stream.colorspace, height=frame.height),
        is_full_range=is_full and not is_rgb,
    )
    # The fourth channel of uncompressed 32-bit AVI is padding.
    is_padded = container.format.name == "avi" and stream.codec_context.name == "rawvideo"
    return VideoFacts(
        width=width,
        height=height,
        pixel_aspect=aspect,
        time_base=stream.time_base or 1 / _USUAL_RATE,
        frame_rate=rate,
        num_frames=num_frames,
        colour=colour,
        has_alpha=has_alpha(frame) and not is_padded,
        bits=frame.format.components[0].bits,
    )
