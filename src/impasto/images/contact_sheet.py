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
    left = _GAP
    if row_labels:
        left += min(cell_size, max(map(_text_width, row_labels))) + _GAP
    top = _GAP + (_line_height() if column_labels else 0)
    step = cell_size + _GAP
    sheet = np.ones((top + len(rows) * step, left + num_columns * step, 3), dtype=np.float32)
    for i, row in enumerate(rows):
        for j, rgb in enumerate(row):
            check_rgb_shape(rgb, "a picture on the contact sheet")
            width, height = fit_longer_side(rgb.shape[1], rgb.shape[0], cell_size)
            y = top + i * step + (cell_size - height) // 2
            x = left + j * step + (cell_size - width) // 2
            fitted = resize_lanczos(rgb.astype(np.float32), width=width, height=height)
            sheet[y : y + height, x : x + width] = fitted.clip(0, 1)
    for j, label in enumerate(column_labels or ()):
        _write(sheet, label, top=_GAP // 2, left=left + j * step, width=cell_size)
    for i, label in enumerate(row_labels or ()):
        middle = top + i * step + (cell_size - _line_height()) // 2
        _write(sheet, label, top=middle, left=_GAP, width=left - 2 * _GAP)
    return sheet


def _write(sheet: NDArray[np.float32], label: str, *, top: int, left: int, width: int) -> None:
    """Print a label into the sheet, cut to `width` pixels."""
    text = _cut(label, width)
    size = (max(1, _text_width(text)), _line_height())
    paper = Image.new("L", size, 0)
    ImageDraw.Draw(paper).text((0, 0), text, fill=255, font=ImageFont.load_default())
    ink = np.asarray(paper, dtype=np.float32)[..., np.newaxis] / 255
    window = sheet[top : top + size[1], left : left + size[0]]  # cut off at the sheet's border
    ink = ink[: window.shape[0], : window.shape[1]]
    window[:] = window * (1 - ink) + _INK * ink


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


def _check_num_labels(labels: Sequence[str] | None, expected: int, name: str) -> None:
    if labels is not None and len(labels) != expected:
        raise SettingError(f"{len(labels)} {name} labels for {expected} {name}s; expected as many")
