"""Masks: where a photograph takes a style, and how two pictures are mixed by one.

White is inside, black outside, and grey mixes the two. Only the mixing is here: each style is
computed on the whole picture. Which mask belongs to which file: `mask_files`.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from impasto.errors import PictureError
from impasto.images.colour import LUMA_WEIGHTS, to_floats, to_words
from impasto.images.files.io import load_picture, picture_from_pil
from impasto.images.picture import LARGE_PIXELS, Picture
from impasto.images.windows.reading import bits_by_windows, open_windows, size_of_file
from impasto.system.visible_text import shown_path

MAX_MASK_PIXELS = 2**26
"""Masks in files with more pixels are read smaller: their edges are then a pixel or so softer."""

ASPECT_TOLERANCE = 0.04
"""How far the aspect ratios of a mask and its photograph may differ, as a share."""

_ROWS_AT_ONCE = 64


class Mask:
    """The weight of a style, from 1 (inside) to 0 (outside), at a resolution of its own.

    Args:
        pixels: H×W; bool, uint8, uint16, or floats in [0, 1].
        name: of the mask in messages.

    Raises:
        PictureError: an array of another shape, type or range, or with NaN.
    """

    def __init__(self, pixels: NDArray[Any], *, name: str = "the mask") -> None:
        self.name = name
        self._pixels = _checked(pixels)
        self._resized: NDArray[np.float32] | None = None

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self._pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self._pixels.shape[1])

    def check_fits(self, *, width: int, height: int) -> None:
        """Refuse a photograph of another aspect ratio.

        Args:
            width: of the photograph, in pixels.
            height: of the photograph, in pixels.

        Raises:
            PictureError: the ratios differ by more than `ASPECT_TOLERANCE`, and by more than the
                rounding of small sizes explains.
        """
        sides = (
            (width, self.width * height / self.height),
            (height, self.height * width / self.width),
        )
        if not any(abs(side - own) <= max(1.0, ASPECT_TOLERANCE * side) for side, own in sides):
            raise PictureError(
                f"{self.name} is {self.width}×{self.height} pixels, and the photograph "
                f"{width}×{height}; expected the same aspect ratio: crop the mask"
            )

    def fitted(self, *, width: int, height: int) -> NDArray[np.float32]:
        """The weights of a picture's pixels, height×width float32 in [0, 1]; not to be changed.

        Raises:
            PictureError: the picture has another aspect ratio.
        """
        self.check_fits(width=width, height=height)
        # Kept: frames of a video and pictures of a folder most often have one size.
        resized = self._resized
        if resized is None or resized.shape != (height, width):
            resized = self.window(slice(0, height), slice(0, width), width=width, height=height)
            self._resized = resized
        return resized

    def window(
        self, rows: slice, columns: slice, *, width: int, height: int
    ) -> NDArray[np.float32]:
        """A part of the mask resized to a picture's size, as it is in the whole.

        Bilinear, and without aliasing: unlike sharper kernels, it never leaves [0, 1].

        Args:
            rows: of the part, in pixels of the picture.
            columns: of the part, likewise.
            width: of the whole picture, in pixels.
            height: of the whole picture, in pixels.

        Returns:
            h×w float32 in [0, 1].
        """
        if (self.width, self.height) == (width, height):
            return _as_floats(self._pixels[rows, columns])
        (top, bottom), own_rows = _span_in_mask(rows, self.height, height)
        (left, right), own_columns = _span_in_mask(columns, self.width, width)
        crop = PIL.Image.fromarray(_as_floats(self._pixels[own_rows, own_columns]))
        resized = crop.resize(
            (columns.stop - columns.start, rows.stop - rows.start),
            PIL.Image.Resampling.BILINEAR,
            box=(left, top, right, bottom),
        )
        return np.asarray(resized, dtype=np.float32)


MaskInput = str | os.PathLike[str] | PIL.Image.Image | NDArray[Any] | Mask
"""A mask as callers give it: a file's path, a Pillow image, an array H×W, or one that was read."""


StylizePictures = Callable[[Sequence[Picture]], Sequence[Picture]]
"""From photographs to as many stylized pictures of their sizes."""


def as_mask(mask: MaskInput) -> Mask:
    """The mask of a picture file, a Pillow image or an array.

    The brightness of a picture counts; transparent pixels are black.

    Raises:
        PictureFileError: the file cannot be read.
        PictureError: the array is no mask.
    """
    if isinstance(mask, Mask):
        return mask
    if isinstance(mask, PIL.Image.Image):
        picture = picture_from_pil(mask)
        return Mask(brightness(picture.rgb, picture.alpha))
    if isinstance(mask, np.ndarray):
        return Mask(mask)
    path = Path(mask)
    large = _large_mask(path)
    if large is not None:
        return Mask(large, name=shown_path(path))
    picture = load_picture(path)
    return Mask(brightness(picture.rgb, picture.alpha), name=shown_path(path))


def brightness(
    rgb: NDArray[np.float32], alpha: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """The luma of a picture over black, h×w float32 in [0, 1]; of a grey one, its grey exactly.

    Args:
        rgb: h×w×3 in [0, 1].
        alpha: h×w in [0, 1]; None for a picture without.
    """
    red, green, blue = (rgb[..., channel] for channel in range(3))
    # By differences: a sum of three weighted channels misses white by a rounding.
    luma = green + LUMA_WEIGHTS[0] * (red - green) + LUMA_WEIGHTS[2] * (blue - green)
    clipped: NDArray[np.float32] = luma.astype(np.float32).clip(0, 1)
    return clipped if alpha is None else clipped * alpha


def mix(
    inside: NDArray[np.float32], outside: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Two pictures mixed pixel by pixel.

    Args:
        inside: h×w×3 in [0, 1]; the result exactly where the weight is 1.
        outside: h×w×3 in [0, 1]; the result exactly where the weight is 0.
        weights: h×w in [0, 1], of `inside`.

    Returns:
        h×w×3 float32 in [0, 1].
    """
    share = weights[..., np.newaxis]
    mixed: NDArray[np.float32] = inside * share
    mixed += outside * (1 - share)  # in place: pictures are large
    return mixed.clip(0, 1, out=mixed)


def stylize_by_masks(
    photographs: Sequence[Picture],
    masks: Iterable[Mask],
    *,
    inside: StylizePictures,
    outside: StylizePictures | None,
) -> list[Picture]:
    """Photographs stylized whole, once or in two styles, and mixed each by its mask.

    Args:
        photographs: in the size of the results.
        masks: at least as many; no more are taken.
        inside: the style where a mask is white.
        outside: the style where it is black; None leaves the photograph there.

    Raises:
        PictureError: a mask has another aspect ratio than its photograph.
        ModelFileError: a model cannot be run.
    """
    chosen = list(islice(masks, len(photographs)))
    for photograph, mask in zip(photographs, chosen, strict=True):
        mask.check_fits(width=photograph.width, height=photograph.height)
    others = photographs if outside is None else outside(photographs)
    return [
        one.with_rgb(mix(one.rgb, other.rgb, mask.fitted(width=one.width, height=one.height)))
        for one, other, mask in zip(inside(photographs), others, chosen, strict=True)
    ]


def _checked(pixels: NDArray[Any]) -> NDArray[Any]:
    if pixels.ndim != 2 or pixels.size == 0:
        shape = "×".join(map(str, pixels.shape)) or "no shape"
        raise PictureError(f"the mask has shape {shape}; expected H×W")
    if pixels.dtype == np.bool_:
        return pixels.astype(np.float32)
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels
    if not np.issubdtype(pixels.dtype, np.floating):
        raise PictureError(
            f"the mask holds {pixels.dtype}; expected bool, uint8, uint16 or floats in [0, 1]"
        )
    lowest, highest = float(pixels.min()), float(pixels.max())
    if not (lowest >= 0.0 and highest <= 1.0):  # written so that NaN fails too
        raise PictureError(
            f"the mask holds values from {lowest:g} to {highest:g}; expected 0 to 1: "
            "divide 8-bit values by 255, or clip"
        )
    return pixels.astype(np.float32)


def _as_floats(pixels: NDArray[Any]) -> NDArray[np.float32]:
    if pixels.dtype in (np.uint8, np.uint16):
        return to_floats(pixels)
    return np.ascontiguousarray(pixels, np.float32)


def _span_in_mask(span: slice, own_size: int, size: int) -> tuple[tuple[float, float], slice]:
    """Where a span of a picture lies in the mask: its ends in a crop, and the crop.

    The crop has a margin for the kernel, which must see the same pixels as in the whole mask.
    """
    scale = own_size / size
    margin = int(max(1.0, scale)) + 2
    start, stop = span.start * scale, min(span.stop * scale, float(own_size))
    first = max(0, int(start) - margin)
    crop = slice(first, min(own_size, int(stop) + margin))
    return (start - first, stop - first), crop


def _large_mask(path: Path) -> NDArray[np.uint16] | None:
    """The 16-bit brightness of a large file, read by windows; None for other files."""
    size = size_of_file(path)
    if size is None or size[0] * size[1] < LARGE_PIXELS or bits_by_windows(path) is None:
        return None
    excess = size[0] * size[1] / MAX_MASK_PIXELS
    longer_side = None if excess <= 1 else int(max(size) / excess**0.5)
    with TemporaryDirectory(prefix="impasto-") as folder:
        windows = open_windows(path, Path(folder), size=longer_side)
        pixels = np.empty((windows.height, windows.width), np.uint16)
        for top in range(0, windows.height, _ROWS_AT_ONCE):
            rows = slice(top, min(top + _ROWS_AT_ONCE, windows.height))
            channels = windows.channels(rows, slice(0, windows.width))
            alpha = channels[..., 3] if windows.has_alpha else None
            pixels[rows] = to_words(brightness(channels[..., :3], alpha))
    return pixels
