"""Resizing colours together with alpha.

Colours under alpha 0 are arbitrary. A kernel that mixed them with visible ones would let them show
at the edges, so colours are weighted by alpha while they are mixed. `formats.vips_pixels` does the
same for pictures too large for memory, by libvips.

A network upscales colours and never sees alpha. Between colours of different opacity it draws an
edge that does not lie where the edge of alpha lies, and the picture gets an outline. There, colours
weighted by alpha and upscaled by a cubic kernel replace those of the network.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.images.resize import resize_lanczos

MARGIN = 6
"""How many pixels around a window change its result: the kernel's, and those nearby."""

_NEARBY = 3
# Colours divided by less alpha than this are noise.
_INVISIBLE = 1e-4


def resize_with_alpha(
    rgb: NDArray[np.float32], alpha: NDArray[np.float32], *, width: int, height: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Resample colours and alpha by `resize_lanczos`; colours are weighted by alpha.

    Args:
        rgb: H×W×3 in [0, 1], not multiplied by alpha.
        alpha: H×W in [0, 1].
        width: columns of the result, at least 1.
        height: rows of the result, at least 1.

    Returns:
        height×width×3 and height×width float32 in [0, 1]. Invisible pixels keep the colours of a
        resampling without weights. Arrays that have this size already are returned as they are.

    Raises:
        SettingError: a width or height below 1.
    """
    if rgb.shape[:2] == (height, width):
        return rgb, alpha
    colours = resize_lanczos(rgb, width=width, height=height)
    visible = resize_lanczos(alpha, width=width, height=height).clip(0, 1)
    weighted = resize_lanczos(rgb * alpha[..., np.newaxis], width=width, height=height)
    opacity = visible[..., np.newaxis]
    np.divide(weighted, opacity, out=colours, where=opacity > _INVISIBLE)
    return colours.clip(0, 1), visible


def mix_upscaled_with_alpha(
    upscaled: NDArray[np.float32],
    colours: NDArray[np.float32],
    alpha: NDArray[np.float32],
    *,
    rows: slice | None = None,
    columns: slice | None = None,
) -> NDArray[np.float32]:
    """Colours and alpha of an upscaled picture.

    Where opacity is even, colours are the network's. The more opacity varies nearby, the nearer
    they come to colours weighted by alpha and upscaled by a cubic kernel.

    Args:
        upscaled: H·s×W·s×3 in [0, 1], the network's output.
        colours: h×w×3 in [0, 1] of the picture, or of a window of it with a `MARGIN` around.
        alpha: h×w, likewise.
        rows: the rows of `colours` that were upscaled; None for all.
        columns: likewise.

    Returns:
        H·s×W·s×4 float32 in [0, 1].
    """
    rows, columns = rows or slice(0, alpha.shape[0]), columns or slice(0, alpha.shape[1])
    size = upscaled.shape[1], upscaled.shape[0]
    box = (columns.start, rows.start, columns.stop, rows.stop)

    def resized(plane: NDArray[np.float32], kernel: Image.Resampling) -> NDArray[np.float32]:
        image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
        # By the box, and not by a crop: the kernel must see the margin.
        return np.asarray(image.resize(size, kernel, box=box))

    least, most = alpha, alpha
    for axis in (0, 1):
        least = _extreme(least, axis, np.minimum)
        most = _extreme(most, axis, np.maximum)
    # 1 where alpha is the same nearby or all is invisible, 0 where it drops to half or less.
    share = least / np.maximum(most, _INVISIBLE)
    even = np.where(most > _INVISIBLE, 2 * share - 1, 1).astype(np.float32).clip(0, 1)
    visible = resized(alpha, Image.Resampling.BICUBIC)
    evenness = resized(even, Image.Resampling.BILINEAR).clip(0, 1)
    weights = np.where(visible > _INVISIBLE, 1 - evenness, 0)
    channels = np.empty((*upscaled.shape[:2], 4), np.float32)
    channels[..., 3] = visible.clip(0, 1)
    for c in range(3):
        weighted = resized(colours[..., c] * alpha, Image.Resampling.BICUBIC)
        mixed = (weighted / np.maximum(visible, _INVISIBLE)).clip(0, 1)
        channels[..., c] = upscaled[..., c] + weights * (mixed - upscaled[..., c])
    return channels.clip(0, 1)


def _extreme(plane: NDArray[np.float32], axis: int, of: np.ufunc) -> NDArray[np.float32]:
    """The least or most of each seven neighbours along an axis."""
    widths = [(_NEARBY, _NEARBY) if k == axis else (0, 0) for k in range(2)]
    padded, length = np.pad(plane, widths, mode="edge"), plane.shape[axis]
    result = plane
    for shift in range(2 * _NEARBY + 1):
        result = of(result, np.take(padded, range(shift, shift + length), axis))
    return result
