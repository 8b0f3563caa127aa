"""Pictures for batches, and the style of negatives."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def pictures(tmp_path):
    """A folder of four pictures, one of which is below, one only readable, one a text."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.png", "below/b.png", "c.ppm"):
        Image.fromarray(rng.integers(0, 256, (16, 24, 3), dtype=np.uint8)).save(folder / name)
    (folder / "d.jpg").write_text("no picture")
    (folder / "notes.md").write_text("no picture either")
    return folder
