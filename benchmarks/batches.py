"""Small pictures several at a time against one by one: batches, and requests in parallel.

    python benchmarks/batches.py [--rounds 5]

All candidates take turns, and only their ratios count. Batches are those of the bare
backend, by processor time, which other work on the machine disturbs least. Batches and requests
in a folder, with reading and writing around them, are by the clock.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from measure import publish
from pictures import write_examples

from impasto.evaluation.timing import median_seconds
from impasto.images.files.io import Picture, load_picture, save_picture
from impasto.runtime.backends.choice import open_backend
from impasto.runtime.compute import BackendName, Compute
from impasto.runtime.pipeline import run_pipeline
from impasto.runtime.stylizer import Stylizer
from impasto.runtime.transformation import Stylization
from impasto.zoo.registry import resolve_model

STYLE = "starry_night"
SIZES = (64, 128, 256, 512)
BATCH_SIZES = (1, 2, 4, 8)
WAYS = {
    "one by one": (1, 1),
    "batches of 2": (2, 1),
    "batches of 4": (4, 1),
    "2 requests": (1, 2),
    "2 requests, batches of 2": (2, 2),
}
"""Batch size and requests for a folder."""

NUM_PHOTOGRAPHS = 8
COMMAND = "python benchmarks/batches.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    bare: dict[str, dict[int, list[float]]] = {
        name: {size: _seconds_of_batches(name, size, rounds) for size in SIZES}
        for name in ("openvino", "onnxruntime")
    }
    folders = {size: _seconds_of_folders(size, rounds) for size in SIZES}
    lines = [
        f"Style {STYLE}, f32. One by one is 1; less is faster.",
        "",
        f"| processor time a picture, batches of | {' | '.join(map(str, BATCH_SIZES))} |",
        "|---|" + "---|" * len(BATCH_SIZES),
        *(_row(f"{name}, {size}²", bare[name][size]) for name in bare for size in SIZES),
        "",
        f"| time of a folder of {NUM_PHOTOGRAPHS} JPEGs | {' | '.join(WAYS)} |",
        "|---|" + "---|" * len(WAYS),
        *(_row(f"{size}²", folders[size]) for size in SIZES),
    ]
    publish(
        "batches",
        command=f"{COMMAND} --rounds {rounds}",
        table="\n".join(lines),
        content={"bare": bare, "folders": folders},
        packages=("openvino", "onnxruntime", "numpy"),
    )


def _row(name: str, seconds: Sequence[float]) -> str:
    return f"| {name} | {' | '.join(f'{each / seconds[0]:.2f}' for each in seconds)} |"


def _seconds_of_batches(name: BackendName, size: int, rounds: int) -> list[float]:
    backend = open_backend(
        resolve_model(STYLE), Compute(backend=name, precision="f32", num_threads=1)
    )
    pictures = np.random.default_rng(0).random((max(BATCH_SIZES), 3, size, size), np.float32)

    def candidate(batch_size: int) -> Callable[[], object]:
        parts = np.split(pictures, len(pictures) // batch_size)
        return lambda: [backend.run(part) for part in parts]

    candidates = {str(number): candidate(number) for number in BATCH_SIZES}
    seconds = median_seconds(candidates, num_rounds=rounds, num_warmups=1, clock=time.process_time)
    return list(seconds.values())


def _seconds_of_folders(size: int, rounds: int) -> list[float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_examples(folder, NUM_PHOTOGRAPHS, size, size)

        def write(path: Path, stylized: Picture) -> None:
            save_picture(stylized, folder / f"{path.stem}.out.jpg", overwrite=True)

        def candidate(batch_size: int, num_requests: int) -> Callable[[], object]:
            stylizer = Stylizer(
                STYLE, precision="f32", batch_size=batch_size, num_requests=num_requests
            )
            return lambda: list(
                run_pipeline(
                    paths,
                    read=load_picture,
                    transform=stylizer.stylize_all,
                    write=write,
                    batching=Stylization(stylizer).batching(),
                )
            )

        candidates = {name: candidate(*numbers) for name, numbers in WAYS.items()}
        return list(median_seconds(candidates, num_rounds=rounds, num_warmups=1).values())


if __name__ == "__main__":
    main()
