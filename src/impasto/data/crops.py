"""One photograph to one training crop: resized, cut, mirrored and rotated."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.data.source import EncodedPhoto
from impasto.errors import PictureFileError
from impasto.images.files.io import load_training_rgb


@dataclass(frozen=True, slots=True)
class CropSettings:
    """How the crops of one training stage are cut.

    Attributes:
        crop_size: height and width of the crops, in pixels.
        short_side: to which a larger photograph is scaled, in pixels; None: not scaled.
        flip: mirror every other crop, left to right.
        rotate: rotate every crop by a random multiple of 90 degrees.
    """

    crop_size: int
    short_side: int | None
    flip: bool
    rotate: bool


@dataclass(frozen=True, slots=True)
class Window:
    """A square of a photograph, in its pixels.

    Attributes:
        left: of the square's left side.
        top: of its upper side.
        side: its length, a fraction where the photograph is scaled.
    """

    left: int
    top: int
    side: float


@dataclass(frozen=True, slots=True)
class CropPlan:
    """Where a photograph is cut, and how the crop is turned.

    Attributes:
        window: what becomes the crop.
        is_mirrored: left to right, before it is rotated.
        quarter_turns: counterclockwise, 0 to 3.
    """

    window: Window
    is_mirrored: bool
    quarter_turns: int


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
    settings = CropSettings(crop_size, short_side, flip, rotate)
    image = load_training_rgb(photo.read(), short_side=short_side)
    pixels = cut_bytes(image, plan_crop(image.size, rng, settings), crop_size=crop_size)
    return pixels.astype(np.float32) / np.float32(255.0)


def plan_crop(
    image_size: tuple[int, int], rng: np.random.Generator, settings: CropSettings
) -> CropPlan:
    """Draw where a photograph of this width and height is cut, and how the crop is turned.

    Raises:
        PictureFileError: the photograph's short side is under the crop's.
    """
    width, height = image_size
    crop_size = settings.crop_size
    if min(image_size) < crop_size:
        raise PictureFileError(
            f"too small: {width}×{height} pixels; crops need {crop_size}×{crop_size}"
        )
    window = _draw_window(image_size, rng, crop_size=crop_size, short_side=settings.short_side)
    is_mirrored = settings.flip and bool(rng.integers(2))
    return CropPlan(window, is_mirrored, int(rng.integers(4)) if settings.rotate else 0)


def cut_bytes(image: Image.Image, plan: CropPlan, *, crop_size: int) -> NDArray[np.uint8]:
    """The planned crop of `image`, 3×crop_size×crop_size."""
    pixels = np.asarray(_resized_window(image, plan.window, crop_size))
    if plan.is_mirrored:
        pixels = pixels[:, ::-1]
    pixels = np.rot90(pixels, plan.quarter_turns)
    # Mirrored and rotated pixels are views; they are copied here, in a worker, and not while the
    # training waits for its batch.
    return np.array(pixels.transpose(2, 0, 1), order="C")


def scaled_crop(
    image: Image.Image, rng: np.random.Generator, *, crop_size: int, short_side: int | None
) -> Image.Image:
    """A random crop of `image` as if its short side had `short_side` pixels (None: its own).

    Both axes are scaled by the same factor, at most 1, without aliasing. The window is cut from
    the photograph and scaled in one step; the filter sees the pixels around the window.
    """
    window = _draw_window(image.size, rng, crop_size=crop_size, short_side=short_side)
    return _resized_window(image, window, crop_size)


def _draw_window(
    image_size: tuple[int, int], rng: np.random.Generator, *, crop_size: int, short_side: int | None
) -> Window:
    width, height = image_size
    scale = 1.0 if short_side is None else min(1.0, short_side / min(image_size))
    # Rounding may make the window a fraction of a pixel larger than the photograph.
    side = min(crop_size / scale, *image_size)
    # Left before top: in another order, every seed would cut other crops.
    left = int(rng.integers(int(width - side) + 1))
    top = int(rng.integers(int(height - side) + 1))
    return Window(left, top, side)


def _resized_window(image: Image.Image, window: Window, crop_size: int) -> Image.Image:
    left, top, side = window.left, window.top, window.side
    return image.resize(
        (crop_size, crop_size),
        Image.Resampling.BICUBIC,
        box=(left, top, left + side, top + side),
    )
