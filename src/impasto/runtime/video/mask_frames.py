"""The frames of a video of masks."""

from collections.abc import Iterator
from pathlib import Path

from impasto.runtime.masks import Mask, brightness
from impasto.runtime.video.reading import VideoReader


def mask_frames(path: Path) -> Iterator[Mask]:
    """The masks of a video's frames, without end: its last one is repeated.

    Raises:
        VideoFileError: the video cannot be read, or is damaged.
    """
    with VideoReader(path) as reader:
        facts, mask = reader.facts, None
        for frame in reader.frames(width=facts.width, height=facts.height):
            mask = Mask(brightness(frame.rgb, frame.alpha), name=reader.name)
            yield mask
    while mask is not None:
        yield mask
