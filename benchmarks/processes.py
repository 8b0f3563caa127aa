"""Whole processes measured from outside: time by the clock and of the processor, peak memory."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RUN_IMPASTO = """
from impasto.cli.main import run
if status := run(sys.argv[1:]):
    sys.exit(status)
"""
"""A program for `peak_megabytes`: the command line with the program's arguments."""

# Not getrusage: its maximum still holds the parent's size from before exec.
REPORT_PEAK = """
status = open("/proc/self/status").read()
print(status.partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""


@dataclass(frozen=True)
class Usage:
    """What a process used.

    Attributes:
        seconds: by the clock.
        cpu_seconds: of the processor, all threads together.
        peak_bytes: of memory.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def run_impasto(words: Sequence[str]) -> Usage:
    """Run the command line in a process of its own; its results are not shown."""
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "impasto", *words], stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)  # Popen's own wait tells no usage
        seconds = time.perf_counter() - started
        process.returncode = status
    if status:
        raise SystemExit(f"impasto {' '.join(words)} failed")
    return Usage(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def peak_megabytes(program: str, *arguments: object) -> float:
    """Run a Python program in a process of its own, from this folder; its peak memory in MiB."""
    code = f"import sys\n{program}\n{REPORT_PEAK}"
    run = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    )
    return int(run.stderr.split()[-1]) / 1024
