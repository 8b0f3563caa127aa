import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.system.visible_text import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Die große Welle, 神奈川沖浪裏 – c. 1831", "Die große Welle, 神奈川沖浪裏 – c. 1831"),
        ("e\u0301", "e\u0301"),  # an accent of its own is seen
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u2066b\u2069", r"a\u2066b\u2069"),
        ("a\u200eb\u200fc\u061cd", r"a\u200eb\u200fc\u061cd"),
        ("great\u200b_wave\ufeff", r"great\u200b_wave\ufeff"),
        ("great\u3164wave\u034f\ufe0f", r"great\u3164wave\u034f\ufe0f"),
        ("one\u2028two\u2029three\x85", r"one\u2028two\u2029three\x85"),
        ("\x1b[2J\r\n\x00", r"\x1b[2J\r\n\x00"),
        ("\U000e0041", r"\U000e0041"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text, shown):
    assert visible(text) == shown


def test_line_breaks_of_ours_stay():
    assert visible("a\tb\nc\u202e", but="\n\t") == "a\tb\nc\\u202e"


@given(st.text())
def test_what_is_shown_is_printable_and_shown_as_it_is(text):
    assert visible(text).isprintable()
    assert visible(visible(text)) == visible(text)
