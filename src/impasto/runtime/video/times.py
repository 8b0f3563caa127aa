"""One clock for all streams of a film: it begins at 0 and does not jump.

Recordings of a broadcast begin at any hour, and their clock is set anew where they were cut. Every
reading of a film corrects the same packets in the same order, and so finds the same times: pictures
and sound stay together. Where a jump is suspected follows FFmpeg's command line.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av.container.input import InputContainer
from av.format import Flags
from av.packet import Packet
from av.stream import Disposition, Stream

_MAY_JUMP: Any = Flags.ts_discont.value
_LEAP_SECONDS = 10
_BACK_SECONDS = Fraction(1, 10)
_SAME_JUMP_SECONDS = 1
_OVERLAP_SECONDS = Fraction(1, 100)
_PRIMING_SECONDS = 1
"""Sound encoders begin by so much before 0 at most, and players know."""


def is_video_stream(stream: Stream) -> bool:
    """Whether a stream holds moving pictures, and not the picture of a cover."""
    return stream.type == "video" and not stream.disposition & Disposition.attached_pic


def start_of(container: InputContainer) -> Fraction:
    """The second at which a film's pictures or sound begin; 0 where that is as good as at 0."""
    pictures = _starts(filter(is_video_stream, container.streams.video))
    starts = [*pictures, *_starts(container.streams.audio)]
    start = min(starts, default=Fraction(0))
    is_priming = -_PRIMING_SECONDS <= start <= 0 <= min(pictures, default=Fraction(0))
    return Fraction(0) if is_priming else start


def _starts(streams: Iterable[Stream]) -> list[Fraction]:
    return [
        stream.start_time * stream.time_base
        for stream in streams
        if stream.start_time is not None and stream.time_base is not None
    ]


@dataclass(slots=True)
class _StreamClock:
    """Where one stream is.

    Attributes:
        shift: seconds added to its times.
        num_jumps: of the film, that are part of the shift.
        expected: when its next packet should be decoded; None before the first.
    """

    shift: Fraction
    num_jumps: int = 0
    expected: Fraction | None = None


class Clock:
    """Corrects the times of a film's packets.

    Where the clock jumps, it does so for all streams, which do not lie quite side by side in the
    file: what the first one finds, the others take over when they come to it.

    Args:
        container: the film, of which nothing has been read yet.
    """

    def __init__(self, container: InputContainer) -> None:
        self._container = container
        self._start = start_of(container)
        self._may_jump = bool(container.format.flags & _MAY_JUMP)
        self._jumps: list[Fraction] = []
        self._clocks: dict[int, _StreamClock] = {}

    def demux(self, wanted: Sequence[Stream]) -> "Iterator[Packet[Any]]":
        """The packets of some streams, their times corrected.

        Whatever is wanted, those of all pictures and sound are looked at: all readings must see
        the same jumps.
        """
        indices = {stream.index for stream in wanted}
        timed = [
            stream
            for stream in self._container.streams
            if stream.type == "audio" or is_video_stream(stream) or stream.index in indices
        ]
        for packet in self._container.demux(timed):
            self._correct(packet)
            if packet.stream.index in indices:
                yield packet

    def _correct(self, packet: "Packet[Any]") -> None:
        shift = round(self._shift_of(packet) / packet.time_base)
        if packet.pts is not None:
            packet.pts += shift
        if packet.dts is not None:
            packet.dts += shift

    def _shift_of(self, packet: "Packet[Any]") -> Fraction:
        if packet.stream.type not in ("audio", "video"):
            return sum(self._jumps, -self._start)
        clock = self._clocks.setdefault(packet.stream.index, _StreamClock(-self._start))
        if self._may_jump and packet.dts is not None:
            self._look_for_jump(clock, packet.dts * packet.time_base)
            length = (packet.duration or 0) * packet.time_base
            clock.expected = packet.dts * packet.time_base + clock.shift + length
        return clock.shift

    def _look_for_jump(self, clock: _StreamClock, decoded: Fraction) -> None:
        if clock.expected is None:
            return
        gap = clock.expected - decoded - clock.shift
        jump = Fraction(0)
        for number, found in enumerate(self._jumps[clock.num_jumps :], clock.num_jumps + 1):
            jump += found
            if abs(gap - jump) < _SAME_JUMP_SECONDS:
                clock.shift, clock.num_jumps = clock.shift + jump, number
                if gap - jump > _OVERLAP_SECONDS:  # it ended later than the stream that jumped
                    self._jump(clock, gap - jump)
                return
        if gap > _BACK_SECONDS or gap < -_LEAP_SECONDS:
            self._jump(clock, gap)

    def _jump(self, clock: _StreamClock, seconds: Fraction) -> None:
        """Shift a stream; the others will follow, unless it has come to other jumps than they."""
        if clock.num_jumps == len(self._jumps):
            self._jumps.append(seconds)
        clock.shift, clock.num_jumps = clock.shift + seconds, len(self._jumps)
