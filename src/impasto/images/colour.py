"""Luma and chroma, and mixing a stylized picture with its photograph.

Pure functions on H×W×3 float arrays. Colour profiles live in `colour_profile`, files in `io`.
"""

import numpy as np
from numpy.typing import NDArray

from impasto.errors import PictureError, SettingError

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Of red, green and blue: ITU-R BT.601, as in JFIF and in MATLAB's `rgb2ycbcr`."""

_KR, _KG, _KB = LUMA_WEIGHTS
_CB_SCALE, _CR_SCALE = 2 * (1 - _KB), 2 * (1 - _KR)

_TO_YCBCR = np.array(
    [
        [_KR, _KG, _KB],
        [-_KR / _CB_SCALE, -_KG / _CB_SCALE, (1 - _KB) / _CB_SCALE],
        [(1 - _KR) / _CR_SCALE, -_KG / _CR_SCALE, -_KB / _CR_SCALE],
    ]
)
_TO_RGB = np.array(
    [
        [1.0, 0.0, _CR_SCALE],
        [1.0, -_CB_SCALE * _KB / _KG, -_CR_SCALE * _KR / _KG],
        [1.0, _CB_SCALE, 0.0],
    ]
)
_CENTRE = np.array([0.0, 0.5, 0.5])


def round_levels(levels: NDArray[np.floating]) -> NDArray[np.float64]:
    """Whole grey levels from 0 to 255, halves upwards as MATLAB rounds them; of any shape."""
    rounded: NDArray[np.float64] = np.floor(levels.clip(0, 255).astype(np.float64) + 0.5)
    return rounded


def to_bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Values from 0 to 1 at 8 bits, as files hold them: 0 to 255, rounded; of any shape."""
    scaled = values * np.float32(255)
    scaled += 0.5  # in place: pictures are large
    return scaled.astype(np.uint8)


def to_words(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Values from 0 to 1 at 16 bits, as files hold them: 0 to 65535, rounded; of any shape."""
    scaled = values * np.float32(65_535)
    scaled += 0.5
    return scaled.astype(np.uint16)


def to_floats(integers: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.float32]:
    """Values of 8 or 16 bits as float32 from 0 to 1; of any shape, contiguous."""
    floats = np.array(integers, dtype=np.float32, order="C")
    floats /= np.iinfo(integers.dtype).max  # in place: pictures are large
    return floats


def rgb_to_ycbcr(rgb: NDArray[np.floating]) -> NDArray[np.float32]:
    """Luma and chroma of a picture, full range.

    Args:
        rgb: H×W×3, R'G'B' in [0, 1].

    Returns:
        H×W×3 float32: Y in [0, 1], Cb and Cr in [0, 1] with grey at 0.5.

    Raises:
        PictureError: not a float array of shape H×W×3.

    Source: ITU-R BT.601 with full-range quantisation, as in JFIF 1.02.
    """
    check_rgb_shape(rgb, "rgb")
    # In the picture's own type: a float64 matrix would make large pictures float64.
    return (rgb @ _TO_YCBCR.T.astype(rgb.dtype) + _CENTRE.astype(rgb.dtype)).astype(np.float32)


def ycbcr_to_rgb(ycbcr: NDArray[np.floating]) -> NDArray[np.float32]:
    """The inverse of `rgb_to_ycbcr`.

    Args:
        ycbcr: H×W×3, Y in [0, 1], Cb and Cr in [0, 1] with grey at 0.5.

    Returns:
        H×W×3 float32. Not clipped: most triples of luma and chroma lie outside RGB's cube.

    Raises:
        PictureError: not a float array of shape H×W×3.

    Source: ITU-R BT.601, the matrix of `rgb_to_ycbcr` inverted in closed form.
    """
    check_rgb_shape(ycbcr, "ycbcr")
    return ((ycbcr - _CENTRE.astype(ycbcr.dtype)) @ _TO_RGB.T.astype(ycbcr.dtype)).astype(
        np.float32
    )


def keep_colors(
    stylized: NDArray[np.floating], photograph: NDArray[np.floating]
) -> NDArray[np.float32]:
    """The luma of the stylized picture with the chroma of the photograph.

    Args:
        stylized: H×W×3 in [0, 1].
        photograph: H×W×3 in [0, 1], of the same size.

    Returns:
        H×W×3 float32, clipped to [0, 1].

    Raises:
        PictureError: not float arrays of one shape H×W×3.

    Source: Gatys et al. 2016, "Preserving color in neural artistic style transfer", section 4.2
    (luminance-only transfer). Departs from it: luma is not matched to the photograph's histogram.
    """
    _check_same_shape(stylized, photograph)
    ycbcr = rgb_to_ycbcr(photograph)
    ycbcr[..., 0] = rgb_to_ycbcr(stylized)[..., 0]
    return np.clip(ycbcr_to_rgb(ycbcr), 0.0, 1.0)


def blend(
    photograph: NDArray[np.floating], stylized: NDArray[np.floating], strength: float
) -> NDArray[np.float32]:
    """Fade from the photograph to the stylized picture.

    Args:
        photograph: H×W×3 in [0, 1].
        stylized: H×W×3 in [0, 1], of the same size.
        strength: 0 gives the photograph exactly, 1 the stylized picture exactly.

    Returns:
        H×W×3 float32 in [0, 1]; never one of the inputs itself.

    Raises:
        PictureError: not float arrays of one shape H×W×3.
        SettingError: a strength outside 0 to 1.
    """
    _check_same_shape(stylized, photograph)
    if not 0.0 <= strength <= 1.0:
        raise SettingError(
            f"strength is {strength}; expected a number from 0 (the photograph) "
            "to 1 (the stylized picture)"
        )
    mixed = photograph * np.float32(1.0 - strength) + stylized * np.float32(strength)
    return np.clip(mixed, 0.0, 1.0).astype(np.float32)


def check_rgb_shape(rgb: NDArray[np.floating], name: str) -> None:
    """Refuse what is not a float array of shape H×W×3 with at least one pixel.

    Args:
        rgb: the array.
        name: what the message calls it.

    Raises:
        PictureError: another rank, another number of channels, no pixels, or not floats.
    """
    shape = "×".join(map(str, np.shape(rgb))) or "no shape"
    if np.ndim(rgb) != 3 or np.shape(rgb)[2] != 3 or 0 in np.shape(rgb):
        raise PictureError(f"{name} has shape {shape}; expected H×W×3, channels last, RGB")
    dtype = np.asarray(rgb).dtype
    if not np.issubdtype(dtype, np.floating):
        raise PictureError(
            f"{name} holds {dtype}; expected floats in [0, 1]: divide 8-bit values by 255"
        )


def _check_same_shape(stylized: NDArray[np.floating], photograph: NDArray[np.floating]) -> None:
    check_rgb_shape(stylized, "stylized")
    check_rgb_shape(photograph, "photograph")
    if stylized.shape != photograph.shape:
        height, width = stylized.shape[:2]
        other_height, other_width = photograph.shape[:2]
        raise PictureError(
            f"the stylized picture is {width}×{height} and the photograph "
            f"{other_width}×{other_height}; expected one size: resize one of them first"
        )
