"""Videos stylized by a mask: one picture for all frames, or a video of masks."""

from itertools import islice

import numpy as np
import pytest

from impasto.errors import PictureError, SettingError, VideoFileError
from impasto.images.picture import Picture
from impasto.runtime.mask_files import MaskVideo
from impasto.runtime.masks import Mask
from impasto.runtime.stylizer import StyleSettings, Stylizer
from impasto.runtime.transformation import Stylization
from impasto.runtime.video.mask_frames import mask_frames
from impasto.runtime.video.reading import VideoReader
from impasto.runtime.video.transform import stylize_video
from model_fixtures import BLUR, make_model_file
from video_fixtures import make_film

pytestmark = pytest.mark.usefixtures("without_grain")

LEFT, RIGHT = np.s_[:, 4:24], np.s_[:, 40:60]
TOLERANCE = 10 / 255  # of two encodings


def draw_grey(number, *, width, height):
    """A dark left half and a lighter right one; brighter from frame to frame."""
    pixels = np.full((height, width, 3), 40 + 8 * number, np.uint8)
    pixels[:, width // 2 :] += 30
    return pixels


def draw_mask(number, *, width, height):
    """White on the left in even frames, on the right in odd ones."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, width // 2 :] = 255 * (number % 2)
    pixels[:, : width // 2] = 255 * (1 - number % 2)
    return pixels


def frames_of(path):
    with VideoReader(path) as reader:
        facts = reader.facts
        return [frame.rgb for frame in reader.frames(width=facts.width, height=facts.height)]


@pytest.fixture
def video(tmp_path):
    times = range(0, 6 * 512, 512)
    return make_film(tmp_path / "video.mp4", draw=draw_grey, times=times, sound=None)


@pytest.fixture
def mask_video(tmp_path):
    """Of three frames, half as large as those of the video."""
    size = {"width": 32, "height": 24}
    times = range(0, 3 * 512, 512)
    return make_film(tmp_path / "mask.mp4", draw=draw_mask, times=times, sound=None, **size)


def negative(**settings):
    return Stylizer(make_model_file(), precision="f32", **settings)


def assert_negative(found, frame, area):
    np.testing.assert_allclose(found[area].mean(), 1 - frame[area].mean(), atol=TOLERANCE)


def assert_same(found, frame, area):
    np.testing.assert_allclose(found[area].mean(), frame[area].mean(), atol=TOLERANCE)


@pytest.mark.parametrize("stabilize", [False, True])
@pytest.mark.parametrize("numbers", [{}, {"batch_size": 2, "num_requests": 2}])
def test_each_frame_has_its_mask_and_the_last_one_stays(
    video, mask_video, tmp_path, numbers, stabilize
):
    out = tmp_path / "out.mp4"
    stylize_video(negative(**numbers), video, out, mask=mask_video, stabilize=stabilize)
    frames, found = frames_of(video), frames_of(out)
    assert len(found) == 6
    for number, (frame, result) in enumerate(zip(frames, found, strict=True)):
        is_left = number in (0, 2, 3, 4, 5)  # frame 2 is the last mask
        assert_negative(result, frame, LEFT if is_left else RIGHT)
        assert_same(result, frame, RIGHT if is_left else LEFT)


@pytest.mark.parametrize("stabilize", [False, True])
def test_one_picture_is_the_mask_of_all_frames(video, tmp_path, stabilize):
    mask = np.zeros((48, 64), bool)
    mask[:, :32] = True
    out = tmp_path / "out.mp4"
    stylize_video(negative(), video, out, mask=mask, stabilize=stabilize)
    for frame, result in zip(frames_of(video), frames_of(out), strict=True):
        assert_negative(result, frame, LEFT)
        assert_same(result, frame, RIGHT)


@pytest.mark.parametrize("stabilize", [False, True])
def test_the_style_outside_is_on_every_frame(stabilize):
    rng = np.random.default_rng(0)
    still = 0.2 + 0.6 * rng.random((48, 64, 3), dtype=np.float32)
    frames = [Picture(still), Picture(still)]
    mask = np.zeros((48, 64), bool)
    mask[:, :32] = True
    blur = Stylizer(make_model_file(kernel=BLUR, bias=0.0), precision="f32")
    settings = StyleSettings(size=300)  # frames have their size already
    stylization = Stylization(negative(), settings, stabilize, Mask(mask), blur)
    for result in stylization.for_frames()[0](frames):
        # A still picture keeps its strokes, within what the flow's sampling rounds.
        np.testing.assert_allclose(result.rgb[:, :32], 1 - still[:, :32], atol=0.02)
        np.testing.assert_allclose(result.rgb[:, 32:], blur(still)[:, 32:], atol=0.02)


def test_stabilized_frames_show_no_trace_of_the_mask_before(mask_video):
    still = Picture(np.full((48, 64, 3), 0.2, np.float32))
    transform, _ = Stylization(negative(), stabilize=True, mask=MaskVideo(mask_video)).for_frames()
    first, second = transform([still]), transform([still])
    np.testing.assert_allclose(first[0].rgb[:, 40:], 0.2, atol=0.01)
    # White there now: the style at once, and not mixed with the frame before.
    np.testing.assert_allclose(second[0].rgb[:, 40:], 0.8, atol=0.01)
    np.testing.assert_allclose(second[0].rgb[:, :24], 0.2, atol=0.01)


def test_the_frames_of_a_mask_video_have_no_end(mask_video):
    masks = list(islice(mask_frames(mask_video), 5))
    assert masks[4] is masks[3] is masks[2]
    left = [float(mask.fitted(width=32, height=24)[:, 4:12].mean()) for mask in masks]
    np.testing.assert_allclose(left, [1, 0, 1, 1, 1], atol=0.02)


def test_a_mask_video_of_another_aspect_ratio_is_refused(video, tmp_path):
    mask = make_film(tmp_path / "mask.mp4", width=48, height=48, sound=None)
    with pytest.raises(PictureError, match=r"mask\.mp4 is 48×48 pixels"):
        stylize_video(negative(), video, tmp_path / "out.mp4", mask=mask)
    assert not (tmp_path / "out.mp4").exists()


def test_a_mask_video_that_cannot_be_read_is_named(video, tmp_path):
    with pytest.raises(VideoFileError, match=r"missing\.mp4 does not exist"):
        stylize_video(negative(), video, tmp_path / "out.mp4", mask=tmp_path / "missing.mp4")


def test_a_photograph_has_no_video_as_its_mask(mask_video):
    stylization = Stylization(negative(), mask=MaskVideo(mask_video))
    with pytest.raises(SettingError, match="give a picture as the mask of a photograph"):
        stylization.transform(Picture(np.zeros((48, 64, 3), np.float32)))


def test_a_style_outside_needs_a_mask(video, tmp_path):
    with pytest.raises(SettingError, match="give a mask too"):
        stylize_video(negative(), video, tmp_path / "out.mp4", outside=negative())
