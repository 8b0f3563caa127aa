"""What every benchmark here shares: results printed and kept, with who measured where and when."""

import json
import os
from pathlib import Path
from typing import Any

from impasto.evaluation.circumstances import circumstances, processor
from impasto.evaluation.timing import median_seconds

__all__ = ["circumstances_of_speed", "median_seconds", "processor", "publish"]

RESULTS = Path(__file__).parent / "results"


def circumstances_of_speed() -> str:
    """Say what this processor cannot show, and that all candidates had the same cores."""
    flags = Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split()
    names = {"bf16": "avx512_bf16", "VNNI": "vnni"}
    missing = [name for name, flag in names.items() if not any(flag in word for word in flags)]
    note = f"All candidates took turns on the same {len(os.sched_getaffinity(0))} core(s)."
    if missing:
        note += (
            f" This processor has no {' and no '.join(missing)}: what is wanted of bf16 and int8 "
            "is of one that has, and is not measured here."
        )
    return note


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
