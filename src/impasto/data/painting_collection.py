"""A folder of paintings, as the training of the network for any painting sees them.

Every painting is seen in several variants: whole, in part, at several sizes, with other colours.
A variant depends on the seed, the painting's name and its number alone.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.data.source import PAINTING_STREAM
from impasto.data.stream import SkippedPhotograph
from impasto.errors import DataError, PictureFileError
from impasto.images.files.io import list_pictures, load_training_rgb

VARIANT_SIZES = (256, 192, 384, 128, 256, 512)
"""Side of each variant in pixels. The size of strokes in pixels is part of a style, so that the
network sees the same painting small and large."""

SMALLEST_PART = 0.6
"""Side of the smallest part of a painting, over the painting's shorter side."""

RECOLOURED_SHARE = 0.5
"""Of the variants but the first, which is the painting as it is."""

_LARGEST_SIDE = 512


@dataclass(frozen=True, slots=True, eq=False)
class _Painting:
    name: str
    image: Image.Image


class PaintingCollection:
    """The paintings of a folder and its folders.

    Attributes:
        names: of the paintings to train on, sorted: paths below the folder without their suffix.
        held_out_names: of those held back.
        skipped: files that cannot be read, and why.
    """

    def __init__(self, folder: Path, *, held_out: tuple[str, ...] = (), seed: int = 0) -> None:
        """Read every painting of `folder`, reduced to a shorter side of at most 512 pixels.

        Args:
            folder: of picture files, nested or not.
            held_out: names of the paintings to hold back, without folder and suffix.
            seed: of the variants.

        Raises:
            DataError: the folder has no painting to train on, or none of a name held out.
        """
        self._seed = seed
        paintings, skipped = [], []
        for path in list_pictures(folder):
            name = path.relative_to(folder).with_suffix("").as_posix()
            try:
                image = load_training_rgb(path)
            except PictureFileError as error:
                skipped.append(SkippedPhotograph(path.relative_to(folder).as_posix(), str(error)))
                continue
            factor = _LARGEST_SIDE / min(image.size)
            if factor < 1:
                size = (round(image.width * factor), round(image.height * factor))
                image = image.resize(size, Image.Resampling.LANCZOS)
            paintings.append(_Painting(name, image))
        stems = {Path(painting.name).name for painting in paintings}
        if unknown := sorted(set(held_out) - stems):
            raise DataError(
                f"no painting in {folder} has the name {unknown[0]!r}, which is to be held out; "
                "give names of files without folder and suffix"
            )
        is_held_out = [Path(painting.name).name in held_out for painting in paintings]
        self._paintings = [p for p, out in zip(paintings, is_held_out, strict=True) if not out]
        self._held_out = [p for p, out in zip(paintings, is_held_out, strict=True) if out]
        if not self._paintings:
            raise DataError(f"no painting can be read in {folder}; give a folder of pictures")
        self.names = tuple(painting.name for painting in self._paintings)
        self.held_out_names = tuple(painting.name for painting in self._held_out)
        self.skipped = tuple(skipped)

    def __len__(self) -> int:
        """Return the number of paintings to train on."""
        return len(self._paintings)

    def variant(self, index: int, number: int) -> NDArray[np.uint8]:
        """Return a variant of a painting, S×S×3 with S of `VARIANT_SIZES`.

        Args:
            index: of the painting in `names`.
            number: of the variant; 0 is the painting's middle as it is.
        """
        painting, size = self._paintings[index], VARIANT_SIZES[number]
        if number == 0:
            return _square(painting.image, size)
        # By its name, so that a variant stays the same when a painting is added.
        digest = hashlib.sha256(painting.name.encode()).digest()
        name_number = int.from_bytes(digest[:4], "little")
        rng = np.random.default_rng([self._seed, PAINTING_STREAM, name_number, number])
        part = _square(painting.image, size, rng=rng)
        if rng.random() < 0.5:
            part = part[:, ::-1]
        return recoloured(part, rng) if rng.random() < RECOLOURED_SHARE else part

    def held_out(self, size: int) -> list[NDArray[np.uint8]]:
        """Return the middle of each painting held out, size×size×3."""
        return [_square(painting.image, size) for painting in self._held_out]


def _square(
    image: Image.Image, size: int, *, rng: np.random.Generator | None = None
) -> NDArray[np.uint8]:
    """Return the largest square in the middle, or a random smaller one, as size×size×3."""
    shorter = min(image.size)
    side = shorter if rng is None else int(shorter * rng.uniform(SMALLEST_PART, 1))
    free = (image.width - side, image.height - side)
    left, top = (f // 2 for f in free) if rng is None else (int(rng.integers(f + 1)) for f in free)
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS, box=box))


def recoloured(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return H×W×3 with other hues, saturation, contrast and brightness."""
    angle = rng.uniform(-np.pi, np.pi)
    saturation, contrast = rng.uniform(0.5, 1.6), rng.uniform(0.7, 1.3)
    brightness = rng.uniform(-0.1, 0.1)
    # Red, green and blue turn about the axis of greys, which stay where they are.
    grey = np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turned = np.cos(angle) * (np.eye(3) - grey) + np.sin(angle) * cross
    matrix = grey + saturation * turned
    colours = rgb.astype(np.float64) / 255 @ matrix.T
    changed = 0.5 + brightness + contrast * (colours - 0.5)
    rounded: NDArray[np.uint8] = np.round(255 * np.clip(changed, 0, 1)).astype(np.uint8)
    return rounded
