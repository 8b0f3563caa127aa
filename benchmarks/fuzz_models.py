"""Model files changed at random, each read and run in a worker process that may be lost.

python benchmarks/fuzz_models.py [--files 10000] [--seed 0] [--keep FOLDER]

Small models of every architecture and their quantized forms are changed between decoding and
encoding again, sometimes in their bytes. What is read is run by OpenVINO at two sizes and by ONNX
Runtime, some of it in tiles. Counted are files refused in one line, files that ran, files that only
a runtime refused, and what must not be: other errors, messages of several lines, workers that died
or never answered, and memory that grows. `--keep` writes the files that did one of these.
"""

import argparse
import multiprocessing
import signal
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from measure import publish

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "zoo")]
from exported_models import SMALL, exported_models  # noqa: E402  (found there)
from model_mutants import OUTCOMES, mutant, outcome_of  # noqa: E402

WALL_SECONDS = 120
FILES_PER_REPORT = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    started = time.perf_counter()
    counts, complaints, memory = fuzz(given.files, seed=given.seed, keep=given.keep)
    seconds = round(time.perf_counter() - started)
    outcomes = (*OUTCOMES, "died", "timed out")
    lines = [f"| model | files | {' | '.join(outcomes)} |", f"|---|{'---|' * (len(outcomes) + 1)}"]
    for kind, count in {**counts, "all": sum(counts.values(), Counter())}.items():
        numbers = " | ".join(str(count[outcome]) for outcome in outcomes)
        lines.append(f"| {kind} | {count.total()} | {numbers} |")
    lines += ["", f"{seconds} seconds, one process beside other work. MiB of the worker after"]
    lines += [f"every {FILES_PER_REPORT} files: {', '.join(map(str, memory))}."]
    lines += [f"- {complaint}" for complaint in complaints]
    publish(
        "fuzz_models",
        command=f"python benchmarks/fuzz_models.py --files {given.files} --seed {given.seed}",
        table="\n".join(lines),
        content={"counts": counts, "complaints": complaints, "memory": memory, "seconds": seconds},
        packages=("openvino", "onnxruntime", "onnx", "numpy"),
    )


def fuzz(
    num_files: int, *, seed: int, keep: Path | None
) -> tuple[dict[str, Counter[str]], list[str], list[int]]:
    """Count the outcomes of each model; say what must not be, and the worker's memory in MiB."""
    seeds = exported_models(SMALL)
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in seeds}
    complaints: Counter[str] = Counter()
    memory: list[int] = []
    worker = Worker()
    for number in range(num_files):
        kind = list(seeds)[number % len(seeds)]
        random = np.random.default_rng([seed, number])
        data = mutant(seeds[kind], random, list(seeds.values())[random.integers(len(seeds))])
        outcome, detail, mebibytes = worker.try_file(data, number)
        counts[kind][outcome] += 1
        if (number + 1) % FILES_PER_REPORT == 0:
            memory.append(mebibytes)
        if outcome not in ("refused", "ran"):
            file = "" if outcome == "refused when run" else f", file {number}"
            complaints[f"{kind}{file}: {outcome}, {detail}"] += 1
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{number}.onnx").write_bytes(data)
    worker.stop()
    return counts, [f"{text} ({num}×)" for text, num in complaints.items()], memory


class Worker:
    """A process that reads and runs models and can be lost."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def try_file(self, data: bytes, number: int) -> tuple[str, str, int]:
        """What became of a file, what there is to know of it, and the worker's memory in MiB."""
        self._pipe.send((data, number))
        try:
            if self._pipe.poll(WALL_SECONDS):
                return self._pipe.recv()  # type: ignore[no-any-return]
        except (EOFError, ConnectionResetError):
            self._process.join()
            status = self._process.exitcode
            self._start()
            name = signal.Signals(-status).name if status and status < 0 else str(status)
            return "died", name, 0
        self.stop()
        self._start()
        return "timed out", f"after {WALL_SECONDS} seconds", 0

    def stop(self) -> None:
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        self._pipe, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()


def _serve(pipe: Connection) -> None:
    while True:
        data, number = pipe.recv()
        pipe.send((*outcome_of(data, np.random.default_rng(number)), _mebibytes()))


def _mebibytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 // 2**20


if __name__ == "__main__":
    main()
