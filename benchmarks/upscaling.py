"""Time of super-resolution ×4: ours, bicubic, SRCNN and the paper's network, in one run.

    python benchmarks/upscaling.py

Networks are freshly built: speed does not depend on weights. All run in the same runtime, on a
picture of 256² pixels, alternating, medians. Peak memory is that of a whole `impasto upscale`
process with our network on a picture of 1024² pixels; the others hold 64 channels of the enlarged
picture, several gigabytes.
"""

import argparse
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from measure import publish
from numpy.typing import NDArray
from pictures import noise, write_noise
from PIL import Image
from processes import RUN_IMPASTO, peak_megabytes

import impasto
from impasto.evaluation.report import table
from impasto.evaluation.timing import median_seconds
from impasto.export.model_export import model_bytes
from impasto.images.resize import imresize
from impasto.networks.architecture import (
    PaperSuperResolutionArchitecture,
    SrcnnArchitecture,
    SubpixelArchitecture,
    SuperResolutionArchitecture,
)
from impasto.networks.super_resolution import build_super_resolution_network
from impasto.runtime.compute import Precision
from impasto.runtime.predictor import Predictor
from impasto.zoo.card import Licences, ModelCard, TrainingRecord
from impasto.zoo.model_file import model_from_bytes

SCALE, SIZE, LARGE_SIZE = 4, 256, 1024
PEAK_GOAL_MB = 1500
OURS, PILLOW = "ours", "bicubic, Pillow, 8 bits"
ARCHITECTURES: dict[str, SuperResolutionArchitecture] = {
    OURS: SubpixelArchitecture(scale=SCALE),
    "SRCNN 9-1-5": SrcnnArchitecture(scale=SCALE),
    "SRCNN 9-5-5": SrcnnArchitecture(scale=SCALE, kernel_sizes=(9, 5, 5)),
    "the paper's": PaperSuperResolutionArchitecture(scale=SCALE),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--precision", choices=("auto", "f32", "bf16"), default="auto")
    parser.add_argument("--without-memory", action="store_true", help="speed only")
    arguments = parser.parse_args()
    files = {name: _fresh_model(architecture) for name, architecture in ARCHITECTURES.items()}
    seconds, precision = _measure(files, arguments.precision, arguments.rounds)
    peak = None if arguments.without_memory else _peak_memory_mb(files[OURS], arguments.precision)
    rows = [
        [
            name,
            f"{1000 * value:.0f}",
            f"{value / seconds[PILLOW]:.1f}",
            f"{value / seconds[OURS]:.2f}",
        ]
        for name, value in seconds.items()
    ]
    head = ("what", "ms", "times bicubic (Pillow)", "times ours")
    note = f"×{SCALE} of {SIZE}² pixels, models in {precision}, {arguments.rounds} rounds."
    if peak is not None:
        note += (
            f" Peak memory of the whole process, ours, at {LARGE_SIZE}² pixels: {peak} MB (wanted: "
            f"under {PEAK_GOAL_MB})."
        )
    publish(
        "upscaling",
        command=f"python benchmarks/upscaling.py --precision {arguments.precision}",
        table=f"{table(head, rows)}\n\n{note}",
        content={
            "seconds": seconds,
            "peak_mb": peak,
            "precision": precision,
            "rounds": arguments.rounds,
        },
    )


def _measure(
    files: dict[str, bytes], precision: Precision, num_rounds: int
) -> tuple[dict[str, float], str]:
    predictors = {
        name: Predictor(model_from_bytes(data), precision=precision) for name, data in files.items()
    }
    picture = noise(SIZE, SIZE)
    image = Image.fromarray((picture * 255).astype(np.uint8))
    large = (SIZE * SCALE, SIZE * SCALE)
    candidates = {
        PILLOW: lambda: image.resize(large, Image.Resampling.BICUBIC),
        "bicubic, MATLAB-equal": lambda: imresize(picture, width=large[0], height=large[1]),
    }
    for name, predictor in predictors.items():
        candidates[name] = _applied(predictor, picture)
    seconds = median_seconds(candidates, num_rounds=num_rounds)
    return seconds, next(iter(predictors.values())).backend.precision


def _applied(predictor: Predictor, picture: NDArray[np.float32]) -> object:
    return lambda: predictor(picture)


def _fresh_model(architecture: SuperResolutionArchitecture) -> bytes:
    torch.manual_seed(0)
    network = build_super_resolution_network(architecture).eval()
    card = ModelCard(
        name="fresh",
        title="Freshly built",
        task="super-resolution",
        scale=architecture.scale,
        degradation="bicubic",
        created=datetime.now(UTC).date().isoformat(),
        architecture=architecture,
        training=TrainingRecord(
            recipe={}, dataset="none", num_photographs=0, steps=0, minutes=0, seed=0,
            hardware="none", versions={}, loss_network_sha256="0" * 64, losses={},
        ),
        licences=Licences(
            code="Apache-2.0", weights="random", training_photographs="none", commercial_use="clear"
        ),
        impasto_version=impasto.__version__,
    )  # fmt: skip
    return model_bytes(network, card)


def _peak_memory_mb(data: bytes, precision: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        model, photo = Path(folder) / "fresh.onnx", Path(folder) / "photo.png"
        model.write_bytes(data)
        write_noise(photo, LARGE_SIZE, LARGE_SIZE, detail=64)
        words = ("upscale", photo, "-m", model, "--precision", precision)
        return round(peak_megabytes(RUN_IMPASTO, *words, "-o", f"{folder}/large.png"))


if __name__ == "__main__":
    main()
