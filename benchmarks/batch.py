"""`impasto batch` against a bare loop: pictures per second and core, at one megapixel.

python benchmarks/batch.py --pictures 32

Both sides work with as many processes as there are workers, a thread each, on the same JPEGs. The
bare loop reads, stylizes and writes, and keeps no books.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import publish
from PIL import Image

from impasto.system.machine import num_cores

SIDE = 1024
STYLE = "starry_night"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=32)
    parser.add_argument("--workers", type=int, default=num_cores())
    parser.add_argument("--bare", nargs="*", help="run the bare loop on these files")
    options = parser.parse_args()
    if options.bare:
        print(json.dumps(bare_loop(options.bare)))
        return
    with tempfile.TemporaryDirectory() as folder:
        files = draw(Path(folder) / "in", options.pictures)
        bare = in_parallel(files, options.workers)
        batch, whole_seconds = through_batch(Path(folder), options.workers)
    report(options, bare, batch, whole_seconds)


def draw(folder: Path, num_pictures: int) -> list[Path]:
    """Draw noise at several sizes, so that a JPEG takes as long as that of a photograph."""
    folder.mkdir()
    files = []
    for number in range(num_pictures):
        rng = np.random.default_rng(number)
        picture = np.zeros((SIDE, SIDE, 3), np.float32)
        for size in (8, 64, 512):
            noise = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
            scaled = Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            picture += np.asarray(scaled, np.float32) / 3
        files.append(folder / f"{number:04d}.jpg")
        Image.fromarray(picture.astype(np.uint8)).save(files[-1], quality=90)
    return files


def bare_loop(files: list[str]) -> list[float]:
    """Seconds for each picture, the first of which is done twice and counted once."""
    from impasto.images.files.io import load_picture, save_picture
    from impasto.runtime.stylizer import Stylizer

    stylizer, seconds = Stylizer(STYLE, num_threads=1), []
    for number, file in enumerate([files[0], *files]):
        started = time.perf_counter()
        output = Path(file).with_name(f".{Path(file).name}")  # hidden: no picture of the batch
        save_picture(stylizer.stylize(load_picture(file)), output, overwrite=True)
        if number:
            seconds.append(time.perf_counter() - started)
    return seconds


def in_parallel(files: list[Path], num_workers: int) -> list[float]:
    """The bare loop in as many processes as the batch has workers."""
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--bare", *map(str, files[first::num_workers])],
            stdout=subprocess.PIPE,
        )
        for first in range(num_workers)
        if files[first::num_workers]
    ]
    return [seconds for process in processes for seconds in json.loads(process.communicate()[0])]


def through_batch(folder: Path, num_workers: int) -> tuple[list[float], float]:
    """Seconds for each picture but each worker's first, and for the whole command."""
    impasto = str(Path(sys.executable).with_name("impasto"))
    words = ["batch", str(folder / "in"), "-o", str(folder / "out"), "-s", STYLE]
    started = time.perf_counter()
    subprocess.run([impasto, *words, "--workers", str(num_workers)], check=True)
    whole = time.perf_counter() - started
    lines = (folder / "out" / "manifest.jsonl").read_text().splitlines()
    begun: set[str] = set()
    seconds = []
    for row in map(json.loads, lines):
        if row["worker"] in begun:
            seconds.append(row["seconds"])
        begun.add(row["worker"])
    return seconds, whole


def report(
    options: argparse.Namespace, bare: list[float], batch: list[float], whole_seconds: float
) -> None:
    bare_pace, batch_pace = len(bare) / sum(bare), len(batch) / sum(batch)
    around = whole_seconds - sum(batch) / options.workers
    table = "\n".join(
        [
            "| | pictures a second and core |",
            "|---|---|",
            f"| bare loop | {bare_pace:.3f} |",
            f"| `impasto batch`, at work | {batch_pace:.3f} |",
            f"| ratio | {batch_pace / bare_pace:.2f} |",
            "",
            f"{options.pictures} JPEGs of {SIDE}², style {STYLE}, {options.workers} workers with a "
            f"thread each; reading, decoding, encoding, writing and checksums included. Starting "
            f"and ending Ray and opening the models takes {around:.0f} s around that.",
        ]
    )
    publish(
        "batch",
        command=f"python benchmarks/batch.py --pictures {options.pictures} "
        f"--workers {options.workers}",
        table=table,
        content={
            "bare_seconds": bare,
            "batch_seconds": batch,
            "whole_seconds": whole_seconds,
            "num_workers": options.workers,
        },
    )


if __name__ == "__main__":
    main()
