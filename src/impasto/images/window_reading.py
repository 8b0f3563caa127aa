"""Pictures too large for memory, read by windows.

A picture is decoded once, from top to bottom, into a file beside the result, in its own type and in
sRGB; windows of that file are what becomes float32. What the file says, and the conversion to sRGB,
are those of whole pictures; see `decoded_strips` for who decodes. Writing is in `window_writing`.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.errors import ImpastoError, PictureFileError
from impasto.images.animation import is_animated
from impasto.images.decoded_strips import byte_strips, decoded_by_libvips, is_decoded_alike
from impasto.images.mapped_pixels import MappedPixels
from impasto.images.metadata import SIDEWAYS, Metadata, kept_metadata, orientation
from impasto.images.opening import open_image
from impasto.images.pixel_modes import DEEP_GREY_MODES, byte_rgb_and_alpha
from impasto.images.reading import MAX_PIXELS, READABLE_FORMATS, one_line, reading, shown
from impasto.images.resize import fit_longer_side
from impasto.images.sixteen_bit import is_sixteen_bit, sixteen_bit_channels
from impasto.images.stated_colour import stated_profile

if TYPE_CHECKING:
    pass

MAX_PIXELS_BY_WINDOWS = 2_000_000_000
"""The largest picture read by windows, in pixels."""

_FORMATS = ("JPEG", "MPO", "PNG", "TIFF", "WEBP")
_LEVELS = {"uchar": 255, "ushort": 65_535}


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
    try:
        with _opened(path) as image:
            is_turned = image.format == "TIFF"  # Pillow tells of these as they will be
            width, height, turn = *image.size, 1 if is_turned else orientation(image)
    except PictureFileError:
        return None
    return (height, width) if turn in SIDEWAYS else (width, height)


def bits_by_windows(path: Path) -> int | None:
    """Bits per channel, 8 or 16, of a still JPEG, PNG, TIFF or WebP; None for other files."""
    try:
        with _opened(path) as image:
            return _bits(image)
    except PictureFileError:
        return None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """What is in a file, by its head; what goes wrong while it is asked becomes one line."""
    with (
        reading(shown(path)),
        path.open("rb") as stream,
        open_image(stream, READABLE_FORMATS, any_size=True) as image,
    ):
        yield image


def _bits(image: Image.Image) -> int | None:
    if image.format not in _FORMATS or is_animated(image):
        return None
    if is_sixteen_bit(image):
        return 16
    if image.mode in DEEP_GREY_MODES:
        return None
    by_pillow = not is_decoded_alike(image)
    return None if by_pillow and image.width * image.height > MAX_PIXELS else 8


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
        with _opened(path) as image:
            bits = _check(image, name)
            turn = orientation(image)
            width, height = image.size
            if turn in SIDEWAYS and image.format != "TIFF":
                width, height = height, width
            told = kept_metadata(image, width=width, height=height, sideways=turn in SIDEWAYS)
            spooled, turn = _spooled(path, image, folder, bits, turn)
        return PictureWindows(_resized(spooled, size, folder), turn, told)
    except ImpastoError:
        raise
    except (pyvips.Error, OSError, ValueError) as error:
        raise PictureFileError(
            f"{name} cannot be read by windows ({one_line(error)}); get the file again"
        ) from error


def _check(image: Image.Image, name: str) -> int:
    bits = _bits(image)
    if bits is None:
        raise PictureFileError(
            f"{name} cannot be read by windows; expected JPEG, PNG, TIFF or WebP of 8 or 16 bits: "
            "convert it, or turn tiles off"
        )
    if image.width * image.height > MAX_PIXELS_BY_WINDOWS:
        raise PictureFileError(
            f"{name} has too many pixels ({image.width:,}×{image.height:,}); at most "
            f"{MAX_PIXELS_BY_WINDOWS:,} are read by windows: make it smaller first"
        )
    return bits


def _spooled(
    path: Path, image: Image.Image, folder: Path, bits: int, turn: int
) -> tuple[MappedPixels, int]:
    """The pixels in sRGB on the disk, and the orientation that they have there."""
    profile, spool = stated_profile(image), folder / "picture.raw"
    if bits == 16:
        decoded = sixteen_bit_channels(decoded_by_libvips(path), image, profile)
        decoded.rawsave(str(spool))
        width, height, num_channels = decoded.width, decoded.height, decoded.bands
    else:
        strips, turn = byte_strips(path, image, turn)
        width = height = num_channels = 0
        with spool.open("wb") as file:
            for strip in strips:
                channels = _channels_in_srgb(strip, profile)
                _put(file, channels, folder)
                width, num_channels = strip.width, channels.shape[2]
                height += strip.height
    return MappedPixels(
        spool, width=width, height=height, num_channels=num_channels, bits=bits
    ), turn


def _put(file: BinaryIO, channels: NDArray[np.uint8], folder: Path) -> None:
    try:
        file.write(channels.tobytes())
    except OSError as error:  # of the disk, and not of the picture
        raise PictureFileError(
            f"{shown(folder.parent)} has no room for the decoded picture ({one_line(error)}); "
            "make room, or choose another place for the result"
        ) from error


def _channels_in_srgb(strip: Image.Image, profile: bytes | None) -> NDArray[np.uint8]:
    colour, alpha = byte_rgb_and_alpha(strip, profile)
    if alpha is not None:
        colour.putalpha(alpha)
    return np.asarray(colour)


def _resized(spooled: MappedPixels, size: int | None, folder: Path) -> MappedPixels:
    """Lanczos; colours are weighted by alpha while they are mixed."""
    image = spooled.image
    if size is None:
        return spooled
    width, height = fit_longer_side(image.width, image.height, size)
    if (width, height) == (image.width, image.height):
        return spooled
    scales: dict[str, Any] = {"vscale": height / image.height, "kernel": "lanczos3"}
    if image.bands < 4:
        resized = image.resize(width / image.width, **scales)
    else:
        top = _LEVELS[image.format]
        weighted = image.premultiply(max_alpha=top).resize(width / image.width, **scales)
        resized = weighted.unpremultiply(max_alpha=top)
    resized, spool = resized.rint().cast(image.format), folder / "resized.raw"
    spooled.let_go_while_read(resized)
    resized.rawsave(str(spool))
    (folder / "picture.raw").unlink()
    return MappedPixels(
        spool,
        width=resized.width,
        height=resized.height,
        num_channels=resized.bands,
        bits=8 if resized.format == "uchar" else 16,
    )
