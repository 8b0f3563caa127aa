"""What every benchmark here shares: alternating runs, medians, and who measured where and when."""

import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def median_seconds(
    candidates: Mapping[str, Callable[[], object]], *, num_rounds: int, num_warmups: int = 2
) -> dict[str, float]:
    """Time each candidate in turn, round by round, so that a drift of the machine hits all."""
    for run in candidates.values():
        for _ in range(num_warmups):
            run()
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(num_rounds):
        for name, run in candidates.items():
            started = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def processor() -> str:
    """Name the processor and say how many cores this process may use."""
    import os

    name = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            name = line.partition(":")[2].strip()
            break
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def circumstances_of_speed() -> str:
    """Say what this processor cannot show, and that all candidates had the same cores."""
    import os

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
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    circumstances = {
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": processor(),
        "versions": {package: version(package) for package in packages},
        "commit": commit,
        "command": command,
    }
    versions = ", ".join(f"{k} {v}" for k, v in circumstances["versions"].items())  # type: ignore[attr-defined]
    note = (
        f"{circumstances['date']}, {circumstances['hardware']}, {versions}, commit {commit}. "
        f"Command: `{command}`."
    )
    RESULTS.mkdir(exist_ok=True)
    text = f"# {name.replace('_', ' ')}\n\n{table}\n\n{note}\n"
    (RESULTS / f"{name}.md").write_text(text)
    (RESULTS / f"{name}.json").write_text(json.dumps({**circumstances, **content}, indent=2) + "\n")
    print(text)
