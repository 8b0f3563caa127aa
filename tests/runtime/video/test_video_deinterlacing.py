"""Frames of two fields become frames of one moment; others are left alone."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.filter import Graph

from impasto.runtime.stylizer import Stylizer
from impasto.runtime.video.deinterlacing import Deinterlacer, TimedFrame
from impasto.runtime.video.transform import stylize_video
from video_fixtures import make_film

DARK, LIGHT = 60, 220
STEP = 4  # pixels that the bar moves between two fields


def draw_fields(number, *, width, height):
    """A bar that moves from left to right, the odd rows being of a later moment."""
    grey = np.full((height, width), DARK, np.uint8)
    for parity in (0, 1):
        left = 4 + STEP * (2 * number + parity)
        grey[parity::2, left : left + 16] = LIGHT
    return np.repeat(grey[..., np.newaxis], 3, axis=2)


def as_fields(frame):
    """The frame, flagged as two fields of which the upper comes first."""
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    graph.link_nodes(source, graph.add("setfield", "tff"), graph.add("buffersink")).configure()
    graph.vpush(frame)
    return graph.vpull()


def combing(grey):
    """How much rows differ from their neighbours more than from those of their own field."""
    rows = grey.astype(int)
    return np.abs(rows[1:-2] - rows[2:-1]).mean() - np.abs(rows[:-3] - rows[2:-1]).mean()


@pytest.fixture(params=[("film.mpg", "mpeg2video", (("flags", "+ildct+ilme"),)), None])
def interlaced(request, tmp_path):
    name, codec, options = request.param or (
        *("film.mp4", "libx264"),
        (("x264-params", "interlaced=1:tff=1"), ("crf", "4")),
    )
    return make_film(
        tmp_path / name,
        codec=codec,
        options=options,
        draw=draw_fields,
        prepare=as_fields,
        sound=None,
        times=range(0, 5 * 512, 512),
        time_base=Fraction(1, 25),
    )


def decoded(path):
    with av.open(str(path)) as film:
        return list(film.decode(video=0))


def test_a_video_of_fields_is_deinterlaced(interlaced, tiny_model_path, tmp_path):
    stylizer = Stylizer(tiny_model_path, precision="f32")
    summary = stylize_video(stylizer, interlaced, tmp_path / "out.mp4", strength=0)
    assert summary.notes == ("interlaced frames deinterlaced: 5",)
    given, made = decoded(interlaced), decoded(tmp_path / "out.mp4")
    assert len(made) == 5
    assert not any(frame.interlaced_frame for frame in made)
    for before, after in zip(given[1:-1], made[1:-1], strict=True):
        assert combing(before.to_ndarray(format="gray")) > 10
        assert combing(after.to_ndarray(format="gray")) < 2
    assert made[-1].time - made[0].time == pytest.approx(4 / 25, abs=1e-3)


@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_as_many_frames_come_out_at_their_times(num_frames):
    frames = []
    for number in range(num_frames):
        frame = av.VideoFrame.from_ndarray(draw_fields(number, width=64, height=48), "rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, 25)
        frames.append(TimedFrame(as_fields(frame), 7 * number**2, 3 + number))
    deinterlacer = Deinterlacer()
    made = list(deinterlacer.frames(frames))
    assert [(timed.time, timed.duration) for timed in made] == [
        (timed.time, timed.duration) for timed in frames
    ]
    assert deinterlacer.num_interlaced == num_frames


def test_whole_frames_are_left_alone():
    frames = [TimedFrame(av.VideoFrame(64, 48, "yuv420p"), time, 1) for time in range(3)]
    deinterlacer = Deinterlacer()
    assert all(
        made is given for made, given in zip(deinterlacer.frames(frames), frames, strict=True)
    )
    assert deinterlacer.num_interlaced == 0


def test_a_video_may_change_its_size_between_fields():
    frames = []
    for number, (width, height) in enumerate([(64, 48), (64, 48), (128, 96)]):
        frame = av.VideoFrame.from_ndarray(draw_fields(0, width=width, height=height), "rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, 25)
        frames.append(TimedFrame(as_fields(frame), number, 1))
    widths = [timed.frame.width for timed in Deinterlacer().frames(frames)]
    assert widths == [64, 64, 128]
