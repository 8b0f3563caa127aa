"""How much memory a picture takes, and how large tiles may be within a budget."""

import re
from dataclasses import dataclass
from typing import Literal

from impasto.errors import SettingError
from impasto.networks.architecture import FastNeuralStyleArchitecture, NetworkArchitecture
from impasto.runtime.backends.openvino_backend import MAX_BYTES_KEPT
from impasto.system.free_memory import free_memory
from impasto.zoo.card import ModelCard

Tile = Literal["auto", "off"] | int
"""Whether a picture is cut into tiles: where memory asks for it, never, or always, so large."""

DEFAULT_MEMORY = "auto"
"""Of the whole process: see `memory_bytes`."""

SHARE_OF_FREE_MEMORY = 0.6
"""What `auto` takes of the memory that is to spare. The rest is for other programs, and for the
files that the system keeps in memory."""

MEMORY_IF_UNKNOWN = 2**30
"""What `auto` is where the system does not say how much is to spare."""

MINIMUM_TILE = 128
"""The smallest side of tiles that can be asked for, in pixels."""

MAXIMUM_TILE = 4096
"""The largest."""

PROCESS_BYTES = 300 * 2**20
"""What Python, OpenVINO, libvips and a model take before any picture."""

_PICTURE_BYTES_PER_PIXEL = 60
"""A float32 picture, its copy with grain, the batch made of it, and the decoded file."""

_LEAST_BYTES = PROCESS_BYTES + 50 * 2**20

_LARGEST_USEFUL_TILE = 1024
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def memory_bytes(memory: str | int, *, num_processes: int = 1) -> int:
    """Bytes meant by `512M`, `1.5G`, a number of bytes, or `auto`.

    Args:
        memory: `auto` is `SHARE_OF_FREE_MEMORY` of what the machine, or the control group that this
            process is in, has to spare now.
        num_processes: that share what `auto` takes.

    Raises:
        SettingError: another text, or too little for the process itself.
    """
    if memory == "auto":
        free = free_memory()
        if free is None:
            return MEMORY_IF_UNKNOWN
        return max(_LEAST_BYTES, int(SHARE_OF_FREE_MEMORY * free / num_processes))
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(?:i?B)?\s*", str(memory), re.I)
    if not found:
        raise SettingError(f"memory is {memory!r}, expected auto, or an amount like 512M or 1.5G")
    number = int(float(found[1]) * _UNITS[found[2].upper()])
    if number < _LEAST_BYTES:
        raise SettingError(
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
            card: of the model.
            height: of the picture, in pixels.
            width: likewise.
            precision: that the picture would be computed in as a whole.
        """
        if isinstance(self.tile, int):
            return True
        return self.tile == "auto" and self.share_of(card, height, width, precision=precision) > 1

    def share_of(
        self, card: ModelCard, height: int, width: int, *, precision: str = "f32"
    ) -> float:
        """The share of the memory for pictures that one of this size takes, its result included.

        Each picture of a batch takes as much, and each batch that is under way.
        """
        is_cheaper = self.has_cheaper_graph and height % 4 == 0 and width % 4 == 0
        per_pixel = bytes_per_pixel(card, is_cheaper=is_cheaper, precision=precision)
        return height * width * per_pixel / (self.memory - PROCESS_BYTES)

    def tile_size(self, card: ModelCard) -> int:
        """The side of tiles, in pixels of the given picture."""
        if isinstance(self.tile, int):
            return self.tile
        room = (self.memory - PROCESS_BYTES) / 2  # the rest is for bands, files and the encoder
        side = int((room / bytes_per_pixel(card)) ** 0.5)
        return max(MINIMUM_TILE, min(side, _LARGEST_USEFUL_TILE)) // 4 * 4

    @property
    def compiled_bytes(self) -> int:
        """Memory for a model compiled for sizes of pictures that may come again."""
        return min(MAX_BYTES_KEPT, (self.memory - PROCESS_BYTES) // 2)

    def features_bytes(self, card: ModelCard) -> int:
        """Memory for features between the stages of tiles: half of what a tile leaves."""
        tile = self.tile_size(card) ** 2 * bytes_per_pixel(card)
        return max(0, (self.memory - PROCESS_BYTES - tile) // 2)


def bytes_per_pixel(card: ModelCard, *, is_cheaper: bool = False, precision: str = "f32") -> int:
    """About how much memory one pixel of the given picture takes, its result included.

    Args:
        card: of the model.
        is_cheaper: whether no enlarged features lie in memory: see `cheaper_graph`.
        precision: of the arithmetic: features take half as much in bf16 and int8 as in f32.
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
