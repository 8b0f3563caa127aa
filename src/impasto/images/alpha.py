"""Enlarged colours where a picture is more and less transparent.

A network sees colours and no alpha: between two colours of different opacity it draws an edge that
does not lie where that of alpha lies, and the picture gets an outline that no background explains.
There, colours weighted by alpha are enlarged by a cubic kernel, together with alpha.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MARGIN = 6
"""How many pixels around a window change what is made of it: the kernel's, and those nearby."""

_NEARBY = 3
_INVISIBLE = 1e-4


def enlarged_with_alpha(
    enlarged: NDArray[np.float32],
    colours: NDArray[np.float32],
    alpha: NDArray[np.float32],
    *,
    rows: slice | None = None,
    columns: slice | None = None,
) -> NDArray[np.float32]:
    """Colours and alpha of an enlarged picture.

    Where opacity is even, colours are the network's; the more it varies nearby, the more they are
    those that a cubic kernel makes of colours weighted by alpha.

    Args:
        enlarged: H·s×W·s×3 in [0, 1], as the network made them.
        colours: h×w×3 in [0, 1] of the picture, or of a window of it with a `MARGIN` around.
        alpha: h×w, likewise.
        rows: of `colours` that were enlarged; None are all.
        columns: likewise.

    Returns:
        H·s×W·s×4 float32 in [0, 1].
    """
    rows, columns = rows or slice(0, alpha.shape[0]), columns or slice(0, alpha.shape[1])
    size = enlarged.shape[1], enlarged.shape[0]
    box = (columns.start, rows.start, columns.stop, rows.stop)

    def resized(plane: NDArray[np.float32], kernel: Image.Resampling) -> NDArray[np.float32]:
        image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
        return np.asarray(image.resize(size, kernel, box=box))

    visible = resized(alpha, Image.Resampling.BICUBIC)
    evenness = resized(_evenness(alpha), Image.Resampling.BILINEAR).clip(0, 1)
    weights = np.where(visible > _INVISIBLE, 1 - evenness, 0)
    channels = np.empty((*enlarged.shape[:2], 4), np.float32)
    channels[..., 3] = visible.clip(0, 1)
    for c in range(3):
        weighted = resized(colours[..., c] * alpha, Image.Resampling.BICUBIC)
        mixed = (weighted / np.maximum(visible, _INVISIBLE)).clip(0, 1)
        channels[..., c] = enlarged[..., c] + weights * (mixed - enlarged[..., c])
    return channels.clip(0, 1)


def _evenness(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 where alpha is the same nearby or all is invisible, 0 where half of it is lost there."""
    least, most = alpha, alpha
    for axis in (0, 1):
        least = _extreme(least, axis, np.minimum)
        most = _extreme(most, axis, np.maximum)
    share = least / np.maximum(most, _INVISIBLE)
    even: NDArray[np.float32] = np.where(most > _INVISIBLE, 2 * share - 1, 1).astype(np.float32)
    return even.clip(0, 1)


def _extreme(plane: NDArray[np.float32], axis: int, of: np.ufunc) -> NDArray[np.float32]:
    """The least or most of each seven neighbours along an axis."""
    widths = [(_NEARBY, _NEARBY) if k == axis else (0, 0) for k in range(2)]
    padded, length = np.pad(plane, widths, mode="edge"), plane.shape[axis]
    result = plane
    for shift in range(2 * _NEARBY + 1):
        result = of(result, np.take(padded, range(shift, shift + length), axis))
    return result
