"""A contact sheet of one photograph in every style."""

import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelFileError, UnknownModelError
from impasto.images.contact_sheet import contact_sheet
from impasto.images.files.io import check_target, load_picture, save_picture
from impasto.images.files.output import save_or_keep
from impasto.images.picture import Picture, resize_longer_side
from impasto.runtime.stylizer import Stylizer
from impasto.system.visible_text import visible
from impasto.zoo.registry import ModelEntry

THUMBNAIL_SIZE = 256
NUM_COLUMNS = 4
EXAMPLE_PHOTOGRAPH = "example_photograph.jpg"


def save_thumbnail_sheet(
    entries: Sequence[ModelEntry],
    output: str | os.PathLike[str],
    *,
    photo: Path | None = None,
    overwrite: bool = False,
) -> list[str]:
    """Write a contact sheet of a photograph and its stylized pictures, one for each usable style.

    Args:
        entries: the models; models for other tasks are left out.
        output: the file; its suffix decides the format.
        photo: the photograph; None takes the one in the package.
        overwrite: replace a file that is there.

    Returns:
        One line for each model that cannot be used: why it was left out.

    Raises:
        UnknownModelError: no usable style is among the entries.
        OutputExistsError, PictureFileError: the output or the photograph cannot be used.
    """
    check_target(output, overwrite=overwrite)
    example = (resources.files("impasto") / "zoo" / EXAMPLE_PHOTOGRAPH).read_bytes()
    photograph = resize_longer_side(
        load_picture(photo or example, longer_side=THUMBNAIL_SIZE), THUMBNAIL_SIZE
    )
    thumbnails = [("photograph", _on_white(photograph))]
    problems = []
    for entry in entries:
        if entry.card is None:
            problems.append(str(entry.problem))
        elif entry.card.task == "style-transfer":
            try:
                stylized = Stylizer(entry.path).stylize(photograph)
            except ModelFileError as error:
                problems.append(str(error))
            else:
                thumbnails.append((visible(entry.name), _on_white(stylized)))
    if len(thumbnails) == 1:
        raise UnknownModelError("there is no style to show; add one with 'impasto models add FILE'")
    num_columns = min(NUM_COLUMNS, len(thumbnails))
    blank = ("", np.ones((1, 1, 3), dtype=np.float32))
    cells = [*thumbnails, *[blank] * (-len(thumbnails) % num_columns)]
    rows = [cells[start : start + num_columns] for start in range(0, len(cells), num_columns)]
    sheet = Picture(np.concatenate([_row(row) for row in rows]))
    save_or_keep(lambda path: save_picture(sheet, path, overwrite=overwrite), Path(output))
    return problems


def _row(cells: Sequence[tuple[str, NDArray[np.float32]]]) -> NDArray[np.float32]:
    names, pictures = zip(*cells, strict=True)
    return contact_sheet([pictures], cell_size=THUMBNAIL_SIZE, column_labels=names)


def _on_white(picture: Picture) -> NDArray[np.float32]:
    if picture.alpha is None:
        return picture.rgb
    alpha = picture.alpha[..., np.newaxis]
    return picture.rgb * alpha + (1 - alpha)
