"""Films from file to file with a style of negatives, whose result is known for every pixel."""

import os
import re
from fractions import Fraction

import av
import numpy as np
import pytest

from impasto.errors import (
    OutputAppearedError,
    OutputExistsError,
    SettingError,
    VideoFileError,
    VideoInterrupted,
)
from impasto.runtime.stylizer import Stylizer
from impasto.runtime.video.transform import VideoProgress, partial_path, stylize_video
from video_fixtures import TIMES, draw_frame, frame_colours, make_film

CODEC_TOLERANCE = 8  # grey levels, of the two encodings together, away from edges


@pytest.fixture
def negatives(tiny_model_path, without_grain):
    return Stylizer(tiny_model_path, precision="f32")


def frames_of(path):
    """Times in seconds, and pixels as a screen would show them by the tags."""
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        times, pixels = [], []
        for frame in film.decode(stream):
            times.append(frame.pts * stream.time_base)
            is_full = stream.color_range == 2
            rgb = frame.reformat(
                format="rgb24",
                src_colorspace={1: 1, 6: 5}[stream.colorspace],
                src_color_range=2 if is_full else 1,
            )
            pixels.append(rgb.to_ndarray())
    return times, pixels


def sound_of(path):
    with av.open(str(path)) as film:
        return [bytes(packet) for packet in film.demux(audio=0) if packet.size]


def assert_negative(pixels, expected):
    """The two areas have the negatives of their colours, in their middles."""
    height, width = expected.shape[:2]
    for row, column in ((height // 4, width // 4), (3 * height // 4, 3 * width // 4)):
        difference = pixels[row, column].astype(int) + expected[row, column] - 255
        assert np.abs(difference).max() <= CODEC_TOLERANCE, (pixels[row, column], row, column)


def test_frames_are_transformed_in_their_order_at_their_times(negatives, film, tmp_path):
    summary = stylize_video(negatives, film, tmp_path / "out.mp4")
    assert (summary.width, summary.height, summary.num_frames) == (64, 48, 12)
    assert summary.notes == ()
    times, pixels = frames_of(tmp_path / "out.mp4")
    assert times == [Fraction(time, 12_800) for time in TIMES]
    for number, frame in enumerate(pixels):
        assert_negative(frame, draw_frame(number))


@pytest.mark.parametrize("stabilize", [False, True])
def test_frames_at_once_are_those_one_by_one(tiny_model_path, tmp_path, stabilize):
    film, pixels = tmp_path / "film.mkv", []
    make_film(film, times=TIMES[:5])
    for numbers in ({}, {"batch_size": 2, "num_requests": 2}):
        stylizer = Stylizer(tiny_model_path, precision="f32", **numbers)
        out = tmp_path / "out.mkv"
        stylize_video(stylizer, film, out, stabilize=stabilize, overwrite=True)
        times, frames = frames_of(out)
        assert len(times) == 5
        pixels.append(np.stack(frames).astype(int))
    assert np.abs(pixels[0] - pixels[1]).max() <= 1


def test_sound_and_title_are_copied(negatives, film, tmp_path):
    stylize_video(negatives, film, tmp_path / "out.mp4")
    assert sound_of(tmp_path / "out.mp4") == sound_of(film)
    with av.open(str(tmp_path / "out.mp4")) as made:
        assert made.metadata["title"] == "A ramp"


@pytest.mark.parametrize("tags", [(1, 1, 1, 1), (6, 6, 6, 1), (1, 1, 1, 2), (9, 16, 1, 1)])
def test_colour_tags_are_kept_and_heeded(negatives, tmp_path, tags):
    make_film(tmp_path / "film.mkv", tags=tags)
    stylize_video(negatives, tmp_path / "film.mkv", tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as made:
        stream = made.streams.video[0]
        written = stream.color_primaries, stream.color_trc, stream.colorspace, stream.color_range
    assert written == tags
    _, pixels = frames_of(tmp_path / "out.mkv")
    assert_negative(pixels[3], draw_frame(3))


def test_a_video_that_names_no_matrix_is_tagged_with_the_one_taken(negatives, tmp_path):
    make_film(tmp_path / "film.mp4", tags=(2, 2, 2, 0))
    stylize_video(negatives, tmp_path / "film.mp4", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as made:
        assert made.streams.video[0].colorspace == 6  # BT.601 below 720 rows


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_turned_video_comes_out_upright(negatives, tmp_path, degrees, mirrored):
    make_film(tmp_path / "film.mp4", rotation=degrees, mirrored=mirrored)
    summary = stylize_video(negatives, tmp_path / "film.mp4", tmp_path / "out.mp4")
    expected = np.rot90(draw_frame(0), degrees // 90)  # counter-clockwise
    if mirrored:  # FFmpeg's hflip exchanges left and right of what is seen
        expected = expected[:, ::-1]
    assert (summary.height, summary.width) == expected.shape[:2]
    _, pixels = frames_of(tmp_path / "out.mp4")
    for row, column in ((1, 1), (1, 3), (3, 1), (3, 3)):
        place = row * summary.height // 4, column * summary.width // 4
        difference = pixels[0][place].astype(int) + expected[place] - 255
        assert np.abs(difference).max() <= CODEC_TOLERANCE, place


def test_pixels_that_are_no_squares_stay_so(negatives, tmp_path):
    make_film(tmp_path / "film.mp4", pixel_aspect=Fraction(16, 11))
    stylize_video(negatives, tmp_path / "film.mp4", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as made:
        assert made.streams.video[0].sample_aspect_ratio == Fraction(16, 11)


def test_size_sets_the_longer_side_and_both_are_even(negatives, film, tmp_path):
    summary = stylize_video(negatives, film, tmp_path / "out.mp4", size=36)
    assert (summary.width, summary.height) == (36, 28)  # 27 is odd
    assert summary.notes == ("36×27 pixels became 36×28: both sides must be even",)


def test_strength_zero_is_the_video_itself(negatives, film, tmp_path):
    stylize_video(negatives, film, tmp_path / "out.mp4", strength=0)
    _, pixels = frames_of(tmp_path / "out.mp4")
    np.testing.assert_allclose(pixels[5][40, 50], frame_colours(5)[0], atol=CODEC_TOLERANCE)


@pytest.mark.parametrize("suffix", [".mkv", ".mov", ".m4v", ".webm"])
def test_the_suffix_decides_the_container(negatives, film, tmp_path, suffix):
    summary = stylize_video(negatives, film, tmp_path / f"out{suffix}")
    with av.open(str(tmp_path / f"out{suffix}")) as made:
        codecs = [stream.codec_context.name for stream in made.streams]
        heard = sum(frame.samples for frame in made.decode(audio=0)) / 48_000
    assert heard == pytest.approx(0.5, abs=0.06)
    if suffix == ".webm":
        assert codecs[0].startswith("vp9") or codecs[0] == "libvpx-vp9"
        assert summary.notes == ("webm cannot hold aac: the sound was encoded anew as libopus",)
    else:
        assert codecs == ["h264", "aac"]
        assert summary.notes == ()
    times, _ = frames_of(tmp_path / f"out{suffix}")
    since_first = [float(time - times[0]) for time in times]  # Matroska counts in milliseconds
    np.testing.assert_allclose(since_first, np.array(TIMES) / 12_800, atol=1e-3)


def test_quality_decides_how_many_bytes(negatives, film, tmp_path):
    for quality in (20, 95):
        stylize_video(negatives, film, tmp_path / f"{quality}.mkv", quality=quality)
    assert (tmp_path / "20.mkv").stat().st_size < (tmp_path / "95.mkv").stat().st_size


def test_a_silent_video_stays_silent(negatives, tmp_path):
    make_film(tmp_path / "film.mp4", sound=None)
    stylize_video(negatives, tmp_path / "film.mp4", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as made:
        assert [stream.type for stream in made.streams] == ["video"]


def test_an_odd_size_becomes_even(negatives, tmp_path):
    make_film(tmp_path / "film.mkv", width=63, height=47, pixel_format="yuv444p")
    summary = stylize_video(negatives, tmp_path / "film.mkv", tmp_path / "out.mp4")
    assert (summary.width, summary.height) == (64, 48)


def test_progress_counts_every_frame(negatives, film, tmp_path):
    seen = []
    stylize_video(negatives, film, tmp_path / "out.mp4", on_progress=seen.append)
    assert [progress.num_done for progress in seen] == list(range(1, 13))
    assert {progress.num_frames for progress in seen} == {12}
    assert seen[-1].seconds_left == 0


def test_time_left_is_that_of_the_frames_left_at_the_speed_so_far():
    progress = VideoProgress(num_done=20, num_frames=50, seconds=4.0)
    assert progress.frames_per_second == 5
    assert progress.seconds_left == 6
    assert VideoProgress(1, None, 1.0).seconds_left is None


def test_ctrl_c_keeps_the_finished_part_with_its_sound(negatives, film, tmp_path):
    def interrupt(progress):
        if progress.num_done == 4:
            raise KeyboardInterrupt

    with pytest.raises(VideoInterrupted, match=r"interrupted after \d+ of 12 frames; they are in"):
        stylize_video(negatives, film, tmp_path / "out.mp4", on_progress=interrupt)
    part = partial_path(tmp_path / "out.mp4")
    assert sorted(path.name for path in tmp_path.iterdir() if "out" in path.name) == [part.name]
    times, pixels = frames_of(part)
    assert 4 <= len(times) <= 12
    assert times == [Fraction(time, 12_800) for time in TIMES[: len(times)]]
    assert_negative(pixels[-1], draw_frame(len(times) - 1))
    sound = sound_of(part)
    assert sound
    assert sound == sound_of(film)[: len(sound)]


# What is no video


def fails(negatives, source, target, tmp_path, **settings):
    before = sorted(tmp_path.iterdir())
    with pytest.raises((VideoFileError, OutputExistsError, SettingError)) as caught:
        stylize_video(negatives, source, target, **settings)
    assert sorted(tmp_path.iterdir()) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_sound_alone_is_no_video(negatives, tmp_path):
    make_film(tmp_path / "film.mp4", num_films=0)
    message = fails(negatives, tmp_path / "film.mp4", tmp_path / "out.mp4", tmp_path)
    assert message.endswith("film.mp4 holds only sound; expected a video")


@pytest.mark.parametrize("content", [b"", b"just some text, no film at all\n" * 40, b"\0" * 4000])
def test_what_is_no_video_is_refused(negatives, tmp_path, content):
    (tmp_path / "film.mp4").write_bytes(content)
    message = fails(negatives, tmp_path / "film.mp4", tmp_path / "out.mp4", tmp_path)
    assert "film.mp4 is no video" in message


def test_a_picture_is_no_video(negatives, photo_file, tmp_path):
    assert "is no video" in fails(negatives, photo_file, tmp_path / "out.mp4", tmp_path)


@pytest.fixture
def photo_file(tmp_path):
    from PIL import Image

    Image.new("RGB", (24, 16)).save(tmp_path / "photo.png")
    return (tmp_path / "photo.png").rename(tmp_path / "photo.mp4")


def test_a_missing_video_and_a_folder_are_refused(negatives, tmp_path):
    message = fails(negatives, tmp_path / "no.mp4", tmp_path / "out.mp4", tmp_path)
    assert message.endswith("no.mp4 does not exist; expected a video")
    assert "is a folder" in fails(negatives, tmp_path, tmp_path / "out.mp4", tmp_path)


def test_a_video_without_frames_is_refused(negatives, tmp_path):
    make_film(tmp_path / "film.mkv", times=())
    message = fails(negatives, tmp_path / "film.mkv", tmp_path / "out.mp4", tmp_path)
    assert "film.mkv" in message


def test_a_video_cut_off_before_its_index_is_refused(negatives, film, tmp_path):
    film.write_bytes(film.read_bytes()[:-1200])
    message = fails(negatives, film, tmp_path / "out.mp4", tmp_path)
    assert "is no video that can be read, or is cut short" in message


def test_of_a_video_that_ends_early_the_part_is_kept(negatives, film, tmp_path):
    whole = tmp_path / "whole.mp4"
    stylize_video(negatives, film, whole, quality=100)  # its index is at the front
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    with pytest.raises(VideoFileError, match=r"; the \d+ frames that are done are in"):
        stylize_video(negatives, whole, tmp_path / "out.mp4")
    times, _ = frames_of(tmp_path / "out.partial.mp4")
    assert 0 < len(times) < 12
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.png", "ends in no suffix of a video"),
        ("missing/out.mp4", "does not exist; make it first"),
        ("there.mp4", "exists already"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused(negatives, film, tmp_path, name, message):
    (tmp_path / "there.mp4").write_bytes(b"there")
    assert message in fails(negatives, film, tmp_path / name, tmp_path)


def test_a_file_is_replaced_when_allowed(negatives, film, tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"there")
    stylize_video(negatives, film, tmp_path / "out.mp4", overwrite=True)
    assert len(frames_of(tmp_path / "out.mp4")[0]) == 12


def test_settings_out_of_range_are_refused_before_anything_is_read(negatives, tmp_path):
    for settings in ({"size": 3}, {"strength": 2}):
        fails(negatives, tmp_path / "no.mp4", tmp_path / "out.mp4", tmp_path, **settings)
    message = fails(negatives, tmp_path / "no.mp4", tmp_path / "out.mp4", tmp_path, quality=0)
    assert "quality is 0" in message


def test_a_file_that_appears_while_a_video_is_made_is_kept(negatives, film, tmp_path):
    target = tmp_path / "out.mp4"
    with pytest.raises(OutputAppearedError, match=r"out\.mp4 appeared .* is in .*out\.new\.mp4"):
        stylize_video(
            negatives, film, target, on_progress=lambda _: target.write_bytes(b"somebody's")
        )
    assert target.read_bytes() == b"somebody's"
    with av.open(str(tmp_path / "out.new.mp4")) as made:
        assert sum(1 for _ in made.decode(video=0)) == 12


def test_an_earlier_part_is_kept_beside_the_next(negatives, film, tmp_path):
    def interrupt(_):
        raise KeyboardInterrupt

    for name in ("out.partial.mp4", "out.partial.new.mp4"):
        with pytest.raises(VideoInterrupted, match=rf"they are in .*{re.escape(name)}"):
            stylize_video(negatives, film, tmp_path / "out.mp4", on_progress=interrupt)
        assert (tmp_path / name).stat().st_size > 0


def test_a_pipe_is_not_replaced_by_a_video(negatives, film, tmp_path):
    os.mkfifo(tmp_path / "out.mp4")
    with pytest.raises(VideoFileError, match=r"out\.mp4 is a device or pipe"):
        stylize_video(negatives, film, tmp_path / "out.mp4", overwrite=True)
    assert (tmp_path / "out.mp4").is_fifo()
