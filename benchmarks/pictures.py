"""Pictures that benchmarks measure on: noise, and the photographs of `examples/`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from impasto.images.files.io import load_picture
from impasto.images.resize import resize_lanczos

EXAMPLES = Path(__file__).parents[1] / "examples" / "photos"
MOSAIC_NAMES = ("china.jpg", "coffee.png", "flower.jpg", "chelsea.png")


def noise(height: int, width: int) -> NDArray[np.float32]:
    """White noise, H×W×3 in [0, 1], always the same: enough where only time is measured."""
    return np.random.default_rng(0).random((height, width, 3), dtype=np.float32)


def write_noise(path: Path, width: int, height: int, *, detail: int, seed: int = 0) -> None:
    """Write noise that a JPEG can compress like a photograph.

    Args:
        path: of the file.
        width: in pixels.
        height: in pixels.
        detail: shorter side of the noise before it is resized, in pixels.
        seed: of the noise.
    """
    columns = detail * width // min(width, height)
    rows = detail * height // min(width, height)
    pixels = np.random.default_rng(seed).integers(0, 255, (rows, columns, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC).save(path)


def write_examples(folder: Path, number: int, width: int, height: int) -> list[Path]:
    """Write JPEGs of this size, cropped from the example photographs in turn; every other round
    is mirrored, so that fewer are alike."""
    folder.mkdir(exist_ok=True)
    photographs = [Image.open(path).convert("RGB") for path in sorted(EXAMPLES.iterdir())]
    fitted = [ImageOps.fit(photograph, (width, height)) for photograph in photographs]
    paths = [folder / f"{index:03}.jpg" for index in range(number)]
    for index, path in enumerate(paths):
        photograph = fitted[index % len(fitted)]
        is_mirrored = index // len(fitted) % 2 == 1
        (ImageOps.mirror(photograph) if is_mirrored else photograph).save(path, quality=92)
    return paths


def mosaic(side: int) -> NDArray[np.float32]:
    """Four photographs in a square: its parts differ much, so that seams would show."""
    half = side // 2
    quarters = [
        resize_lanczos(load_picture(EXAMPLES / name).rgb, width=half, height=half).clip(0, 1)
        for name in MOSAIC_NAMES
    ]
    return np.vstack([np.hstack(quarters[:2]), np.hstack(quarters[2:])])
