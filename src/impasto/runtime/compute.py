"""How models are run: one record of settings, checked once and handed down whole.

Nothing is opened here. What a picture takes of the memory is `tiles.memory_budget`'s.
"""

import re
from dataclasses import dataclass
from typing import Literal, TypedDict, get_args

from impasto.errors import SettingError
from impasto.system.free_memory import free_memory

Precision = Literal["auto", "f32", "bf16", "int8"]
"""Arithmetic precision; `auto` is bf16 where the processor computes in it, else f32. `int8` is for
int8 models: their 8-bit convolutions are computed in 8 bits, the rest as with `auto`."""

BackendName = Literal["auto", "openvino", "onnxruntime", "torch"]
"""The library that runs a model; `auto` is OpenVINO."""

TileSize = Literal["auto", "off"] | int
"""Side of tiles in pixels: `auto` cuts pictures that would not fit into memory, `off` none."""

MINIMUM_TILE = 128
"""Smallest side of tiles that can be asked for, in pixels."""

MAXIMUM_TILE = 4096
"""Largest side of tiles that can be asked for, in pixels."""

SHARE_OF_FREE_MEMORY = 0.6
"""Share of the free memory that `auto` takes. The rest is for other programs, and for the files
that the system keeps in memory."""

MEMORY_IF_UNKNOWN = 2**30
"""Bytes that `auto` takes where the system does not say how much is free."""

PROCESS_BYTES = 300 * 2**20
"""Memory of Python, OpenVINO, libvips and a model before any picture."""

MINIMUM_MEMORY = PROCESS_BYTES + 50 * 2**20
"""Fewest bytes that can be asked for."""

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True, slots=True)
class Compute:
    """How a model is run. A setting is documented here, and nowhere else.

    Attributes:
        precision: `auto` is bf16 where the processor computes in it, else f32; and f32 for
            pictures of 16 bits per channel. `int8` takes the model's int8 form
            (`impasto models quantize`).
        backend: the library that runs whole pictures; `auto` is OpenVINO. Tiles are always
            OpenVINO's.
        num_threads: maximum number of threads; None leaves it to the backend.
        tile: `auto` cuts pictures that would not fit into memory into tiles, `off` none; a number
            cuts every picture, into tiles with sides of that many pixels of the input.
        memory: memory of the whole process, such as `1G` or `512M`, or bytes; `auto` is 60 % of
            what is free when the model is opened.
        batch_size: maximum number of pictures of one size that go through the network together,
            in folders and videos; fewer where they would not fit into memory.
        num_requests: maximum number of batches computed in parallel, in folders and videos. Each
            gets its share of the threads. OpenVINO alone runs several.

    Raises:
        SettingError: an unknown precision or backend, or a number out of range.
    """

    precision: Precision = "auto"
    backend: BackendName = "auto"
    num_threads: int | None = None
    tile: TileSize = "auto"
    memory: str | int = "auto"
    batch_size: int = 1
    num_requests: int = 1

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise SettingError(
                f"precision is {self.precision!r}, expected 'auto', 'f32', 'bf16' or 'int8'"
            )
        if self.backend not in get_args(BackendName):
            raise SettingError(
                f"backend is {self.backend!r}, expected one of {get_args(BackendName)}"
            )
        for name in ("num_threads", "batch_size", "num_requests"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise SettingError(f"{name} is {number}, expected 1 or more")
        if isinstance(self.tile, int):  # as True is, which is no size
            is_known = not isinstance(self.tile, bool) and MINIMUM_TILE <= self.tile <= MAXIMUM_TILE
        else:
            is_known = self.tile in ("auto", "off")
        if not is_known:
            raise SettingError(
                f"tile is {self.tile!r}, expected 'auto', 'off', or the side of tiles in whole "
                f"pixels, {MINIMUM_TILE} to {MAXIMUM_TILE}"
            )
        if self.memory != "auto":
            memory_bytes(self.memory)


class ComputeKeywords(TypedDict, total=False):
    """The fields of `Compute` as keywords: `Stylizer("udnie", precision="f32")`."""

    precision: Precision
    backend: BackendName
    num_threads: int | None
    tile: TileSize
    memory: str | int
    batch_size: int
    num_requests: int


def memory_bytes(memory: str | int, *, num_processes: int = 1) -> int:
    """Bytes meant by `512M`, `1.5G`, a number of bytes, or `auto`.

    Args:
        memory: `auto` is `SHARE_OF_FREE_MEMORY` of what the machine, or the control group that this
            process is in, has free now.
        num_processes: number of processes that share what `auto` takes.

    Raises:
        SettingError: another text, or too little for the process itself.
    """
    if memory == "auto":
        free = free_memory()
        if free is None:
            return MEMORY_IF_UNKNOWN
        return max(MINIMUM_MEMORY, int(SHARE_OF_FREE_MEMORY * free / num_processes))
    amount = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(?:i?B)?\s*", str(memory), re.I)
    if not amount:
        raise SettingError(f"memory is {memory!r}, expected auto, or an amount like 512M or 1.5G")
    number = int(float(amount[1]) * _UNITS[amount[2].upper()])
    if number < MINIMUM_MEMORY:
        raise SettingError(
            f"memory is {memory!r}, too little for the program itself; give 400M or more"
        )
    return number


DEFAULT_COMPUTE = Compute()
