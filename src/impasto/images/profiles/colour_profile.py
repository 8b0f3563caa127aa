"""ICC colour profiles: from whatever a file embeds to sRGB, and the profile we embed.

Conversion is by LittleCMS (Pillow's ImageCms) at 8 bits, relative colorimetric with black-point
compensation. A profile that is broken, or made for another kind of picture, counts as sRGB.
"""

import functools
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_PROFILE_DATE = bytes.fromhex("07e8 0001 0001 0000 0000 0000")
_SRGB_TOLERANCE = 1
_GREYS = np.arange(65_536)
_GREY_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOOPTIMIZE
"""LittleCMS would take greys through a table of 33 steps, up to 10 levels off in the dark."""
_WORKING_MODES = {
    **{("RGB", "RGB"): "RGB", ("RGB", "L"): "RGB"},
    **{("GRAY", "L"): "L", ("GRAY", "I;16"): "I;16", ("CMYK", "CMYK"): "CMYK"},
}
"""The mode an image is brought to, by its profile's colour space and its own mode."""


@functools.cache
def srgb_profile() -> bytes:
    """The sRGB profile that saved pictures carry; the same bytes on every call and every day."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # LittleCMS dates a profile by the clock (ICC.1, 7.2, bytes 24 to 35). With that, equal pictures
    # would become different files.
    return profile[:24] + _PROFILE_DATE + profile[36:]


def image_to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An image in sRGB.

    Args:
        image: mode L, RGB, CMYK or LAB (CIE L*a*b* at D50); no alpha.
        profile: the ICC profile its values are in, if any.

    Returns:
        A new image of mode RGB, 8 bits.
    """
    if image.mode == "LAB":
        return _applied(image, _lab_transform())
    mode, transform = _transform(profile, image.mode) if profile else ("", None)
    if transform is None:
        return image.convert("RGB")
    return _applied(image.convert(mode), transform)


def is_srgb(profile: bytes, mode: str) -> bool:
    """Whether values in a profile are sRGB already, or count as it because it is broken.

    Args:
        profile: an ICC profile.
        mode: of the image it came with, L or RGB.
    """
    return _transform(profile, mode)[1] is None


def grey_curve(profile: bytes | None) -> NDArray[np.float32] | None:
    """What each grey of 16 bits in a profile is in sRGB.

    LittleCMS through Pillow answers in 8 bits. For a profile of greys the curve is known exactly
    where the answer steps from one level to the next; elsewhere it is drawn straight.

    Args:
        profile: the ICC profile of a grey picture, if any.

    Returns:
        65536×3 float32 in [0, 1], or None where greys are in sRGB already.
    """
    if not profile or is_srgb(profile, "L"):
        return None
    transform = _transform(profile, "I;16")[1]
    if transform is None:  # a profile of colours
        levels = np.asarray(image_to_srgb(_grey_ramp("L"), profile))[0]
        positions = np.arange(0, 65_536, 257)
        curve = np.stack([np.interp(_GREYS, positions, c) for c in levels.T], axis=-1) / 255
    else:
        levels = np.asarray(_applied(_grey_ramp("I;16"), transform))[0]
        curve = np.stack([_between_steps(channel) for channel in levels.T], axis=-1)
    return curve.astype(np.float32)


def _between_steps(levels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The curve in [0, 1] that was rounded to these levels, at every grey of 16 bits."""
    rising = np.maximum.accumulate(levels)
    steps = np.flatnonzero(np.diff(rising))
    heights = (rising[steps].astype(np.float64) + rising[steps + 1]) / 2
    # Rounding steps where the curve passes the middle between two levels, so there it is known.
    positions = np.concatenate([[0], steps + 0.5, [_GREYS[-1]]])
    return np.interp(_GREYS, positions, np.concatenate([rising[:1], heights, rising[-1:]]) / 255)


def _grey_ramp(mode: str) -> Image.Image:
    ramp = np.arange(256, dtype=np.uint8) if mode == "L" else _GREYS.astype(np.uint16)
    return Image.fromarray(ramp[np.newaxis])


# The strips of a picture, and the pictures of a camera, share one profile.
@functools.lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """The mode to convert to first and the transform from there; None where none is needed."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        working_mode = _WORKING_MODES[source.profile.xcolor_space.strip(), mode]
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            working_mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION
            if working_mode in ("RGB", "CMYK")
            else _GREY_FLAGS,
        )
        return working_mode, None if _is_srgb(transform, working_mode) else transform
    except (ImageCms.PyCMSError, KeyError, OSError, TypeError, ValueError):
        # KeyError: the profile is for another kind of picture, such as CMYK beside RGB.
        return mode, None


def _is_srgb(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a transform to sRGB leaves every probe colour where it is, but for rounding.

    Names of profiles say little; leaving sRGB pictures alone keeps them exact.
    """
    if mode in ("CMYK", "I;16"):  # no greys of 16 bits that are sRGB in 8 come here
        return False
    levels = np.linspace(0, 255, 17).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(17, -1, 3)
    probe = Image.fromarray(grid) if mode == "RGB" else _grey_ramp("L")
    before = np.asarray(probe.convert("RGB"), dtype=np.int16)
    after = np.asarray(_applied(probe, transform), dtype=np.int16)
    return bool(np.abs(after - before).max() <= _SRGB_TOLERANCE)


@functools.cache
def _lab_transform() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )


def _applied(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # it is None only where the image is changed in place
    return converted
