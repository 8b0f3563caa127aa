"""Sound and subtitles on their way from one clip to another: copied, or encoded anew.

They come from a reading of the file of their own, so that they may lie in it as they like.
"""

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

from impasto.runtime.video.facts import damage_notes
from impasto.runtime.video.opening import open_video
from impasto.runtime.video.sound_encoding import EncodedSound
from impasto.runtime.video.stream_trial import can_hold, first_packets
from impasto.runtime.video.times import Clock, is_video_stream, start_of

_DAMAGED = (av.error.ArgumentError, av.error.InvalidDataError, av.error.PatchWelcomeError)
"""What FFmpeg says of a packet that it cannot write; a full disk is none of these."""


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
        self._carriers: dict[int, _Copied | EncodedSound] = {}
        self._left_out: Counter[str] = Counter()
        self._changes: list[str] = []
        self._source = open_video(source)
        samples = first_packets(source)
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
        lost = damage_notes(num_lost, of="sound")
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
        if codec is not None and can_hold(name, stream, sample):
            self._carriers[stream.index] = _Copied(stream, self._output)
            return
        refusal = f"{name} cannot hold {codec or 'an unknown codec'}"
        encoded = EncodedSound.of(stream, self._output) if codec is not None and is_sound else None
        if encoded is not None:
            self._carriers[stream.index] = encoded
            self._changes.append(f"{refusal}: the sound was encoded anew as {encoded.codec}")
        else:
            kind = "sound was" if is_sound else "subtitles were"
            self._changes.append(f"{refusal}: the {kind} left out")

    def _count_left_out(self) -> None:
        films = [stream for stream in self._source.streams.video if is_video_stream(stream)]
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
                if packet.dts is None:
                    packet.dts = packet.pts
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
        except _DAMAGED:
            self.num_lost += 1

    def finish(self) -> None:
        """Nothing is held back."""


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
