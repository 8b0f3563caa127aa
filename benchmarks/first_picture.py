"""Time to the first picture, with and without compiled models on disk.

    python benchmarks/first_picture.py

Each time a new process opens a style and stylizes one picture; imports are not counted.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

from measure import publish

PROGRAM = """
import sys, time
import numpy as np
import impasto.runtime.backends.openvino_backend
from impasto import Stylizer
impasto.runtime.backends.openvino_backend._openvino_core()
picture = np.zeros((256, 256, 3), np.uint8)
started = time.perf_counter()
Stylizer("starry_night", precision=sys.argv[1])(picture)
print(time.perf_counter() - started)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    lines = [
        "| precision | without, s | with, s | times as soon |",
        "|---|---|---|---|",
    ]
    content = {}
    with tempfile.TemporaryDirectory() as folder:
        for precision in ("auto", "int8"):
            times: dict[str, list[float]] = {"off": [], folder: []}
            _seconds(precision, folder)  # fills it
            for _ in range(rounds):
                for cache, seconds in times.items():
                    seconds.append(_seconds(precision, cache))
            without, having = (statistics.median(seconds) for seconds in times.values())
            lines.append(f"| {precision} | {without:.2f} | {having:.2f} | {without / having:.1f} |")
            content[precision] = {"without": without, "with": having}
    publish(
        "first_picture",
        command=f"python benchmarks/first_picture.py --rounds {rounds}",
        table="\n".join(lines),
        content={"seconds": content},
    )


def _seconds(precision: str, cache: str) -> float:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, precision],
        env={**os.environ, "IMPASTO_CACHE": cache},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout)


if __name__ == "__main__":
    main()
