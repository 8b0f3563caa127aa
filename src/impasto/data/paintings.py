"""Paintings as the style losses take them: resized to a short side, as a batch of one."""

from pathlib import Path

import numpy as np
from PIL import Image

from impasto.errors import PictureFileError
from impasto.images.files.io import load_training_rgb
from impasto.tensors import PaintingPictures, to_tensor

MAX_ASPECT_RATIO = 16
"""Resized to its short side, a longer painting would take gigabytes in the loss network."""


def load_painting(path: Path, *, short_side: int = 256) -> PaintingPictures:
    """Return a painting as 1×3×H×W in [0, 1].

    Args:
        path: any picture file.
        short_side: pixels that the shorter side is resized to; the paper's networks saw 256.

    Raises:
        PictureFileError: when the file cannot be read as a picture, or one side is more than
            `MAX_ASPECT_RATIO` times as long as the other.
    """
    image = load_training_rgb(path)
    if max(image.size) > MAX_ASPECT_RATIO * min(image.size):
        raise PictureFileError(
            f"the painting {path} is {image.width}×{image.height} pixels; expected sides "
            f"of at most 1 to {MAX_ASPECT_RATIO}: cut a part out of it"
        )
    factor = short_side / min(image.size)
    size = (round(image.width * factor), round(image.height * factor))
    pixels = np.asarray(image.resize(size, Image.Resampling.LANCZOS), dtype=np.float32)
    return to_tensor(pixels / np.float32(255))
