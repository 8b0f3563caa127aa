"""A folder of photographs through `impasto stylize`, against the bare backend: where time goes.

    python benchmarks/folder.py [--photographs 200]

JPEGs of one megapixel, made from examples/photos. The bare backend is given preloaded arrays. What
reading, the picture's preparation and writing take alone is measured on some of them, so that it
can be seen how much of it hides behind the model.
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
from PIL import Image, ImageOps

from impasto.cli.main import run
from impasto.images.files.io import load_picture, save_picture
from impasto.runtime.predictor import Predictor, network_batch
from impasto.runtime.stylizer import Stylizer
from impasto.zoo.registry import resolve_model

EXAMPLES = Path(__file__).parents[1] / "examples" / "photos"
WIDTH, HEIGHT = 1152, 896
STYLE = "starry_night"
WANTED = 0.85
COMMAND = "python benchmarks/folder.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=int, default=200)
    parser.add_argument("--bare", type=int, default=20, help="pictures for the bare backend")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = _make_photographs(folder / "photos", arguments.photographs)
        before = _bare_seconds(paths[0], arguments.bare)
        started = time.perf_counter()
        words = ["stylize", folder / "photos", "-s", STYLE, "-o", folder / "painted", "--json"]
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
        f"{share:.0%} of the bare backend's throughput (wanted: {WANTED:.0%}). Reading and writing "
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


def _make_photographs(folder: Path, number: int) -> list[Path]:
    folder.mkdir()
    given = [Image.open(path).convert("RGB") for path in sorted(EXAMPLES.iterdir())]
    fitted = [ImageOps.fit(image, (WIDTH, HEIGHT)) for image in given]
    paths = [folder / f"{index:03}.jpg" for index in range(number)]
    for index, path in enumerate(paths):
        turned = fitted[index % len(fitted)]
        (turned if index // len(fitted) % 2 else ImageOps.mirror(turned)).save(path, quality=92)
    return paths


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
    target = folder / "alone.jpg"
    steps: dict[str, Callable[[int], object]] = {
        "reading": lambda i: load_picture(paths[i]),
        "preparing": lambda i: network_batch(card, pictures[i].rgb[np.newaxis]),
        "writing": lambda i: save_picture(pictures[i], target, overwrite=True),
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
