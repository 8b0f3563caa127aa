"""Sound and subtitles on their way from one clip to another: copied, or encoded anew.

They come from a reading of the file of their own, so that they may lie in it as they like. Whether
the new container can hold a stream is found out by writing the beginning of it.
"""

import contextlib
import io
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container.output import OutputContainer
from av.packet import Packet
from av.stream import Stream

from impasto.runtime.clips.opening import open_film
from impasto.runtime.clips.times import Clock, is_film_stream, start_of

_OPUS, _AAC = "libopus", "aac"
_OPUS_RATE = 48_000
_FORMATS = {_AAC: "fltp", _OPUS: "flt"}
_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1", "7.1")
"""Of so many channels, where a film does not say which they are."""

_SAMPLED_PACKETS = 8
_LOOKED_AT_PACKETS = 500
_TEXTS_WITHOUT_WEBM = ("srt", "subrip", "ass", "ssa")
"""WebM's list of codecs has them, and its files have not."""


class Soundtrack:
    """What a clip holds beside its pictures.

    Args:
        source: the clip.
        output: where it goes; streams are added, so that nothing may be written to it yet.

    Raises:
        VideoFileError: the clip cannot be opened any more.
    """

    def __init__(self, source: Path, output: OutputContainer) -> None:
        self._output = output
        self._carriers: dict[int, _Copied | _Encoded] = {}
        self._left_out: Counter[str] = Counter()
        self._changes: list[str] = []
        self._source = open_film(source)
        samples = _samples(source)
        for stream in self._source.streams:
            if stream.type in ("audio", "subtitle"):
                self._add(stream, samples.get(stream.index, []))
        self._count_left_out()
        self._packets = self._demux()
        self._waiting = next(self._packets, None)

    @property
    def notes(self) -> list[str]:
        """What could not be copied so far, one line each."""
        num_lost = sum(carrier.num_lost for carrier in self._carriers.values())
        lost = [f"{num_lost} damaged pieces of the sound were left out"] if num_lost else []
        return [*self._changes, *map(_left_out_note, self._left_out.items()), *lost]

    @property
    def metadata(self) -> dict[str, str]:
        """What the clip says about itself."""
        return self._source.metadata

    def chapters(self) -> list[Any]:
        """The clip's chapters, by the clock that begins at 0."""
        start = start_of(self._source)
        earlier = (
            _earlier(chapter, start) for chapter in self._source.chapters() if chapter["time_base"]
        )
        return [chapter for chapter in earlier if 0 <= chapter["start"] <= chapter["end"]]

    def write_until(self, seconds: float) -> None:
        """Write what is heard or read before a moment of the film."""
        while self._waiting is not None and seconds_of(self._waiting) < seconds:
            packet, self._waiting = self._waiting, next(self._packets, None)
            self._carriers[packet.stream.index].write(packet)

    def finish(self) -> None:
        """Write what an encoder still holds; nothing more may be written."""
        for carrier in self._carriers.values():
            carrier.finish()

    def close(self) -> None:
        """Let go of the clip."""
        self._source.close()

    def _add(self, stream: Any, sample: "list[Packet[Any]]") -> None:
        name = self._output.format.name
        context = stream.codec_context
        codec = context.codec.canonical_name if context is not None else None
        is_sound = isinstance(stream, AudioStream)
        if codec is not None and _can_hold(name, stream, sample):
            self._carriers[stream.index] = _Copied(stream, self._output)
            return
        refusal = f"{name} cannot hold {codec or 'an unknown codec'}"
        encoded = _Encoded.of(stream, self._output) if codec is not None and is_sound else None
        if encoded is not None:
            self._carriers[stream.index] = encoded
            self._changes.append(f"{refusal}: the sound was encoded anew as {encoded.codec}")
        else:
            kind = "sound was" if is_sound else "subtitles were"
            self._changes.append(f"{refusal}: the {kind} left out")

    def _count_left_out(self) -> None:
        films = [stream for stream in self._source.streams.video if is_film_stream(stream)]
        covers = len(self._source.streams.video) - len(films)
        self._left_out["stream of pictures beside the first"] = max(0, len(films) - 1)
        self._left_out["cover picture"] = covers
        for stream in self._source.streams:
            if stream.type not in ("audio", "subtitle", "video"):
                self._left_out[f"stream of {stream.type}"] += 1
        self._left_out = +self._left_out

    def _demux(self) -> "Iterator[Packet[Any]]":
        streams = [self._source.streams[index] for index in self._carriers]
        if not streams:
            return
        try:
            for packet in Clock(self._source).demux(streams):
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
        self._last: int | None = None
        self.num_lost = 0

    def write(self, packet: "Packet[Any]") -> None:
        assert packet.dts is not None
        if self._last is not None and packet.dts <= self._last:
            self.num_lost += 1  # of a moment that is past
            return
        self._last = packet.dts
        packet.stream = self._stream
        try:
            self._output.mux_one(packet)
        except (av.error.ArgumentError, av.error.InvalidDataError):
            self.num_lost += 1

    def finish(self) -> None:
        """Nothing is held back."""


class _Encoded:
    """Sound that the container cannot hold as it is."""

    def __init__(self, stream: Any, output: OutputContainer, codec: str) -> None:
        self._output = output
        self._stream = stream
        self.codec = codec
        self.num_lost = 0
        self._resampler: av.AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None

    @classmethod
    def of(cls, source: AudioStream, output: OutputContainer) -> "_Encoded | None":
        """The sound of a stream encoded anew; None where no encoder takes it."""
        codec = _AAC if _AAC in output.supported_codecs else _OPUS
        settings = _encoder_settings(codec, source)
        if settings is None:
            return None
        rate, layout = settings
        stream: Any = output.add_stream(codec, rate=rate, layout=layout)
        stream.metadata.update(source.metadata)
        stream.codec_context.open(strict=False)
        return cls(stream, output, codec)

    def write(self, packet: "Packet[Any]") -> None:
        try:
            frames: Any = packet.decode()
        except av.error.EOFError:
            return
        except av.FFmpegError:
            self.num_lost += 1  # a click in the sound is no reason to stop
            return
        for frame in frames:
            try:
                self._encode(frame)
            except (av.error.InvalidDataError, ValueError):
                self.num_lost += 1

    def finish(self) -> None:
        """Encode what is still held back."""
        with contextlib.suppress(av.error.EOFError, ValueError):
            self._drain()
        self._output.mux(self._stream.encode(None))

    def _encode(self, frame: av.AudioFrame) -> None:
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if kind != self._kind:  # at first, and where a broadcast changes its sound
            self._drain()
            context = self._stream.codec_context
            self._resampler = av.AudioResampler(
                context.format, context.layout, context.sample_rate, context.frame_size or None
            )
            self._kind = kind
        assert self._resampler is not None
        self._mux(self._resampler.resample(frame))

    def _drain(self) -> None:
        if self._resampler is not None:
            self._mux(self._resampler.resample(None))
            self._resampler = None

    def _mux(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            self._output.mux(self._stream.encode(frame))


def _samples(source: Path) -> "dict[int, list[Packet[Any]]]":
    """A few packets of each stream of sound or subtitles, from the beginning of a film."""
    samples: dict[int, list[Packet[Any]]] = {}
    container = open_film(source)
    try:
        streams = [it for it in container.streams if it.type in ("audio", "subtitle")]
        if not streams:
            return {}
        for number, packet in enumerate(Clock(container).demux(streams)):
            sample = samples.setdefault(packet.stream.index, [])
            if packet.dts is not None and len(sample) < _SAMPLED_PACKETS:
                sample.append(packet)
            if number >= _LOOKED_AT_PACKETS or _are_enough(streams, samples):
                break
    except av.FFmpegError:
        pass  # damaged: what was read so far has to do
    finally:
        container.close()
    return samples


def _are_enough(streams: list[Stream], samples: "dict[int, list[Packet[Any]]]") -> bool:
    return all(len(samples.get(it.index, ())) >= _SAMPLED_PACKETS for it in streams)


def _can_hold(container: str, stream: Stream, sample: "list[Packet[Any]]") -> bool:
    """Whether a file of this container takes a stream as it is: FFmpeg is asked to write one."""
    if container == "webm" and stream.codec_context.name in _TEXTS_WITHOUT_WEBM:
        return False
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            copied = trial.add_stream_from_template(stream)
            trial.start_encoding()
            for packet in sample:
                packet.stream = copied
                trial.mux_one(packet)
    except (av.FFmpegError, ValueError, OSError):
        return False
    return True


def _encoder_settings(codec: str, source: AudioStream) -> tuple[int, str] | None:
    """The sample rate and layout nearest to a stream's that an encoder takes; None without."""
    context = source.codec_context
    wanted = _OPUS_RATE if codec == _OPUS else context.sample_rate
    rates = av.Codec(codec, "w").audio_rates or [_OPUS_RATE]
    num_channels = context.layout.nb_channels
    if not wanted or not num_channels:
        return None
    rate = min(rates, key=lambda it: abs(it - wanted))
    usual = _LAYOUTS[min(num_channels, len(_LAYOUTS)) - 1]
    for layout in (context.layout.name, usual, "stereo"):
        try:
            encoder: Any = av.CodecContext.create(codec, "w")
            encoder.sample_rate, encoder.layout = rate, layout
            encoder.format = _FORMATS[codec]
            encoder.open(strict=False)
        except (av.FFmpegError, ValueError):
            continue
        return rate, layout
    return None


def _earlier(chapter: Any, start: Fraction) -> Any:
    shift = round(start / chapter["time_base"])
    return {**chapter, "start": max(0, chapter["start"] - shift), "end": chapter["end"] - shift}


def _left_out_note(counted: tuple[str, int]) -> str:
    what, number = counted
    if number == 1:
        return f"a {what} was left out"
    head, *tail = what.split(" ", 1)
    return f"{number} {' '.join([head + 's', *tail])} were left out"


def seconds_of(packet: "Packet[Any]") -> float:
    """When a packet is decoded."""
    assert (
        packet.dts is not None
    )  # encoders set it, and what demuxers leave without is not let through
    return float(packet.dts * packet.time_base)
