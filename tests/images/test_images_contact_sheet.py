import numpy as np
import pytest

from impasto.errors import PictureError, SettingError
from impasto.images.contact_sheet import contact_sheet


def flat(height, width, colour):
    return np.broadcast_to(np.float32(colour), (height, width, 3)).copy()


def test_wide_picture_is_centred_in_its_square_cell_on_white():
    # A 40×20 picture in a cell of 20 becomes 20×10: rows 5 to 14 of the cell. The gap is 4.
    sheet = contact_sheet([[flat(20, 40, (1, 0, 0))]], cell_size=20)
    assert sheet.shape == (28, 28, 3)
    assert sheet.dtype == np.float32
    red = (sheet == np.float32([1, 0, 0])).all(axis=2)
    rows, columns = np.nonzero(red)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (9, 18, 4, 23)
    assert (sheet[~red] == 1).all()


def test_rows_may_have_different_lengths():
    black = flat(10, 10, 0)
    sheet = contact_sheet([[black, black, black], [black]], cell_size=10)
    assert sheet.shape == (32, 46, 3)
    assert (sheet[18:28, 18:] == 1).all()
    assert (sheet[18:28, 4:14] == 0).all()


def test_labels_print_ink_only_in_the_margins():
    white = flat(30, 30, 1)
    plain = contact_sheet([[white, white]], cell_size=60)
    sheet = contact_sheet(
        [[white, white]], cell_size=60, row_labels=["photo"], column_labels=["a", "b"]
    )
    top, left = sheet.shape[0] - plain.shape[0], sheet.shape[1] - plain.shape[1]
    assert top > 5
    assert left > 15
    assert (sheet[top + 4 :, left + 4 :] == 1).all()
    assert sheet[:top, left:].min() < 0.5
    assert sheet[top:, :left].min() < 0.5


@pytest.mark.parametrize(
    "label", ["", "a very long label that fits into no cell", "two\nlines", "é"]
)
def test_labels_never_widen_the_cells(label):
    black = flat(10, 10, 0)
    sheet = contact_sheet([[black, black]], cell_size=20, column_labels=[label, label])
    assert sheet.shape[1] == 4 + 2 * 24
    assert sheet.min() >= 0
    assert sheet.max() <= 1


def test_long_row_labels_take_at_most_a_cell():
    sheet = contact_sheet([[flat(9, 9, 0)]], cell_size=40, row_labels=["w" * 200])
    assert sheet.shape[1] <= 4 + 40 + 4 + 44


def test_no_pictures_are_refused():
    for rows in ([], [[]]):
        with pytest.raises(SettingError, match="expected at least one picture"):
            contact_sheet(rows, cell_size=20)


def test_another_number_of_labels_is_refused():
    with pytest.raises(SettingError, match="2 row labels for 1 rows"):
        contact_sheet([[flat(9, 9, 0)]], cell_size=20, row_labels=["a", "b"])
    with pytest.raises(SettingError, match="0 column labels for 1 columns"):
        contact_sheet([[flat(9, 9, 0)]], cell_size=20, column_labels=[])


def test_bytes_are_refused():
    with pytest.raises(PictureError, match="a picture on the contact sheet holds uint8"):
        contact_sheet([[np.zeros((9, 9, 3), np.uint8)]], cell_size=20)
