"""Frames of two fields made into frames of one moment, by FFmpeg's bwdif.

Only what is flagged as interlaced is touched; times stay as they are.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import VideoFrame

_COUNT = Fraction(1, 25)
"""The filter counts frames; when they are shown is kept beside it."""

_OPTIONS = {"mode": "send_frame", "parity": "auto", "deint": "interlaced"}


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A decoded frame and when it is shown, in units of its stream's time base.

    Attributes:
        frame: as decoded, or deinterlaced.
        time: when it is shown.
        duration: for how long; 0 where the film does not say.
    """

    frame: VideoFrame
    time: int
    duration: int


class Deinterlacer:
    """Frames on their way; the filter is made when the first interlaced one comes.

    Attributes:
        num_interlaced: frames that were of two fields, so far.
    """

    def __init__(self) -> None:
        self.num_interlaced = 0
        self._graph: Graph | None = None
        self._kind: tuple[int, int, str] | None = None
        self._inside: deque[TimedFrame] = deque()

    def frames(self, given: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
        """As many frames in the same order, at the same times."""
        for timed in given:
            frame = timed.frame
            self.num_interlaced += frame.interlaced_frame
            if self._graph is None and not frame.interlaced_frame:
                yield timed
                continue
            kind = frame.width, frame.height, frame.format.name
            if kind != self._kind:
                yield from self._drain()
                self._begin(kind)
            yield from self._through(timed)
        yield from self._drain()

    def _begin(self, kind: tuple[int, int, str]) -> None:
        width, height, pixel_format = kind
        self._kind = kind
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

    def _through(self, timed: TimedFrame) -> Iterator[TimedFrame]:
        assert self._graph is not None
        timed.frame.pts, timed.frame.time_base = self._num_pushed, _COUNT
        self._num_pushed += 1
        self._inside.append(timed)
        self._graph.vpush(timed.frame)
        yield from self._ready()

    def _drain(self) -> Iterator[TimedFrame]:
        if self._graph is None:
            return
        self._graph.vpush(None)
        yield from self._ready()
        self._graph, self._kind = None, None
        assert not self._inside

    def _ready(self) -> Iterator[TimedFrame]:
        """What the filter gives out; it keeps a frame until it has seen the next."""
        assert self._graph is not None
        while self._inside:
            try:
                frame = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            timed = self._inside.popleft()
            yield TimedFrame(frame, timed.time, timed.duration)
