"""Small pictures several at a time against one by one: batches, and requests side by side.

    python benchmarks/batches.py [--rounds 5]

All candidates take turns, and only their ratios are to be read. Batches are those of the bare
backend, by processor time, which other work on the machine disturbs least. Batches and requests
in a folder, with reading and writing around them, are by the clock.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

import numpy as np
from measure import publish
from PIL import Image, ImageOps

from impasto.images.files.io import Picture, load_picture, save_picture
from impasto.runtime.backends.choice import open_backend
from impasto.runtime.compute import BackendName, Compute
from impasto.runtime.pipeline import run_pipeline
from impasto.runtime.stylizer import Stylizer
from impasto.runtime.transformation import Stylization
from impasto.zoo.registry import resolve_model

EXAMPLES = Path(__file__).parents[1] / "examples" / "photos"
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
"""Of a folder: batch size and requests."""

NUM_PHOTOGRAPHS = 8
COMMAND = "python benchmarks/batches.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    bare: dict[str, dict[int, list[float]]] = {
        name: {size: _of_batches(name, size, rounds) for size in SIZES}
        for name in ("openvino", "onnxruntime")
    }
    folders = {size: _of_folders(size, rounds) for size in SIZES}
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


def _in_turns(
    ways: dict[Hashable, Callable[[], object]], rounds: int, clock: Callable[[], float]
) -> list[float]:
    """The median seconds of each way."""
    taken: dict[Hashable, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            started = clock()
            way()
            if turn:  # the first compiles
                taken[name].append(clock() - started)
    return [statistics.median(seconds) for seconds in taken.values()]


def _of_batches(name: BackendName, size: int, rounds: int) -> list[float]:
    backend = open_backend(
        resolve_model(STYLE), Compute(backend=name, precision="f32", num_threads=1)
    )
    pictures = np.random.default_rng(0).random((max(BATCH_SIZES), 3, size, size), np.float32)

    def way(batch_size: int) -> Callable[[], object]:
        parts = np.split(pictures, len(pictures) // batch_size)
        return lambda: [backend.run(part) for part in parts]

    return _in_turns({number: way(number) for number in BATCH_SIZES}, rounds, time.process_time)


def _of_folders(size: int, rounds: int) -> list[float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = _make_photographs(folder, size)

        def write(path: Path, painting: Picture) -> None:
            save_picture(painting, folder / f"{path.stem}.out.jpg", overwrite=True)

        def way(batch_size: int, num_requests: int) -> Callable[[], object]:
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

        ways: dict[Hashable, Callable[[], object]] = {
            name: way(*numbers) for name, numbers in WAYS.items()
        }
        return _in_turns(ways, rounds, time.perf_counter)


def _make_photographs(folder: Path, size: int) -> list[Path]:
    given = [Image.open(path).convert("RGB") for path in sorted(EXAMPLES.iterdir())]
    paths = [folder / f"{index:02}.jpg" for index in range(NUM_PHOTOGRAPHS)]
    for index, path in enumerate(paths):
        ImageOps.fit(given[index % len(given)], (size, size)).save(path, quality=92)
    return paths


if __name__ == "__main__":
    main()
