"""Estimates of the memory that a picture takes, and the tile size within a budget."""

import re
from dataclasses import dataclass
from typing import Literal

from impasto.errors import SettingError
from impasto.networks.architecture import FastNeuralStyleArchitecture, NetworkArchitecture
from impasto.runtime.backends.openvino_backend import MAX_BYTES_KEPT
from impasto.system.free_memory import free_memory
from impasto.zoo.card import ModelCard

Tile = Literal["auto", "off"] | int
"""When to use tiles: as memory demands, never, or always, with this side in pixels."""

DEFAULT_MEMORY = "auto"
"""Memory of the whole process, see `memory_bytes`."""

SHARE_OF_FREE_MEMORY = 0.6
"""Share of the free memory that `auto` takes. The rest is for other programs and the system's file
cache."""

MEMORY_IF_UNKNOWN = 2**30
"""Bytes of `auto` if the free memory is unknown."""

MINIMUM_TILE = 128
"""Smallest side of tiles as a setting, in pixels."""

MAXIMUM_TILE = 4096
"""Largest side of tiles as a setting, in pixels."""

PROCESS_BYTES = 300 * 2**20
"""Memory of Python, OpenVINO, libvips and a model, without any picture."""

_PICTURE_BYTES_PER_PIXEL = 60
"""A float32 picture, its copy with grain, the batch, and the decoded file."""

_LEAST_BYTES = PROCESS_BYTES + 50 * 2**20

_LARGEST_USEFUL_TILE = 1024
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def memory_bytes(memory: str | int, *, num_processes: int = 1) -> int:
    """The bytes for `512M`, `1.5G`, a number of bytes, or `auto`.

    Args:
        memory: `auto` is `SHARE_OF_FREE_MEMORY` of the free memory of the machine, or of this
            process's control group.
        num_processes: the number of processes that share the memory of `auto`.

    Raises:
        SettingError: another text, or too little for the process itself.
    """
    if memory == "auto":
        free = free_memory()
        if free is None:
            return MEMORY_IF_UNKNOWN
        return max(_LEAST_BYTES, int(SHARE_OF_FREE_MEMORY * free / num_processes))
    amount = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(?:i?B)?\s*", str(memory), re.I)
    if not amount:
        raise SettingError(f"memory is {memory!r}, expected auto, or an amount like 512M or 1.5G")
    number = int(float(amount[1]) * _UNITS[amount[2].upper()])
    if number < _LEAST_BYTES:
        raise SettingError(
            f"memory is {memory!r}, too little for the program itself; give 400M or more"
        )
    return number


@dataclass(frozen=True, slots=True)
class Tiling:
    """Whether and how pictures are cut into tiles.

    Attributes:
        tile: `auto`, `off`, or the side of tiles in pixels.
        memory: bytes for the whole process; `auto` uses tiles for pictures that would take more.
        has_cheaper_graph: whether models run as rewritten by `cheaper_graph`.

    Raises:
        SettingError: a tile size out of range.
    """

    tile: Tile
    memory: int
    has_cheaper_graph: bool = True

    def __post_init__(self) -> None:
        is_side = isinstance(self.tile, int) and not isinstance(self.tile, bool)
        if self.tile not in ("auto", "off") and not (
            is_side and MINIMUM_TILE <= int(self.tile) <= MAXIMUM_TILE
        ):
            raise SettingError(
                f"tile is {self.tile!r}, expected 'auto', 'off', or the side of tiles in whole "
                f"pixels, {MINIMUM_TILE} to {MAXIMUM_TILE}"
            )

    def applies_to(
        self, card: ModelCard, height: int, width: int, *, precision: str = "f32"
    ) -> bool:
        """Whether a picture of this size is cut into tiles.

        Args:
            card: the model's.
            height: of the picture, in pixels.
            width: of the picture, in pixels.
            precision: arithmetic precision for the whole picture.
        """
        if isinstance(self.tile, int):
            return True
        return self.tile == "auto" and self.share_of(card, height, width, precision=precision) > 1

    def share_of(
        self, card: ModelCard, height: int, width: int, *, precision: str = "f32"
    ) -> float:
        """The share of the memory for pictures that one of this size takes, its result included.

        Every picture of every batch in progress takes as much.
        """
        is_cheaper = self.has_cheaper_graph and height % 4 == 0 and width % 4 == 0
        per_pixel = bytes_per_pixel(card, is_cheaper=is_cheaper, precision=precision)
        return height * width * per_pixel / (self.memory - PROCESS_BYTES)

    def tile_size(self, card: ModelCard) -> int:
        """The side of tiles, in pixels of the input picture."""
        if isinstance(self.tile, int):
            return self.tile
        room = (self.memory - PROCESS_BYTES) / 2  # the rest is for bands, files and the encoder
        side = int((room / bytes_per_pixel(card)) ** 0.5)
        return max(MINIMUM_TILE, min(side, _LARGEST_USEFUL_TILE)) // 4 * 4

    @property
    def compiled_bytes(self) -> int:
        """Memory for a model compiled for the sizes of past pictures."""
        return min(MAX_BYTES_KEPT, (self.memory - PROCESS_BYTES) // 2)

    def features_bytes(self, card: ModelCard) -> int:
        """Memory for features between stages: half of the memory beside a tile's."""
        tile = self.tile_size(card) ** 2 * bytes_per_pixel(card)
        return max(0, (self.memory - PROCESS_BYTES - tile) // 2)


def bytes_per_pixel(card: ModelCard, *, is_cheaper: bool = False, precision: str = "f32") -> int:
    """An estimate of the memory for one pixel of the input picture, its result included.

    Args:
        card: the model's.
        is_cheaper: whether `cheaper_graph` avoids upsampled features in memory.
        precision: arithmetic precision; features take half as much in bf16 and int8 as in f32.
    """
    architecture = card.architecture
    pictures = _PICTURE_BYTES_PER_PIXEL * (1 + card.scale**2)
    if isinstance(architecture, NetworkArchitecture | FastNeuralStyleArchitecture):
        values = (1 if is_cheaper else 3) * architecture.channels[0]
    elif architecture.kind == "srcnn":
        values = sum(architecture.channels) * card.scale**2
    elif architecture.kind == "paper-super-resolution":
        values = 2 * architecture.channels * card.scale**2
    else:
        values = 3 * architecture.channels + 2 * 3 * card.scale**2
    return pictures + (4 if precision == "f32" else 2) * values
