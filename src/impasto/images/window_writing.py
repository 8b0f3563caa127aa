"""Pictures too large for memory, written by bands of whole rows.

The bands go to a file of plain pixels beside the result; libvips encodes it from there when it is
complete, and the encoded file takes its place whole. Reading is in `window_reading`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from impasto.errors import PictureFileError
from impasto.files import whole_file
from impasto.images.colour_profile import srgb_profile
from impasto.images.encoding import FULL_CHROMA_QUALITY, FileFormat
from impasto.images.reading import one_line, shown
from impasto.images.window_reading import Metadata

if TYPE_CHECKING:
    import pyvips

FORMATS_BY_WINDOWS = ("JPEG", "PNG", "TIFF")
"""Formats that can be written without having the whole picture in memory."""

BIG_TIFF_BYTES = 3 * 2**30
"""TIFF files with more bytes of pixels are written as BigTIFF; a plain one ends at 4 GiB."""

_TIFF_TILE = 256


class BandWriter:
    """Takes a picture by bands from the top, and writes its file at the end.

    Args:
        folder: for the file of plain pixels.
        width: of the picture.
        bits: 8 or 16, of each channel.
    """

    def __init__(self, folder: Path, *, width: int, bits: int) -> None:
        self._path = folder / "result.raw"
        self._width, self._bits, self._num_rows = width, bits, 0
        self._file: BinaryIO = self._path.open("xb")

    def write(self, band: NDArray[np.unsignedinteger[Any]]) -> None:
        """Append rows h×W×3 of uint8, or uint16 where the picture has 16 bits.

        Raises:
            PictureFileError: the disk is full.
        """
        assert band.shape[1:] == (self._width, 3)
        assert band.dtype.itemsize * 8 == self._bits
        try:
            self._file.write(memoryview(np.ascontiguousarray(band)).cast("B"))
        except OSError as error:
            raise PictureFileError(
                f"{shown(self._path.parent.parent)} has no room for the pixels of the picture "
                f"({one_line(error)}); make room, or choose another place for it"
            ) from error
        self._num_rows += len(band)

    def save(
        self,
        target: Path,
        file_format: FileFormat,
        *,
        metadata: Metadata,
        alpha: "pyvips.Image | None" = None,
        quality: int = 92,
    ) -> None:
        """Encode what was written.

        Args:
            target: the file, which appears whole or not at all.
            file_format: one of `FORMATS_BY_WINDOWS`.
            metadata: to keep; TIFF keeps no EXIF here, which libvips cannot write into one.
            alpha: one channel of the picture's size and depth.
            quality: 1 to 100, for JPEG.

        Raises:
            PictureFileError: the picture is too large for the format, or cannot be written.
        """
        import pyvips

        self._file.close()
        if max(self._width, self._num_rows) > file_format.longest_side:
            raise PictureFileError(
                f"a {file_format.name} file holds at most {file_format.longest_side:,} pixels "
                f"along a side and the picture is {self._width}×{self._num_rows}; "
                "save it as PNG or TIFF"
            )
        try:
            image = pyvips.Image.rawload(
                str(self._path),
                self._width,
                self._num_rows,
                3,
                format="uchar" if self._bits == 8 else "ushort",
                interpretation="srgb" if self._bits == 8 else "rgb16",
            )
            if alpha is not None:
                image = image.bandjoin(alpha)
            image = _with_metadata(image, metadata)
            with whole_file(target) as temporary:
                _encode(image, file_format.name, str(temporary), quality)
        except (OSError, pyvips.Error) as error:
            raise PictureFileError(
                f"{shown(target)} cannot be written ({one_line(error)})"
            ) from error

    def close(self) -> None:
        """Let go of the file of plain pixels."""
        self._file.close()


def _encode(image: "pyvips.Image", name: str, place: str, quality: int) -> None:
    match name:
        case "JPEG":
            if image.hasalpha():
                image = image.flatten(background=[_white(image)] * 3)
            if image.format == "ushort":
                image = image.colourspace("srgb")
            mode = "off" if quality >= FULL_CHROMA_QUALITY else "on"
            image.jpegsave(place, Q=quality, subsample_mode=mode)
        case "PNG":
            image.pngsave(place)
        case _:
            depth = 1 if image.format == "uchar" else 2
            num_bytes = image.width * image.height * image.bands * depth
            image.tiffsave(
                place,
                compression="deflate",
                predictor="horizontal",
                tile=True,
                tile_width=_TIFF_TILE,
                tile_height=_TIFF_TILE,
                bigtiff=num_bytes > BIG_TIFF_BYTES,
                resunit="inch",
            )


def _with_metadata(image: "pyvips.Image", metadata: Metadata) -> "pyvips.Image":
    import pyvips

    if metadata.dpi is not None:
        across, down = metadata.dpi
        image = image.copy(xres=across / 25.4, yres=down / 25.4)

    def put(mutable: Any) -> None:
        blobs = {
            "icc-profile-data": srgb_profile(),
            "exif-data": metadata.exif,
            "xmp-data": metadata.xmp,
        }
        for field, blob in blobs.items():
            if blob is not None:
                mutable.set_type(pyvips.GValue.blob_type, field, blob)
        if metadata.dpi is not None:
            mutable.set_type(pyvips.GValue.gstr_type, "resolution-unit", "in")

    return image.mutate(put)


def _white(image: "pyvips.Image") -> int:
    return 255 if image.format == "uchar" else 65_535
