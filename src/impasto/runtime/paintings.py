"""Paintings that a person gives as styles: read, upright, laid on white, resized.

Their style vectors: `painting_styles`. Paintings for trainings: `impasto.data.paintings`.
"""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from impasto.errors import PictureError, PictureFileError
from impasto.images.files.io import Picture, load_picture, read_header
from impasto.images.formats.pillow_errors import MAX_PICTURE_BYTES
from impasto.images.picture import resize_picture
from impasto.runtime.input_pictures import as_picture
from impasto.system.input_files import read_given_file
from impasto.system.visible_text import one_line, shown_path

MAX_ASPECT_RATIO = 16
"""Paintings with one side more than this many times as long as the other are refused."""

MAX_LONG_SIDE = 4096
"""Pixels of the longer side that are taken; of a longer painting the middle."""

PaintingInput = str | os.PathLike[str] | PIL.Image.Image | NDArray[Any]
"""A painting's file, or a painting in memory."""


@dataclass(frozen=True, slots=True, eq=False)
class GivenPainting:
    """A painting, not decoded yet where it came from a file.

    Attributes:
        content: the bytes of the file, or the picture.
        name: that messages call it by.
        sha256: of the file, or of the pixels.
    """

    content: bytes | Picture = field(repr=False)
    name: str
    sha256: str

    def pixels(self, side: int) -> NDArray[np.float32]:
        """The painting as an encoder takes it: upright, on white, float32 h×w×3 in [0, 1].

        Args:
            side: shorter side in pixels that it is resized to, up or down. Of a longer side beyond
                `MAX_LONG_SIDE` the middle is taken.

        Raises:
            PictureFileError: the file is no picture, or damaged.
            PictureError: one side is too long for the other.
        """
        content = self.content
        try:
            header = content if isinstance(content, Picture) else read_header(content)
            shorter, longer = sorted((header.width, header.height))
            if longer > MAX_ASPECT_RATIO * shorter:
                kind = PictureFileError if isinstance(content, bytes) else PictureError
                raise kind(
                    f"{self.name} is {header.width}×{header.height} pixels; expected sides of at "
                    f"most 1 to {MAX_ASPECT_RATIO}: cut a part out of it"
                )
            width, height = (round(size * side / shorter) for size in (header.width, header.height))
            if isinstance(content, bytes):  # a large one is read in little memory
                content = load_picture(content, longer_side=max(width, height))
        except PictureFileError as error:
            raise PictureFileError(str(error).replace("the picture data", self.name, 1)) from None
        resized = resize_picture(content, width=width, height=height)
        rgb = resized.rgb
        if resized.alpha is not None:
            opacity = resized.alpha[..., np.newaxis]
            rgb = rgb * opacity + (1 - opacity)
        top, left = max(0, height - MAX_LONG_SIDE) // 2, max(0, width - MAX_LONG_SIDE) // 2
        return rgb[top : top + MAX_LONG_SIDE, left : left + MAX_LONG_SIDE]


def read_painting(painting: PaintingInput) -> GivenPainting:
    """Read the file of a painting, or take it from memory.

    Raises:
        PictureFileError: the file is missing or cannot be read.
        PictureError: the array is no picture.
    """
    if isinstance(painting, PIL.Image.Image | np.ndarray):
        picture = as_picture(painting)
        digest = hashlib.sha256(repr(picture.rgb.shape).encode())
        for plane in (picture.rgb, picture.alpha):
            if plane is not None:
                digest.update(plane.tobytes())
        return GivenPainting(picture, "the painting", digest.hexdigest())
    shown = shown_path(painting)
    try:
        data = read_given_file(Path(painting), max_bytes=MAX_PICTURE_BYTES)
    except FileNotFoundError:
        raise PictureFileError(f"there is no painting {shown}") from None
    except (OSError, ValueError) as error:
        raise PictureFileError(f"the painting {shown} cannot be read ({one_line(error)})") from None
    return GivenPainting(data, f"the painting {shown}", hashlib.sha256(data).hexdigest())
