"""Pictures too large for memory, read by windows.

A picture is decoded once, from top to bottom, into a file beside the result, in its own type and in
sRGB; windows of that file are what becomes float32. Decoding, resizing and conversion are libvips';
metadata are read as for other pictures. Writing is in `window_writing`.
"""

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.errors import ImpastoError, PictureFileError
from impasto.given_files import open_given_file, special_kind
from impasto.images.animation import is_animated
from impasto.images.bombs import is_bomb
from impasto.images.colour_profile import grey_curve, is_srgb
from impasto.images.header import header_of, said_by_file
from impasto.images.mapped_pixels import MappedPixels
from impasto.images.metadata import SIDEWAYS, kept_dpi, kept_exif, kept_xmp, orientation
from impasto.images.reading import READABLE_FORMATS, one_line, reading, shown
from impasto.images.resize import fit_longer_side, reduction

if TYPE_CHECKING:
    import pyvips

MAX_PIXELS_BY_WINDOWS = 2_000_000_000
"""The largest picture read by windows, in pixels."""

_PIXELS_PER_BYTE = 8 * 1032
"""What no compression of a file that Pillow does not open goes beyond: bilevel in deflate."""

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

    Args:
        spooled: RGB or RGBA.
        turn: its orientation, as EXIF numbers them.
        metadata: what its file said about it.

    Attributes:
        metadata: what its file said about it.
        bits: 8 or 16, of each channel.
        pixels: the picture as libvips has it, with alpha if it has one.
    """

    def __init__(self, spooled: MappedPixels, turn: int, metadata: Metadata) -> None:
        import pyvips

        image = spooled.image.copy()
        image.set_type(pyvips.GValue.gint_type, "orientation", turn)
        self.pixels, self.metadata = image.autorot(), metadata
        self.bits = 8 if image.format == "uchar" else 16
        self._spooled, self._region = spooled, pyvips.Region.new(self.pixels)

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
        self._spooled.let_go()
        return values


def size_of_file(path: Path) -> tuple[int, int] | None:
    """Width and height of a picture, upright, by its file's head; None where there is none.

    What is missing, damaged or of an unknown kind gives None too: whoever reads it says so.
    """
    if special_kind(path) is not None:  # to look at what is in a pipe takes it away
        return None
    with (
        contextlib.suppress(PictureFileError),  # or above Pillow's limit
        reading(shown(path)),
        open_given_file(path) as stream,
        Image.open(stream, formats=READABLE_FORMATS) as image,
    ):
        if is_bomb(image, stream, shown(path)):
            return None
        header = header_of(image, stream)
        return header.width, header.height
    head = _head(path)
    if head is None or head.width * head.height > _PIXELS_PER_BYTE * path.stat().st_size:
        return None
    return (head.height, head.width) if _turn(head) in SIDEWAYS else (head.width, head.height)


def bits_by_windows(path: Path) -> int | None:
    """Bits per channel, 8 or 16, of a still JPEG, PNG, TIFF or WebP; None for other files."""
    image = _head(path)
    if image is None or not _is_known(image) or _is_animated(path):
        return None
    return 8 if image.format == "uchar" else 16


def _is_animated(path: Path) -> bool:
    try:
        with reading(shown(path)), Image.open(path, formats=READABLE_FORMATS) as image:
            return is_animated(image)
    except PictureFileError:  # above Pillow's limit, and so above that of animations
        return False


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


def open_windows(
    path: Path, folder: Path, *, size: int | None = None, name: str | None = None
) -> PictureWindows:
    """Decode a picture into a folder and open it there.

    Args:
        path: JPEG, PNG, TIFF or WebP, of 8 or 16 bits.
        folder: for the file of pixels; it takes 3 bytes a pixel, 6 at 16 bits, more with alpha.
        size: resize so that the longer side is this.
        name: what messages call it; its path unless given.

    Raises:
        PictureFileError: it is missing, damaged, of another kind, or too large.
    """
    import pyvips

    name = name or shown(path)
    try:
        image = pyvips.Image.new_from_file(str(path), access="sequential", fail_on="error")
        _check(image, name)
        image = _reduced_jpeg(image, path, size)
        metadata, turn = _metadata(path, image, name)
        spool = folder / "picture.raw"
        decoded = _resized(_in_srgb(image), size)
        decoded.rawsave(str(spool))
        spooled = MappedPixels(
            spool,
            width=decoded.width,
            height=decoded.height,
            num_channels=decoded.bands,
            bits=8 if decoded.format == "uchar" else 16,
        )
        return PictureWindows(spooled, turn, metadata)
    except ImpastoError:
        raise
    except (pyvips.Error, OSError, ValueError) as error:
        raise PictureFileError(
            f"{name} cannot be read by windows ({one_line(error)}); get the file again"
        ) from error


def _reduced_jpeg(image: "pyvips.Image", path: Path, size: int | None) -> "pyvips.Image":
    """A JPEG to be resized, as its decoder makes it smaller; others as they are."""
    import pyvips

    if size is None or image.get("vips-loader") != "jpegload":
        return image
    times = reduction(image.width, image.height, size)
    shrink = next(by for by in (8, 4, 2, 1) if by <= times)
    return pyvips.Image.new_from_file(
        str(path), access="sequential", fail_on="error", shrink=shrink
    )


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
        with (
            reading(name),
            open_given_file(path) as stream,
            Image.open(stream, formats=READABLE_FORMATS) as opened,
        ):
            return _metadata_of(said_by_file(opened, stream))
    except PictureFileError:  # Pillow opens no picture above its limit, not even for its head
        stand_in = Image.new("RGB", (1, 1))
        for key, field in (("exif", "exif-data"), ("xmp", "xmp-data")):
            if image.get_typeof(field):
                stand_in.info[key] = bytes(image.get(field))
        return _metadata_of(stand_in)


def _metadata_of(image: Image.Image) -> tuple[Metadata, int]:
    turn = orientation(image)
    dpi = kept_dpi(image, sideways=turn in SIDEWAYS)
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
    curve = grey_curve(profile) if colour.bands == 1 else None
    if curve is not None:
        colour = _by_curve(colour, curve)
    elif _needs_profile(profile, colour.bands):
        colour = colour.icc_transform(
            "srgb", embedded=True, intent="relative", black_point_compensation=True, depth=depth
        )
    else:
        colour = colour.colourspace("srgb" if depth == 8 else "rgb16")
    colour = colour.cast(kind)
    return colour if alpha is None else colour.bandjoin(alpha.cast(kind))


def _by_curve(grey: "pyvips.Image", curve: NDArray[np.float32]) -> "pyvips.Image":
    """Greys looked up in a curve 65536×3: libvips reads the profiles of greys too coarsely."""
    import pyvips

    top = _LEVELS[grey.format]
    levels = np.round(curve[:: 65_535 // top] * top)
    kind = np.uint8 if grey.format == "uchar" else np.uint16
    table = pyvips.Image.new_from_memory(
        np.ascontiguousarray(levels, kind), len(levels), 1, 3, grey.format
    )
    found = grey.maplut(table)
    return found.copy(interpretation="srgb" if grey.format == "uchar" else "rgb16")


def _needs_profile(profile: bytes | None, num_channels: int) -> bool:
    """Whether colours, or greys with a profile of colours, are to be converted."""
    if profile is None or num_channels == 1:
        return False
    return num_channels == 4 or not is_srgb(profile, "RGB")


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
