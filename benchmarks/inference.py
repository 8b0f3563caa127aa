"""Our runtime against the same network in eager torch: one run, alternating, medians, ratios.

    python benchmarks/inference.py

The 32-64-128 network has random weights (speed does not depend on them); the shipped style is
measured beside it. Peak memory is that of a whole `impasto stylize` process on a 1024² photograph.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from measure import median_seconds, publish
from PIL import Image

from impasto.export.model_export import model_bytes
from impasto.networks.architecture import NetworkArchitecture
from impasto.networks.style_transfer import StyleTransferNetwork
from impasto.runtime.predictor import Predictor
from impasto.zoo.model_file import model_from_bytes
from impasto.zoo.registry import resolve_model

SIZES = (256, 512, 1024)
TARGETS = {256: 2.2, 512: 2.8, 1024: 3.5}
PEAK_TARGET_MB = 700
COMMAND = "python benchmarks/inference.py"

PEAK_SCRIPT = """
import json, sys
from pathlib import Path
from impasto.cli.main import app
try:
    app(sys.argv[1:])
except SystemExit as end:
    code = end.code
# Not getrusage: its maximum still holds the parent's size from before exec.
status = Path("/proc/self/status").read_text()
peak_kb = int(status.partition("VmHWM:")[2].split()[0])
print(json.dumps({"code": code, "peak_mb": round(peak_kb / 1024)}), file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    torch.manual_seed(0)
    network = StyleTransferNetwork(NetworkArchitecture(channels=(32, 64, 128))).eval()
    shipped = resolve_model("starry_night")
    card = shipped.card.model_copy(update={"architecture": network.architecture})
    wide = model_from_bytes(model_bytes(network, card))
    predictors = {
        "ours bf16": Predictor(wide, precision="bf16"),
        "ours f32": Predictor(wide, precision="f32"),
        "shipped style bf16": Predictor(shipped, precision="bf16"),
    }
    rows = [_measure(size, network, predictors, rounds) for size in SIZES]
    peak = _peak_memory()
    columns = ["torch eager f32", *predictors]
    head = "| size | " + " | ".join(f"{c}, ms" for c in columns) + " | ratio | wanted |"
    lines = [head, "|" + "---|" * (len(columns) + 3)]
    for row in rows:
        size = int(row["size"])
        cells = " | ".join(f"{1000 * row[column]:.0f}" for column in columns)
        lines.append(f"| {size}² | {cells} | {row['ratio']:.2f} | {TARGETS[size]} |")
    lines += [
        "",
        "Ratio: torch eager f32 over ours in bf16, both 32-64-128. Peak memory of the whole "
        f"process, shipped style at 1024²: {peak} MB (wanted: under {PEAK_TARGET_MB}).",
    ]
    publish(
        "inference",
        command=COMMAND,
        table="\n".join(lines),
        content={"seconds": rows, "peak_mb": peak, "rounds": rounds},
    )


def _measure(
    size: int, network: torch.nn.Module, predictors: dict[str, Predictor], rounds: int
) -> dict[str, float]:
    picture = np.random.default_rng(0).random((size, size, 3), dtype=np.float32)
    tensor = torch.from_numpy(picture).permute(2, 0, 1)[None].contiguous()

    def eager() -> None:
        with torch.no_grad():
            network(tensor)

    candidates = {"torch eager f32": eager}
    for name, predictor in predictors.items():
        candidates[name] = lambda predictor=predictor: predictor(picture)  # type: ignore[misc]
    seconds = median_seconds(candidates, num_rounds=rounds)
    ratio = seconds["torch eager f32"] / seconds["ours bf16"]
    return {"size": float(size), **seconds, "ratio": ratio}


def _peak_memory() -> int:
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((1024, 1024), Image.Resampling.BICUBIC).save(photo)
        arguments = [
            "stylize",
            str(photo),
            "-s",
            "starry_night",
            "-o",
            str(photo.with_suffix(".png")),
        ]
        run = subprocess.run(
            [sys.executable, "-c", PEAK_SCRIPT, *arguments],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    return int(json.loads(run.stderr.strip().splitlines()[-1])["peak_mb"])


if __name__ == "__main__":
    main()
