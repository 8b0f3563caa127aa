"""PNG and TIFF at 16 bits per channel, in and out, which Pillow would bring down to 8.

Reading, colour profiles and PNG's compression are libvips's (pyvips, imported when it is needed);
headers and metadata are Pillow's. Shallower files, and 16 bits of CMYK, are Pillow's alone.
"""

import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from impasto.images.formats.vips_loaders import open_with_libvips
from impasto.images.formats.vips_pixels import image_over, words_to_srgb
from impasto.images.metadata.png_chunks import SIGNATURE, every_chunk

_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_GREY_OR_RGB = (0, 1, 2)
_RGB = 2
_UNSIGNED, _UNCOMPRESSED, _UNASSOCIATED_ALPHA = 1, 1, 2
_STRIP_BYTES = 2**20

for _order, _ends in ((b"II", "L"), (b"MM", "B")):
    for _extra in ((0,), (1,), (2,)):  # grey with alpha is missing in Pillow's table of TIFFs
        TiffImagePlugin.OPEN_INFO.setdefault(
            (_order, 1, (1,), 1, (16, 16), _extra), ("LA", f"LA;16{_ends}")
        )


def is_sixteen_bit(image: Image.Image) -> bool:
    """Whether an image, as it was opened, is a PNG or TIFF that this module reads.

    Args:
        image: not decoded yet, not animated.
    """
    if image.format == "PNG":
        # The mode does not tell: Pillow opens 16-bit colour as RGB, and only the decoder's raw mode
        # names the depth.
        return any("16" in str(tile.args) for tile in getattr(image, "tile", ()))
    if image.format != "TIFF":
        return False
    tags = getattr(image, "tag_v2", {})
    return (
        set(tags.get(TiffImagePlugin.BITSPERSAMPLE, ())) == {16}
        and tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) in _GREY_OR_RGB
        and set(tags.get(TiffImagePlugin.SAMPLEFORMAT, (_UNSIGNED,))) == {_UNSIGNED}
    )


def sixteen_bit_pixels(
    data: bytes, image: Image.Image, profile: bytes | None
) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None]:
    """Colours in sRGB and alpha of a 16-bit file, as it lies there, not turned.

    Args:
        data: the file.
        image: the same as Pillow opened it; what it says of size and alpha holds.
        profile: the ICC profile that its values are in, if any; see `stated_colour`.

    Returns:
        H×W×3, not multiplied by alpha, and H×W or None.

    Raises:
        ValueError: the file is not what its header says.
        pyvips.Error: it is damaged.
    """
    channels = sixteen_bit_channels(open_with_libvips(data), image, profile).numpy()
    return channels[..., :3], channels[..., 3] if channels.shape[2] == 4 else None


def sixteen_bit_channels(decoded: Any, image: Image.Image, profile: bytes | None) -> Any:
    """The libvips image of three or four bands in sRGB for one of a 16-bit file, as it was decoded.

    Nothing is computed yet. Arguments and errors are those of `sixteen_bit_pixels`.
    """
    # Of a TIFF, Pillow's own width and height are those of the upright picture.
    tags = getattr(image, "tag_v2", {})
    width = tags.get(TiffImagePlugin.IMAGEWIDTH, image.width)
    height = tags.get(TiffImagePlugin.IMAGELENGTH, image.height)
    # Pillow read the head, libvips the pixels. Where the two disagree, the file is damaged.
    if (decoded.width, decoded.height, decoded.format) != (width, height, "ushort"):
        raise ValueError(f"its pixels are {decoded.width}×{decoded.height} of {decoded.format}")
    num_colours = 3 if decoded.bands >= 3 else 1
    colours = decoded[:num_colours] if num_colours == 3 else decoded[0]
    rgb = words_to_srgb(colours, profile)
    # A further band that the header does not call alpha has no meaning, and is left out.
    if decoded.bands == num_colours or not image.has_transparency_data:
        return rgb
    return rgb.bandjoin(decoded[num_colours])


def encode_sixteen_bit_png(values: NDArray[np.uint16], shell: bytes) -> bytes:
    """A 16-bit PNG with the metadata of another one.

    Args:
        values: H×W×3 or H×W×4.
        shell: a PNG of any size that Pillow wrote, whose profile, EXIF and texts are taken over.
    """
    height, width, num_channels = values.shape
    memory = np.ascontiguousarray(values)
    image = image_over(memory, width=width, height=height, num_channels=num_channels, bits=16)
    pixels = list(_chunks(image.pngsave_buffer(bitdepth=16, filter="paeth", keep="none")))
    head = [chunk for name, chunk in pixels if name == b"IHDR"]
    body = [chunk for name, chunk in pixels if name in (b"IDAT", b"IEND")]
    return b"".join([SIGNATURE, *head, metadata_chunks(shell), *body])


def metadata_chunks(png: bytes) -> bytes:
    """The chunks of a well-formed PNG that say something of it, and are not its pixels."""
    return b"".join(chunk for name, chunk in _chunks(png) if name not in _PIXEL_CHUNKS)


def encode_sixteen_bit_tiff(values: NDArray[np.uint16], shell: bytes) -> bytes:
    """An uncompressed 16-bit TIFF, little-endian, with the metadata of another one.

    Args:
        values: H×W×3 or H×W×4.
        shell: a TIFF of any size that Pillow wrote, whose profile and XMP are taken over.
    """
    height, width, num_channels = values.shape
    row_bytes = width * num_channels * 2
    # Strips of a megabyte, so that readers need not hold the whole picture.
    rows = max(1, _STRIP_BYTES // row_bytes)
    starts = range(0, height, rows)
    layout: dict[int, Any] = {
        TiffImagePlugin.IMAGEWIDTH: width,
        TiffImagePlugin.IMAGELENGTH: height,
        TiffImagePlugin.BITSPERSAMPLE: (16,) * num_channels,
        TiffImagePlugin.SAMPLESPERPIXEL: num_channels,
        TiffImagePlugin.COMPRESSION: _UNCOMPRESSED,
        TiffImagePlugin.PHOTOMETRIC_INTERPRETATION: _RGB,
        TiffImagePlugin.ROWSPERSTRIP: rows,
        TiffImagePlugin.STRIPBYTECOUNTS: tuple(min(rows, height - y) * row_bytes for y in starts),
        TiffImagePlugin.STRIPOFFSETS: tuple(y * row_bytes for y in starts),
    }
    if num_channels == 4:
        layout[TiffImagePlugin.EXTRASAMPLES] = _UNASSOCIATED_ALPHA
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    with Image.open(io.BytesIO(shell), formats=("TIFF",)) as image:
        for tag, value in image.getexif().items():
            directory[tag] = value
    # After the shell's tags, because these replace what it says of its single pixel.
    for tag, value in layout.items():
        directory[tag] = value
    file = io.BytesIO()
    file.write(b"II" + struct.pack("<HL", 42, 8))
    directory.save(file)  # it moves the offsets to behind itself, where the pixels come
    file.write(np.ascontiguousarray(values, dtype="<u2").tobytes())
    return file.getvalue()


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The name and the whole of each chunk of a well-formed PNG."""
    for chunk in every_chunk(io.BytesIO(png)):
        yield chunk.name, png[chunk.start : chunk.stop]
