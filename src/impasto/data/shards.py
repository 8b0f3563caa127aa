"""Tar shards in the WebDataset layout, read as a stream.

The members of one sample follow one another and share their name up to the first dot of the base
name: `a/000001.jpg`, `a/000001.json`. A sample's first picture is its photograph. Only the
headers are walked here, from one to the next; a photograph's bytes are read when it is decoded.

Source: the WebDataset format, https://github.com/webdataset/webdataset.
"""

import os
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from impasto.data.source import ORDER_STREAM, EncodedPhoto
from impasto.errors import DataError
from impasto.images.files.io import READABLE_SUFFIXES

SHUFFLE_BUFFER = 1000
"""Photographs among which the next one is drawn; WebDataset's own examples use 1000."""


class PhotoShards:
    """The photographs of tar shards: shards in seeded order each epoch, then a shuffle buffer.

    A shard that is damaged gives the photographs before the damage and one item that cannot be
    read, so that the damage is reported like a damaged photograph.
    """

    def __init__(
        self, shards: Sequence[Path], *, seed: int, shuffle_buffer: int = SHUFFLE_BUFFER
    ) -> None:
        """Stream `shards`, at least one; `shuffle_buffer` is 1 or more."""
        folder = os.path.commonpath([shard.parent for shard in shards])
        self._shards = tuple(shards)
        self._names = tuple(shard.relative_to(folder).as_posix() for shard in shards)
        self._seed = seed
        self._shuffle_buffer = shuffle_buffer
        self._num_items: int | None = None
        self._num_photographs: int | None = None

    @property
    def num_photographs(self) -> int | None:
        """Photographs in all shards; None until an epoch has been walked through."""
        return self._num_photographs

    def starting_at(self, position: int) -> Iterator[EncodedPhoto]:
        """Items `position`, `position + 1`, … of the endless order.

        The headers before `position` in its epoch are walked, no photograph is read; whole epochs
        are skipped once their length is known.

        Raises:
            DataError: the shards hold no photograph.
        """
        epoch, to_skip = 0, position
        while True:
            if self._num_items is not None:
                epoch += to_skip // self._num_items
                to_skip %= self._num_items
            num_items = num_damaged = 0
            damage = ""
            rng = np.random.default_rng([self._seed, ORDER_STREAM, epoch])
            order = rng.permutation(len(self._shards))
            walks = (walk_shard(self._shards[index], name=self._names[index]) for index in order)
            photos = (photo for walk in walks for photo in walk)
            for photo in _shuffled(photos, rng, self._shuffle_buffer):
                num_items += 1
                num_damaged += bool(photo.damage)
                damage = damage or photo.damage
                # Items before `position` are walked too: the buffer's draws depend on all of them.
                if to_skip:
                    to_skip -= 1
                else:
                    yield photo
            if num_items == num_damaged:
                raise DataError(
                    f"no photographs in {len(self._shards)} shard(s), such as {self._shards[0]}; "
                    + (damage or "a shard holds pictures as members, such as 000001.jpg")
                )
            self._num_items, self._num_photographs = num_items, num_items - num_damaged
            epoch += 1


def list_shards(folder: Path) -> list[Path]:
    """The `.tar` files in `folder` and its folders, sorted; hidden ones are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() == ".tar"
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def walk_shard(shard: Path, *, name: str) -> Iterator[EncodedPhoto]:
    """One photograph for each sample of `shard`, in its order, and damage as a last item.

    The items are called after the shard's `name` and their own, such as `0000.tar:000001.jpg`.
    """
    last_key = ""
    try:
        for member in _walk_members(shard):
            path = PurePosixPath(member.name)
            # A sample's members share their name up to the first dot; a hidden file has no name.
            stem = path.name.split(".", 1)[0]
            key = f"{path.parent}/{stem}" if stem else ""
            is_picture = path.suffix.lower() in READABLE_SUFFIXES
            if key and key != last_key and is_picture:
                last_key = key
                photo_name = f"{name}:{member.name}"
                yield EncodedPhoto(photo_name, shard, member.offset_data, member.size)
    except (tarfile.TarError, OSError, ValueError) as error:
        damage = f"{shard} cannot be read further: {error}; fetch the shard anew"
        yield EncodedPhoto(name, shard, damage=damage)


def _walk_members(shard: Path) -> Iterator[tarfile.TarInfo]:
    """The plain files of a tar, its headers read one after the other.

    Raises:
        tarfile.ReadError: this is no tar file, or it breaks off.
    """
    num_bytes = shard.stat().st_size
    with tarfile.open(shard, "r:") as tar:
        while (member := tar.next()) is not None:
            # tarfile would keep every header of the shard
            tar.members = []  # type: ignore[attr-defined]
            # Before it is handed out: tarfile notices a cut only on the way to the next header.
            if member.offset_data + member.size > num_bytes:
                raise tarfile.ReadError(f"the file ends within {member.name}")
            if member.isfile():
                yield member
        end = tar.offset
    with shard.open("rb") as file:  # tarfile takes a broken header for the end
        file.seek(end)
        if any(file.read(tarfile.BLOCKSIZE)):
            raise tarfile.ReadError(f"no valid header at byte {end}")


def _shuffled(
    photos: Iterable[EncodedPhoto], rng: np.random.Generator, buffer_size: int
) -> Iterator[EncodedPhoto]:
    """Each photograph once, drawn from a buffer of the next `buffer_size`."""
    buffer: list[EncodedPhoto] = []
    for photo in photos:
        if len(buffer) < buffer_size:
            buffer.append(photo)
            continue
        slot = rng.integers(buffer_size)
        yield buffer[slot]
        buffer[slot] = photo
    for index in rng.permutation(len(buffer)):
        yield buffer[index]
