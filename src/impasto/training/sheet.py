"""Contact sheets: their photographs, the same from the first step to the last, and their files."""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impasto.data.source import PhotoSource
from impasto.data.stream import CropStream, StreamSettings
from impasto.errors import DataError
from impasto.images.files.io import Picture, save_picture

CONTACT_SHEET_NAME = "contact_sheet.jpg"
CONTACT_SHEETS_FOLDER = "contact_sheets"
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


def write_contact_sheet(sheet: NDArray[np.float32], folder: Path, *, step: int) -> Path:
    """Write a sheet under its step's number and as the latest, and return the latest.

    Args:
        sheet: H×W×3 in [0, 1].
        folder: of the run.
        step: that the training has reached.

    Raises:
        PictureFileError: a file cannot be written.
    """
    latest = folder / CONTACT_SHEET_NAME
    numbered = folder / CONTACT_SHEETS_FOLDER / f"step-{step:06d}.jpg"
    numbered.parent.mkdir(exist_ok=True)
    for path in (numbered, latest):
        save_picture(Picture(rgb=sheet), path, overwrite=True)
    return latest
