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
_WORKING_MODES = {
    **{("RGB", "RGB"): "RGB", ("RGB", "L"): "RGB"},
    **{("GRAY", "L"): "L", ("CMYK", "CMYK"): "CMYK"},
}
"""The mode an image is brought to, by its profile's colour space and its own mode."""


@functools.cache
def srgb_profile() -> bytes:
    """The sRGB profile that saved pictures carry; the same bytes on every call and every day."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
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


def differs_from_srgb(profile: bytes | None, *, is_grey: bool) -> bool:
    """Whether colours in a profile have to be converted to be in sRGB.

    Args:
        profile: the ICC profile of a grey or RGB picture, if any.
        is_grey: which of the two.
    """
    return profile is not None and _transform(profile, "L" if is_grey else "RGB")[1] is not None


def grey_curve(profile: bytes | None) -> NDArray[np.float32] | None:
    """What 256 even steps of grey in a profile are in sRGB, for greys of more than 8 bits.

    Args:
        profile: the ICC profile of a grey picture, if any.

    Returns:
        256×3 float32 in [0, 1], or None where greys are in sRGB already.
    """
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[np.newaxis])
    curve: NDArray[np.float32] = np.asarray(image_to_srgb(ramp, profile), dtype=np.float32)[0] / 255
    plain = np.linspace(0, 1, 256, dtype=np.float32)[:, np.newaxis]
    return None if np.abs(curve - plain).max() * 255 < 0.5 else curve


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
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return working_mode, None if _is_srgb(transform, working_mode) else transform
    except (ImageCms.PyCMSError, KeyError, OSError, TypeError, ValueError):
        return mode, None


def _is_srgb(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a transform to sRGB leaves every probe colour where it is, but for rounding.

    Names of profiles say little; leaving sRGB pictures alone keeps them exact.
    """
    if mode == "CMYK":
        return False
    levels = np.linspace(0, 255, 17).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(17, -1, 3)
    probe = Image.fromarray(grid if mode == "RGB" else np.arange(256, dtype=np.uint8)[np.newaxis])
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
