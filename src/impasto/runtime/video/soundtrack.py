"""Sound and subtitles from one video to another: copied, or encoded anew.

They are read from the file apart from the frames, so that neither has to wait in memory for the
other, however the streams are interleaved.
"""

from collections import Counter
from collections.abc import Iterator
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
"""FFmpeg's errors for a packet that it cannot write; a full disk is another."""


class Soundtrack:
    """Sound, subtitles, metadata and chapters of a video.

    Args:
        source: the video.
        output: the file to write to; it gets further streams, so nothing may be written to it yet.

    Raises:
        VideoFileError: the video cannot be opened any more.
    """

    def __init__(self, source: Path, output: OutputContainer) -> None:
        self._output = output
        self._carriers: dict[int, _Copied | EncodedSound] = {}
        self._left_out: Counter[str] = Counter()
        self._changes: list[str] = []
        self._source = open_video(source)
        # Read from the file by itself: a trial uses its packets up.
        samples = first_packets(source)
        for stream in self._source.streams:
            if stream.type in ("audio", "subtitle"):
                self._add(stream, samples.get(stream.index, []))
        num_videos = sum(map(is_video_stream, self._source.streams.video))
        self._left_out["stream of pictures beside the first"] = max(0, num_videos - 1)
        self._left_out["cover picture"] = len(self._source.streams.video) - num_videos
        for stream in self._source.streams:
            if stream.type not in ("audio", "subtitle", "video"):
                self._left_out[f"stream of {stream.type}"] += 1
        self._left_out = +self._left_out  # drops the zeros
        self._packets = self._demux()
        self._waiting = next(self._packets, None)

    @property
    def notes(self) -> list[str]:
        """A line for everything that was not copied so far."""
        num_lost = sum(carrier.num_lost for carrier in self._carriers.values())
        lost = damage_notes(num_lost, of="sound")
        return [*self._changes, *map(_left_out_note, self._left_out.items()), *lost]

    @property
    def metadata(self) -> dict[str, str]:
        """The video's metadata."""
        return self._source.metadata

    def chapters(self) -> list[Any]:
        """The video's chapters, by the clock that begins at 0."""
        start = start_of(self._source)
        chapters = []
        for chapter in self._source.chapters():
            if not chapter["time_base"]:
                continue
            shift = round(start / chapter["time_base"])
            begin, end = max(0, chapter["start"] - shift), chapter["end"] - shift
            if begin <= end:  # FFmpeg refuses others, and with them the whole file
                chapters.append({**chapter, "start": begin, "end": end})
        return chapters

    def write_until(self, seconds: float) -> None:
        """Write the packets before a time of the video."""
        while self._waiting is not None and seconds_of(self._waiting) < seconds:
            packet, self._waiting = self._waiting, next(self._packets, None)
            self._carriers[packet.stream.index].write(packet)

    def finish(self) -> None:
        """Write what the encoders still hold; nothing may be written afterwards."""
        for carrier in self._carriers.values():
            carrier.finish()

    def close(self) -> None:
        """Close the video."""
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

    def _demux(self) -> "Iterator[Packet[Any]]":
        streams = [self._source.streams[index] for index in self._carriers]
        if not streams:
            return
        try:
            for packet in Clock(self._source).demux(streams):
                # Sound is decoded in the order it is heard, so that its times are the same.
                if packet.dts is None:
                    packet.dts = packet.pts
                if packet.dts is not None:
                    yield packet
        except av.FFmpegError:
            return  # the reader of the frames reports what is wrong with the file


class _Copied:
    """A stream whose packets are copied."""

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
            self.num_lost += 1  # containers refuse times that do not increase
            return
        self._last = packet.dts
        packet.stream = self._stream
        try:
            self._output.mux_one(packet)
        except _DAMAGED:
            self.num_lost += 1

    def finish(self) -> None:
        """Does nothing: a copied stream holds nothing back."""


def _left_out_note(counted: tuple[str, int]) -> str:
    what, number = counted
    if number == 1:
        return f"a {what} was left out"
    head, *tail = what.split(" ", 1)
    return f"{number} {' '.join([head + 's', *tail])} were left out"


def seconds_of(packet: "Packet[Any]") -> float:
    """The decoding time of a packet."""
    assert packet.dts is not None  # encoders set it, and _demux drops packets without
    return float(packet.dts * packet.time_base)
