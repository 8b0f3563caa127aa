"""What is said of a film under way."""

import pytest

from impasto.cli.display import video_progress
from impasto.cli.display.progress import PictureProgress
from impasto.cli.display.video_progress import ClipProgress, progress_line, time_left
from impasto.runtime.video.transform import VideoProgress


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (0.0, "0:00 left"), (4.2, "0:05 left"), (75, "1:15 left"), (3601, "1:00:01 left")],
)
def test_time_left_in_words(seconds, words):
    assert time_left(seconds) == words


def test_the_line_says_frames_speed_and_time_left():
    progress = VideoProgress(num_done=50, num_frames=200, seconds=10)
    assert progress_line(progress) == "50 of 200 frames, 5.0 frames/s, 0:30 left"
    assert progress_line(VideoProgress(5, None, 2)) == "5 frames, 2.5 frames/s"


def test_lines_come_at_intervals_where_there_is_no_terminal(capsys, monkeypatch):
    progress = VideoProgress(num_done=50, num_frames=200, seconds=10)
    with ClipProgress("film.mp4", beside=PictureProgress(1)) as shown:
        shown.show(progress)
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(video_progress, "LINE_SECONDS", 0.0)
        shown.show(progress)
    assert capsys.readouterr().err == ("film.mp4: 50 of 200 frames, 5.0 frames/s, 0:30 left\n")
