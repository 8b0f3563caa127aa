"""A sheet that shows what each style makes of one photograph."""

import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impasto.errors import UnknownModelError
from impasto.images.contact_sheet import contact_sheet
from impasto.images.io import check_target, load_picture, save_picture
from impasto.images.picture import Picture, resize_longer_side
from impasto.runtime.stylizer import Stylizer
from impasto.zoo.registry import ModelEntry

THUMBNAIL_SIZE = 256
NUM_COLUMNS = 4
EXAMPLE_PHOTOGRAPH = "example_photograph.jpg"


def save_thumbnail_sheet(
    entries: Sequence[ModelEntry],
    target: str | os.PathLike[str],
    *,
    photo: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Draw a photograph and what each usable style makes of it, labelled, as a picture file.

    Args:
        entries: the models; those that are no styles, or cannot be used, are left out.
        target: the file; its suffix decides the format.
        photo: the photograph; None takes the one in the package.
        overwrite: replace a file that is there.

    Raises:
        UnknownModelError: no style is among the entries.
        OutputExistsError, PictureFileError: the target or the photograph cannot be used.
    """
    check_target(target, overwrite=overwrite)
    styles = [entry for entry in entries if entry.card and entry.card.task == "style-transfer"]
    if not styles:
        raise UnknownModelError("there is no style to show; add one with 'impasto models add FILE'")
    photograph = resize_longer_side(load_picture(photo or _example()), THUMBNAIL_SIZE)
    pictures = [photograph.rgb]
    labels = ["photograph"]
    for entry in styles:
        pictures.append(Stylizer(entry.path).stylize(photograph).rgb)
        labels.append(entry.name)
    whole = np.concatenate([_row(pictures, labels, start) for start in _starts(pictures)])
    save_picture(Picture(rgb=whole, alpha=None), target, overwrite=overwrite)


def _starts(pictures: Sequence[object]) -> range:
    return range(0, len(pictures), NUM_COLUMNS)


def _row(
    pictures: Sequence[NDArray[np.float32]], labels: Sequence[str], start: int
) -> NDArray[np.float32]:
    """Return one row of thumbnails, its labels above; rows after the first are as wide as it."""
    shown = list(pictures[start : start + NUM_COLUMNS])
    names = list(labels[start : start + NUM_COLUMNS])
    if start > 0:
        blank = np.ones((1, 1, 3), dtype=np.float32)
        shown += [blank] * (NUM_COLUMNS - len(shown))
        names += [""] * (NUM_COLUMNS - len(names))
    return contact_sheet([shown], cell_size=THUMBNAIL_SIZE, column_labels=names)


def _example() -> bytes:
    return (resources.files("impasto") / "zoo" / EXAMPLE_PHOTOGRAPH).read_bytes()
