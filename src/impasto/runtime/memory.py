"""How much memory a picture takes, and how large tiles may be within a budget."""

import re
from dataclasses import dataclass
from typing import Literal

from impasto.errors import PictureError
from impasto.networks.architecture import FastNeuralStyleArchitecture, NetworkArchitecture
from impasto.zoo.card import ModelCard

Tile = Literal["auto", "off"] | int
"""Whether a picture is cut into tiles: where memory asks for it, never, or always, so large."""

DEFAULT_MEMORY = "1G"
"""Of the whole process."""

MINIMUM_TILE = 128
"""The smallest side of tiles that can be asked for, in pixels."""

MAXIMUM_TILE = 4096
"""The largest."""

PROCESS_BYTES = 300 * 2**20
"""What Python, OpenVINO, libvips and a model take before any picture."""

_PICTURE_BYTES_PER_PIXEL = 60
"""A float32 picture, its copy with grain, the batch made of it, and the decoded file."""

_LARGEST_USEFUL_TILE = 1024
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def memory_bytes(memory: str | int) -> int:
    """Bytes meant by `512M`, `1.5G` or a number of bytes.

    Raises:
        PictureError: another text, or too little for the process itself.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(?:i?B)?\s*", str(memory), re.I)
    if not found:
        raise PictureError(f"memory is {memory!r}, expected an amount like 512M or 1.5G")
    number = int(float(found[1]) * _UNITS[found[2].upper()])
    if number < PROCESS_BYTES + 50 * 2**20:
        raise PictureError(
            f"memory is {memory!r}, too little for the program itself; give 400M or more"
        )
    return number


@dataclass(frozen=True, slots=True)
class Tiling:
    """When pictures are cut into tiles.

    Attributes:
        tile: `auto`, `off`, or the side of tiles in pixels.
        memory: bytes that the whole process may take; `auto` cuts what would take more.
        has_cheaper_graph: whether models run as `cheaper_graph` writes them.

    Raises:
        PictureError: a tile size out of range.
    """

    tile: Tile
    memory: int
    has_cheaper_graph: bool = True

    def __post_init__(self) -> None:
        is_side = isinstance(self.tile, int) and not isinstance(self.tile, bool)
        if self.tile not in ("auto", "off") and not (
            is_side and MINIMUM_TILE <= int(self.tile) <= MAXIMUM_TILE
        ):
            raise PictureError(
                f"tile is {self.tile!r}, expected 'auto', 'off', or the side of tiles in whole "
                f"pixels, {MINIMUM_TILE} to {MAXIMUM_TILE}"
            )

    def applies_to(self, card: ModelCard, height: int, width: int) -> bool:
        """Whether a picture of this size is cut into tiles."""
        if isinstance(self.tile, int):
            return True
        return self.tile == "auto" and self._bytes_of(card, height, width) > (
            self.memory - PROCESS_BYTES
        )

    def share_of(self, card: ModelCard, height: int, width: int) -> float:
        """The share of the memory for pictures that one of this size takes, its result included.

        Each picture of a batch takes as much, and each batch that is under way.
        """
        return self._bytes_of(card, height, width) / (self.memory - PROCESS_BYTES)

    def tile_size(self, card: ModelCard) -> int:
        """The side of tiles, in pixels of the given picture."""
        if isinstance(self.tile, int):
            return self.tile
        room = (self.memory - PROCESS_BYTES) / 2  # the rest is for bands, files and the encoder
        side = int((room / bytes_per_pixel(card)) ** 0.5)
        return max(MINIMUM_TILE, min(side, _LARGEST_USEFUL_TILE)) // 4 * 4

    def _bytes_of(self, card: ModelCard, height: int, width: int) -> int:
        enlarges_evenly = height % 4 == 0 and width % 4 == 0
        is_cheaper = self.has_cheaper_graph and enlarges_evenly
        return height * width * bytes_per_pixel(card, is_cheaper=is_cheaper)


def bytes_per_pixel(card: ModelCard, *, is_cheaper: bool = False) -> int:
    """About how much memory one pixel of the given picture takes, its result included.

    Args:
        card: of the model.
        is_cheaper: whether no enlarged features lie in memory: see `cheaper_graph`.
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
    return pictures + 4 * values
