"""What every benchmark here shares: results printed and kept, with who measured where and when."""

import json
from pathlib import Path
from typing import Any

from impasto.evaluation.circumstances import circumstances, processor
from impasto.evaluation.timing import median_seconds

__all__ = ["median_seconds", "processor", "publish"]

RESULTS = Path(__file__).parent / "results"


def publish(
    name: str,
    *,
    command: str,
    table: str,
    content: dict[str, Any],
    packages: tuple[str, ...] = ("torch", "openvino", "numpy"),
) -> None:
    """Print a table and keep it, with its circumstances, as Markdown and JSON."""
    measured = circumstances(command, packages=packages)
    RESULTS.mkdir(exist_ok=True)
    text = f"# {name.replace('_', ' ')}\n\n{table}\n\n{measured}\n"
    (RESULTS / f"{name}.md").write_text(text)
    data = json.dumps({**measured.as_dict(), **content}, indent=2) + "\n"
    (RESULTS / f"{name}.json").write_text(data)
    print(text)
