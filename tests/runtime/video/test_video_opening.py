"""A video's name is the name of a file, and its file holds all that is read."""

import os
import shutil
import socket

import av
import pytest

from impasto.errors import VideoFileError
from impasto.runtime.stylizer import Stylizer
from impasto.runtime.video.opening import open_output, open_video
from impasto.runtime.video.reading import VideoReader
from impasto.runtime.video.transform import stylize_video
from video_fixtures import make_film

NAMES = (
    *("part:1.mp4", "http:127.0.0.1?a.mp4", "concat:film.mp4|film.mp4", "data:video,a.mp4"),
    *("%03d.mp4", "-a.mp4", "file:a.mp4", "pipe:0.mp4", "é ü.mp4", "a\nb.mp4"),
)


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """The current folder is an empty one, so that names are relative."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def nobody_calls():
    """The port of a server that must not be called."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server.getsockname()[1]
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_that_of_a_file(in_folder, tiny_model_path, name):
    make_film(in_folder / "film.mp4", times=range(0, 1024, 512))
    shutil.copy("film.mp4", name)
    stylizer = Stylizer(tiny_model_path, precision="f32")
    summary = stylize_video(stylizer, name, f"{name}.out:%d.mp4", strength=0)
    assert summary.num_frames == 2
    assert (in_folder / f"{name}.out:%d.mp4").stat().st_size > 0


def test_an_address_is_no_video_and_is_not_asked(in_folder, nobody_calls):
    for name in (f"http://127.0.0.1:{nobody_calls}/a.mp4", f"tcp:127.0.0.1:{nobody_calls}"):
        with pytest.raises(VideoFileError, match="does not exist; expected a video"):
            open_video(in_folder / name)


def lists_of_other_files(port):
    """Files that FFmpeg takes for lists of others, by the name of their format."""
    address = f"http://127.0.0.1:{port}/a.ts"
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n"
    return {
        "hls": f"{head}#EXTINF:2,\nfilm.ts\n#EXTINF:2,\n{address}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile 'film.ts'\nfile '{address}'\n",
        "sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\n"
        f"m=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
        f"<Period><AdaptationSet><Representation><BaseURL>{address}</BaseURL></Representation>"
        "</AdaptationSet></Period></MPD>",
        "rtsp": f"[Reference]\nRef1={address}\n",
        "vobsub": "# VobSub index file, v7\n",
    }


@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".m3u8"])
@pytest.mark.parametrize("kind", lists_of_other_files(0))
def test_a_list_of_other_files_is_no_video(in_folder, nobody_calls, kind, suffix):
    make_film(in_folder / "film.ts", times=range(0, 1024, 512))
    listing = in_folder / f"list{suffix}"
    listing.write_text(lists_of_other_files(nobody_calls)[kind])
    with pytest.raises(
        VideoFileError, match=f"list{suffix} is no video that can be read"
    ) as caught:
        VideoReader(listing)
    assert "\n" not in str(caught.value)


def test_a_container_is_known_by_its_content(in_folder):
    make_film(in_folder / "film.ts", times=range(0, 1024, 512))
    film = (in_folder / "film.ts").rename(in_folder / "film.mov")
    with open_video(film) as container:
        assert container.format.name == "mpegts"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(in_folder):
    os.mkfifo("pipe.mp4")
    with pytest.raises(VideoFileError, match="is a pipe or a device"):
        open_video(in_folder / "pipe.mp4")


def test_an_output_is_a_file_too(in_folder):
    with open_output(in_folder / "a:b", container="matroska", options={}) as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        output.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        output.mux(stream.encode(None))
    assert (in_folder / "a:b").stat().st_size > 0
