"""Contact sheets of one photograph: in every style, and in mixtures of four."""

import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelFileError, SettingError, UnknownModelError
from impasto.images.contact_sheet import contact_sheet
from impasto.images.files.io import check_target, load_picture, save_picture
from impasto.images.files.output import save_or_keep
from impasto.images.picture import Picture, resize_longer_side
from impasto.runtime.network_styles import NetworkStyles, mixed, open_network
from impasto.runtime.style_resolution import Network
from impasto.runtime.stylizer import Stylizer
from impasto.system.visible_text import visible
from impasto.zoo.model_file import ModelFile, read_model_file
from impasto.zoo.registry import ModelEntry
from impasto.zoo.style_table import is_style_network
from impasto.zoo.style_vectors import read_style_network

THUMBNAIL_SIZE = 256
NUM_COLUMNS = 4
SQUARE_SIDE = 5
"""Pictures along a side of a square of mixtures."""

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
    photograph = _photograph(photo)
    thumbnails = [("photograph", _on_white(photograph))]
    problems = []
    for entry in entries:
        if entry.card is None:
            problems.append(str(entry.problem))
        elif entry.card.task == "style-transfer":
            try:
                styles = _styles_of(entry)
                for name, style in styles.items():
                    stylized = Stylizer(style).stylize(photograph)
                    thumbnails.append((visible(name), _on_white(stylized)))
            except ModelFileError as error:
                problems.append(str(error))
    if len(thumbnails) == 1:
        raise UnknownModelError("there is no style to show; add one with 'impasto models add FILE'")
    num_columns = min(NUM_COLUMNS, len(thumbnails))
    blank = ("", np.ones((1, 1, 3), dtype=np.float32))
    cells = [*thumbnails, *[blank] * (-len(thumbnails) % num_columns)]
    rows = [cells[start : start + num_columns] for start in range(0, len(cells), num_columns)]
    _save(rows, output, overwrite=overwrite)
    return problems


def save_mixture_sheet(
    corners: Sequence[str],
    output: str | os.PathLike[str],
    *,
    network: Network | None = None,
    photo: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Write a square of mixtures of four styles, with the styles themselves at the corners.

    Args:
        corners: four styles of a network, by name or by painting's file, row by row.
        output: the file; its suffix decides the format.
        network: the network for any painting; None takes the one named `any_painting`.
        photo: the photograph; None takes the one in the package.
        overwrite: replace a file that is there.

    Raises:
        SettingError: not four styles.
        UnknownModelError, ModelFileError: a style or the network cannot be used.
        OutputExistsError, PictureFileError: the output, the photograph or a painting cannot be
            used.
    """
    if len(corners) != 4:
        raise SettingError(f"{len(corners)} styles to mix in a square, expected four: A,B,C,D")
    check_target(output, overwrite=overwrite)
    photograph = _photograph(photo)
    styles = open_network(network)
    of_corners = [styles.of_text(corner) for corner in corners]
    rows = []
    for y in np.linspace(0, 1, SQUARE_SIDE):
        row = []
        for x in np.linspace(0, 1, SQUARE_SIDE):
            shares = ((1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x)
            mixture = mixed(list(zip(of_corners, map(float, shares), strict=True)))
            label = of_corners[shares.index(1)].name if 1 in shares else ""
            stylized = Stylizer(styles.model(mixture)).stylize(photograph)
            row.append((visible(label), _on_white(stylized)))
        rows.append(row)
    _save(rows, output, overwrite=overwrite)


def _photograph(photo: Path | None) -> Picture:
    example = (resources.files("impasto") / "zoo" / EXAMPLE_PHOTOGRAPH).read_bytes()
    picture = load_picture(photo or example, longer_side=THUMBNAIL_SIZE)
    return resize_longer_side(picture, THUMBNAIL_SIZE)


def _styles_of(entry: ModelEntry) -> dict[str, ModelFile]:
    """The models of one style in an entry: of a network for any painting, one by name."""
    model = read_model_file(entry.path)
    if not is_style_network(model):
        return {entry.name: model}
    styles = NetworkStyles(read_style_network(model))
    return {name: styles.model(styles.named(name)) for name in styles.names}


def _save(
    rows: Sequence[Sequence[tuple[str, NDArray[np.float32]]]],
    output: str | os.PathLike[str],
    *,
    overwrite: bool,
) -> None:
    sheet = Picture(np.concatenate([_row(row) for row in rows]))
    save_or_keep(lambda path: save_picture(sheet, path, overwrite=overwrite), Path(output))


def _row(cells: Sequence[tuple[str, NDArray[np.float32]]]) -> NDArray[np.float32]:
    names, pictures = zip(*cells, strict=True)
    return contact_sheet([pictures], cell_size=THUMBNAIL_SIZE, column_labels=names)


def _on_white(picture: Picture) -> NDArray[np.float32]:
    if picture.alpha is None:
        return picture.rgb
    alpha = picture.alpha[..., np.newaxis]
    return picture.rgb * alpha + (1 - alpha)
