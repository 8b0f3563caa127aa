"""Photographs for measurements: squares of one size, and results rounded to 8 bits as in a file."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.images.colour import to_bytes
from impasto.images.files.io import load_training_rgb
from impasto.runtime.predictor import Predictor

Pixels = NDArray[np.float32]
"""H×W×3 in [0, 1]."""


def square(photo: Path, size: int) -> Pixels:
    """Return the centre of a photograph as a square of `size` pixels, upscaled if it is smaller.

    Raises:
        PictureFileError: the photograph cannot be read.
    """
    image = load_training_rgb(photo)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    # In one step, so that no intermediate picture is rounded to 8 bits.
    resized = image.resize((size, size), Image.Resampling.LANCZOS, box=box)
    return np.asarray(resized, dtype=np.float32) / np.float32(255)


def short_side_of(photo: Path) -> int:
    """Return a photograph's shorter side in pixels.

    Raises:
        PictureFileError: the photograph cannot be read.
    """
    return min(load_training_rgb(photo).size)


def stylized(predictor: Predictor, photograph: Pixels) -> Pixels:
    """Return the stylized picture of a photograph, as an 8-bit file would hold it."""
    return at_8_bits(predictor(photograph))


def at_8_bits(picture: Pixels) -> Pixels:
    """Return a picture as an 8-bit file would hold it."""
    return to_bytes(picture.clip(0, 1)).astype(np.float32) / np.float32(255)
