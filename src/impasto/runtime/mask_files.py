"""Which mask belongs to which file: one picture for all, one video, or a folder of masks by name.

Masks themselves: `masks`. The frames of a video of masks: `video.mask_frames`.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from impasto.errors import PictureFileError
from impasto.images.files.listing import list_pictures
from impasto.runtime.masks import Mask, MaskInput, as_mask
from impasto.runtime.video.suffixes import READABLE_SUFFIXES as VIDEO_SUFFIXES
from impasto.runtime.video.suffixes import is_video
from impasto.system.visible_text import shown_path


@dataclass(frozen=True, slots=True)
class MaskVideo:
    """A video of masks, one for each frame of a video.

    Attributes:
        path: of its file.
    """

    path: Path


class MaskFolder:
    """A folder of masks that have the names of their photographs and videos.

    The mask of `holiday/sea/a.jpg`, found in the folder `holiday`, is `sea/a` with the suffix of
    any picture, or of a video for a video.

    Args:
        folder: of the masks.
        photos: the files and folders that are stylized.

    Raises:
        PictureFileError: the folder cannot be listed, or two of its masks have one name.
    """

    def __init__(self, folder: Path, photos: Sequence[str]) -> None:
        self._folder = folder
        self._inputs = [Path(photo) for photo in photos]
        self._masks: dict[Path, Path] = {}
        for path in list_pictures(folder, also=VIDEO_SUFFIXES):
            name = path.relative_to(folder).with_suffix("")
            other = self._masks.setdefault(name, path)
            if other != path:
                raise PictureFileError(
                    f"{shown_path(other)} and {shown_path(path)} are masks of one name; "
                    "remove one of them"
                )

    def mask_of(self, photo: str | os.PathLike[str]) -> Mask | MaskVideo:
        """The mask of a photograph or video.

        Raises:
            PictureFileError: it has none, or its mask cannot be read.
        """
        path = Path(photo)
        folders = (folder for folder in self._inputs if path != folder)
        inner = next((path.relative_to(it) for it in folders if path.is_relative_to(it)), None)
        name = (inner or Path(path.name)).with_suffix("")
        if name not in self._masks:
            raise PictureFileError(
                f"{shown_path(path)} has no mask; expected "
                f"{shown_path(self._folder / name)}.png or the like"
            )
        return open_mask(self._masks[name])


def open_masks(path: str, photos: Sequence[str]) -> Mask | MaskVideo | MaskFolder:
    """What a path holds: a mask, a video of masks, or a folder of them for these photographs.

    Raises:
        PictureFileError: it cannot be read.
    """
    if path and Path(path).is_dir():  # "" would be the folder that one is in
        return MaskFolder(Path(path), photos)
    return open_mask(path)


def open_mask(mask: MaskInput) -> Mask | MaskVideo:
    """A mask as `as_mask` reads it; the path of a video is a video of masks.

    Raises:
        PictureFileError: the file cannot be read.
        PictureError: the array is no mask.
    """
    if isinstance(mask, (str, os.PathLike)) and is_video(mask):
        return MaskVideo(Path(mask))
    return as_mask(mask)
