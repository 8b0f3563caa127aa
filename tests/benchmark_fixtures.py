"""Small sets of test pictures, and models that repeat each pixel."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from model_fixtures import make_card, make_model_bytes

IDENTITY = np.eye(3, dtype=np.float16)[:, :, None, None]


def levels(height, width, seed=0):
    """H×W×3 bytes that are smooth enough to be enlarged again, and differ in their channels."""
    noise = np.random.default_rng(seed).standard_normal((height, width, 3))
    smooth = ndimage.gaussian_filter(noise, (1, 1, 0))
    return (128 + 160 * smooth).clip(0, 255).astype(np.uint8)


@pytest.fixture
def truths(tmp_path):
    """A set of two pictures, one of them grey and neither a multiple of 4."""
    folder = tmp_path / "Pair"
    (folder / "nested").mkdir(parents=True)
    Image.fromarray(levels(65, 82)).save(folder / "colour.png")
    Image.fromarray(levels(66, 71, seed=1)[..., 0]).save(folder / "nested" / "grey.png")
    return folder


@pytest.fixture
def repeating(tmp_path):
    """Writes a model that repeats each pixel four times both ways; returns its file."""

    def write(name="repeating", *, degradation="bicubic", bias=0.0, scale=4):
        card = make_card(name=name, task="super-resolution", scale=scale, degradation=degradation)
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(make_model_bytes(card=card, kernel=IDENTITY, bias=bias, scale=scale))
        return path

    return write
