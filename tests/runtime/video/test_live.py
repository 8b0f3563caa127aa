"""A video in place of a camera, and a display that keeps what it is shown."""

import numpy as np
import pytest

from impasto.errors import CameraError, VideoFileError
from impasto.runtime.video.camera import Camera
from impasto.runtime.video.live import LiveStyle, show_live
from video_fixtures import make_film


class Recorder:
    """A display without a screen; its keys are pressed one after the other."""

    def __init__(self, *keys):
        self.shown, self.captions = [], []
        self._keys = list(keys)

    def show(self, rgb, caption):
        self.shown.append(rgb)
        self.captions.append(caption)

    def keys(self):
        return [self._keys.pop(0)] if self._keys else []


class Frames:
    """A camera that sees these frames and then nothing more."""

    def __init__(self, *frames):
        self._frames = list(frames)

    def newest(self):
        return self._frames.pop(0) if self._frames else None


NEGATIVE = LiveStyle("Negative", lambda rgb: 1 - rgb)
DARK = LiveStyle("Dark", lambda rgb: rgb / 2)
RAMP = np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 4, 3)


def test_every_frame_is_painted_and_shown_with_its_style():
    display = Recorder()
    assert show_live(Frames(RAMP, RAMP / 2), [NEGATIVE], display) == 2
    np.testing.assert_array_equal(display.shown[1], 1 - RAMP / 2)
    assert display.captions[0] == "Negative, 0.0 frames/s"


def test_keys_change_the_style_mirror_and_end():
    display = Recorder("", "n", "m", "n", "m", "q")
    assert show_live(Frames(*[RAMP] * 9), [NEGATIVE, DARK], display) == 5
    flipped = RAMP[:, ::-1]
    expected = [1 - RAMP, RAMP / 2, flipped / 2, 1 - flipped, 1 - RAMP]
    for shown, wanted in zip(display.shown, expected, strict=True):
        np.testing.assert_array_equal(shown, wanted)


def test_a_mirror_is_one_from_the_start():
    display = Recorder()
    show_live(Frames(RAMP), [DARK], display, mirror=True)
    np.testing.assert_array_equal(display.shown[0], RAMP[:, ::-1] / 2)


def test_a_video_stands_in_for_a_camera(film):
    display = Recorder()
    with Camera(str(film), size=32) as camera:
        num_shown = show_live(camera, [NEGATIVE], display)
    assert 1 <= num_shown <= 12  # those that came too late are left out
    assert display.shown[0].shape == (24, 32, 3)
    np.testing.assert_allclose(
        display.shown[0][18, 24] * 255, (215, 165, 55), atol=8
    )  # 255 - (40, 90, 200)


def test_a_camera_can_be_left_before_its_end(tmp_path):
    film = make_film(tmp_path / "film.mp4", times=range(0, 512 * 500, 512), sound=None)
    with Camera(str(film), size=32) as camera:
        assert camera.newest().shape == (24, 32, 3)


def test_a_turned_video_is_seen_upright(tmp_path):
    film = make_film(tmp_path / "film.mp4", rotation=90, sound=None)
    with Camera(str(film), size=32) as camera:
        assert camera.newest().shape == (32, 24, 3)


def test_no_camera_is_one_line():
    with pytest.raises(CameraError, match="there is no camera 77 to look through"):
        Camera("77", size=32)


def test_a_file_that_is_no_video_is_no_camera(tmp_path):
    (tmp_path / "film.mp4").write_text("no film")
    with pytest.raises(VideoFileError, match="is no video"):
        Camera(str(tmp_path / "film.mp4"), size=32)
