"""Folders of photographs as training reads them, and the door to every kind of source."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from impasto.data.shards import PhotoShards, list_shards
from impasto.data.source import ORDER_STREAM, EncodedPhoto, PhotoSource
from impasto.errors import DataError
from impasto.images.files.io import list_pictures


class PhotoFolder:
    """The pictures of a folder and its folders, in a new seeded permutation each epoch."""

    def __init__(self, folder: Path, *, seed: int) -> None:
        """List the pictures of `folder`.

        Raises:
            DataError: there is no picture.
        """
        paths = list_pictures(folder)
        if not paths:
            raise DataError(
                f"no pictures found in {folder} or its folders; "
                "give a folder of photographs (JPEG, PNG, WebP, TIFF) or of tar shards"
            )
        self._photos = tuple(EncodedPhoto(p.relative_to(folder).as_posix(), p) for p in paths)
        self._seed = seed

    @property
    def num_photographs(self) -> int:
        """Picture files in the folder, readable or not."""
        return len(self._photos)

    def starting_at(self, position: int) -> Iterator[EncodedPhoto]:
        """Items `position`, `position + 1`, … of the endless order."""
        epoch, start = divmod(position, len(self._photos))
        while True:
            # Seeded by the epoch alone, so that an order can be entered anywhere.
            order = np.random.default_rng([self._seed, ORDER_STREAM, epoch])
            for index in order.permutation(len(self._photos))[start:]:
                yield self._photos[index]
            epoch, start = epoch + 1, 0


def open_photographs(path: Path, *, seed: int) -> PhotoSource:
    """The source of photographs at `path`, its order given by `seed` (0 or more).

    A folder with pictures, nested or not, is a `PhotoFolder`; a `.tar` file, or a folder with
    such files, is a `PhotoShards`.

    Raises:
        DataError: nothing is there, no photograph is there, or pictures and shards are mixed.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; give a folder of photographs or of tar shards")
    if path.is_file():
        if path.suffix.lower() != ".tar":
            raise DataError(
                f"{path} is neither a folder nor a .tar shard; "
                "give a folder of photographs, a .tar file (not compressed) or a folder of those"
            )
        return PhotoShards([path], seed=seed)
    shards = list_shards(path)
    if not shards:
        return PhotoFolder(path, seed=seed)
    if list_pictures(path):
        raise DataError(
            f"{path} holds pictures and tar shards ({shards[0].name}, …); "
            "give a folder with only one of the two"
        )
    return PhotoShards(shards, seed=seed)
