"""Mixtures as text: what is a style, what a weight, and what is refused."""

import pytest

from impasto.errors import SettingError
from impasto.runtime.style_mixtures import MAX_STYLES, normalised, parse_mixture


def test_weights_are_divided_by_their_sum():
    assert parse_mixture("a:3,b:1") == {"a": 0.75, "b": 0.25}


def test_without_weights_all_are_equal():
    assert parse_mixture("a, b ,c,d") == dict.fromkeys("abcd", 0.25)


def test_a_style_that_is_there_twice_has_both_weights():
    assert parse_mixture("a:1,b:2,a:1") == {"a": 0.5, "b": 0.5}


def test_a_text_without_a_comma_is_one_style():
    assert parse_mixture("starry_night") is None


def test_the_letter_of_a_drive_is_no_weight():
    text = r"C:\paintings\one.jpg:1,D:\two.jpg:3"
    assert parse_mixture(text) == {r"C:\paintings\one.jpg": 0.25, r"D:\two.jpg": 0.75}
    assert parse_mixture(r"C:\paintings\one.jpg") is None
    assert parse_mixture(r"C:\one.jpg,a") == {r"C:\one.jpg": 0.5, "a": 0.5}


def test_a_file_whose_name_has_a_comma_is_one_style(tmp_path):
    path = tmp_path / "sky,sea:1.jpg"
    path.write_bytes(b"")
    assert parse_mixture(str(path)) is None
    assert parse_mixture(str(path) + "x") is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:-1,b:2", "the weight of a is -1, expected 0 or more"),
        ("a:nan,b:2", "the weight of a is nan, expected 0 or more"),
        ("a:0,b:0", "the weights of the mixture are all 0; expected one above 0"),
        ("a:1,b", "gives some styles a weight and some none"),
        ("a,,b", "has a style without a name"),
        ("a,", "has a style without a name"),
        ("a:0.7", "gives a weight to one style"),
    ],
)
def test_what_is_no_mixture_is_refused(text, message):
    with pytest.raises(SettingError, match=message):
        parse_mixture(text)


def test_a_mixture_has_a_limit():
    normalised((str(k), 1.0) for k in range(MAX_STYLES))
    with pytest.raises(SettingError, match="a mixture of 65 styles, expected at most 64"):
        normalised((str(k), 1.0) for k in range(MAX_STYLES + 1))
