"""Pixels of libvips images: depth, memory, colour space, orientation and size.

libvips computes lazily, strip by strip: these functions describe a computation, and only
`pixels_in` runs one. Opening files: `vips_loaders`.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from impasto.images.picture import Bits
from impasto.images.profiles.colour_profile import grey_curve, is_srgb

if TYPE_CHECKING:
    import pyvips

FULL_SCALE = 65_535
"""White at 16 bits per channel."""

_FULL_SCALES = {"uchar": 255, "ushort": FULL_SCALE}


def bits_of(image: "pyvips.Image") -> Bits:
    """Bits per channel of an image of bytes or of 16-bit words."""
    return 8 if image.format == "uchar" else 16


def white_of(image: "pyvips.Image") -> int:
    """The value of white in an image of bytes or of 16-bit words."""
    return _FULL_SCALES[image.format]


def image_over(
    memory: Any, *, width: int, height: int, num_channels: int, bits: int
) -> "pyvips.Image":
    """An image in sRGB over a buffer of plain pixels H×W×C, which is not copied.

    Args:
        memory: the buffer; it must outlive the image.
        width: in pixels.
        height: in pixels.
        num_channels: 3, or 4 with alpha.
        bits: 8 or 16, of each channel.
    """
    import pyvips

    image = pyvips.Image.new_from_memory(
        memory, width, height, num_channels, "uchar" if bits == 8 else "ushort"
    )
    # libvips takes any three bands for sRGB of 8 bits; white would be 255 at 16 bits too.
    return image.copy(interpretation="srgb" if bits == 8 else "rgb16")


def pixels_in(
    region: "pyvips.Region", image: "pyvips.Image", *, rows: slice, columns: slice
) -> NDArray[Any]:
    """The pixels of a window h×w×C, uint8 or uint16; computes them.

    Args:
        region: of the image; it keeps what neighbouring windows share.
        image: of bytes or of 16-bit words.
        rows: of the window.
        columns: of the window.

    Raises:
        pyvips.Error: the pixels cannot be read.
    """
    height, width = rows.stop - rows.start, columns.stop - columns.start
    data = region.fetch(columns.start, rows.start, width, height)
    kind = np.uint8 if bits_of(image) == 8 else np.uint16
    return np.frombuffer(data, kind).reshape(height, width, -1)


def with_profile(image: "pyvips.Image", profile: bytes | None) -> "pyvips.Image":
    """A copy of an image that carries an ICC profile; None leaves it as it is."""
    import pyvips

    image = image.copy()
    if profile is not None:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image


def words_to_srgb(colours: "pyvips.Image", profile: bytes | None) -> "pyvips.Image":
    """Three bands in sRGB of an image of one or three 16-bit bands.

    Args:
        colours: grey or RGB, without alpha.
        profile: the ICC profile of its values; None is sRGB.
    """
    import pyvips

    if not profile or is_srgb(profile, "L" if colours.bands == 1 else "RGB"):
        return _three_bands(colours).cast("ushort")
    curve = grey_curve(profile) if colours.bands == 1 and profile[16:20] == b"GRAY" else None
    if curve is not None:
        # libvips itself reads the profiles of greys too coarsely.
        values = np.rint(curve * FULL_SCALE).astype(np.uint16)
        table = pyvips.Image.new_from_memory(values.tobytes(), len(values), 1, 3, "ushort")
        return colours.maplut(table).cast("ushort")
    colours = _three_bands(colours).copy(interpretation="rgb16")
    # Intent and black point are those of `colour_profile`: 8 and 16 bits must look alike.
    srgb = with_profile(colours, profile).icc_transform(
        "srgb", embedded=True, depth=16, intent="relative", black_point_compensation=True
    )
    return srgb.cast("ushort")


def bytes_on_white(image: "pyvips.Image") -> "pyvips.Image":
    """An image in sRGB of bytes and without alpha, laid on white, as JPEG holds it."""
    if image.hasalpha():
        image = image.flatten(background=[white_of(image)] * 3)
    return image.colourspace("srgb") if image.format == "ushort" else image


def upright_vips(image: "pyvips.Image", orientation: int) -> "pyvips.Image":
    """The image rotated and mirrored as an EXIF orientation, 1 to 8, says."""
    import pyvips

    image = image.copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return image.autorot()


def resize_vips(image: "pyvips.Image", size: tuple[int, int] | None) -> "pyvips.Image":
    """Resize with a Lanczos-3 kernel; colours are weighted by alpha while they are mixed.

    Args:
        image: RGB, or RGBA.
        size: width and height; None, or the image's own, returns the image itself.
    """
    if size is None or size == (image.width, image.height):
        return image
    scale = size[0] / image.width
    settings: dict[str, Any] = {"vscale": size[1] / image.height, "kernel": "lanczos3"}
    if image.bands < 4:
        resized = image.resize(scale, **settings)
    else:
        white = white_of(image)
        weighted = image.premultiply(max_alpha=white).resize(scale, **settings)
        resized = weighted.unpremultiply(max_alpha=white)
    # Premultiplied values are floats, and a cast alone would cut their fractions off.
    return resized.rint().cast(image.format)


def _three_bands(colours: "pyvips.Image") -> "pyvips.Image":
    return colours if colours.bands == 3 else colours.bandjoin([colours, colours])
