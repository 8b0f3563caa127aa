"""Pillow's pixel modes, brought down to RGB and alpha.

Palettes, bilevel, grey, CMYK, L*a*b*, premultiplied alpha, transparent colours: 8 bits, through
LittleCMS. Greys of more than 8 bits: as floats, keeping their scale.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.images.colour import to_floats
from impasto.images.profiles.colour_profile import grey_curve, image_to_srgb

DEEP_GREY_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I", "F"})
"""Modes with one channel of more than 8 bits."""
GREY_MODES = frozenset({"1", "L", "LA", "La", *DEEP_GREY_MODES})
"""Modes with one channel of colour."""

_FULL_SCALES = (255.0, 65_535.0, 2_147_483_647.0)
# CMYK and LAB are missing: LittleCMS converts these, by the file's profile.
_MODE_WITHOUT_ALPHA = {"1": "L", "P": "RGB", "RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB"}
_MODE_WITH_ALPHA = {
    **{"1": "LA", "L": "LA", "La": "LA"},
    **{"P": "RGBA", "PA": "RGBA", "RGB": "RGBA", "RGBa": "RGBA"},
}
_PHOTOMETRIC_TAG, _WHITE_IS_ZERO = 262, 0


def float_rgb_and_alpha(
    image: Image.Image, profile: bytes | None
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Colours in sRGB and alpha of an image of any mode.

    Args:
        image: decoded.
        profile: the ICC profile that its values are in, if any; see `stated_colour`.

    Returns:
        H×W×3 float32 in [0, 1], and H×W float32 in [0, 1] or None.

    Raises:
        ValueError: float greys that are not finite.
    """
    if image.mode in DEEP_GREY_MODES:
        return _deep_grey(image, profile)
    colour, alpha = byte_rgb_and_alpha(image, profile)
    return to_floats(np.asarray(colour)), None if alpha is None else to_floats(np.asarray(alpha))


def byte_rgb_and_alpha(
    image: Image.Image, profile: bytes | None
) -> tuple[Image.Image, Image.Image | None]:
    """Colours in sRGB and alpha of an image with at most 8 bits per channel.

    Args:
        image: decoded, of any mode but the deep greys.
        profile: as for `float_rgb_and_alpha`.

    Returns:
        An image of mode RGB, and one of mode L or None.
    """
    plain = image.convert(mode_of_pixels(image))
    if plain.mode not in ("LA", "RGBA"):
        return image_to_srgb(plain, profile), None
    # Alpha goes around the profile: LittleCMS's transforms are built for modes without it.
    return image_to_srgb(plain.convert(plain.mode[:-1]), profile), plain.getchannel("A")


def mode_of_pixels(image: Image.Image) -> str:
    """The mode that an image's pixels have once palettes and transparent colours are resolved."""
    table = _MODE_WITH_ALPHA if image.has_transparency_data else _MODE_WITHOUT_ALPHA
    return table.get(image.mode, image.mode)


def _deep_grey(
    image: Image.Image, profile: bytes | None
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Greys as [0, 1], through the curve of their profile.

    The full scale of 16-bit modes is known. For `I` and `F` it is the smallest usual one that holds
    the largest value: 1 for floats, 255, 65535, 2³¹−1, or else the largest value itself.
    """
    values = np.asarray(image)
    if not np.isfinite(values).all():
        raise ValueError("it holds floats that are not finite")
    # float32 has 24 bits, fewer than the numbers of mode `I`.
    numbers = values.astype(np.float64)
    peak = float(numbers.max())
    if image.mode.startswith("I;16"):
        scale = 65_535.0
    else:
        usual = (1.0, *_FULL_SCALES) if image.mode == "F" else _FULL_SCALES
        scale = next((full for full in usual if peak <= full), peak)
    grey: NDArray[np.float32] = np.clip(numbers / scale, 0, 1).astype(np.float32)
    # Pillow inverts such TIFFs of 8 bits, and leaves deeper ones as they lie in the file.
    if getattr(image, "tag_v2", {}).get(_PHOTOMETRIC_TAG) == _WHITE_IS_ZERO:
        grey = 1 - grey
    curve = grey_curve(profile)
    if curve is None:
        rgb = np.repeat(grey[..., np.newaxis], 3, axis=2)
    else:
        rgb = curve[np.rint(grey * np.float32(len(curve) - 1)).astype(np.int32)]
    hidden = image.info.get("transparency")
    return rgb, (values != hidden).astype(np.float32) if isinstance(hidden, int) else None
