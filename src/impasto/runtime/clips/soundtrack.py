"""Sound and subtitles on their way from one clip to another: copied, or encoded anew.

They come from a reading of the file of their own, so that they may lie in it as they like.
"""

from collections.abc import Iterator
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.container.output import OutputContainer
from av.packet import Packet
from av.stream import Stream

_OPUS, _AAC = "libopus", "aac"
_OPUS_RATE = 48_000


class Soundtrack:
    """What a clip holds beside its pictures.

    Args:
        source: the clip, opened for this alone.
        output: where it goes; streams are added, so that nothing may be written to it yet.

    Attributes:
        notes: what could not be copied, one line each.
    """

    def __init__(self, source: InputContainer, output: OutputContainer) -> None:
        self.notes: list[str] = []
        self._source = source
        self._output = output
        self._carriers: dict[int, _Copied | _Encoded] = {}
        for stream in source.streams:
            if stream.type in ("audio", "subtitle"):
                self._add(stream)
            elif stream.type != "video":
                self.notes.append(f"a stream of {stream.type} was left out")
        self._packets = self._demux()
        self._waiting = next(self._packets, None)

    def write_until(self, seconds: float) -> None:
        """Write what is heard or read before a moment of the film."""
        while self._waiting is not None and seconds_of(self._waiting) < seconds:
            packet, self._waiting = self._waiting, next(self._packets, None)
            self._carriers[packet.stream.index].write(packet)

    def finish(self) -> None:
        """Write what an encoder still holds; nothing more may be written."""
        for carrier in self._carriers.values():
            carrier.finish()

    def _add(self, stream: Any) -> None:
        kind = "sound" if isinstance(stream, AudioStream) else "subtitles"
        codec = stream.codec_context.name if stream.codec_context is not None else None
        if codec in self._output.supported_codecs and not self._refused(codec):
            self._carriers[stream.index] = _Copied(stream, self._output)
        elif codec is not None and isinstance(stream, AudioStream):
            carrier = _Encoded(stream, self._output)
            self._carriers[stream.index] = carrier
            self.notes.append(
                f"{self._output.format.name} cannot hold {codec}: "
                f"the sound was encoded anew as {carrier.codec}"
            )
        else:
            self.notes.append(
                f"{self._output.format.name} cannot hold {codec or 'an unknown codec'}: "
                f"the {kind} were left out"
            )

    def _refused(self, codec: str | None) -> bool:
        """Text that the list of WebM's codecs has, and its file has not."""
        return self._output.format.name == "webm" and codec in ("srt", "subrip", "ass", "ssa")

    def _demux(self) -> "Iterator[Packet[Any]]":
        streams = [self._source.streams[index] for index in self._carriers]
        if not streams:
            return
        try:
            for packet in self._source.demux(streams):
                if packet.dts is not None:
                    yield packet
        except av.FFmpegError:
            return  # the pictures' reading says what is wrong with the file


class _Copied:
    """A stream whose packets go over as they are."""

    def __init__(self, source: Stream, output: OutputContainer) -> None:
        self._output = output
        self._stream = output.add_stream_from_template(source)
        self._stream.metadata.update(source.metadata)
        self._stream.disposition = source.disposition

    def write(self, packet: "Packet[Any]") -> None:
        packet.stream = self._stream
        self._output.mux_one(packet)

    def finish(self) -> None:
        """Nothing is held back."""


class _Encoded:
    """Sound that the container cannot hold as it is."""

    def __init__(self, source: AudioStream, output: OutputContainer) -> None:
        self._output = output
        self.codec = _AAC if _AAC in output.supported_codecs else _OPUS
        rate = _OPUS_RATE if self.codec == _OPUS else source.codec_context.sample_rate
        layout = source.codec_context.layout.name
        self._stream: Any = output.add_stream(self.codec, rate=rate, layout=layout)
        self._stream.metadata.update(source.metadata)
        self._resampler: av.AudioResampler | None = None

    def write(self, packet: "Packet[Any]") -> None:
        for frame in _frames_in(packet):
            self._encode(frame)

    def finish(self) -> None:
        if self._resampler is not None:
            self._encode(None)
        self._output.mux(self._stream.encode(None))

    def _encode(self, frame: av.AudioFrame | None) -> None:
        if self._resampler is None:
            self._stream.codec_context.open(strict=False)
            context = self._stream.codec_context
            self._resampler = av.AudioResampler(
                context.format, context.layout, context.sample_rate, context.frame_size or None
            )
        for resampled in self._resampler.resample(frame):
            self._output.mux(self._stream.encode(resampled))


def _frames_in(packet: Any) -> list[av.AudioFrame]:
    try:
        return list(packet.decode())
    except av.error.InvalidDataError:
        return []  # a click in the sound is no reason to stop


def seconds_of(packet: "Packet[Any]") -> float:
    """When a packet is decoded."""
    assert (
        packet.dts is not None
    )  # encoders set it, and what demuxers leave without is not let through
    return float(packet.dts * packet.time_base)
