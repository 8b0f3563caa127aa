"""Transparent videos: what is hidden stays hidden, and transparency is kept where it can be."""

import av
import numpy as np
import pytest

from impasto.runtime.stylizer import Stylizer
from impasto.runtime.video.camera import Camera
from impasto.runtime.video.transform import stylize_video
from video_fixtures import make_film

GREEN = (40, 160, 60)
HIDDEN = (255, 0, 255)
TOLERANCE = 10  # grey levels, of the two encodings together
CENTRE, CORNER = (24, 32), (4, 4)


def draw_disc(number, *, width, height):
    """A green disc with soft edges; all around it is invisible, and magenta."""
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - height / 2, columns - width / 2)
    rgba = np.zeros((height, width, 4), np.uint8)
    rgba[..., 3] = np.clip((height / 3 - distance) * 64, 0, 255)
    rgba[..., :3] = np.where(rgba[..., 3:] > 0, GREEN, HIDDEN)
    return rgba


def transparent_film(path, *, codec, pixel_format, options=()):
    return make_film(
        path,
        codec=codec,
        pixel_format=pixel_format,
        options=options,
        draw=draw_disc,
        drawn_in="rgba",
        sound=None,
        times=range(0, 3 * 512, 512),
    )


@pytest.fixture(
    params=[
        ("film.mov", "prores_ks", "yuva444p10le", ()),
        ("film.mov", "qtrle", "argb", ()),
        ("film.mov", "png", "rgba", ()),
        ("film.webm", "libvpx-vp9", "yuva420p", ()),
        ("film.webm", "libvpx", "yuva420p", (("auto-alt-ref", "0"),)),
    ],
    ids=lambda param: param[1],
)
def disc(request, tmp_path):
    name, codec, pixel_format, options = request.param
    path = tmp_path / name
    return transparent_film(path, codec=codec, pixel_format=pixel_format, options=options)


@pytest.fixture
def negatives(tiny_model_path, without_grain):
    return Stylizer(tiny_model_path, precision="f32")


def first_frame(path):
    """The colours and alpha of the first frame, as bytes; FFmpeg's own VP8 and VP9 read none."""
    with av.open(str(path)) as film:
        name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(film.streams.video[0].codec_context.name)
        decoder = av.CodecContext.create(name, "r") if name else None
        for packet in film.demux(video=0):
            for frame in packet.decode() if decoder is None else decoder.decode(packet):
                return frame.to_ndarray(format="rgba").astype(int)
    raise AssertionError("no frame")


def assert_near(pixel, expected):
    assert np.abs(np.subtract(pixel, expected)).max() <= TOLERANCE, (pixel, expected)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_without_transparency_a_video_is_laid_on_white(negatives, disc, tmp_path, suffix):
    summary = stylize_video(negatives, disc, tmp_path / f"out{suffix}")
    note = f"{suffix} has no transparency: the video was laid on white; .webm and .mov keep it"
    assert note in summary.notes
    made = first_frame(tmp_path / f"out{suffix}")
    assert_near(made[CORNER][:3], (255, 255, 255))
    assert_near(made[CENTRE][:3], np.subtract(255, GREEN))


@pytest.mark.parametrize("suffix", [".webm", ".mov"])
def test_transparency_is_kept(negatives, disc, tmp_path, suffix):
    summary = stylize_video(negatives, disc, tmp_path / f"out{suffix}")
    assert not any("white" in note for note in summary.notes)
    assert any("ProRes 4444" in note for note in summary.notes) == (suffix == ".mov")
    made, given = first_frame(tmp_path / f"out{suffix}"), first_frame(disc)
    assert_near(made[..., 3], given[..., 3])
    assert_near(made[CENTRE][:3], np.subtract(255, GREEN))


@pytest.mark.parametrize("strength", [0, 0.5])
def test_hidden_colours_do_not_come_through(negatives, disc, tmp_path, strength):
    stylize_video(negatives, disc, tmp_path / "out.mov", strength=strength)
    corner = first_frame(tmp_path / "out.mov")[CORNER]
    assert corner[3] <= 1
    photograph = np.multiply(GREEN, 1 - strength) + np.subtract(255, GREEN) * strength
    assert np.abs(corner[:3] - photograph).max() < np.abs(corner[:3] - HIDDEN).max() / 2


def test_a_smaller_video_has_no_rim_of_hidden_colours(negatives, disc, tmp_path):
    stylize_video(negatives, disc, tmp_path / "out.mp4", size=32, strength=0)
    made = first_frame(tmp_path / "out.mp4")[..., :3]
    magenta = made[..., 0] + made[..., 2] - 2 * made[..., 1]  # 510 of the hidden, -220 of green
    assert magenta.max() <= 4 * TOLERANCE


def test_an_opaque_video_of_four_channels_says_nothing(negatives, tmp_path):
    make_film(tmp_path / "film.mov", codec="qtrle", pixel_format="argb", options=(), sound=None)
    assert stylize_video(negatives, tmp_path / "film.mov", tmp_path / "out.mp4").notes == ()


def test_a_fourth_channel_of_raw_avi_means_nothing(negatives, tmp_path):
    film = transparent_film(tmp_path / "film.avi", codec="rawvideo", pixel_format="bgra")
    assert stylize_video(negatives, film, tmp_path / "out.mp4", strength=0).notes == ()
    assert_near(first_frame(tmp_path / "out.mp4")[CORNER][:3], HIDDEN)


def test_a_camera_shows_no_hidden_colours(tmp_path):
    film = transparent_film(tmp_path / "film.mov", codec="qtrle", pixel_format="argb")
    with Camera(str(film), size=64) as camera:
        assert_near(camera.newest()[CORNER] * 255, (255, 255, 255))
