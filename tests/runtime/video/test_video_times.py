"""Times of videos whose clock begins anywhere, or jumps."""

import itertools
from fractions import Fraction

import av
import pytest

from impasto.runtime.stylizer import Stylizer
from impasto.runtime.video.opening import open_video
from impasto.runtime.video.times import Clock, start_of
from impasto.runtime.video.transform import stylize_video
from video_fixtures import make_film

EVEN_TIMES = range(0, 25 * 512, 512)  # one second
TICK = 1e-3  # Matroska's


@pytest.fixture
def unchanged(tiny_model_path):
    """Makes a video of a video, with the same pictures."""
    stylizer = Stylizer(tiny_model_path, precision="f32")
    return lambda source, target: stylize_video(stylizer, source, target, strength=0)


def broadcast(path, **settings):
    """A second of pictures and half a second of sound, as a receiver records them."""
    settings = {"codec": "mpeg2video", "sound": "mp2", "options": (), **settings}
    return make_film(path, times=EVEN_TIMES, time_base=Fraction(1, 25), **settings)


def times_of(path, kind):
    """When the frames of a kind are shown or heard, in seconds."""
    with av.open(str(path)) as film:
        return [float(frame.pts * frame.time_base) for frame in film.decode(**{kind: 0})]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_video_that_begins_at_ten_oclock_begins_at_0(unchanged, tmp_path, suffix):
    film = broadcast(tmp_path / "film.ts", begin=36_000)
    unchanged(film, tmp_path / f"out{suffix}")
    times = times_of(tmp_path / f"out{suffix}", "video")
    assert len(times) == 25
    assert times[0] == pytest.approx(0, abs=0.05)
    assert times[-1] - times[0] == pytest.approx(24 / 25, abs=TICK)
    with av.open(str(tmp_path / f"out{suffix}")) as made:
        assert made.duration < 1.2 * av.time_base


@pytest.mark.parametrize("delay", [-2, 2])
def test_sound_stays_with_its_pictures(unchanged, tmp_path, delay):
    film = broadcast(tmp_path / "film.ts", begin=36_000, sound_begin=36_000 + delay)
    unchanged(film, tmp_path / "out.mp4")
    firsts = {
        path: [times_of(path, kind)[0] for kind in ("video", "audio")]
        for path in (film, tmp_path / "out.mp4")
    }
    seen, heard = firsts[tmp_path / "out.mp4"]
    assert min(seen, heard) == pytest.approx(0, abs=TICK)
    assert heard - seen == pytest.approx(firsts[film][1] - firsts[film][0], abs=TICK)


def test_a_clock_that_wraps_goes_on(unchanged, tmp_path):
    film = broadcast(tmp_path / "film.ts", begin=95_443)  # 2**33 / 90 kHz is 95443.7 s
    unchanged(film, tmp_path / "out.mp4")
    times = times_of(tmp_path / "out.mp4", "video")
    assert len(times) == 25
    assert times[-1] < 1.1


def test_joined_recordings_follow_each_other(unchanged, tmp_path):
    begins = (100, 5, 50_000)
    parts = [broadcast(tmp_path / f"{begin}.ts", begin=begin) for begin in begins]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    unchanged(joined, tmp_path / "out.mkv")
    times = times_of(tmp_path / "out.mkv", "video")
    assert len(times) == 75
    steps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(0.03 < step < 0.1 for step in steps)
    heard = [int(time) for time in times_of(tmp_path / "out.mkv", "audio")]
    assert {heard.count(second) > 10 for second in range(3)} == {True}  # half of each


def test_two_readings_see_the_same_jumps(tmp_path):
    parts = [broadcast(tmp_path / f"{begin}.ts", begin=begin) for begin in (100, 5)]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    corrected = []
    for kinds in (("video",), ("audio",), ("video", "audio")):
        with open_video(joined) as film:
            wanted = [stream for stream in film.streams if stream.type in kinds]
            packets = [
                (packet.stream.type, packet.dts)
                for packet in Clock(film).demux(wanted)
                if packet.dts is not None
            ]
        corrected.append(sorted(packets))
    assert sorted(corrected[0] + corrected[1]) == corrected[2]


def test_a_short_lead_of_the_sound_is_no_start(film):
    with open_video(film) as container:
        assert start_of(container) == 0


def test_chapters_move_with_the_pictures(unchanged, tmp_path):
    chapter = {"id": 1, "start": 10_500, "end": 10_900, "time_base": Fraction(1, 1000)}
    film = broadcast(
        tmp_path / "film.mkv", begin=10, chapters=[{**chapter, "metadata": {"title": "The sea"}}]
    )
    unchanged(film, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as made:
        (chapter,) = made.chapters()
    assert float(chapter["start"] * chapter["time_base"]) == pytest.approx(0.5, abs=0.01)


def test_the_frame_rate_of_dv_is_not_believed(unchanged, tmp_path):
    film = broadcast(tmp_path / "film.dv", codec="dvvideo", width=720, height=576, sound=None)
    unchanged(film, tmp_path / "out.mp4")
    times = times_of(tmp_path / "out.mp4", "video")
    assert len(times) == 25
    assert times[-1] == pytest.approx(24 / 25, abs=TICK)
