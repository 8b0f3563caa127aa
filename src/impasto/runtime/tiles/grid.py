"""The tiles of a picture: their positions, without pixels or networks.

The network runs on a tile; the result keeps its core. The halo between the two is at least as wide
as the network's receptive radius, so that no pixel of the core depends on the edge of its tile. At
the picture's own border there is no halo: the network pads there as it does in a whole picture.

All tiles of a picture have one size, so that a runtime compiles one shape. They begin at multiples
of the network's stride, so that strided features lie at the same pixels as in the whole picture.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from impasto.errors import SettingError

Progress = Callable[[int, int], None]
"""Called with the number of tiles done, and of all tiles."""


@dataclass(frozen=True, slots=True)
class Span:
    """A tile along one axis.

    Attributes:
        start: first pixel of the tile.
        stop: the pixel behind its last.
        core_start: first pixel of the core.
        core_stop: the pixel behind the core's last.
    """

    start: int
    stop: int
    core_start: int
    core_stop: int

    @property
    def size(self) -> int:
        """Pixels of the tile."""
        return self.stop - self.start

    @property
    def core(self) -> slice:
        """The core within the tile."""
        return slice(self.core_start - self.start, self.core_stop - self.start)


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of a picture to run a network on, and its core."""

    rows: Span
    columns: Span


@dataclass(frozen=True, slots=True)
class TileGrid:
    """All tiles of a picture.

    Attributes:
        rows: the tiles along the height; their cores follow one another without gap or overlap.
        columns: the tiles along the width, likewise.
    """

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    @property
    def tiles(self) -> list[Tile]:
        """Every tile, by rows from the top, each from the left."""
        return [Tile(rows, columns) for rows, columns in product(self.rows, self.columns)]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width that all tiles share."""
        return self.rows[0].size, self.columns[0].size

    def as_one_tile(self) -> "TileGrid":
        """The same picture in a single tile."""
        rows, columns = (
            (Span(0, spans[-1].stop, 0, spans[-1].stop),) for spans in (self.rows, self.columns)
        )
        return TileGrid(rows, columns)


def plan_grid(
    height: int, width: int, *, tile_height: int, tile_width: int, halo: int, stride: int
) -> TileGrid:
    """Cut a picture into tiles of at most a given size, all as large as each other.

    Args:
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        tile_height: most rows of a tile, up to rounding to the stride.
        tile_width: most columns of a tile, likewise.
        halo: pixels around a core, at least the network's receptive radius.
        stride: the network's; tiles begin at multiples of it.

    Raises:
        SettingError: the halo leaves no core.
    """
    return TileGrid(
        _spans(height, tile_height, halo=halo, stride=stride),
        _spans(width, tile_width, halo=halo, stride=stride),
    )


def _spans(length: int, size: int, *, halo: int, stride: int) -> tuple[Span, ...]:
    """Tiles along an axis of `length` pixels.

    A tile is a whole number of strides long plus the remainder of the picture's length, so that
    the last one, too, begins at a multiple of the stride and ends with the picture.
    """
    # A core, too, begins at a multiple of the stride, so that its features are whole steps.
    halo = _up(halo, stride)
    if length <= size:
        return (Span(0, length, 0, length),)
    step_limit = size // stride * stride - 2 * halo
    if step_limit < stride:
        raise SettingError(
            f"tiles of {size} pixels are too small for this network, which looks {halo} pixels "
            f"to each side; give at least {2 * halo + stride}"
        )
    rest = length % stride
    inner = length - rest - 2 * halo
    # At least 2: a picture longer than a tile by less than a stride would else be one tile.
    num_tiles = max(2, -(-inner // step_limit))
    # Equal shares: after full steps, the last tile would move back over much that is done already.
    step = _up(-(-inner // num_tiles), stride)
    extent = min(step + 2 * halo + rest, length)
    spans: list[Span] = []
    core_start = 0
    while core_start < length:
        # The last tiles are moved back into the picture, so that all have one size.
        start = min(len(spans) * step, length - extent)
        stop = start + extent
        core_stop = length if stop == length else stop - rest - halo
        spans.append(Span(start, stop, core_start, core_stop))
        core_start = core_stop
    return tuple(spans)


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
