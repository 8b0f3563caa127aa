"""Results of benchmarks: printed, and kept with the circumstances of the measurement."""

import json
from pathlib import Path
from typing import Any

from impasto.evaluation.circumstances import circumstances
from impasto.system.machine import num_cores, processor_flags

RESULTS = Path(__file__).parent / "results"


def circumstances_of_speed() -> str:
    """Say what this processor cannot show, and that all candidates had the same cores."""
    flags = {"bf16": "avx512_bf16", "VNNI": "vnni"}
    present = processor_flags()
    missing = [name for name, flag in flags.items() if not any(flag in each for each in present)]
    note = f"All candidates took turns on the same {num_cores()} core(s)."
    if missing:
        note += (
            f" This processor has no {' and no '.join(missing)}: the goals of bf16 and int8 "
            "are for one that has, and are not measured here."
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
