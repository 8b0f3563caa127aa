"""Video files opened by FFmpeg safely: as local files, in containers that hold their own frames.

FFmpeg takes some names for addresses (`http:host`, `concat:a|b`), and some formats are lists of
other files (playlists, scripts). Here a name is always a file's, and the container is recognised by
its content, not by the suffix. Devices are opened in `camera`.
"""

import os
from pathlib import Path

import av
from av.container.input import InputContainer
from av.container.output import OutputContainer

from impasto.errors import VideoFileError
from impasto.files import reason_of
from impasto.system.visible_text import shown_path

CONTAINERS = (
    *("mov", "matroska", "avi", "asf", "asf_o", "flv", "ogg", "mxf", "mpeg", "mpegts", "dv"),
    *("mpegvideo", "m4v", "h264", "hevc", "yuv4mpegpipe"),
)
"""FFmpeg's names of the demuxers allowed; none of them opens a second file."""

_PROTOCOL = "file"
_READING = {
    "protocol_whitelist": _PROTOCOL,
    "format_whitelist": ",".join(CONTAINERS),
    "enable_drefs": "0",  # no QuickTime track whose data lie in another file
}


def open_video(path: Path) -> InputContainer:
    """Open a video file for reading.

    Raises:
        VideoFileError: it is missing, may not be read, is no regular file, or is no video.
    """
    name = shown_path(path)
    if path.is_dir():
        raise VideoFileError(f"{name} is a folder; expected a video")
    if path.exists() and not path.is_file():
        raise VideoFileError(
            f"{name} is a pipe or a device, and a video is read more than once; expected a file"
        )
    # A title in another encoding than UTF-8 is no reason to refuse a video.
    try:
        return av.open(_as_file(path), "r", options=_READING, metadata_errors="replace")
    except FileNotFoundError as error:
        raise VideoFileError(f"{name} does not exist; expected a video") from error
    except PermissionError as error:
        raise VideoFileError(f"{name} may not be read; change its permissions") from error
    except av.error.ArgumentError as error:  # FFmpeg's error for a format outside the list
        raise VideoFileError(
            f"{name} is no video that can be read; expected MP4, Matroska, WebM or the like"
        ) from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoFileError(
            f"{name} is no video that can be read, or is cut short ({reason_of(error)}); "
            f"expected MP4, Matroska, WebM or the like"
        ) from error


def open_output(path: Path, *, container: str, options: dict[str, str]) -> OutputContainer:
    """Open a file to write a video to.

    Args:
        path: the file.
        container: FFmpeg's name of its format.
        options: of that format.

    Raises:
        av.FFmpegError: the file cannot be written.
    """
    return av.open(_as_file(path), "w", format=container, container_options=options)


def _as_file(path: Path) -> str:
    return f"{_PROTOCOL}:{os.fspath(path)}"
