"""Our runtime against the same network in eager torch: one run, alternating, medians, ratios.

    python benchmarks/inference.py

The 32-64-128 network has random weights (speed does not depend on them); the shipped style is
measured beside it. Peak memory is that of a whole `impasto stylize` process on a 1024² photograph.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from measure import publish
from pictures import noise, write_noise
from processes import RUN_IMPASTO, peak_megabytes

from impasto.evaluation.timing import median_seconds
from impasto.export.model_export import model_bytes
from impasto.networks.architecture import NetworkArchitecture
from impasto.networks.style_transfer import StyleTransferNetwork
from impasto.runtime.predictor import Predictor
from impasto.zoo.model_file import model_from_bytes
from impasto.zoo.registry import resolve_model

SIZES = (256, 512, 1024)
GOALS = {256: 2.2, 512: 2.8, 1024: 3.5}
PEAK_GOAL_MB = 700
COMMAND = "python benchmarks/inference.py"


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
        lines.append(f"| {size}² | {cells} | {row['ratio']:.2f} | {GOALS[size]} |")
    lines += [
        "",
        "Ratio: torch eager f32 over ours in bf16, both 32-64-128. Peak memory of the whole "
        f"process, shipped style at 1024²: {peak} MB (wanted: under {PEAK_GOAL_MB}).",
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
    picture = noise(size, size)
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
        write_noise(photo, 1024, 1024, detail=64)
        words = ("stylize", photo, "-s", "starry_night", "-o", photo.with_suffix(".png"))
        return round(peak_megabytes(RUN_IMPASTO, *words))


if __name__ == "__main__":
    main()
