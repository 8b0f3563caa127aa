"""Pictures too large for memory, written by windows.

The windows go to a file of plain pixels beside the result; libvips encodes it from there when it is
complete, and the encoded file takes its place whole. Reading is in `window_reading`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from impasto.errors import OutputExistsError, PictureFileError
from impasto.files import reason_of, reserve_file, shown_size, whole_file
from impasto.images.colour_profile import srgb_profile
from impasto.images.encoding import FULL_CHROMA_QUALITY, FileFormat
from impasto.images.mapped_pixels import MappedPixels
from impasto.images.metadata import exif_for_file, xmp_for_file
from impasto.images.reading import shown
from impasto.images.window_reading import Metadata

if TYPE_CHECKING:
    import pyvips

FORMATS_BY_WINDOWS = ("JPEG", "PNG", "TIFF")
"""Formats that can be written without having the whole picture in memory."""

BIG_TIFF_BYTES = 3 * 2**30
"""TIFF files with more bytes of pixels are written as BigTIFF; a plain one ends at 4 GiB."""

_TIFF_TILE = 256


class WindowWriter:
    """Takes a picture by windows in any order, and writes its file at the end.

    Args:
        folder: for the file of plain pixels, 3 bytes a pixel, 6 at 16 bits.
        width: of the picture.
        height: of the picture.
        bits: 8 or 16, of each channel.

    Raises:
        PictureFileError: no room for the pixels.
    """

    def __init__(self, folder: Path, *, width: int, height: int, bits: int) -> None:
        self._path = folder / "result.raw"
        self._width, self._height, self._bits = width, height, bits
        self._kind = np.uint8 if bits == 8 else np.uint16
        num_bytes = width * height * 3 * (bits // 8)
        try:
            reserve_file(self._path, num_bytes)
        except OSError as error:
            raise PictureFileError(
                f"{shown(folder.parent)} cannot hold {shown_size(num_bytes)} of pixels, which the "
                f"picture takes while it is made ({reason_of(error)})"
            ) from error

    def write(self, rows: slice, columns: slice, rgb: NDArray[np.float32]) -> None:
        """Put h×w×3 float32 in [0, 1] in their place, rounded.

        The file is mapped for this window only, and so takes none of the process's memory after.
        """
        scaled = rgb * np.float32(np.iinfo(self._kind).max)
        scaled += np.float32(0.5)
        layout = (self._height, self._width, 3)
        np.memmap(self._path, self._kind, "r+", shape=layout)[rows, columns] = scaled

    def save(
        self,
        target: Path,
        file_format: FileFormat,
        *,
        metadata: Metadata,
        alpha: "pyvips.Image | None" = None,
        quality: int = 92,
        overwrite: bool = True,
    ) -> None:
        """Encode what was written.

        Args:
            target: the file, which appears whole or not at all.
            file_format: one of `FORMATS_BY_WINDOWS`.
            metadata: to keep; TIFF keeps no EXIF here, which libvips cannot write into one.
            alpha: one channel of the picture's size and depth.
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
                num_channels=3,
                bits=self._bits,
            )
            written.let_go_while_written()
            image = written.image
            if alpha is not None:
                image = image.bandjoin(_as_deep_as(image, alpha))
            image = _with_metadata(image, metadata)
            with whole_file(target, replace=overwrite) as temporary:
                _encode(image, file_format.name, str(temporary), quality)
        except OutputExistsError:
            raise
        except (OSError, pyvips.Error) as error:
            raise PictureFileError(
                f"{shown(target)} cannot be written ({reason_of(error)})"
            ) from error


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


def _as_deep_as(image: "pyvips.Image", alpha: "pyvips.Image") -> "pyvips.Image":
    """Alpha at 8 or 16 bits, as an image has its colours."""
    if alpha.format == image.format:
        return alpha
    return (alpha * 257 if image.format == "ushort" else (alpha / 257).rint()).cast(image.format)


def _with_metadata(image: "pyvips.Image", metadata: Metadata) -> "pyvips.Image":
    import pyvips

    image = image.copy()
    blobs = {
        "icc-profile-data": srgb_profile(),
        "exif-data": exif_for_file(metadata.exif, width=image.width, height=image.height),
        "xmp-data": xmp_for_file(metadata.xmp, width=image.width, height=image.height),
    }
    for field, blob in blobs.items():
        if blob is not None:
            image.set_type(pyvips.GValue.blob_type, field, blob)
    if metadata.dpi is not None:
        across, down = metadata.dpi
        image = image.copy(xres=across / 25.4, yres=down / 25.4)
        image.set_type(pyvips.GValue.gstr_type, "resolution-unit", "in")
    return image


def _white(image: "pyvips.Image") -> int:
    return 255 if image.format == "uchar" else 65_535
