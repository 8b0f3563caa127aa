"""What can go wrong while Pillow reads, as one line each.

Decoders of damaged bytes raise nearly anything and warn about much; here it all becomes a
`PictureFileError` that names the file.
"""

import contextlib
import re
import threading
import warnings
from collections.abc import Iterator

from PIL import Image, UnidentifiedImageError

from impasto.errors import ImpastoError, PictureFileError
from impasto.system.visible_text import one_line

READABLE_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF")
"""Pillow's names of the decoders that may run; others (PostScript, fonts, videos) never do."""

MAX_PIXELS = 178_956_970
"""The largest picture read, in pixels: where Pillow too suspects a decompression bomb."""

MAX_PICTURE_BYTES = 3 * 2**29
"""The most that is read of a stream, or of a file at once: so many pixels at 16 bits with alpha,
not compressed, and what goes with them."""


class UnreadKindError(Exception):
    """A file of a format that is read, but of a kind that is not; says which, in words."""


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises inside into a `PictureFileError`, and keep its warnings quiet.

    Args:
        name: what the message calls the picture: a path, or where it came from.

    Raises:
        PictureFileError: anything that went wrong, in one line.
    """
    try:
        with _quiet_pillow:
            yield
    except ImpastoError:
        raise
    except UnreadKindError as error:
        raise PictureFileError(
            f"{name} is {error}, which is not read; save it as grey, RGB or CMYK of 8 or 16 bits "
            "with at most one channel of alpha"
        ) from error
    except UnidentifiedImageError as error:
        raise PictureFileError(
            f"{name} is not a picture that can be read; expected JPEG, PNG, WebP, "
            "TIFF, BMP, GIF, AVIF or HEIC"
        ) from error
    except Image.DecompressionBombError as error:
        # Raised while Pillow opens the file: only the message has the number of pixels.
        number = re.search(r"\d+", str(error))
        count = f"{int(number[0]):,}" if number else one_line(error)
        raise _too_many_pixels(name, count) from error
    except MemoryError as error:
        raise PictureFileError(f"{name} does not fit into memory; make it smaller first") from error
    except Exception as error:
        raise PictureFileError(
            f"{name} is damaged or cut short ({one_line(error)}); get the file again"
        ) from error


def check_size(image: Image.Image, name: str) -> None:
    """Refuse an image without pixels or with more than `MAX_PIXELS`, before it is decoded.

    Args:
        image: opened, perhaps not yet decoded.
        name: what the message calls it.

    Raises:
        PictureFileError: no pixels, or too many.
    """
    num_pixels = image.width * image.height
    if num_pixels == 0:
        raise PictureFileError(f"{name} has no pixels ({image.width}×{image.height})")
    if num_pixels > MAX_PIXELS:
        raise _too_many_pixels(name, f"{image.width:,}×{image.height:,} = {num_pixels:,}")


def _too_many_pixels(name: str, count: str) -> PictureFileError:
    return PictureFileError(
        f"{name} has too many pixels ({count}); at most {MAX_PIXELS:,} are read: "
        "make it smaller first"
    )


class _QuietPillow:
    """Pillow's own warnings off while any thread is inside.

    `warnings.catch_warnings` alone is not safe in threads: the last to leave would restore what
    another had set. So only the first to enter changes the filters and the last restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._num_inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                # By module: warnings of ours and of the caller's code must still show.
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._num_inside += 1

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._num_inside -= 1
            if self._num_inside == 0:
                self._filters.__exit__(None, None, None)


_quiet_pillow = _QuietPillow()
