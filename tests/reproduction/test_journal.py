import pytest

from impasto.errors import CheckpointError
from impasto.reproduction.journal import JOURNAL_NAME, Journal


def refuse():
    raise AssertionError("what is in the journal is not computed again")


def test_a_unit_is_computed_once(tmp_path):
    assert Journal(tmp_path).unit({"size": 3}, lambda: [1.5, None]) == [1.5, None]
    again = Journal(tmp_path)
    assert again.unit({"size": 3}, refuse) == [1.5, None]
    assert again.unit({"size": 4}, lambda: 2) == 2


def test_the_order_of_a_keys_entries_does_not_matter(tmp_path):
    journal = Journal(tmp_path)
    journal.unit({"a": 1, "b": 2}, lambda: "value")
    assert journal.unit({"b": 2, "a": 1}, refuse) == "value"


def test_a_line_that_a_crash_cut_off_costs_only_its_own_unit(tmp_path):
    Journal(tmp_path).unit({"unit": 1}, lambda: "one")
    with (tmp_path / JOURNAL_NAME).open("a") as file:
        file.write('{"id": "12')
    journal = Journal(tmp_path)
    assert journal.unit({"unit": 2}, lambda: "two") == "two"
    assert Journal(tmp_path).unit({"unit": 1}, refuse) == "one"
    assert Journal(tmp_path).unit({"unit": 2}, refuse) == "two"


def test_no_unit_is_begun_after_the_time_is_up(tmp_path):
    Journal(tmp_path).unit({"unit": 1}, lambda: "one")
    late = Journal(tmp_path, seconds=-1)
    assert late.unit({"unit": 1}, refuse) == "one"
    assert late.unit({"unit": 2}, refuse) is None
    assert late.num_left == 1


def test_a_folder_that_is_a_file_is_an_error_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot keep a journal in"):
        Journal(tmp_path / "file")
