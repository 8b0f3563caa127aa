"""What a training reads: an endless, seeded order of photographs still in their files.

`PhotoFolder` (photos.py) and `PhotoShards` (shards.py) are such sources. Nothing is decoded here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from impasto.errors import PictureFileError
from impasto.images.formats.pillow_errors import MAX_PICTURE_BYTES

# Without these, the order of epoch k and the crop of sample k would draw the same numbers.
ORDER_STREAM = 0
"""The second word of every seed that orders photographs: (seed, ORDER_STREAM, epoch)."""

SAMPLE_STREAM = 1
"""The second word of every seed that cuts a sample: (seed, SAMPLE_STREAM, position)."""

# 2 is that of a loss window (`training.loss_window`).
PAINTING_STREAM = 3
"""The second word of every seed that varies a painting, or chooses paintings for photographs."""


@dataclass(frozen=True, slots=True)
class EncodedPhoto:
    """Where one encoded photograph lies: a file, or a stretch of a tar shard.

    Only the position is held, so that thousands can wait in a shuffle buffer.

    Attributes:
        name: in reports; unique within its source.
        path: the picture file, or the shard.
        offset: where in the shard it begins, in bytes.
        num_bytes: its length within the shard; None for a file of its own.
        damage: why it cannot be read, where that is known already; else empty.
    """

    name: str
    path: Path
    offset: int = 0
    num_bytes: int | None = None
    damage: str = ""

    def read(self) -> Path | bytes:
        """The file's path, or the bytes out of the shard.

        Raises:
            PictureFileError: the photograph is known to be damaged, or the shard ends within it.
        """
        if self.damage:
            raise PictureFileError(self.damage)
        if self.num_bytes is None:
            return self.path
        if self.num_bytes > MAX_PICTURE_BYTES:
            raise PictureFileError(
                f"{self.name} has {self.num_bytes:,} bytes; at most {MAX_PICTURE_BYTES:,} are read"
            )
        with self.path.open("rb") as shard:
            shard.seek(self.offset)
            data = shard.read(self.num_bytes)
        if len(data) < self.num_bytes:
            raise PictureFileError(f"{self.path} ends within this photograph; fetch the shard anew")
        return data


class PhotoSource(Protocol):
    """An endless, seeded order of photographs; every one comes once in each epoch."""

    @property
    def num_photographs(self) -> int | None:
        """Photographs in one epoch; None while a stream has not been read through once."""
        ...

    def starting_at(self, position: int) -> Iterator[EncodedPhoto]:
        """Items `position`, `position + 1`, … of the endless order, which has no end.

        The same seed and the same files give the same order, wherever it is entered.
        """
        ...
