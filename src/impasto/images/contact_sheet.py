"""Many pictures on one white sheet, in rows and columns, with small labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from impasto.errors import SettingError
from impasto.images.colour import check_rgb_shape
from impasto.images.resize import fit_longer_side, resize_lanczos

_GAP = 4
_INK = 0.15
_ELLIPSIS = "…"


def contact_sheet(
    rows: Sequence[Sequence[NDArray[np.float32]]],
    *,
    cell_size: int,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
) -> NDArray[np.float32]:
    """Lay pictures out in square cells on white, each fitted into its cell and centred.

    Args:
        rows: rows of H×W×3 float arrays in [0, 1]; rows may have different lengths.
        cell_size: side of a cell in pixels, at least 8.
        row_labels: a text to the left of each row; too long ones are cut.
        column_labels: a text above each column; too long ones are cut.

    Returns:
        H×W×3 float32 in [0, 1].

    Raises:
        PictureError: an array that is no picture.
        SettingError: no pictures, a cell too small, or another number of labels than of rows or
            columns.
    """
    num_columns = max((len(row) for row in rows), default=0)
    if num_columns == 0 or cell_size < 8:
        raise SettingError(
            f"cannot lay out {num_columns} columns in cells of {cell_size} pixels; "
            "expected at least one picture and cells of 8 pixels or more"
        )
    _check_num_labels(row_labels, len(rows), "row")
    _check_num_labels(column_labels, num_columns, "column")
    left = _GAP + (_label_width(row_labels, cell_size) if row_labels else 0)
    top = _GAP + (_line_height() if column_labels else 0)
    step = cell_size + _GAP
    sheet = np.ones((top + len(rows) * step, left + num_columns * step, 3), dtype=np.float32)
    for i, row in enumerate(rows):
        for j, rgb in enumerate(row):
            _paste(sheet, rgb, top=top + i * step, left=left + j * step, cell_size=cell_size)
    for j, label in enumerate(column_labels or ()):
        _write(sheet, label, top=_GAP // 2, left=left + j * step, width=cell_size)
    for i, label in enumerate(row_labels or ()):
        middle = top + i * step + (cell_size - _line_height()) // 2
        _write(sheet, label, top=middle, left=_GAP, width=left - 2 * _GAP)
    return sheet


def _paste(
    sheet: NDArray[np.float32], rgb: NDArray[np.float32], *, top: int, left: int, cell_size: int
) -> None:
    check_rgb_shape(rgb, "a picture on the contact sheet")
    width, height = fit_longer_side(rgb.shape[1], rgb.shape[0], cell_size)
    top += (cell_size - height) // 2
    left += (cell_size - width) // 2
    fitted = resize_lanczos(rgb.astype(np.float32), width=width, height=height)
    sheet[top : top + height, left : left + width] = fitted.clip(0, 1)


def _write(sheet: NDArray[np.float32], label: str, *, top: int, left: int, width: int) -> None:
    """Print a label into the sheet, cut to `width` pixels."""
    text = _cut(label, width)
    size = (max(1, _text_width(text)), _line_height())
    paper = Image.new("L", size, 0)
    ImageDraw.Draw(paper).text((0, 0), text, fill=255, font=ImageFont.load_default())
    ink = np.asarray(paper, dtype=np.float32)[..., np.newaxis] / 255
    place = sheet[top : top + size[1], left : left + size[0]]
    ink = ink[: place.shape[0], : place.shape[1]]
    place[:] = place * (1 - ink) + _INK * ink


def _cut(label: str, width: int) -> str:
    text = " ".join(label.split())
    if _text_width(text) <= width:
        return text
    while text and _text_width(text + _ELLIPSIS) > width:
        text = text[:-1]
    return text + _ELLIPSIS


def _text_width(text: str) -> int:
    return int(np.ceil(ImageFont.load_default().getlength(text)))


def _line_height() -> int:
    return int(np.ceil(ImageFont.load_default().getbbox("Åg")[3])) + 2


def _label_width(labels: Sequence[str], cell_size: int) -> int:
    return min(cell_size, max(_text_width(label) for label in labels)) + _GAP


def _check_num_labels(labels: Sequence[str] | None, expected: int, name: str) -> None:
    if labels is not None and len(labels) != expected:
        raise SettingError(f"{len(labels)} {name} labels for {expected} {name}s; expected as many")
