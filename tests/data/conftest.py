"""Small photographs and shards, written with Pillow and tarfile."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

NUM_PHOTOGRAPHS = 7

WriteShard = Callable[[Path, dict[str, bytes]], Path]


def photograph(index: int, *, width: int = 30, height: int = 24) -> Image.Image:
    """Noise that no other index has."""
    rng = np.random.default_rng(index)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(index: int) -> bytes:
    buffer = io.BytesIO()
    photograph(index).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven readable photographs of 30×24, some in a nested folder; read only."""
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "trip" / "day 2").mkdir(parents=True)
    for index in range(NUM_PHOTOGRAPHS):
        place = folder if index % 2 else folder / "trip" / "day 2"
        photograph(index).save(place / f"{index}.png")
    return folder


@pytest.fixture(scope="session")
def encode_photograph() -> Callable[[int], bytes]:
    return encoded


@pytest.fixture(scope="session")
def write_shard() -> WriteShard:
    def write(path: Path, members: dict[str, bytes]) -> Path:
        with tarfile.open(path, "w") as tar:
            for name, data in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        return path

    return write


@pytest.fixture(scope="session")
def shard_folder(tmp_path_factory: pytest.TempPathFactory, write_shard: WriteShard) -> Path:
    """Three shards of 2, 5 and 4 photographs, each with a caption beside it; read only."""
    folder = tmp_path_factory.mktemp("shards")
    index = 0
    for shard, size in enumerate((2, 5, 4)):
        members: dict[str, bytes] = {}
        for _ in range(size):
            members[f"part/{index:06d}.json"] = b"{}"
            members[f"part/{index:06d}.png"] = encoded(index)
            index += 1
        write_shard(folder / f"{shard:04d}.tar", members)
    return folder
