"""The suffixes of videos; imports nothing heavy, so that planning a call stays quick."""

import os
from pathlib import Path

WRITABLE_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm")
"""H.264 in all of them but WebM, which gets VP9."""

READABLE_SUFFIXES = frozenset(
    {*WRITABLE_SUFFIXES, ".qt", ".f4v", ".3gp", ".3g2", ".avi", ".divx", ".wmv", ".asf", ".flv"}
    | {".mpg", ".mpeg", ".m2v", ".vob", ".ts", ".mts", ".m2ts", ".ogv", ".mxf", ".dv", ".y4m"}
)
"""Names with these suffixes are taken for videos; opening the file tells whether it is one."""


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether a path has the suffix of a video."""
    return Path(path).suffix.lower() in READABLE_SUFFIXES
