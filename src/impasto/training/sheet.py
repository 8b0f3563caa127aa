"""The photographs of the contact sheets: the same ones from the first step to the last."""

import contextlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from impasto.data.source import PhotoSource
from impasto.data.stream import CropStream, StreamSettings
from impasto.errors import DataError

NUM_SHEET_PHOTOGRAPHS = 5
SHEET_SIZE = 256


def sheet_photographs(
    source: PhotoSource, settings: StreamSettings, *, crop_size: int
) -> NDArray[np.float32]:
    """Return the first photographs of a source as N×3×H×W in [0, 1], at most five.

    They are cut by a stream of their own, without synthetic pictures, so that the training's
    samples do not depend on them.

    Args:
        source: the training's photographs.
        settings: the training's.
        crop_size: the training's largest crops; the sheet's are at least 256 pixels where the
            photographs are large enough for that.

    Raises:
        DataError: when no photograph is usable.
    """
    stream = CropStream(source, replace(settings, synthetic_share=0.0, rotate=False, prefetch=1))
    if crop_size < SHEET_SIZE:
        with contextlib.suppress(DataError):
            return _first(stream, source, SHEET_SIZE)
    return _first(stream, source, crop_size)


def _first(stream: CropStream, source: PhotoSource, crop_size: int) -> NDArray[np.float32]:
    num = min(NUM_SHEET_PHOTOGRAPHS, source.num_photographs or NUM_SHEET_PHOTOGRAPHS)
    with contextlib.closing(
        stream.batches(position=0, batch_size=num, crop_size=crop_size)
    ) as batches:
        return next(batches).pictures
