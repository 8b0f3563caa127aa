"""Damaged files of every kind that is read, loaded and saved again in a worker process.

A picture's header is read as well, and the picture as it is for a small size. The texts that come
from outside are among the kinds: lists and manifests of batches, and what web servers answer.

python benchmarks/fuzz_files.py [--files 10000] [--seed 0] [--keep FOLDER]

Counted are files read whatever their damage, files refused in one line, and what must not be:
errors that are not ours, messages of several lines, workers that died (a crash, or more than 4 GiB)
and files that took more than 20 seconds of processor time, or never ended. `--keep` writes the
files that did one of these. Told too is how much more memory the workers held at the end than
after their first files.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from measure import publish

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "images"))
from mutants import mutant, seed_files

from impasto.batch.manifest import Manifest
from impasto.batch.source import list_items
from impasto.batch.storage import place_at
from impasto.errors import ImpastoError, PictureFileError
from impasto.images.files.io import (
    Animation,
    load_picture,
    load_picture_or_animation,
    read_header,
    save_animation,
    save_picture,
)
from impasto.images.windows.reading import bits_by_windows, open_windows, size_of_file
from impasto.web import check_address, read_address, shown_address
from impasto.zoo.hub import parse_hub_address

CPU_SECONDS, WALL_SECONDS = 20, 300
WORKER_BYTES = 4 * 2**30
Outcome = Callable[[str, bytes, int], tuple[str, str]]
"""What becomes of a file of this kind, these bytes and this number, and what to know of it."""

OUTCOMES = ("read", "refused", "other error", "several lines", "died", "timed out")
SETTLING_FILES = 500
"""Of a worker, before its memory is looked at: by then it has loaded all it needs."""

TEXT_SEEDS = {
    "list": "a.png\r\n/data/ä b.jpg\nhttps://example.org/c?d=1\n# no\ns3://bucket/x.png\n".encode(),
    "manifest": (
        b'{"source": "a.png", "target": "a.png", "sha256": "00", "num_bytes": 3, "width": 4, '
        b'"height": 5, "seconds": 0.1, "worker": "here:1", "error": null}\n'
    ),
    "settings": b'{"task": "style-transfer", "size": null, "model": "00"}',
    "answer": (
        b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\nETag: "1"\r\n\r\nabcdefghijkl'
        b"HTTP/1.1 302 Found\r\nLocation: https://example.org/a\r\n\r\n"
    ),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\nX: y\r\n\r\n"
    ),
    "address": "https://user@exämple.org:443/a%20b/c.onnx?d=1#sha256=00".encode(),
}
STILL, MOVING = ("jpeg", "png", "webp", "tiff", "gif", "bmp"), ("gif", "png", "webp")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    publish_fuzz(
        "fuzz_files",
        seed_files() | TEXT_SEEDS,
        outcome_of_file,
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
    counts, complaints, growth = fuzz(
        given.files, seeds, outcome_of, seed=given.seed, keep=given.keep
    )
    seconds = round(time.perf_counter() - started)
    total = sum(counts.values(), Counter())
    lines = [f"| file | files | {' | '.join(OUTCOMES)} |", f"|---|{'---|' * (len(OUTCOMES) + 1)}"]
    for kind, count in {**counts, "all": total}.items():
        numbers = " | ".join(str(count[outcome]) for outcome in OUTCOMES)
        lines.append(f"| {kind} | {count.total()} | {numbers} |")
    lines += ["", f"{seconds} seconds, one process beside other work; it grew by {growth} MB."]
    lines += [f"- {complaint}" for complaint in complaints]
    publish(
        name,
        command=f"python benchmarks/{name}.py --files {given.files} --seed {given.seed}",
        table="\n".join(lines),
        content={
            **{"counts": counts, "complaints": complaints, "seconds": seconds},
            "growth_megabytes": growth,
        },
        packages=packages,
    )


def fuzz(
    num_files: int,
    seeds: dict[str, bytes],
    outcome_of: Outcome,
    *,
    seed: int,
    keep: Path | None,
) -> tuple[dict[str, Counter[str]], list[str], int]:
    """Count the outcomes of each kind, say what must not be, and by how many MB a worker grew."""
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in seeds}
    complaints: list[str] = []
    worker = Worker(outcome_of)
    for number in range(num_files):
        kind = list(seeds)[number % len(seeds)]
        random = np.random.default_rng([seed, number])
        data = mutant(seeds[kind], random, list(seeds.values())[random.integers(len(seeds))])
        outcome, detail = worker.try_file(kind, data, number)
        counts[kind][outcome] += 1
        if outcome not in ("read", "refused"):
            complaints.append(f"{kind}, file {number}: {outcome}, {detail}")
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{number}-{kind}").write_bytes(data)
    worker.stop()
    return counts, complaints, worker.growth


class Worker:
    """A process that reads files and can be lost."""

    def __init__(self, outcome_of: Outcome) -> None:
        self._outcome_of, self.growth = outcome_of, 0
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def try_file(self, kind: str, data: bytes, number: int) -> tuple[str, str]:
        """What became of a file, and what to know of it."""
        self._pipe.send((kind, data, number))
        try:
            if self._pipe.poll(WALL_SECONDS):
                outcome, detail, held = self._pipe.recv()
                self._num_files += 1
                if self._num_files <= SETTLING_FILES:
                    self._held_first = held
                self.growth = held - self._held_first
                return outcome, detail
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
        self._num_files = self._held_first = 0
        self._pipe, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=_serve, args=(theirs, self._outcome_of), daemon=True
        )
        self._process.start()
        theirs.close()


def _serve(pipe: Connection, outcome_of: Outcome) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (WORKER_BYTES, WORKER_BYTES))
    while True:
        kind, data, number = pipe.recv()
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # ends the process
        outcome = outcome_of(kind, data, number)
        signal.setitimer(signal.ITIMER_PROF, 0)
        pipe.send((*outcome, _megabytes_held()))


def _megabytes_held() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() // 2**20


def outcome_of_file(kind: str, data: bytes, number: int) -> tuple[str, str]:
    """What becomes of a text that is read, or of a picture that is loaded and saved again."""
    if kind in TEXT_SEEDS:
        return outcome_of_call(lambda: _read_text(kind, data))
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


def _read_text(kind: str, data: bytes) -> None:
    match kind:
        case "address":
            text = data.decode(errors="surrogateescape")
            shown_address(text)
            with contextlib.suppress(ImpastoError):
                parse_hub_address(text.replace("https://", "hf://"))
            check_address(text)  # asking for it would be asking the world
        case "answer" | "chunks":
            _read_answer(data)
        case "list":
            with tempfile.TemporaryDirectory() as folder:
                place = place_at(f"{folder}/list.txt")
                place.write(data)
                list_items(place, place_at("/elsewhere"), picture_format=None)
        case _:
            with tempfile.TemporaryDirectory() as folder:
                output = place_at(folder)
                output.inside("manifest.settings.json").write(TEXT_SEEDS["settings"])
                name = "manifest.jsonl" if kind == "manifest" else "manifest.settings.json"
                output.inside(name).write(data)
                settings = json.loads(TEXT_SEEDS["settings"])
                Manifest(output).begin(settings, output.sizes(), overwrite=False)


def _read_answer(data: bytes) -> None:
    """What a server of this machine answers, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(data)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.getsockname()[1]}/"
            read_address(address, max_bytes=2**20, seconds=5)
        finally:
            thread.join()


def _load_and_save(data: bytes, number: int) -> None:
    _load_by_windows(data)
    with contextlib.suppress(ImpastoError):
        read_header(data)
    with contextlib.suppress(ImpastoError):
        load_picture(data, longer_side=3)
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
