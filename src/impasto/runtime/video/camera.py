"""A camera's newest frame: a thread reads frames as they come, and keeps only the last.

A video can stand in for a camera; it runs at its own speed. The loop that shows them is `live`.
"""

import os
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.container.input import InputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from impasto.errors import CameraError
from impasto.images.resize import fit_longer_side
from impasto.runtime.video.facts import ColourTags, matrix_or_guess
from impasto.runtime.video.frames import (
    Orientation,
    frame_to_colours,
    has_alpha,
    on_white,
    orientation_of,
)
from impasto.runtime.video.opening import open_video
from impasto.system.visible_text import one_line

_FULL = 2
_PATIENCE_SECONDS = 10.0


class Camera:
    """A camera, or a video in its place, read by a thread.

    Args:
        camera: the number of a camera from 0, the name of its device, or a video file.
        size: pixels of the longer side of the frames.

    Raises:
        CameraError: no such camera, or it may not be used.
        VideoFileError: the file is no video.
    """

    def __init__(self, camera: str, *, size: int) -> None:
        self._size = size
        self._is_video = Path(camera).is_file()
        self._container = open_video(Path(camera)) if self._is_video else _open_device(camera)
        self._newest: NDArray[np.float32] | None = None
        self._changed = threading.Condition()  # guards _newest and _is_over
        self._is_over = False
        # A thread, because a device queues frames: read only when wanted, they would be old ones.
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._is_over = True
        self._thread.join()  # first: FFmpeg's containers are not for two threads
        self._container.close()

    def newest(self) -> NDArray[np.float32] | None:
        """The newest frame, once each, float32 H×W×3 in [0, 1]; None at the end.

        Raises:
            CameraError: no frame came for ten seconds.
        """
        with self._changed:
            has_changed = self._changed.wait_for(
                lambda: self._newest is not None or self._is_over, _PATIENCE_SECONDS
            )
            frame, self._newest = self._newest, None
        if not has_changed:
            raise CameraError(
                f"the camera sent no frame for {_PATIENCE_SECONDS:.0f} seconds; is it in use?"
            )
        return frame

    def _watch(self) -> None:
        started: float | None = None
        try:
            for frame in self._container.decode(video=0):
                seconds = float(frame.time or 0)
                started = time.monotonic() - seconds if started is None else started
                # A camera's frames wait for their moment by themselves; a file's would rush by.
                if self._is_video:
                    time.sleep(max(0.0, started + seconds - time.monotonic()))
                rgb = self._rgb_of(frame)
                with self._changed:
                    if self._is_over:
                        return
                    self._newest = rgb
                    self._changed.notify()
        except (av.FFmpegError, IndexError):
            pass  # unplugged, damaged or without video: the end
        finally:  # also after an error, or the reader would wait in vain
            with self._changed:
                self._is_over = True
                self._changed.notify()

    def _rgb_of(self, frame: VideoFrame) -> NDArray[np.float32]:
        orientation: Orientation = orientation_of(frame)
        sides = (frame.height, frame.width) if orientation[0] else (frame.width, frame.height)
        width, height = fit_longer_side(*sides, self._size)
        is_full = frame.color_range == _FULL or frame.format.name.startswith("yuvj")
        matrix = matrix_or_guess(frame.colorspace, height=frame.height)
        colour = ColourTags(frame.color_primaries, frame.color_trc, matrix, is_full)
        rgb, alpha = frame_to_colours(
            frame,
            width=width,
            height=height,
            colour=colour,
            orientation=orientation,
            has_alpha=has_alpha(frame),
        )
        return rgb if alpha is None else on_white(rgb, alpha)


def _open_device(camera: str) -> InputContainer:
    name, driver = _device(camera)
    try:
        return av.open(name, format=driver)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise CameraError(
            f"there is no camera {camera} to look through ({reason}); "
            f"give the number or device of another, or a video, with --camera"
        ) from error


def _device(camera: str) -> tuple[str, str]:
    """FFmpeg's name of a camera on this system, and its driver's."""
    if sys.platform == "darwin":  # avfoundation takes VIDEO:SOUND, and the microphone stays off
        return f"{camera}:none" if camera.isdigit() else camera, "avfoundation"
    if os.name == "nt":
        return f"video={camera}", "dshow"
    return f"/dev/video{camera}" if camera.isdigit() else camera, "v4l2"
