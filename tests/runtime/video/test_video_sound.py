"""Sound that goes over as it is, and sound that the new container cannot hold."""

import re
from fractions import Fraction

import av
import pytest

from impasto.runtime.stylizer import Stylizer
from impasto.runtime.video.transform import stylize_video
from video_fixtures import make_film

AS_AAC = "the sound was encoded anew as aac"


@pytest.fixture
def unchanged(tiny_model_path):
    """Makes a video of a video, with the same pictures."""
    stylizer = Stylizer(tiny_model_path, precision="f32")
    return lambda source, target: stylize_video(stylizer, source, target, strength=0)


def heard_in(path):
    """The codec of the sound, and how many seconds of it there are."""
    with av.open(str(path)) as film:
        (stream,) = film.streams.audio
        samples = sum(frame.samples for frame in film.decode(stream))
        return stream.codec_context.name, samples / stream.codec_context.sample_rate


def num_sound_packets(path):
    with av.open(str(path)) as film:
        return sum(1 for packet in film.demux(audio=0) if packet.size)


@pytest.mark.parametrize(
    ("source", "sound", "target", "note"),
    [
        ("film.avi", "pcm_s16le", "out.mp4", f"mp4 cannot hold pcm_s16le: {AS_AAC}"),
        ("film.avi", "pcm_s16le", "out.mov", None),
        ("film.avi", "pcm_s16le", "out.mkv", None),
        ("film.avi", "adpcm_ms", "out.mp4", f"mp4 cannot hold adpcm_ms: {AS_AAC}"),
        ("film.avi", "adpcm_ms", "out.mov", f"mov cannot hold adpcm_ms: {AS_AAC}"),
        ("film.avi", "adpcm_ms", "out.mkv", f"matroska cannot hold adpcm_ms: {AS_AAC}"),
        ("film.mkv", "flac", "out.mov", f"mov cannot hold flac: {AS_AAC}"),
        ("film.mkv", "flac", "out.mp4", None),
        ("film.mkv", "libopus", "out.mov", f"mov cannot hold opus: {AS_AAC}"),
        ("film.mkv", "pcm_f32le", "out.m4v", f"mp4 cannot hold pcm_f32le: {AS_AAC}"),
        ("film.vob", "ac3", "out.mp4", None),
    ],
)
def test_sound_is_copied_or_encoded_anew(unchanged, tmp_path, source, sound, target, note):
    codec = "mpeg2video" if source.endswith(".vob") else "mpeg4"
    film = make_film(
        tmp_path / source,
        sound=sound,
        layout="stereo",
        codec=codec,
        times=range(0, 12 * 512, 512),
        time_base=Fraction(1, 25),
        options=(),
    )
    summary = unchanged(film, tmp_path / target)
    assert summary.notes == (() if note is None else (note,))
    codec, seconds = heard_in(tmp_path / target)
    assert codec == ("aac" if note else heard_in(film)[0])
    assert seconds == pytest.approx(0.5, abs=0.06)


def test_damaged_sound_is_left_out_and_the_video_goes_on(unchanged, tmp_path):
    film = make_film(tmp_path / "film.ts", times=range(0, 25 * 512, 512))
    data = bytearray(film.read_bytes())
    frames = [found.start() for found in re.finditer(rb"\xff\xf1", bytes(data))]
    for start in frames[len(frames) // 2 :]:
        data[start : start + 2] = b"\0\0"  # AAC frames that begin with nothing
    film.write_bytes(data)
    summary = unchanged(film, tmp_path / "out.mp4")
    assert summary.num_frames == 25
    assert re.fullmatch(r"\d+ damaged pieces? of the sound left out", summary.notes[0])
    assert 10 < num_sound_packets(tmp_path / "out.mp4") < num_sound_packets(film)


def test_streams_without_packets_do_no_harm(unchanged, tmp_path):
    with av.open(str(tmp_path / "film.mkv"), "w") as output:
        film = output.add_stream("libx264", rate=25)
        film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        for codec in ("aac", "ac3", "libopus", "pcm_s16le"):
            output.add_stream(codec, rate=48_000)
        output.mux(film.encode(av.VideoFrame(64, 48, "yuv420p")))
        output.mux(film.encode(None))
    for suffix in (".mp4", ".mov", ".mkv", ".webm"):
        assert unchanged(tmp_path / "film.mkv", tmp_path / f"out{suffix}").num_frames == 1


def test_what_is_left_out_is_said(unchanged, tmp_path):
    with av.open(str(tmp_path / "film.mkv"), "w") as output:
        films = [output.add_stream("libx264", rate=25) for _ in range(3)]
        for film in films:
            film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        output.add_attachment("a.txt", "text/plain", b"hello")
        for film in films:
            output.mux(film.encode(av.VideoFrame(64, 48, "yuv420p")))
            output.mux(film.encode(None))
    assert unchanged(tmp_path / "film.mkv", tmp_path / "out.mp4").notes == (
        "2 streams of pictures beside the first were left out",
        "a stream of attachment was left out",
    )
