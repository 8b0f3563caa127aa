"""Pictures too large for memory, written by windows.

Windows go to a file of plain pixels beside the output. When all are written, libvips encodes that
file, and the encoded file appears whole. Reading: `reading`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import OutputExistsError, PictureFileError
from impasto.files import reason_of, reserve_file, shown_size, whole_file
from impasto.images.colour import to_bytes, to_words
from impasto.images.formats.encoding import (
    FULL_CHROMA_QUALITY,
    FileFormat,
    add_exif_to_tiff,
    metadata_shell,
)
from impasto.images.formats.sixteen_bit import metadata_chunks
from impasto.images.formats.vips_pixels import bits_of, bytes_on_white, with_profile
from impasto.images.metadata.selection import Metadata, xmp_for_file
from impasto.images.profiles.colour_profile import srgb_profile
from impasto.images.windows.mapped_pixels import MappedPixels
from impasto.system.visible_text import shown_path

if TYPE_CHECKING:
    import pyvips

FORMATS_BY_WINDOWS = ("JPEG", "PNG", "TIFF")
"""Formats that can be written without having the whole picture in memory."""

BIG_TIFF_BYTES = 3 * 2**30
"""TIFF files with more bytes of pixels are written as BigTIFF; a plain one ends at 4 GiB."""

# Tiles let readers decode a part without the whole rows around it.
_TIFF_TILE = 256
_HEAD_BYTES = 64
# Signature and IHDR; pHYs, with its frame.
_PNG_HEADER_BYTES, _PNG_RESOLUTION_BYTES = 33, 21
_FIRST_METADATA_SEGMENT = 0xE0
"""Markers of a JPEG from here on are application segments and comments; below are tables."""


class WindowWriter:
    """Takes a picture by windows in any order, and writes its file at the end.

    Args:
        folder: for the file of plain pixels, a byte for each channel of a pixel, 2 at 16 bits.
        width: of the picture.
        height: of the picture.
        bits: 8 or 16, of each channel.
        num_channels: 3, or 4 with alpha.

    Raises:
        PictureFileError: no room for the pixels.
    """

    def __init__(
        self, folder: Path, *, width: int, height: int, bits: int, num_channels: int = 3
    ) -> None:
        self._path, self._num_channels = folder / "result.raw", num_channels
        self._width, self._height, self._bits = width, height, bits
        num_bytes = width * height * num_channels * (bits // 8)
        try:
            reserve_file(self._path, num_bytes)
        except OSError as error:
            raise PictureFileError(
                f"{shown_path(folder.parent)} cannot hold {shown_size(num_bytes)} of pixels, "
                f"which the picture takes while it is made ({reason_of(error)})"
            ) from error

    def write(self, rows: slice, columns: slice, channels: NDArray[np.float32]) -> None:
        """Put h×w×3 (or 4, with alpha) float32 in [0, 1] in their place, rounded.

        The file is mapped for this window only, and so takes none of the process's memory after.
        """
        values = to_bytes(channels) if self._bits == 8 else to_words(channels)
        layout = (self._height, self._width, self._num_channels)
        np.memmap(self._path, values.dtype, "r+", shape=layout)[rows, columns] = values

    def save(
        self,
        target: Path,
        file_format: FileFormat,
        *,
        metadata: Metadata,
        quality: int = 92,
        overwrite: bool = True,
    ) -> None:
        """Encode what was written.

        Args:
            target: the file, which appears whole or not at all.
            file_format: one of `FORMATS_BY_WINDOWS`.
            metadata: to keep, as for a whole picture; a TIFF of more than 3 GiB keeps no EXIF.
            quality: 1 to 100, for JPEG.
            overwrite: replace a file that is there; otherwise the result goes beside it.

        Raises:
            OutputAppearedError: a file is there and may not be overwritten.
            PictureFileError: the picture is too large for the format, or cannot be written.
        """
        import pyvips

        if max(self._width, self._height) > file_format.longest_side:
            raise PictureFileError(
                f"a {file_format.name} file holds at most {file_format.longest_side:,} pixels "
                f"along a side and the picture is {self._width}×{self._height}; "
                "save it as PNG or TIFF"
            )
        try:
            written = MappedPixels(
                self._path,
                width=self._width,
                height=self._height,
                num_channels=self._num_channels,
                bits=self._bits,
            )
            written.let_go_while_written()
            with whole_file(target, replace=overwrite) as temporary:
                _encode(written.image, file_format, temporary, metadata, quality)
        except OutputExistsError:
            raise
        except (OSError, ValueError, pyvips.Error) as error:
            raise PictureFileError(
                f"{shown_path(target)} cannot be written ({reason_of(error)})"
            ) from error


def _encode(
    image: "pyvips.Image", file_format: FileFormat, path: Path, metadata: Metadata, quality: int
) -> None:
    width, height = image.width, image.height
    if file_format.name == "TIFF":
        _encode_tiff(image, path, metadata)
        with path.open("r+b") as file:
            add_exif_to_tiff(file, metadata, width=width, height=height)
        return
    shell = metadata_shell(metadata, file_format, width=width, height=height)
    if file_format.name == "PNG":

        def with_metadata(head: bytes) -> bytes:
            rest = head[_PNG_HEADER_BYTES:]
            if rest[4:8] == b"pHYs":  # libvips writes a resolution of its own
                rest = rest[_PNG_RESOLUTION_BYTES:]
            return head[:_PNG_HEADER_BYTES] + metadata_chunks(shell) + rest

        _stream_to(path, image, ".png[keep=none]", with_metadata)
        return
    # The shell's metadata lie between the file's first marker and its first table. They go to the
    # same place, as readers look for EXIF there.
    position = 2
    while shell[position + 1] >= _FIRST_METADATA_SEGMENT:
        position += 2 + int.from_bytes(shell[position + 2 : position + 4])
    mode = "off" if quality >= FULL_CHROMA_QUALITY else "on"
    ending = f".jpg[Q={quality},subsample_mode={mode},keep=none]"
    flat = bytes_on_white(image)
    _stream_to(path, flat, ending, lambda head: head[:2] + shell[2:position] + head[2:])


def _encode_tiff(image: "pyvips.Image", path: Path, metadata: Metadata) -> None:
    import pyvips

    num_bytes = image.width * image.height * image.bands * bits_of(image) // 8
    image = with_profile(image, srgb_profile())
    xmp = xmp_for_file(metadata.xmp, width=image.width, height=image.height)
    if xmp is not None:
        image.set_type(pyvips.GValue.blob_type, "xmp-data", xmp)
    if metadata.dpi is not None:
        across, down = metadata.dpi
        image = image.copy(xres=across / 25.4, yres=down / 25.4)  # libvips counts per millimetre
        image.set_type(pyvips.GValue.gstr_type, "resolution-unit", "in")
    image.tiffsave(
        str(path),
        compression="deflate",
        predictor="horizontal",
        tile=True,
        tile_width=_TIFF_TILE,
        tile_height=_TIFF_TILE,
        bigtiff=num_bytes > BIG_TIFF_BYTES,
        resunit="inch",
    )


def _stream_to(
    path: Path, image: "pyvips.Image", ending: str, changed: Callable[[bytes], bytes]
) -> None:
    """Encode into a file, and change its first bytes on their way.

    libvips streams: the head is held back until it is complete, and all else is written as it
    comes, so that no picture is ever whole in memory.
    """
    import pyvips

    held_back: bytes | None = b""  # None once the head is written
    errors: list[OSError] = []
    with path.open("wb") as file:

        def write(data: Any) -> int:
            nonlocal held_back
            try:
                if held_back is None:
                    file.write(data)
                elif len(held_back) + len(data) < _HEAD_BYTES:
                    held_back += bytes(data)
                else:
                    file.write(changed(held_back + bytes(data)))
                    held_back = None
            except OSError as error:  # an exception cannot pass through libvips, only -1
                errors.append(error)
                return -1
            return len(data)

        target = pyvips.TargetCustom()
        target.on_write(write)
        try:
            image.write_to_target(target, ending)
        except pyvips.Error:
            if errors:
                raise errors[0] from None
            raise
        if held_back:  # a file shorter than the head
            file.write(changed(held_back))
