"""Deinterlacing: frames of two fields become frames of one moment, by FFmpeg's bwdif.

Only frames flagged as interlaced change; times stay as they are.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import VideoFrame

_COUNT = Fraction(1, 25)
"""The filter sees frame numbers as times; the real times wait in `Deinterlacer._inside`."""

# One frame for each frame (`send_field` gives two), so that times and sound stay in step; and
# progressive frames between interlaced ones pass through.
_OPTIONS = {"mode": "send_frame", "parity": "auto", "deint": "interlaced"}


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A decoded frame and its time, in units of its stream's time base.

    Attributes:
        frame: as decoded, or deinterlaced.
        time: of its display.
        duration: of its display; 0 if unknown.
    """

    frame: VideoFrame
    time: int
    duration: int


class Deinterlacer:
    """Passes frames through; from the first interlaced one on, through the filter.

    Attributes:
        num_interlaced: interlaced frames so far.
    """

    def __init__(self) -> None:
        self.num_interlaced = 0
        self._graph: Graph | None = None
        self._frame_kind: tuple[int, int, str] | None = None
        self._inside: deque[TimedFrame] = deque()

    def frames(self, frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
        """As many frames in the same order, at the same times."""
        for timed in frames:
            frame = timed.frame
            self.num_interlaced += frame.interlaced_frame
            # A video without fields never pays for the filter. Once begun it gets all frames, as it
            # compares each with its neighbours.
            if self._graph is None and not frame.interlaced_frame:
                yield timed
                continue
            kind = frame.width, frame.height, frame.format.name
            if kind != self._frame_kind:  # a filter takes frames of one kind
                yield from self._drain()
                self._begin(kind)
            assert self._graph is not None
            frame.pts, frame.time_base = self._num_pushed, _COUNT
            self._num_pushed += 1
            self._inside.append(timed)
            self._graph.vpush(frame)
            yield from self._ready()
        yield from self._drain()

    def _begin(self, kind: tuple[int, int, str]) -> None:
        width, height, pixel_format = kind
        self._frame_kind = kind
        self._graph = Graph()
        source = self._graph.add_buffer(
            width=width,
            height=height,
            format=av.VideoFormat(pixel_format),
            time_base=_COUNT,
        )
        self._graph.link_nodes(
            source, self._graph.add("bwdif", **_OPTIONS), self._graph.add("buffersink")
        ).configure()
        self._num_pushed = 0

    def _drain(self) -> Iterator[TimedFrame]:
        if self._graph is None:
            return
        self._graph.vpush(None)
        yield from self._ready()
        self._graph, self._frame_kind = None, None
        assert not self._inside

    def _ready(self) -> Iterator[TimedFrame]:
        """The frames that the filter has finished; it holds each until it has seen the next."""
        assert self._graph is not None
        while self._inside:
            try:
                frame = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            timed = self._inside.popleft()
            yield TimedFrame(frame, timed.time, timed.duration)
