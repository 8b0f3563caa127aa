import json

import pytest

from impasto.errors import DataError
from impasto.reproduction.semantics import STEP, Subjects, elsewhere, load_subjects


def test_the_boxes_of_the_package_are_on_at_least_twenty_photographs():
    subjects = load_subjects(None)
    assert len(subjects) >= 20
    for entry in subjects.values():
        assert entry.boxes
        for left, top, right, bottom in (*entry.boxes, *entry.others):
            assert 0 <= left < right <= 384
            assert 0 <= top < bottom <= 384


def test_equal_boxes_elsewhere_touch_nobody_and_stay_inside():
    box, other = (0, 0, 16, 16), (32, 0, 40, 8)
    boxes = elsewhere(box, Subjects((box,), (other,)), (32, 48))
    assert boxes
    assert all(right - left == bottom - top == 16 for left, top, right, bottom in boxes)
    assert all(other_box[2] <= 48 and other_box[3] <= 32 for other_box in boxes)
    assert not any(other_box[0] < 16 and other_box[1] < 16 for other_box in boxes)
    assert (16, 0, 32, 16) in boxes  # it touches both without overlap
    assert (24, 0, 40, 16) not in boxes
    assert all(left % STEP == top % STEP == 0 for left, top, _, _ in boxes)


def test_a_box_without_room_elsewhere_has_no_equals():
    box = (0, 0, 30, 30)
    assert elsewhere(box, Subjects((box,), ()), (32, 48)) == []


@pytest.mark.parametrize(
    "content", ["", "[]", '{"photographs": {"a.jpg": {"boxes": [[9, 0, 3, 4]]}}}']
)
def test_a_file_without_boxes_is_an_error_that_says_what_is_expected(tmp_path, content):
    file = tmp_path / "boxes.json"
    file.write_text(content)
    with pytest.raises(DataError, match="expected JSON such as"):
        load_subjects(file)


def test_boxes_of_ones_own_are_read(tmp_path):
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps({"photographs": {"a.jpg": {"boxes": [[1, 2, 3, 4]]}}}))
    assert load_subjects(file) == {"a.jpg": Subjects(((1, 2, 3, 4),), ())}
