"""Estimates of the memory that a picture takes, and the tile size within a budget."""

from dataclasses import dataclass

from impasto.networks.architecture import (
    AnyPaintingArchitecture,
    FastNeuralStyleArchitecture,
    NetworkArchitecture,
)
from impasto.runtime.backends.openvino_backend import MAX_BYTES_KEPT
from impasto.runtime.compute import MINIMUM_TILE, PROCESS_BYTES, TileSize
from impasto.zoo.card import ModelCard

_PICTURE_BYTES_PER_PIXEL = 60
"""A float32 picture, its copy with grain, the batch, and the decoded file."""

_LARGEST_USEFUL_TILE = 1024


@dataclass(frozen=True, slots=True)
class Tiling:
    """Whether and how pictures are cut into tiles.

    Attributes:
        tile: `auto`, `off`, or the side of tiles in pixels.
        memory: bytes that the whole process may take; `auto` cuts what would take more.
        has_cheaper_graph: whether models run as `cheaper_graph` writes them.
    """

    tile: TileSize
    memory: int
    has_cheaper_graph: bool = True

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
        # Two doublings in a row, which `cheaper_graph` rewrites only where nothing is cut off them.
        is_cheaper = self.has_cheaper_graph and height % 4 == 0 and width % 4 == 0
        per_pixel = bytes_per_pixel(card, is_cheaper=is_cheaper, precision=precision)
        return height * width * per_pixel / (self.memory - PROCESS_BYTES)

    def tile_size(self, card: ModelCard) -> int:
        """The side of tiles, in pixels of the input picture."""
        if isinstance(self.tile, int):
            return self.tile
        room = (self.memory - PROCESS_BYTES) / 2  # the rest is for bands, files and the encoder
        # In f32 and without `cheaper_graph`, the most that a tile can take: pictures of 8 and of
        # 16 bits per channel share the size.
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
        # The last features at full size. The plain graph computes them from an upsampled copy of
        # (by default) twice as many channels, which is in memory beside them.
        values = (1 if is_cheaper else 3) * architecture.channels[0]
    elif isinstance(architecture, AnyPaintingArchitecture):
        # Without channels at full size, the colours are the last: twelve for each four pixels.
        *full, half, _ = architecture.channels
        values = (1 if is_cheaper else 3) * full[0] if full else 3 + half // 2
    elif architecture.kind == "srcnn":
        values = sum(architecture.channels) * card.scale**2
    elif architecture.kind == "paper-super-resolution":
        values = 2 * architecture.channels * card.scale**2
    else:
        values = 3 * architecture.channels + 2 * 3 * card.scale**2
    return pictures + (4 if precision == "f32" else 2) * values
