"""One clock for all streams of a film: it begins at 0 and does not jump.

Recordings of a broadcast begin at any hour, and their clock is set anew where they were cut. Every
reading of a film corrects the same packets in the same order, and so finds the same times: pictures
and sound stay together. Where a jump is suspected follows FFmpeg's command line.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from av.container.input import InputContainer
from av.format import Flags
from av.packet import Packet
from av.stream import Disposition, Stream

_MAY_JUMP: Any = Flags.ts_discont.value
_LEAP_SECONDS = 10
_BACK_SECONDS = Fraction(1, 10)
_PRIMING_SECONDS = 1
"""Sound encoders begin by so much before 0 at most, and players know."""


def is_film_stream(stream: Stream) -> bool:
    """Whether a stream holds moving pictures, and not the picture of a cover."""
    return stream.type == "video" and not stream.disposition & Disposition.attached_pic


def start_of(container: InputContainer) -> Fraction:
    """The second at which a film's pictures or sound begin; 0 where that is as good as at 0."""
    starts = [
        stream.start_time * stream.time_base
        for stream in container.streams
        if stream.type == "audio" or is_film_stream(stream)
        if stream.start_time is not None and stream.time_base is not None
    ]
    start = min(starts, default=Fraction(0))
    return Fraction(0) if -_PRIMING_SECONDS <= start <= 0 else start


class Clock:
    """Corrects the times of a film's packets.

    Args:
        container: the film, of which nothing has been read yet.
    """

    def __init__(self, container: InputContainer) -> None:
        self._container = container
        self._shift = -start_of(container)
        self._may_jump = bool(container.format.flags & _MAY_JUMP)
        self._next: dict[int, Fraction] = {}

    def demux(self, wanted: Sequence[Stream]) -> "Iterator[Packet[Any]]":
        """The packets of some streams, their times corrected.

        Whatever is wanted, those of all pictures and sound are looked at: all readings must see
        the same jumps.
        """
        indices = {stream.index for stream in wanted}
        timed = [
            stream
            for stream in self._container.streams
            if stream.type == "audio" or is_film_stream(stream) or stream.index in indices
        ]
        for packet in self._container.demux(timed):
            self._correct(packet)
            if packet.stream.index in indices:
                yield packet

    def _correct(self, packet: "Packet[Any]") -> None:
        if packet.dts is None and packet.pts is None:
            return
        if self._may_jump and packet.dts is not None and packet.stream.type in ("audio", "video"):
            self._look_for_jump(packet)
        shift = round(self._shift / packet.time_base)
        if packet.pts is not None:
            packet.pts += shift
        if packet.dts is not None:
            packet.dts += shift

    def _look_for_jump(self, packet: "Packet[Any]") -> None:
        assert packet.dts is not None
        index = packet.stream.index
        decoded = packet.dts * packet.time_base + self._shift
        expected = self._next.get(index, decoded)
        if abs(decoded - expected) > _LEAP_SECONDS or decoded + _BACK_SECONDS < expected:
            self._shift += expected - decoded
            decoded = expected
        self._next[index] = decoded + (packet.duration or 0) * packet.time_base
