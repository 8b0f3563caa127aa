"""Pictures too large for memory, read by windows.

A picture is decoded once, from top to bottom, into a file of plain pixels in sRGB, 8 or 16 bits
per channel, beside the output. Only windows of that file become float32. Decoding: `decoded_strips`
and `formats.sixteen_bit`; writing: `writing`. Metadata and colours are read as for whole pictures.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.errors import ImpastoError, PictureFileError
from impasto.images.colour import to_floats
from impasto.images.formats.animation import is_animated
from impasto.images.formats.bombs import check_bomb
from impasto.images.formats.header import header_of
from impasto.images.formats.opening import open_image
from impasto.images.formats.pillow_errors import MAX_PIXELS, READABLE_FORMATS, reading
from impasto.images.formats.pixel_modes import DEEP_GREY_MODES, byte_rgb_and_alpha
from impasto.images.formats.sixteen_bit import is_sixteen_bit, sixteen_bit_channels
from impasto.images.formats.vips_loaders import open_with_libvips
from impasto.images.formats.vips_pixels import (
    bits_of,
    pixels_in,
    resize_vips,
    upright_vips,
)
from impasto.images.metadata.orientation import SIDEWAYS, orientation_of
from impasto.images.metadata.selection import Metadata, kept_metadata
from impasto.images.profiles.stated_colour import stated_profile
from impasto.images.resize import fit_longer_side, reduction
from impasto.images.windows.decoded_strips import byte_strips, is_decoded_alike
from impasto.images.windows.mapped_pixels import MappedPixels
from impasto.system.input_files import open_given_file
from impasto.system.visible_text import one_line, shown_path

MAX_PIXELS_BY_WINDOWS = 2_000_000_000
"""The largest picture read by windows, in pixels."""

_FORMATS = ("JPEG", "MPO", "PNG", "TIFF", "WEBP")


class PictureWindows:
    """An upright picture in sRGB that lies on the disk.

    Args:
        spooled: the plain pixels, RGB or RGBA.
        orientation: of the pixels on the disk, as EXIF numbers them.
        metadata: what its file said about it.

    Attributes:
        metadata: what its file said about it.
        bits: 8 or 16, of each channel.
        pixels: the picture as libvips has it, with alpha if it has one.
    """

    def __init__(self, spooled: MappedPixels, orientation: int, metadata: Metadata) -> None:
        import pyvips

        self.pixels, self.metadata = upright_vips(spooled.image, orientation), metadata
        self.bits = bits_of(self.pixels)
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
        try:
            pixels = pixels_in(self._region, self.pixels, rows=rows, columns=columns)
        except Exception as error:  # pyvips.Error, which needs pyvips to name
            raise PictureFileError(f"the picture cannot be read ({one_line(error)})") from error
        channels = to_floats(pixels)
        self._spooled.let_go()  # the window is copied: its pages need not stay in memory
        return channels


def size_of_file(path: Path) -> tuple[int, int] | None:
    """Width and height of an upright picture, by the head of its file.

    Returns:
        None where the file is missing, damaged or no picture: reading it raises the error.
    """
    try:
        with _opened(path, shown_path(path)) as (image, _):
            header = header_of(image)
    except PictureFileError:
        return None
    return header.width, header.height


def bits_by_windows(path: Path) -> int | None:
    """Bits per channel, 8 or 16, of a still JPEG, PNG, TIFF or WebP; None for other files."""
    try:
        with _opened(path, shown_path(path)) as (image, _):
            return _bits(image)
    except PictureFileError:
        return None


@contextlib.contextmanager
def _opened(path: Path, name: str) -> Iterator[tuple[Image.Image, BinaryIO]]:
    """The image and stream of a file, not decoded yet; failures inside become PictureFileErrors.

    It neither waits for a pipe nor reads from one.
    """
    with (
        reading(name),
        open_given_file(path) as stream,
        open_image(stream, READABLE_FORMATS, any_size=True) as image,
    ):
        check_bomb(image, stream, name)
        yield image, stream


def _bits(image: Image.Image) -> int | None:
    if image.format not in _FORMATS or is_animated(image):
        return None
    if is_sixteen_bit(image):
        return 16
    # Their white may depend on the largest value of the whole picture.
    if image.mode in DEEP_GREY_MODES:
        return None
    # Pillow would decode it whole, so its limit holds.
    by_pillow = not is_decoded_alike(image)
    return None if by_pillow and image.width * image.height > MAX_PIXELS else 8


def open_windows(
    path: Path, folder: Path, *, size: int | None = None, name: str | None = None
) -> PictureWindows:
    """Decode a picture into a folder and open it there.

    Args:
        path: JPEG, PNG, TIFF or WebP, of 8 or 16 bits.
        folder: for the file of pixels, 3 bytes per pixel, 6 at 16 bits, more with alpha.
        size: resize so that the longer side is this.
        name: of the picture in messages; its path by default.

    Raises:
        PictureFileError: it is missing, damaged, of another kind, or too large.
    """
    import pyvips

    name = name or shown_path(path)
    try:
        with _opened(path, name) as (image, stream):
            bits, orientation = _check(image, name), orientation_of(image)
            header = header_of(image)
            width, height = header.width, header.height
            metadata = kept_metadata(
                image, width=width, height=height, sideways=orientation in SIDEWAYS
            )
            fitted = None if size is None else fit_longer_side(width, height, size)
            times = 1 if size is None else reduction(width, height, size)
            if bits == 16:
                decoded = open_with_libvips(path, sequential=True)
                channels = sixteen_bit_channels(decoded, image, stated_profile(image))
                # Before it is turned upright: a sequential image is read by rows, once, and turning
                # takes columns.
                channels = resize_vips(channels, _size_in_file(fitted, orientation))
                spooled = _saved(channels, folder / "picture.raw")
            else:
                spooled, orientation = _spool_bytes(
                    path, image, stream, folder, (times, orientation)
                )
        resized = resize_vips(spooled.image, _size_in_file(fitted, orientation))
        if resized is not spooled.image:
            spooled.let_go_while_read(resized)  # or the whole mapped file would count as memory
            spooled = _saved(resized, folder / "resized.raw")
            (folder / "picture.raw").unlink()
        return PictureWindows(spooled, orientation, metadata)
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


def _size_in_file(size: tuple[int, int] | None, orientation: int) -> tuple[int, int] | None:
    """Width and height before a picture is turned upright."""
    return size[::-1] if size is not None and orientation in SIDEWAYS else size


def _spool_bytes(
    path: Path, image: Image.Image, stream: BinaryIO, folder: Path, as_seen: tuple[int, int]
) -> tuple[MappedPixels, int]:
    """Write the sRGB pixels of an 8-bit picture to the disk, and return their orientation there.

    Args:
        path: of the file.
        image: the same, opened.
        stream: of the same.
        folder: for the file of pixels.
        as_seen: how many pixels in a row may become one, and the orientation in the file.
    """
    (times, orientation), profile = as_seen, stated_profile(image)
    strips, times, orientation = byte_strips(
        path, image, stream, times=times, orientation=orientation
    )
    spool, width, height, num_channels = folder / "picture.raw", 0, 0, 0
    with spool.open("wb") as file:
        for strip in strips:
            colour, alpha = byte_rgb_and_alpha(strip, profile)
            if alpha is None:  # `times`² pixels become their mean, which saves disk space
                channels = np.asarray(colour.reduce(times))
            else:
                colour.putalpha(alpha)
                channels = np.asarray(colour)
            try:
                file.write(channels.tobytes())
            except OSError as error:  # of the disk, and not of the picture
                raise PictureFileError(
                    f"{shown_path(folder.parent)} has no room for the decoded picture "
                    f"({one_line(error)}); make room, or choose another place for the result"
                ) from error
            width, num_channels = channels.shape[1:]
            height += channels.shape[0]
    pixels = MappedPixels(spool, width=width, height=height, num_channels=num_channels, bits=8)
    return pixels, orientation


def _saved(pixels: Any, path: Path) -> MappedPixels:
    pixels.rawsave(str(path))
    return MappedPixels(
        path,
        width=pixels.width,
        height=pixels.height,
        num_channels=pixels.bands,
        bits=bits_of(pixels),
    )
