#!/usr/bin/env python3
"""What can be counted of how the code reads; prints one line each, and names the places with -v.

    scripts/count.py [-v] [FOLDER …]

- private functions named only twice (defined, and called once) among all functions: under 12 %
- functions above 60 lines: none
- lines that are comments: 3 % or more
- option helps that begin with "Of", "Also" or "So many": none
"""

import argparse
import ast
import io
import re
import tokenize
from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "impasto"
MAX_LINES = 60
FRAGMENT = re.compile(r'help="(Of|Also|So many)\b')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[SOURCE])
    parser.add_argument("-v", "--verbose", action="store_true", help="name the places")
    given = parser.parse_args()
    files = sorted(path for folder in given.folders for path in python_files(folder))
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    functions = [(path, node) for path, text in texts.items() for node in functions_of(text)]
    names = Counter(name for path in python_files(SOURCE) for name in names_in(path.read_text()))
    once = [(p, f) for p, f in functions if is_private(f.name) and names[f.name] == 2]
    long = [(p, f) for p, f in functions if num_lines(f) > MAX_LINES]
    comments = sum(num_comment_lines(text) for text in texts.values())
    lines = sum(text.count("\n") for text in texts.values())
    fragments = [(path, m) for path, text in texts.items() for m in FRAGMENT.finditer(text)]
    print(f"functions: {len(functions)}")
    print(f"private, named only twice: {len(once)} ({len(once) / max(1, len(functions)):.1%})")
    print(f"above {MAX_LINES} lines: {len(long)}")
    print(f"comment lines: {comments} of {lines} ({comments / max(1, lines):.1%})")
    print(f"option helps that are fragments: {len(fragments)}")
    if given.verbose:
        for path, function in sorted(once + long, key=lambda place: (place[0], place[1].lineno)):
            print(f"{path}:{function.lineno} {function.name}, {num_lines(function)} lines")


def python_files(folder: Path) -> list[Path]:
    return [folder] if folder.is_file() else sorted(folder.rglob("*.py"))


def functions_of(text: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes = ast.walk(ast.parse(text))
    return [n for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def names_in(text: str) -> list[str]:
    """Every name in the code, as often as it stands there."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [token.string for token in tokens if token.type == tokenize.NAME]


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def num_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """From its name to its end; decorators and a docstring count, as they are read too."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def num_comment_lines(text: str) -> int:
    """Lines that have a comment, alone or behind code."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return len({token.start[0] for token in tokens if token.type == tokenize.COMMENT})


if __name__ == "__main__":
    main()
