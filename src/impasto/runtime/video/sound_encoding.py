"""Sound encoded anew: AAC, or Opus where a container has no AAC."""

import contextlib
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container.output import OutputContainer
from av.packet import Packet

_OPUS, _AAC = "libopus", "aac"
_OPUS_RATE = 48_000
_FORMATS = {_AAC: "fltp", _OPUS: "flt"}
_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1", "7.1")
"""The layout of one channel, of two, … , for sound that does not state it."""


class EncodedSound:
    """A stream of sound, decoded and encoded anew.

    Attributes:
        codec: the encoder's.
        num_lost: packets and frames so far that could not be decoded or encoded.
    """

    def __init__(self, stream: Any, output: OutputContainer, codec: str) -> None:
        self._output = output
        self._stream = stream
        self.codec = codec
        self.num_lost = 0
        self._resampler: av.AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None

    @classmethod
    def of(cls, source: AudioStream, output: OutputContainer) -> "EncodedSound | None":
        """The stream encoded anew; None if no encoder takes it."""
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
        """Encode and write the sound of a packet."""
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
        """Encode and write what resampler and encoder still hold."""
        with contextlib.suppress(av.error.EOFError, ValueError):
            self._drain()
        self._output.mux(self._stream.encode(None))

    def _encode(self, frame: av.AudioFrame) -> None:
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if kind != self._kind:  # the first frame, or a broadcast changes its sound
            self._drain()
            # The resampler also cuts: AAC and Opus take frames of one length only.
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


def _encoder_settings(codec: str, source: AudioStream) -> tuple[int, str] | None:
    """The sample rate and layout nearest to a stream's that the encoder takes; None if none."""
    context = source.codec_context
    # Opus plays at 48 kHz whatever it was given.
    source_rate = _OPUS_RATE if codec == _OPUS else context.sample_rate
    rates = av.Codec(codec, "w").audio_rates or [_OPUS_RATE]
    num_channels = context.layout.nb_channels
    if not source_rate or not num_channels:
        return None
    rate = min(rates, key=lambda it: abs(it - source_rate))
    usual = _LAYOUTS[min(num_channels, len(_LAYOUTS)) - 1]
    # Encoders do not list the layouts that they take; opening one is the way to find out.
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
