"""Texts of any origin as people may see them: what is invisible is written out, errors in one line.

A model's card, a file's name or a message may hold characters that move the cursor, turn the
reading direction round or take no room, so that a text reads as another one. Wherever such a text
reaches a terminal, a window, HTML or Markdown, it goes through here.
"""

import os

_INVISIBLE_MARKS = frozenset(
    [
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0),
        *range(0x180B, 0x1810),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    ]
)
r"""Letters and marks without a shape. All else that has none, from \x00 to the bidirectional
controls U+202A..202E and U+2066..2069, Unicode counts as not printable."""


def visible(text: str, *, but: str = "") -> str:
    r"""The text with what cannot be seen written as Python writes it: `\u202e`.

    Args:
        text: of any origin.
        but: characters that stay, such as the line breaks of a table of ours.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        letter
        if letter in but or (letter.isprintable() and ord(letter) not in _INVISIBLE_MARKS)
        else ascii(letter)[1:-1]
        for letter in text
    )


def shown_path(path: str | os.PathLike[str]) -> str:
    """A path for a message: as it is, or quoted where it is empty or would break the line."""
    text = os.fspath(path)
    return text if text.isprintable() and text else repr(text)


def one_line(error: BaseException, *, max_letters: int | None = None) -> str:
    """What an error says, without line breaks; its type's name where it says nothing."""
    said = getattr(error, "strerror", None) or str(error)  # FFmpeg's errors have one too
    return " ".join(str(said).split())[:max_letters] or type(error).__name__
