"""Time and memory of shipped models with and without the rewriting of convolutions.

    python benchmarks/cheaper_graph.py [--rounds 7]

See `impasto.runtime.backends.cheaper_graph`. Each peak of memory is of a process of its own.
"""

import argparse
from typing import Any, cast

import numpy as np
import openvino
from measure import circumstances_of_speed, publish
from processes import peak_megabytes

from impasto.evaluation.timing import median_seconds
from impasto.runtime.backends import openvino_backend
from impasto.runtime.backends.cheaper_graph import make_cheaper
from impasto.runtime.backends.openvino_backend import OpenVinoBackend
from impasto.runtime.compute import Precision
from impasto.zoo.registry import resolve_model

MODELS = ("starry_night", "srcnn_x4", "paper_feature_x4")
SIZES = ((256, 256), (512, 512), (341, 512), (1024, 1024))
BATCH_OF_ONE = """
import cheaper_graph
cheaper_graph.batch_of_one(*sys.argv[1:])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    precisions = ["f32", *["bf16"] * ("BF16" in capabilities), "int8"]
    lines = [
        "| model | picture | precision | as exported, ms | rewritten, ms | ratio | peak, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    content = []
    for name in MODELS:
        for height, width in SIZES:
            scale = 4 if name.endswith("x4") else 1
            size = (height // scale, width // scale)
            for precision in precisions if scale == 1 else precisions[:-1]:
                batch = _noise(size)
                calls = {
                    kind: _call(_backend(name, precision, kind), batch)
                    for kind in ("plain", "cheaper")
                }
                seconds = median_seconds(calls, num_rounds=rounds)
                peaks = {
                    kind: peak_megabytes(BATCH_OF_ONE, name, precision, kind, *size)
                    for kind in calls
                }
                plain, cheaper = seconds["plain"], seconds["cheaper"]
                lines.append(
                    f"| {name} | {size[1]}×{size[0]} | {precision} | {1e3 * plain:.0f} | "
                    f"{1e3 * cheaper:.0f} | {plain / cheaper:.2f} | "
                    f"{peaks['plain']:.0f}, {peaks['cheaper']:.0f} |"
                )
                content.append(
                    {"model": name, "size": size, "precision": precision}
                    | {"seconds": seconds, "peak_mb": peaks}
                )
    publish(
        "cheaper_graph",
        command=f"python benchmarks/cheaper_graph.py --rounds {rounds}",
        table="\n".join(lines) + f"\n\n{circumstances_of_speed()}",
        content={"rows": content, "rounds": rounds},
        packages=("openvino", "numpy"),
    )


def _noise(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).random((1, 3, *size), dtype=np.float32)


def _backend(name: str, precision: str, kind: str) -> OpenVinoBackend:
    model = resolve_model(name, quantized=precision == "int8")
    backend = OpenVinoBackend(model.data, precision=cast(Precision, precision))
    openvino_backend.make_cheaper = make_cheaper if kind == "cheaper" else lambda _: None
    return backend


def _call(backend: OpenVinoBackend, batch: np.ndarray) -> Any:
    backend.run(batch)  # compiled now, as `_backend` said
    return lambda: backend.run(batch)


def batch_of_one(name: str, precision: str, kind: str, height: str, width: str) -> None:
    """Run a model once; for the processes whose memory is measured."""
    _backend(name, precision, kind).run(_noise((int(height), int(width))))


if __name__ == "__main__":
    main()
