"""The suffixes of films; nothing heavy is imported, so that planning a call stays quick."""

import os
from pathlib import Path

WRITABLE_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm")
"""H.264 in all but WebM, which gets VP9."""

READABLE_SUFFIXES = frozenset(
    {*WRITABLE_SUFFIXES, ".qt", ".f4v", ".3gp", ".3g2", ".avi", ".divx", ".wmv", ".asf", ".flv"}
    | {".mpg", ".mpeg", ".m2v", ".vob", ".ts", ".mts", ".m2ts", ".ogv", ".mxf", ".dv", ".y4m"}
)
"""What is taken for a film by its name; what is in it is known once it is opened."""


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether a name ends like that of a film."""
    return Path(path).suffix.lower() in READABLE_SUFFIXES
