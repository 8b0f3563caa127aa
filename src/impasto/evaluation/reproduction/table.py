"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table of Markdown: numbers as their cells print, None as a dash."""
    lines = [_line(columns), "|" + "---|" * len(columns)]
    return "\n".join(lines + [_line(["–" if cell is None else cell for cell in r]) for r in rows])


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def interval(ends: Sequence[float]) -> str:
    """Return an interval as a table shows it."""
    return " to ".join(f"{end:.3f}" for end in ends)
