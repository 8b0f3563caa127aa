"""A folder of photographs through `impasto stylize`, against the bare backend: where the time goes.

    python benchmarks/folder.py [--photographs 200]

JPEGs of one megapixel, from examples/photos. The bare backend takes arrays from memory. Reading,
preparing and writing are measured alone on some of them: the difference to the command's time is
what hides behind the model.
"""

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measure import publish
from pictures import write_examples

from impasto.cli.main import run
from impasto.images.files.io import load_picture, save_picture
from impasto.runtime.predictor import Predictor, network_batch
from impasto.runtime.stylizer import Stylizer
from impasto.zoo.registry import resolve_model

WIDTH, HEIGHT = 1152, 896
STYLE = "starry_night"
GOAL = 0.85
COMMAND = "python benchmarks/folder.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=int, default=200)
    parser.add_argument("--bare", type=int, default=20, help="pictures for the bare backend")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_examples(folder / "photos", arguments.photographs, WIDTH, HEIGHT)
        before = _bare_seconds(paths[0], arguments.bare)
        started = time.perf_counter()
        words = ["stylize", folder / "photos", "-s", STYLE, "-o", folder / "stylized", "--json"]
        with contextlib.redirect_stdout(io.StringIO()):
            status = run([str(word) for word in words])
        whole = (time.perf_counter() - started) / len(paths)
        assert status == 0, status
        bare = statistics.mean([before, _bare_seconds(paths[0], arguments.bare)])
        alone = _alone(paths[:5], folder)
    share = bare / whole
    lines = [
        f"{len(paths)} JPEGs of {WIDTH}×{HEIGHT}, style {STYLE}.",
        "",
        "| | seconds a picture |",
        "|---|---|",
        f"| the command, whole | {whole:.3f} |",
        f"| the bare backend on arrays, before and after | {bare:.3f} |",
        *(f"| {name}, alone | {seconds:.3f} |" for name, seconds in alone.items()),
        "",
        f"{share:.0%} of the bare backend's throughput (wanted: {GOAL:.0%}). Reading and writing "
        f"would take {sum(alone.values()) / whole:.0%} of the command's time by themselves; "
        f"{max(0.0, (bare + sum(alone.values()) - whole) / sum(alone.values())):.0%} of that was "
        "hidden behind the model.",
    ]
    publish(
        "folder",
        command=f"{COMMAND} --photographs {len(paths)} --bare {arguments.bare}",
        table="\n".join(lines),
        content={"whole": whole, "bare": bare, "alone": alone, "share": share},
    )


def _bare_seconds(path: Path, number: int) -> float:
    predictor = Predictor(resolve_model(STYLE))
    batch = network_batch(predictor.card, load_picture(path).rgb[np.newaxis])
    backend = predictor.backend
    backend.run(batch)
    started = time.perf_counter()
    for _ in range(number):
        backend.run(batch)
    return (time.perf_counter() - started) / number


def _alone(paths: list[Path], folder: Path) -> dict[str, float]:
    card = Stylizer(STYLE).card
    pictures = [load_picture(path) for path in paths]
    output = folder / "alone.jpg"
    steps: dict[str, Callable[[int], object]] = {
        "reading": lambda i: load_picture(paths[i]),
        "preparing": lambda i: network_batch(card, pictures[i].rgb[np.newaxis]),
        "writing": lambda i: save_picture(pictures[i], output, overwrite=True),
    }
    seconds = {}
    for name, step in steps.items():
        times = []
        for index in range(len(paths)):
            started = time.perf_counter()
            step(index)
            times.append(time.perf_counter() - started)
        seconds[name] = statistics.median(times)
    return seconds


if __name__ == "__main__":
    main()
