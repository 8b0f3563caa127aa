"""A picture as it passes between rooms, and its way from and to Pillow's images.

Files are in `io`; pixel types, profiles and metadata in `pixel_modes`, `colour_profile` and
`metadata`.
"""

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.errors import PictureError
from impasto.images.colour import check_rgb_shape
from impasto.images.formats.pillow_errors import check_size, reading
from impasto.images.formats.pixel_modes import DEEP_GREY_MODES, float_rgb_and_alpha
from impasto.images.formats.sixteen_bit import FULL_SCALE, sixteen_bit_pixels
from impasto.images.metadata.selection import (
    SIDEWAYS,
    Metadata,
    kept_metadata,
    orientation,
    turned,
    upright,
)
from impasto.images.profiles.stated_colour import stated_profile
from impasto.images.resize import fit_longer_side, reduction, resize_lanczos

Bits = Literal[8, 16]
"""Bits per channel."""

LARGE_PIXELS = 2**22
"""Pictures of fewer pixels take little memory, and are decoded and resized as they are."""

_INVISIBLE = 1e-4
_MEAN_MODES = frozenset({"L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"})


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture in sRGB, upright, with what its file said about it.

    Attributes:
        rgb: H×W×3 float32 in [0, 1], sRGB, not multiplied by alpha.
        alpha: H×W float32 in [0, 1] where 0 is invisible, or None for a picture without.
        exif: the EXIF block, orientation 1, if the file had one.
        dpi: dots per inch along the width and the height, if known.
        xmp: the XMP packet, if the file had one.
        bits: bits per channel of the file it came from, and of one it is written to.
        texts: keyword and text of what else the file said, such as a comment.

    Raises:
        PictureError: an array of another shape, type or range, or with NaN.
    """

    rgb: NDArray[np.float32]
    alpha: NDArray[np.float32] | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    bits: Bits = 8
    texts: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        check_rgb_shape(self.rgb, "rgb")
        _check_range(self.rgb, "rgb")
        if self.alpha is not None:
            if self.alpha.shape != self.rgb.shape[:2]:
                shape = "×".join(map(str, self.alpha.shape))
                raise PictureError(f"alpha has shape {shape}; expected {self.height}×{self.width}")
            _check_range(self.alpha, "alpha")

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.rgb.shape[0])

    @property
    def metadata(self) -> Metadata:
        """What goes with its pixels."""
        return Metadata(self.exif, self.dpi, self.xmp, self.texts)

    def with_rgb(self, rgb: NDArray[np.float32]) -> "Picture":
        """The same picture with other colours; alpha is resized where the size is another.

        Args:
            rgb: H'×W'×3 float32 in [0, 1], sRGB.

        Raises:
            PictureError: an array of another shape, type or range, or with NaN.
        """
        check_rgb_shape(rgb, "rgb")
        alpha = self.alpha
        if alpha is not None:
            alpha = resize_lanczos(alpha, width=rgb.shape[1], height=rgb.shape[0]).clip(0, 1)
        return dataclasses.replace(self, rgb=rgb, alpha=alpha)


def picture_from_pil(
    image: Image.Image, *, name: str | None = None, longer_side: int | None = None
) -> Picture:
    """A picture from a Pillow image of any mode.

    It is turned as EXIF says and converted to sRGB from the colours it states; grey, palette, CMYK
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
        sideways = orientation(image) in SIDEWAYS  # which a TIFF forgets when it is decoded
        image_upright = upright(image)
        if longer_side is not None:
            image_upright = _reduced(image_upright, longer_side)
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
        turn = orientation(image)
        return _with_metadata(
            image,
            _from_sixteen_bits(turned(rgb, turn)),
            None if alpha is None else _from_sixteen_bits(turned(alpha, turn)),
            sideways=turn in SIDEWAYS,
            bits=16,
        )


def picture_to_pil(picture: Picture) -> Image.Image:
    """A Pillow image of a picture: mode RGB, or RGBA where it has alpha; 8 bits, rounded."""
    image = Image.fromarray(_to_bytes(picture.rgb))
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(_to_bytes(picture.alpha)))
    return image


def picture_to_sixteen_bits(picture: Picture) -> NDArray[np.uint16]:
    """The values of a picture, H×W×3, or H×W×4 where it has alpha; rounded."""
    planes = [picture.rgb]
    if picture.alpha is not None:
        planes.append(picture.alpha[..., np.newaxis])
    scaled = np.concatenate(planes, axis=2) * np.float32(FULL_SCALE)
    scaled += 0.5
    return scaled.astype(np.uint16)


def resize_longer_side(picture: Picture, size: int) -> Picture:
    """Enlarge or shrink so that the longer side is `size`, keeping the aspect ratio.

    Lanczos, without aliasing. Colours are weighted by alpha while they are mixed, so that the
    colour hidden in invisible pixels does not bleed into visible ones.

    Args:
        picture: of any size.
        size: the longer side wanted, in pixels, at least 1.

    Raises:
        PictureError: a size below 1.
    """
    width, height = fit_longer_side(picture.width, picture.height, size)
    return resize_picture(picture, width=width, height=height)


def resize_picture(picture: Picture, *, width: int, height: int) -> Picture:
    """Resample to a width and a height, in pixels, as `resize_longer_side` does.

    Raises:
        PictureError: a width or height below 1.
    """
    if (width, height) == (picture.width, picture.height):
        return picture
    rgb = resize_lanczos(picture.rgb, width=width, height=height)
    if picture.alpha is None:
        return dataclasses.replace(picture, rgb=rgb.clip(0, 1))
    weights = picture.alpha[..., np.newaxis]
    alpha = resize_lanczos(picture.alpha, width=width, height=height).clip(0, 1)
    weighted = resize_lanczos(picture.rgb * weights, width=width, height=height)
    visible = alpha[..., np.newaxis] > _INVISIBLE
    np.divide(weighted, alpha[..., np.newaxis], out=rgb, where=visible)
    return dataclasses.replace(picture, rgb=rgb.clip(0, 1), alpha=alpha)


def _check_range(array: NDArray[np.float32], name: str) -> None:
    if array.dtype != np.float32:
        raise PictureError(f"{name} holds {array.dtype}; expected float32")
    lowest, highest = float(array.min()), float(array.max())
    if not (lowest >= 0.0 and highest <= 1.0):  # written so that NaN fails too
        raise PictureError(
            f"{name} holds values from {lowest:g} to {highest:g}; expected 0 to 1: "
            "divide 8-bit values by 255, or clip"
        )


def _with_metadata(
    image: Image.Image,
    rgb: NDArray[np.float32],
    alpha: NDArray[np.float32] | None,
    *,
    sideways: bool,
    bits: Bits,
) -> Picture:
    height, width = rgb.shape[:2]
    told = kept_metadata(image, width=width, height=height, sideways=sideways)
    return Picture(
        rgb, alpha, exif=told.exif, dpi=told.dpi, xmp=told.xmp, bits=bits, texts=told.texts
    )


def _reduced(image: Image.Image, longer_side: int) -> Image.Image:
    """A large image with fewer pixels, each the mean of a block; only of modes that have means."""
    times = reduction(*image.size, longer_side)
    if times < 2 or image.width * image.height < LARGE_PIXELS or image.mode not in _MEAN_MODES:
        return image
    if "transparency" in image.info:  # one colour, which no mean is any more
        return image
    return image.reduce(times)


def _bits(image: Image.Image) -> Bits:
    return 16 if image.mode in DEEP_GREY_MODES else 8


def _from_sixteen_bits(values: NDArray[np.generic]) -> NDArray[np.float32]:
    floats = np.array(values, dtype=np.float32, order="C")
    floats /= FULL_SCALE  # in place: pictures are large
    return floats


def _to_bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    scaled = values * np.float32(255)
    scaled += 0.5
    return scaled.astype(np.uint8)
