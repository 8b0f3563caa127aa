"""Progress without a terminal: lines, and when they come."""

import math

import pytest

from impasto.cli.display import progress
from impasto.cli.display.progress import (
    CountProgress,
    PacedLines,
    PictureProgress,
    time_left,
    video_progress,
)
from impasto.runtime.video.transform import VideoProgress


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (0.0, "0:00 left"), (4.2, "0:05 left"), (75, "1:15 left"), (3601, "1:00:01 left")],
)
def test_time_left_in_words(seconds, words):
    assert time_left(seconds) == words


def test_the_line_says_frames_speed_and_time_left(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_VIDEO_LINES", 0.0)
    with video_progress("video.mp4", beside=PictureProgress(1)) as show:
        show(VideoProgress(num_done=50, num_frames=200, seconds=10))
        show(VideoProgress(5, None, 2))
    assert capsys.readouterr().err.splitlines() == [
        "video.mp4: 50 of 200 frames, 5.0 frames/s, 0:30 left",
        "video.mp4: 5 frames, 2.5 frames/s",
    ]


def test_the_first_line_of_a_video_waits_for_the_interval(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_VIDEO_LINES", math.inf)
    with video_progress("video.mp4", beside=PictureProgress(1)) as show:
        show(VideoProgress(num_done=50, num_frames=200, seconds=10))
    assert capsys.readouterr().err == ""


def test_lines_within_an_interval_are_left_out_but_for_the_last(capsys):
    lines = PacedLines(math.inf)
    for number in range(3):
        lines.print(f"line {number}")
    lines.print("the end", is_last=True)
    assert capsys.readouterr().err.splitlines() == ["line 0", "the end"]


def test_a_bar_shows_the_count_and_keeps_details_until_others_come(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    with CountProgress("frames", lines=PacedLines(), is_transient=False, has_bar=True) as count:
        count.show(1, 9, details="[slow]", line="unused")
        count.show(2, 9, line="unused")
    bar = capsys.readouterr().err.splitlines()[-1]
    assert bar.startswith("frames")
    assert bar.endswith("2/9 [slow]")
