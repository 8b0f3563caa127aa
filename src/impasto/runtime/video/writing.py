"""A video written to its file, with the times and colour tags of its source.

The suffix decides the container, and with the transparency the encoder (`encoders`). The caller
names the file, and puts it in place when it is whole.
"""

import contextlib
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container.output import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from impasto.errors import VideoFileError
from impasto.files import check_output, reason_of
from impasto.runtime.video.encoders import encoder_for
from impasto.runtime.video.facts import TimedPicture, VideoFacts
from impasto.runtime.video.frames import on_white, rgb_to_frame, rgba_to_frame
from impasto.runtime.video.opening import open_output
from impasto.runtime.video.soundtrack import Soundtrack, seconds_of
from impasto.runtime.video.suffixes import WRITABLE_SUFFIXES
from impasto.system.visible_text import shown_path

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
_FULL, _LIMITED = 2, 1
_USUAL_RATE = Fraction(25)
_FFMPEG_ERRORS = (av.FFmpegError, OSError, ValueError)
_OPAQUE = 0.999
_TIMECODE = r"\d\d:\d\d:\d\d[:;]\d\d"
_DROP_FRAME_RATES = (Fraction(30_000, 1001), Fraction(60_000, 1001))
_HDR = {16: "PQ", 18: "HLG"}
"""The transfers of HDR in H.273, by code point."""


@dataclass(frozen=True, slots=True)
class VideoOutput:
    """The output file of a video.

    Attributes:
        path: its final path.
        temporary: its path while it is written.
        quality: 1 to 100.
        overwrite: whether an existing file may be replaced.
    """

    path: Path
    temporary: Path
    quality: int
    overwrite: bool = False


class VideoWriter:
    """A video, open for writing.

    Args:
        output: the file.
        source: the video whose soundtrack, metadata and chapters it takes.
        facts: the properties of that video.
        width: of the frames, in pixels, even.
        height: of the frames, in pixels, even.

    Attributes:
        num_frames: frames written so far.

    Raises:
        VideoFileError: the file cannot be written.
    """

    def __init__(
        self, output: VideoOutput, *, source: Path, facts: VideoFacts, width: int, height: int
    ) -> None:
        self._name = shown_path(output.path)
        self._facts = facts
        self._encoder = encoder_for(output.path.suffix, output.quality, has_alpha=facts.has_alpha)
        self.num_frames = 0
        self._num_transparent = 0
        self._end = -math.inf
        self._soundtrack: Soundtrack | None = None
        with self._errors_as_ours():
            self._output = _open(output)
            try:
                self._stream = self._add_video(width, height)
                self._soundtrack = Soundtrack(source, self._output)
                self._output.metadata.update(_metadata_for(facts, self._soundtrack.metadata))
                self._output.set_chapters(self._soundtrack.chapters())
                # Last: the header has all streams, metadata and chapters.
                self._output.start_encoding()
            except BaseException:
                self.close()
                raise

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for everything that could not be kept as it was, so far."""
        notes = list(self._soundtrack.notes) if self._soundtrack is not None else []
        if self._num_transparent and self._encoder.alpha_note:
            notes.append(self._encoder.alpha_note)
        if self._facts.bits > self._encoder.bits:
            hdr = _HDR.get(self._facts.colour.transfer)
            hdr_note = f"; it stays an HDR video ({hdr}), for which that is little" if hdr else ""
            notes.append(
                f"{self._facts.bits} bits per channel became {self._encoder.bits}{hdr_note}"
            )
        return tuple(notes)

    def write(self, frame: TimedPicture) -> int:
        """Write one more frame, and return the number written.

        Raises:
            VideoFileError: the file cannot be written any more.
        """
        picture = self._encodable(frame)
        picture.pts, picture.time_base = frame.time, self._facts.time_base
        picture.duration = frame.duration
        with self._errors_as_ours():
            packets = self._stream.encode(picture)
            self._output.mux(packets)
            if packets:  # not before the first frame, whose time may be negative
                self._sound.write_until(seconds_of(packets[-1]))
        self._end = float((frame.time + frame.duration) * self._facts.time_base)
        self.num_frames += 1
        return self.num_frames

    def finish(self, *, is_whole: bool) -> None:
        """Write what the encoders hold, and the index, without which the file does not play.

        Args:
            is_whole: write the soundtrack to its own end; otherwise to the end of the last frame,
                and go on after errors, so that the finished part plays.

        Raises:
            VideoFileError: the file cannot be written any more.
        """
        with self._errors_as_ours():
            packets = self._stream.encode(None)
            if is_whole:
                self._output.mux(packets)
                self._write_sound(math.inf)
            else:
                for packet in packets:
                    with contextlib.suppress(*_FFMPEG_ERRORS):
                        self._output.mux_one(packet)
                with contextlib.suppress(*_FFMPEG_ERRORS):
                    self._write_sound(self._end)
            self._output.close()

    def _write_sound(self, end: float) -> None:
        self._sound.write_until(end)
        self._sound.finish()

    def close(self) -> None:
        """Close the files; without `finish` before, the output does not play."""
        if self._soundtrack is not None:
            self._soundtrack.close()
        with contextlib.suppress(*_FFMPEG_ERRORS):
            self._output.close()

    @property
    def _sound(self) -> Soundtrack:
        assert self._soundtrack is not None
        return self._soundtrack

    def _encodable(self, frame: TimedPicture) -> VideoFrame:
        colour, alpha = self._facts.colour, frame.alpha
        if alpha is None:
            return rgb_to_frame(frame.rgb, colour=colour)
        self._num_transparent += bool(alpha.min() < _OPAQUE)
        if not self._encoder.has_alpha:
            return rgb_to_frame(on_white(frame.rgb, alpha), colour=colour)
        pixel_format = self._encoder.pixel_format
        return rgba_to_frame(frame.rgb, alpha, colour=colour, pixel_format=pixel_format)

    def _add_video(self, width: int, height: int) -> VideoStream:
        rate = self._facts.frame_rate or _USUAL_RATE
        encoder = self._encoder
        stream = self._output.add_stream(encoder.codec, rate=rate, options=dict(encoder.options))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, encoder.pixel_format
        # The source's unit of time: one frame as the unit would move those of a variable rate.
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
        except _FFMPEG_ERRORS as error:
            if isinstance(error, VideoFileError):
                raise
            raise VideoFileError(f"{self._name} cannot be written ({reason_of(error)})") from error


def check_video_output(output: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Refuse a path that a video cannot be written to, before the long work.

    Raises:
        OutputExistsError: the file exists and may not be replaced.
        VideoFileError: a folder, a device, a missing folder, or an unknown suffix.
    """
    path = Path(output)
    if path.suffix.lower() not in WRITABLE_SUFFIXES:
        raise VideoFileError(
            f"{shown_path(path)} ends in no suffix of a video that can be written; "
            f"expected one of {', '.join(WRITABLE_SUFFIXES)}"
        )
    check_output(path, overwrite=overwrite, error=VideoFileError)
    return path


def _open(output: VideoOutput) -> OutputContainer:
    container = _FORMATS[output.path.suffix.lower()]
    # The index in front, so that a browser plays before it has the whole file.
    options = {"movflags": "+faststart"} if container in ("mp4", "mov") else {}
    return open_output(output.temporary, container=container, options=options)


def _metadata_for(facts: VideoFacts, metadata: dict[str, str]) -> dict[str, str]:
    """The video's metadata, without a time code that FFmpeg would refuse to write."""
    code = metadata.get("timecode")
    rate = facts.frame_rate
    if code is None:
        return metadata
    # A semicolon marks counting with dropped frames, which exists for NTSC's rates alone.
    is_whole = rate is not None and rate >= 1 and re.fullmatch(_TIMECODE, code) is not None
    if is_whole and (";" not in code or rate in _DROP_FRAME_RATES):
        return metadata
    return {key: value for key, value in metadata.items() if key != "timecode"}
