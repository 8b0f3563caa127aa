"""Damaged files of every kind that is read, loaded and saved again in a worker process.

python benchmarks/fuzz_files.py [--files 10000] [--seed 0] [--keep FOLDER]

Counted are files read whatever their damage, files refused in one line, and what must not be:
errors that are not ours, messages of several lines, workers that died (a crash, or more than 4 GiB)
and files that took more than 20 seconds of processor time, or never ended. `--keep` writes the
files that did one of these.
"""

import argparse
import contextlib
import io
import multiprocessing
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from measure import publish

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "images"))
from mutants import mutant, seed_files

from impasto.errors import ImpastoError, PictureFileError
from impasto.images.io import Animation, load_picture_or_animation, save_animation, save_picture
from impasto.images.window_reading import bits_by_windows, open_windows, size_of_file

CPU_SECONDS, WALL_SECONDS = 20, 300
WORKER_BYTES = 4 * 2**30
Outcome = Callable[[bytes, int], tuple[str, str]]
"""What becomes of a file of these bytes and this number, and what to know of it."""

OUTCOMES = ("read", "refused", "other error", "several lines", "died", "timed out")
STILL, MOVING = ("jpeg", "png", "webp", "tiff", "gif", "bmp"), ("gif", "png", "webp")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    publish_fuzz(
        "fuzz_files",
        seed_files(),
        outcome_of_picture,
        given,
        packages=("pillow", "pyvips", "pillow-heif", "numpy"),
    )


def publish_fuzz(
    name: str,
    seeds: dict[str, bytes],
    outcome_of: Outcome,
    given: argparse.Namespace,
    *,
    packages: tuple[str, ...],
) -> None:
    """Damage files, count what becomes of them, and publish the table of a script of this name."""
    started = time.perf_counter()
    counts, complaints = fuzz(given.files, seeds, outcome_of, seed=given.seed, keep=given.keep)
    seconds = round(time.perf_counter() - started)
    total = sum(counts.values(), Counter())
    lines = [f"| file | files | {' | '.join(OUTCOMES)} |", f"|---|{'---|' * (len(OUTCOMES) + 1)}"]
    for kind, count in {**counts, "all": total}.items():
        numbers = " | ".join(str(count[outcome]) for outcome in OUTCOMES)
        lines.append(f"| {kind} | {count.total()} | {numbers} |")
    lines += ["", f"{seconds} seconds, one process beside other work."]
    lines += [f"- {complaint}" for complaint in complaints]
    publish(
        name,
        command=f"python benchmarks/{name}.py --files {given.files} --seed {given.seed}",
        table="\n".join(lines),
        content={"counts": counts, "complaints": complaints, "seconds": seconds},
        packages=packages,
    )


def fuzz(
    num_files: int,
    seeds: dict[str, bytes],
    outcome_of: Outcome,
    *,
    seed: int,
    keep: Path | None,
) -> tuple[dict[str, Counter[str]], list[str]]:
    """Count the outcomes of each kind, and say what must not be."""
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in seeds}
    complaints: list[str] = []
    worker = Worker(outcome_of)
    for number in range(num_files):
        kind = list(seeds)[number % len(seeds)]
        random = np.random.default_rng([seed, number])
        data = mutant(seeds[kind], random, list(seeds.values())[random.integers(len(seeds))])
        outcome, detail = worker.try_file(data, number)
        counts[kind][outcome] += 1
        if outcome not in ("read", "refused"):
            complaints.append(f"{kind}, file {number}: {outcome}, {detail}")
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{number}-{kind}").write_bytes(data)
    worker.stop()
    return counts, complaints


class Worker:
    """A process that reads files and can be lost."""

    def __init__(self, outcome_of: Outcome) -> None:
        self._outcome_of = outcome_of
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def try_file(self, data: bytes, number: int) -> tuple[str, str]:
        """What became of a file, and what to know of it."""
        self._pipe.send((data, number))
        try:
            if self._pipe.poll(WALL_SECONDS):
                return self._pipe.recv()  # type: ignore[no-any-return]
        except (EOFError, ConnectionResetError):
            self._process.join()
            status = self._process.exitcode
            self._start()
            if status == -signal.SIGPROF:
                return "timed out", f"after {CPU_SECONDS} seconds of processor time"
            return "died", f"exit status {status}"
        self.stop()
        self._start()
        return "timed out", f"after {WALL_SECONDS} seconds"

    def stop(self) -> None:
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        self._pipe, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=_serve, args=(theirs, self._outcome_of), daemon=True
        )
        self._process.start()
        theirs.close()


def _serve(pipe: Connection, outcome_of: Outcome) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (WORKER_BYTES, WORKER_BYTES))
    while True:
        data, number = pipe.recv()
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # ends the process
        outcome = outcome_of(data, number)
        signal.setitimer(signal.ITIMER_PROF, 0)
        pipe.send(outcome)


def outcome_of_picture(data: bytes, number: int) -> tuple[str, str]:
    """What becomes of a picture that is loaded and saved again."""
    return outcome_of_call(lambda: _load_and_save(data, number))


def outcome_of_call(call: Callable[[], object]) -> tuple[str, str]:
    """What becomes of reading a file, and the message of it."""
    try:
        call()
    except ImpastoError as error:
        message = str(error)
        return ("several lines" if "\n" in message or not message else "refused"), message
    except BaseException as error:
        return "other error", f"{type(error).__name__}: {error}"
    return "read", ""


def _load_and_save(data: bytes, number: int) -> None:
    _load_by_windows(data)
    loaded = load_picture_or_animation(data)
    if isinstance(loaded, Animation):
        save_animation(loaded, io.BytesIO(), format=MOVING[number % len(MOVING)])
    else:
        save_picture(loaded, io.BytesIO(), format=STILL[number % len(STILL)])


def _load_by_windows(data: bytes) -> None:
    """As pictures too large for memory are read; what is not read so may be read whole."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "picture")
        path.write_bytes(data)
        with contextlib.suppress(PictureFileError):
            size_of_file(path)
            if bits_by_windows(path) is not None:
                windows = open_windows(path, Path(folder))
                windows.channels(slice(0, windows.height), slice(0, windows.width))


if __name__ == "__main__":
    main()
