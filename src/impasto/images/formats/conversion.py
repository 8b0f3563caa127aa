"""Pictures from and to Pillow's images and the values of 16-bit files.

Reading a file and choosing its decoder: `impasto.images.files.io`.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.images.colour import to_bytes, to_floats, to_words
from impasto.images.formats.pillow_errors import check_size, reading
from impasto.images.formats.pixel_modes import DEEP_GREY_MODES, float_rgb_and_alpha
from impasto.images.formats.sixteen_bit import sixteen_bit_pixels
from impasto.images.metadata.orientation import SIDEWAYS, orientation_of, upright, upright_array
from impasto.images.metadata.selection import kept_metadata
from impasto.images.picture import LARGE_PIXELS, Bits, Picture
from impasto.images.profiles.stated_colour import stated_profile
from impasto.images.resize import reduction

# Modes whose values are amounts. The mean of two palette indices would be any colour.
_MEAN_MODES = frozenset({"L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"})


def picture_from_pil(
    image: Image.Image, *, name: str | None = None, longer_side: int | None = None
) -> Picture:
    """A picture from a Pillow image of any mode.

    It is turned upright and converted to sRGB from the colours it states; grey, palette, CMYK
    and L*a*b* become RGB; 16-bit and float greys keep their scale; alpha stands apart.

    Args:
        image: decoded or not; it is not changed, but decoded.
        name: what errors call it; its file's name unless given.
        longer_side: pixels that it will be resized to; a large image then becomes smaller before
            it becomes floats, but stays twice as large at least.

    Raises:
        PictureFileError: the image is damaged, empty or too large.
    """
    name = name or str(getattr(image, "filename", "") or "the picture given")
    with reading(name):
        check_size(image, name)
        bits, profile = _bits(image), stated_profile(image)
        sideways = orientation_of(image) in SIDEWAYS  # which a TIFF forgets when it is decoded
        image_upright = upright(image)
        if longer_side is not None:
            times = reduction(*image_upright.size, longer_side)
            is_large = image_upright.width * image_upright.height >= LARGE_PIXELS
            # A transparent colour is one exact value, which the mean of a block would miss.
            is_keyed = "transparency" in image_upright.info
            has_means = image_upright.mode in _MEAN_MODES and not is_keyed
            if times >= 2 and is_large and has_means:
                image_upright = image_upright.reduce(times)
        rgb, alpha = float_rgb_and_alpha(image_upright, profile)
        return _with_metadata(image, rgb, alpha, sideways=sideways, bits=bits)


def picture_from_sixteen_bits(data: bytes, image: Image.Image, *, name: str) -> Picture:
    """A picture from a file of 16 bits per channel, see `sixteen_bit`; upright and in sRGB.

    Args:
        data: the file.
        image: the same, as Pillow opened it; not decoded yet.
        name: what errors call it.

    Raises:
        PictureFileError: the image is damaged, empty or too large.
    """
    with reading(name):
        check_size(image, name)
        rgb, alpha = sixteen_bit_pixels(data, image, stated_profile(image))
        orientation = orientation_of(image)
        return _with_metadata(
            image,
            to_floats(upright_array(rgb, orientation)),
            None if alpha is None else to_floats(upright_array(alpha, orientation)),
            sideways=orientation in SIDEWAYS,
            bits=16,
        )


def picture_to_pil(picture: Picture) -> Image.Image:
    """A Pillow image of a picture: mode RGB, or RGBA where it has alpha; 8 bits, rounded."""
    image = Image.fromarray(to_bytes(picture.rgb))
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(to_bytes(picture.alpha)))
    return image


def picture_to_sixteen_bits(picture: Picture) -> NDArray[np.uint16]:
    """The values of a picture, H×W×3, or H×W×4 where it has alpha; rounded."""
    planes = [picture.rgb]
    if picture.alpha is not None:
        planes.append(picture.alpha[..., np.newaxis])
    return to_words(np.concatenate(planes, axis=2))


def _with_metadata(
    image: Image.Image,
    rgb: NDArray[np.float32],
    alpha: NDArray[np.float32] | None,
    *,
    sideways: bool,
    bits: Bits,
) -> Picture:
    height, width = rgb.shape[:2]
    metadata = kept_metadata(image, width=width, height=height, sideways=sideways)
    return Picture(
        rgb,
        alpha,
        exif=metadata.exif,
        dpi=metadata.dpi,
        xmp=metadata.xmp,
        bits=bits,
        texts=metadata.texts,
    )


def _bits(image: Image.Image) -> Bits:
    return 16 if image.mode in DEEP_GREY_MODES else 8
