"""Curves and bars as pictures, drawn by matplotlib without a window."""

from collections.abc import Callable
from typing import Any

import numpy as np

from impasto.evaluation.photographs import Pixels

DOTS_PER_INCH = 100


def drawn(
    draw: Callable[[Any], None], *, num_rows: int = 1, num_columns: int = 1, width: float = 4.6,
    height: float = 3.4,
) -> Pixels:  # fmt: skip
    """Return a figure as a picture H×W×3 in [0, 1].

    Args:
        draw: called with the axes, an array of num_rows×num_columns.
        num_rows: of panels.
        num_columns: likewise.
        width: of a panel, in inches of 100 pixels.
        height: likewise.
    """
    # Here, so that only what draws loads matplotlib; without pyplot, which looks for a window and
    # holds on to every figure.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = (width * num_columns, height * num_rows)
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    draw(figure.subplots(num_rows, num_columns, squeeze=False))
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
    return pixels.astype(np.float32) / np.float32(255)
