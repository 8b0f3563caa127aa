"""Damaged files by the thousand, each tried in a worker process that may be lost.

The loop, the worker and the report that every `fuzz_*.py` shares; what is damaged, and what is done
with it, are theirs.
"""

import argparse
import multiprocessing
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from measure import publish

from impasto.errors import ImpastoError

Outcome = Callable[[str, bytes, int], tuple[str, str]]
"""What becomes of a file of this kind, these bytes and this number, and a message about it."""

READING_OUTCOMES = ("read", "refused", "other error", "several lines")
"""Outcomes of `outcome_of_call`."""

LOST = ("died", "timed out")
"""Outcomes of a worker that did not answer."""

SETTLING_FILES = 500
"""Files of a worker before its growth is measured: by then it has loaded all it needs."""

FILES_PER_READING = 500


@dataclass(frozen=True)
class Fuzz:
    """What is damaged, and what is done with it.

    Attributes:
        name: of the script and its results.
        subject: head of the table's first column.
        seeds: valid files by kind.
        mutant: damages a file; its last argument is another seed, to borrow from.
        outcome_of: runs in the worker, so it must be importable.
        outcomes: of a worker that answers, in the order of the table.
        fine: those of `outcomes` that may be.
        summed: those of `outcomes` that are reported with a count, not file by file.
        packages: whose versions are recorded.
        suffix: of kept files.
        cpu_seconds: of one file, before its worker is ended; None sets no limit.
        wall_seconds: likewise, by the clock.
        max_bytes: of a worker's address space; None sets no limit.
        lists_memory: report the worker's memory file by file, not its growth.
    """

    name: str
    subject: str
    seeds: dict[str, bytes]
    mutant: Callable[[bytes, np.random.Generator, bytes], bytes]
    outcome_of: Outcome
    outcomes: tuple[str, ...]
    fine: tuple[str, ...]
    packages: tuple[str, ...]
    summed: tuple[str, ...] = ()
    suffix: str = ""
    cpu_seconds: int | None = None
    wall_seconds: int = 300
    max_bytes: int | None = None
    lists_memory: bool = False


@dataclass
class Findings:
    """Outcomes of each kind, what must not be, and the worker's memory in MiB."""

    counts: dict[str, Counter[str]]
    complaints: Counter[str] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)
    growth: int = 0


def arguments(description: str | None, *, num_files: int) -> argparse.Namespace:
    """The flags of every script: how many files, from which seed, and where to keep the bad."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--files", type=int, default=num_files)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    return parser.parse_args()


def publish_fuzz(fuzz: Fuzz, options: argparse.Namespace) -> None:
    """Damage files, count what becomes of them, and publish the table."""
    started = time.perf_counter()
    findings = run(fuzz, options.files, seed=options.seed, keep=options.keep)
    seconds = round(time.perf_counter() - started)
    outcomes = (*fuzz.outcomes, *LOST)
    lines = [
        f"| {fuzz.subject} | files | {' | '.join(outcomes)} |",
        f"|---|{'---|' * (len(outcomes) + 1)}",
    ]
    for kind, count in {**findings.counts, "all": sum(findings.counts.values(), Counter())}.items():
        numbers = " | ".join(str(count[outcome]) for outcome in outcomes)
        lines.append(f"| {kind} | {count.total()} | {numbers} |")
    if fuzz.lists_memory:
        lines += ["", f"{seconds} seconds, one process beside other work. MiB of the worker after"]
        lines += [f"every {FILES_PER_READING} files: {', '.join(map(str, findings.memory))}."]
    else:
        lines += ["", f"{seconds} seconds, one process beside other work; "]
        lines[-1] += f"it grew by {findings.growth} MB."
    complaints = [
        text + (f" ({num}×)" if num > 1 else "") for text, num in findings.complaints.items()
    ]
    memory = {"memory": findings.memory} if fuzz.lists_memory else {}
    growth = {} if fuzz.lists_memory else {"growth_megabytes": findings.growth}
    publish(
        fuzz.name,
        command=f"python benchmarks/{fuzz.name}.py --files {options.files} --seed {options.seed}",
        table="\n".join([*lines, *(f"- {complaint}" for complaint in complaints)]),
        content={"counts": findings.counts, "complaints": complaints}
        | memory
        | {"seconds": seconds}
        | growth,
        packages=fuzz.packages,
    )


def run(fuzz: Fuzz, num_files: int, *, seed: int, keep: Path | None) -> Findings:
    """Try damaged files, the same for the same seed; `keep` is a folder for the bad ones."""
    kinds, seeds = list(fuzz.seeds), list(fuzz.seeds.values())
    findings = Findings({kind: Counter() for kind in kinds})
    worker = Worker(fuzz)
    for number in range(num_files):
        kind = kinds[number % len(kinds)]
        random = np.random.default_rng([seed, number])
        data = fuzz.mutant(fuzz.seeds[kind], random, seeds[random.integers(len(seeds))])
        outcome, message = worker.try_file(kind, data, number)
        findings.counts[kind][outcome] += 1
        if (number + 1) % FILES_PER_READING == 0:
            findings.memory.append(worker.megabytes)
        if outcome in fuzz.fine:
            continue
        which = "" if outcome in fuzz.summed else f", file {number}"
        findings.complaints[f"{kind}{which}: {outcome}, {message}"] += 1
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{number}-{kind}{fuzz.suffix}").write_bytes(data)
    worker.stop()
    findings.growth = worker.growth
    return findings


class Worker:
    """A process that tries files, and is replaced when it is lost.

    Attributes:
        megabytes: memory after the last file, in MiB.
        growth: of that since the worker had settled.
    """

    def __init__(self, fuzz: Fuzz) -> None:
        self._fuzz, self.megabytes, self.growth = fuzz, 0, 0
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def try_file(self, kind: str, data: bytes, number: int) -> tuple[str, str]:
        """The outcome of a file, and a message about it."""
        self._pipe.send((kind, data, number))
        try:
            if self._pipe.poll(self._fuzz.wall_seconds):
                outcome, message, self.megabytes = self._pipe.recv()
                self._num_files += 1
                if self._num_files <= SETTLING_FILES:
                    self._settled_megabytes = self.megabytes
                self.growth = self.megabytes - self._settled_megabytes
                return outcome, message
        except (EOFError, ConnectionResetError):
            self._process.join()
            status = self._process.exitcode or 0
            self._start()
            if status == -signal.SIGPROF:
                return "timed out", f"after {self._fuzz.cpu_seconds} seconds of processor time"
            return "died", signal.Signals(-status).name if status < 0 else f"exit status {status}"
        self.stop()
        self._start()
        return "timed out", f"after {self._fuzz.wall_seconds} seconds"

    def stop(self) -> None:
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        self.megabytes = self._num_files = self._settled_megabytes = 0
        self._pipe, theirs = self._context.Pipe()
        limits = (self._fuzz.cpu_seconds, self._fuzz.max_bytes)
        self._process = self._context.Process(
            target=_serve, args=(theirs, self._fuzz.outcome_of, *limits), daemon=True
        )
        self._process.start()
        theirs.close()


def _serve(
    pipe: Connection, outcome_of: Outcome, cpu_seconds: int | None, max_bytes: int | None
) -> None:
    if max_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (max_bytes, max_bytes))
    while True:
        kind, data, number = pipe.recv()
        # Unhandled, SIGPROF ends the process: a loop in C would not see a flag of ours.
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds or 0)
        outcome, message = outcome_of(kind, data, number)
        signal.setitimer(signal.ITIMER_PROF, 0)
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        pipe.send((outcome, message, pages * resource.getpagesize() // 2**20))


def outcome_of_call(call: Callable[[], object]) -> tuple[str, str]:
    """What becomes of reading a file, and the message of the error if there is one."""
    try:
        call()
    except ImpastoError as error:
        message = str(error)
        return ("several lines" if "\n" in message or not message else "refused"), message
    except BaseException as error:
        return "other error", f"{type(error).__name__}: {error}"
    return "read", ""
