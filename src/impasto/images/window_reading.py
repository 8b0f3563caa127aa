"""Pictures too large for memory, read by windows.

A picture is decoded once, from top to bottom, into a file beside the result, in its own type and in
sRGB; windows of that file are what becomes float32. Decoding, resizing and conversion are libvips';
metadata are read as for other pictures. Writing is in `window_writing`.
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.errors import ImpastoError, PictureFileError
from impasto.images.colour_profile import differs_from_srgb
from impasto.images.metadata import kept_dpi, kept_exif, kept_xmp, orientation
from impasto.images.reading import READABLE_FORMATS, one_line, reading, shown
from impasto.images.resize import fit_longer_side

if TYPE_CHECKING:
    import pyvips

MAX_PIXELS_BY_WINDOWS = 2_000_000_000
"""The largest picture read by windows, in pixels."""

_LOADERS = ("jpegload", "pngload", "tiffload", "webpload")
_LEVELS = {"uchar": 255, "ushort": 65_535}


@dataclasses.dataclass(frozen=True, slots=True)
class Metadata:
    """What a picture's file said about it: see `Picture`."""

    exif: bytes | None
    dpi: tuple[float, float] | None
    xmp: bytes | None


class PictureWindows:
    """An upright picture in sRGB that lies on the disk.

    Attributes:
        metadata: what its file said about it.
        bits: 8 or 16, of each channel.
        pixels: the picture as libvips has it, with alpha if it has one.
    """

    def __init__(self, pixels: "pyvips.Image", metadata: Metadata) -> None:
        """Take a picture RGB or RGBA whose windows can be read in any order."""
        import pyvips

        self.pixels, self.metadata = pixels, metadata
        self.bits = 8 if pixels.format == "uchar" else 16
        self._region = pyvips.Region.new(pixels)

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.pixels.height)

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.pixels.width)

    @property
    def has_alpha(self) -> bool:
        """Whether there is a fourth channel."""
        return bool(self.pixels.bands == 4)

    def alpha(self, scale: int) -> "pyvips.Image":
        """The fourth channel `scale` times as large, of the same depth."""
        alpha = self.pixels[3]
        if scale == 1:
            return alpha
        return alpha.resize(scale, kernel="lanczos3").rint().cast(self.pixels.format)

    def channels(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """A window h×w×3, or h×w×4 with alpha, float32 in [0, 1].

        Raises:
            PictureFileError: what was spooled cannot be read any more.
        """
        height, width = rows.stop - rows.start, columns.stop - columns.start
        try:
            data = self._region.fetch(columns.start, rows.start, width, height)
        except Exception as error:  # pyvips.Error, which needs pyvips to name
            raise PictureFileError(f"the picture cannot be read ({one_line(error)})") from error
        kind = np.uint8 if self.bits == 8 else np.uint16
        values = np.frombuffer(data, kind).reshape(height, width, -1).astype(np.float32)
        values /= _LEVELS[self.pixels.format]
        return values


def size_of_file(path: Path) -> tuple[int, int] | None:
    """Width and height of a picture, upright, by its file's head; None where there is none.

    What is missing, damaged or of an unknown kind gives None too: whoever reads it says so.
    """
    try:
        with reading(shown(path)), Image.open(path, formats=READABLE_FORMATS) as image:
            width, height, turn = *image.size, orientation(image)
    except PictureFileError:  # or above Pillow's limit
        head = _head(path)
        if head is None:
            return None
        width, height, turn = head.width, head.height, _turn(head)
    return (height, width) if turn >= 5 else (width, height)


def is_readable_by_windows(path: Path) -> bool:
    """Whether a file is JPEG, PNG, TIFF or WebP of 8 or 16 bits, by its head."""
    image = _head(path)
    return image is not None and _is_known(image)


def _head(path: Path) -> "pyvips.Image | None":
    import pyvips

    try:
        return pyvips.Image.new_from_file(str(path), access="sequential")
    except (pyvips.Error, ValueError):
        return None


def _turn(image: "pyvips.Image") -> int:
    return int(image.get("orientation")) if image.get_typeof("orientation") else 1


def _is_known(image: "pyvips.Image") -> bool:
    is_animated = image.get_typeof("n-pages") and image.get("n-pages") > 1
    is_known = image.get("vips-loader") in _LOADERS and image.format in _LEVELS
    return bool(is_known and not (is_animated and image.get("vips-loader") == "webpload"))


def open_windows(path: Path, folder: Path, *, size: int | None = None) -> PictureWindows:
    """Decode a picture into a folder and open it there.

    Args:
        path: JPEG, PNG, TIFF or WebP, of 8 or 16 bits.
        folder: for the file of pixels; it takes 3 bytes a pixel, 6 at 16 bits, more with alpha.
        size: resize so that the longer side is this.

    Raises:
        PictureFileError: it is missing, damaged, of another kind, or too large.
    """
    import pyvips

    name = shown(path)
    try:
        image = pyvips.Image.new_from_file(str(path), access="sequential", fail_on="error")
        _check(image, name)
        metadata, turn = _metadata(path, image, name)
        spool = folder / "picture.v"
        _resized(_in_srgb(image), size).write_to_file(str(spool))
        pixels = pyvips.Image.new_from_file(str(spool)).copy()
        pixels.set_type(pyvips.GValue.gint_type, "orientation", turn)
        return PictureWindows(pixels.autorot(), metadata)
    except ImpastoError:
        raise
    except (pyvips.Error, OSError, ValueError) as error:
        raise PictureFileError(
            f"{name} cannot be read by windows ({one_line(error)}); get the file again"
        ) from error


def _check(image: "pyvips.Image", name: str) -> None:
    if not _is_known(image):
        raise PictureFileError(
            f"{name} cannot be read by windows; expected JPEG, PNG, TIFF or WebP of 8 or 16 bits: "
            "convert it, or turn tiles off"
        )
    if image.width * image.height > MAX_PIXELS_BY_WINDOWS:
        raise PictureFileError(
            f"{name} has too many pixels ({image.width:,}×{image.height:,}); at most "
            f"{MAX_PIXELS_BY_WINDOWS:,} are read by windows: make it smaller first"
        )


def _metadata(path: Path, image: "pyvips.Image", name: str) -> tuple[Metadata, int]:
    """What goes with the pixels, and the orientation that they have in the file."""
    try:
        with reading(name), Image.open(path, formats=READABLE_FORMATS) as opened:
            return _metadata_of(opened)
    except PictureFileError:  # Pillow opens no picture above its limit, not even for its head
        stand_in = Image.new("RGB", (1, 1))
        for key, field in (("exif", "exif-data"), ("xmp", "xmp-data")):
            if image.get_typeof(field):
                stand_in.info[key] = bytes(image.get(field))
        return _metadata_of(stand_in)


def _metadata_of(image: Image.Image) -> tuple[Metadata, int]:
    turn = orientation(image)
    dpi = kept_dpi(image, sideways=turn >= 5)
    return Metadata(kept_exif(image), dpi, kept_xmp(image)), turn


def _in_srgb(image: "pyvips.Image") -> "pyvips.Image":
    """RGB or RGBA of the same depth, in sRGB."""
    alpha = image[image.bands - 1] if image.hasalpha() else None
    colour = image if alpha is None else image[: image.bands - 1]
    kind, depth = image.format, 8 if image.format == "uchar" else 16
    profile = None
    if image.get_typeof("icc-profile-data"):
        profile = bytes(image.get("icc-profile-data"))
    if colour.bands == 1 and profile is not None and profile[16:20] == b"RGB ":
        colour = colour.bandjoin([colour, colour])
    if _needs_profile(profile, colour.bands):
        colour = colour.icc_transform(
            "srgb", embedded=True, intent="relative", black_point_compensation=True, depth=depth
        )
    else:
        colour = colour.colourspace("srgb" if depth == 8 else "rgb16")
    colour = colour.cast(kind)
    return colour if alpha is None else colour.bandjoin(alpha.cast(kind))


def _needs_profile(profile: bytes | None, num_channels: int) -> bool:
    if num_channels == 4:
        return profile is not None
    return differs_from_srgb(profile, is_grey=num_channels == 1)


def _resized(image: "pyvips.Image", size: int | None) -> "pyvips.Image":
    """Lanczos; colours are weighted by alpha while they are mixed."""
    if size is None:
        return image
    width, height = fit_longer_side(image.width, image.height, size)
    if (width, height) == (image.width, image.height):
        return image
    scales: dict[str, Any] = {"vscale": height / image.height, "kernel": "lanczos3"}
    if image.bands < 4:
        resized = image.resize(width / image.width, **scales)
    else:
        top = _LEVELS[image.format]
        weighted = image.premultiply(max_alpha=top).resize(width / image.width, **scales)
        resized = weighted.unpremultiply(max_alpha=top)
    return resized.rint().cast(image.format)
