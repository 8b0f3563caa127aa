"""One clock for all streams of a video: it begins at 0 and does not jump.

Recordings of a broadcast begin at any time, and their clock jumps where they were cut. Frames and
sound are read separately, but each reading corrects the same packets in the same order, so both get
the same times and stay in step. The thresholds of a jump follow FFmpeg's command line.
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
# FFmpeg's: ten seconds forwards (`-dts_delta_threshold`), a tenth of a second back.
_LEAP_SECONDS = 10
_BACK_SECONDS = Fraction(1, 10)
_SAME_JUMP_SECONDS = 1
_OVERLAP_SECONDS = Fraction(1, 100)
_PRIMING_SECONDS = 1
"""Sound encoders begin up to this much before 0; players skip that part."""


def is_video_stream(stream: Stream) -> bool:
    """Whether a stream is a video, not a cover picture."""
    return stream.type == "video" and not stream.disposition & Disposition.attached_pic


def start_of(container: InputContainer) -> Fraction:
    """The second at which a video's frames or sound begin; 0 if only priming comes before 0."""
    frame_starts = _starts(filter(is_video_stream, container.streams.video))
    starts = [*frame_starts, *_starts(container.streams.audio)]
    start = min(starts, default=Fraction(0))
    is_priming = -_PRIMING_SECONDS <= start <= 0 <= min(frame_starts, default=Fraction(0))
    return Fraction(0) if is_priming else start


def _starts(streams: Iterable[Stream]) -> list[Fraction]:
    return [
        stream.start_time * stream.time_base
        for stream in streams
        if stream.start_time is not None and stream.time_base is not None
    ]


@dataclass(slots=True)
class _StreamClock:
    """The clock of one stream.

    Attributes:
        shift: seconds added to its times.
        num_jumps: jumps of the video that are part of the shift.
        expected: the decoding time of its next packet, if it follows the last one without a gap;
            None before the first.
    """

    shift: Fraction
    num_jumps: int = 0
    expected: Fraction | None = None


class Clock:
    """Corrects the times of a video's packets.

    A jump concerns all streams, but their packets do not lie quite side by side in the file: the
    first stream that meets the jump measures it, and the others adopt it when they reach it.

    Args:
        container: the video, before anything was read from it.
    """

    def __init__(self, container: InputContainer) -> None:
        self._container = container
        self._start = start_of(container)
        # Transport and program streams, for example. In other containers a gap is meant: a pause.
        self._may_jump = bool(container.format.flags & _MAY_JUMP)
        self._jumps: list[Fraction] = []
        self._clocks: dict[int, _StreamClock] = {}

    def demux(self, streams: Sequence[Stream]) -> "Iterator[Packet[Any]]":
        """The packets of some streams, their times corrected.

        The packets of all video and sound are read in any case: every reading of the file must
        see the same jumps.
        """
        indices = {stream.index for stream in streams}
        timed = [
            stream
            for stream in self._container.streams
            if stream.type == "audio" or is_video_stream(stream) or stream.index in indices
        ]
        for packet in self._container.demux(timed):
            shift = round(self._shift_of(packet) / packet.time_base)
            if packet.pts is not None:
                packet.pts += shift
            if packet.dts is not None:
                packet.dts += shift
            if packet.stream.index in indices:
                yield packet

    def _shift_of(self, packet: "Packet[Any]") -> Fraction:
        # Subtitles are sparse: a gap in them is no jump, so they follow the others.
        if packet.stream.type not in ("audio", "video"):
            return sum(self._jumps, -self._start)
        clock = self._clocks.setdefault(packet.stream.index, _StreamClock(-self._start))
        if self._may_jump and packet.dts is not None:
            self._look_for_jump(clock, packet.dts * packet.time_base)
            length = (packet.duration or 0) * packet.time_base
            clock.expected = packet.dts * packet.time_base + clock.shift + length
        return clock.shift

    def _look_for_jump(self, clock: _StreamClock, decoded: Fraction) -> None:
        """Adopt a jump that another stream has measured, else measure a new one."""
        if clock.expected is None:
            return
        gap = clock.expected - decoded - clock.shift
        jump = Fraction(0)
        for number, seconds in enumerate(self._jumps[clock.num_jumps :], clock.num_jumps + 1):
            jump += seconds
            if abs(gap - jump) < _SAME_JUMP_SECONDS:
                clock.shift, clock.num_jumps = clock.shift + jump, number
                if gap - jump > _OVERLAP_SECONDS:  # this stream ended later than the first one
                    self._jump(clock, gap - jump)
                return
        if gap > _BACK_SECONDS or gap < -_LEAP_SECONDS:
            self._jump(clock, gap)

    def _jump(self, clock: _StreamClock, seconds: Fraction) -> None:
        """Shift a stream, and record the jump for the others unless they have jumped since."""
        if clock.num_jumps == len(self._jumps):
            self._jumps.append(seconds)
        clock.shift, clock.num_jumps = clock.shift + seconds, len(self._jumps)
