"""One photograph to one training crop: resized, cut, mirrored and rotated."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.data.source import EncodedPhoto
from impasto.errors import PictureFileError
from impasto.images.files.io import load_training_rgb


def cut_photograph(
    photo: EncodedPhoto,
    rng: np.random.Generator,
    *,
    crop_size: int,
    resize_ratio: float | None,
    flip: bool,
    rotate: bool = False,
) -> NDArray[np.float32]:
    """A random crop of `photo`, float32 3×crop_size×crop_size in [0, 1].

    The short side is first scaled to `crop_size * resize_ratio` pixels, or left as it is where
    the photograph is smaller than that, or there is no ratio. `flip` mirrors every other crop,
    `rotate` rotates each by a random multiple of 90 degrees.

    Raises:
        PictureFileError: the photograph is unreadable, or its short side is under `crop_size`.
    """
    short_side = None if resize_ratio is None else round(crop_size * resize_ratio)
    image = load_training_rgb(photo.read(), short_side=short_side)
    if min(image.size) < crop_size:
        raise PictureFileError(
            f"too small: {image.width}×{image.height} pixels; crops need {crop_size}×{crop_size}"
        )
    crop = scaled_crop(image, rng, crop_size=crop_size, short_side=short_side)
    pixels = np.asarray(crop, dtype=np.float32) / np.float32(255.0)
    if flip and rng.integers(2):
        pixels = pixels[:, ::-1]
    if rotate:
        pixels = np.rot90(pixels, int(rng.integers(4)))
    # Mirrored and rotated pixels are views; they are copied here, in a worker, and not while the
    # training waits for its batch.
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def scaled_crop(
    image: Image.Image, rng: np.random.Generator, *, crop_size: int, short_side: int | None
) -> Image.Image:
    """A random crop of `image` as if its short side had `short_side` pixels (None: its own).

    Both axes are scaled by the same factor, at most 1, without aliasing. The window is cut from
    the photograph and scaled in one step; the filter sees the pixels around the window.
    """
    scale = 1.0 if short_side is None else min(1.0, short_side / min(image.size))
    # Rounding may make the window a fraction of a pixel larger than the photograph.
    window = min(crop_size / scale, *image.size)
    # Left before top: in another order, every seed would cut other crops.
    left = int(rng.integers(int(image.width - window) + 1))
    top = int(rng.integers(int(image.height - window) + 1))
    return image.resize(
        (crop_size, crop_size),
        Image.Resampling.BICUBIC,
        box=(left, top, left + window, top + window),
    )
