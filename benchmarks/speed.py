"""Time to stylize a picture: one run, alternating, medians, ratios.

    python benchmarks/speed.py [--rounds 7]

Against the network of pytorch/examples' fast_neural_style in eager torch, float32, as its script
runs it: ours with the same weights, and the shipped styles; in every precision that this
processor computes in. The weights are random, since speed does not depend on them.
"""

import argparse

import openvino
import torch
from fast_neural_style import build_published, build_twin, stylize
from measure import circumstances_of_speed, publish
from pictures import noise

from impasto.evaluation.timing import median_seconds
from impasto.export.model_export import model_bytes
from impasto.export.quantization import calibrate
from impasto.export.quantized_graph import quantize_graph, with_metadata
from impasto.runtime.predictor import Predictor
from impasto.zoo.card import ModelCard, QuantizationRecord
from impasto.zoo.model_file import MODEL_METADATA_KEY, ModelFile, model_from_bytes
from impasto.zoo.registry import resolve_model

SIZES = (256, 512, 1024)
STYLE = "starry_night"
GOALS = {
    "ours bf16": (2.3, 3.1, 3.9),
    "ours int8": (4.3, 5.8, 7.5),
    "shipped bf16": (7, 8, 11),
    "shipped int8": (None, 15, 15),
}
EAGER = "fast_neural_style"
COMMAND = "python benchmarks/speed.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", type=int, nargs="+", choices=SIZES, default=SIZES)
    arguments = parser.parse_args()
    rounds, sizes = arguments.rounds, arguments.sizes
    torch.manual_seed(0)
    published = build_published()
    shipped = resolve_model(STYLE)
    twin = build_twin(published)
    card = shipped.card.model_copy(update={"architecture": twin.architecture})
    predictors = _predictors("ours", model_from_bytes(model_bytes(twin, card)))
    predictors |= _predictors("shipped", shipped)
    rows = [_measure(size, published, predictors, rounds) for size in sizes]
    publish(
        "speed",
        command=f"{COMMAND} --rounds {rounds} --sizes {' '.join(map(str, sizes))}",
        table=_table(rows, [EAGER, *predictors]),
        content={"seconds": rows, "rounds": rounds},
    )


def _predictors(name: str, model: ModelFile) -> dict[str, Predictor]:
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    predictors = {f"{name} f32": Predictor(model, precision="f32")}
    if "BF16" in capabilities:
        predictors[f"{name} bf16"] = Predictor(model, precision="bf16")
    predictors[f"{name} int8"] = Predictor(_quantized(model), precision="int8")
    return predictors


def _quantized(model: ModelFile) -> ModelFile:
    """All but the first convolution in 8 bits, calibrated on noise: only its speed counts."""
    calibration = calibrate(model, [noise(256, 256)])
    data = quantize_graph(model.data, calibration, in_float=[next(iter(calibration.work))])
    record = QuantizationRecord(
        made_from=model.sha256, activation_bits=8, weight_bits=7, photographs="noise",
        num_photographs=1, in_float=[], share_in_float=0, checked="nothing", min_psnr=0,
        median_psnr=0,
    )  # fmt: skip
    card: ModelCard = model.card.model_copy(update={"quantization": record})
    return model_from_bytes(with_metadata(data, {MODEL_METADATA_KEY: card.to_json()}))


def _measure(
    size: int, published: torch.nn.Module, predictors: dict[str, Predictor], rounds: int
) -> dict[str, float]:
    picture = noise(size, size)
    tensor = torch.from_numpy(picture).permute(2, 0, 1)[None].contiguous()
    candidates = {EAGER: lambda: stylize(published, tensor)}
    for name, predictor in predictors.items():
        candidates[name] = lambda predictor=predictor: predictor(picture)  # type: ignore[misc]
    return {"size": float(size), **median_seconds(candidates, num_rounds=rounds, num_warmups=1)}


def _table(rows: list[dict[str, float]], columns: list[str]) -> str:
    lines = [
        "Seconds for one picture (times as fast as fast_neural_style, eager torch, float32; "
        "wanted, where this processor has the arithmetic).",
        "",
        "| size | " + " | ".join(columns) + " |",
        "|" + "---|" * (len(columns) + 1),
    ]
    for row in rows:
        index = SIZES.index(int(row["size"]))
        cells = []
        for column in columns:
            ratio = row[EAGER] / row[column]
            goal = GOALS.get(column, (None, None, None))[index]
            note = f"{ratio:.2f}" + (f"; {goal}" if goal else "")
            cells.append(f"{row[column]:.3f} ({note})")
        lines.append(f"| {int(row['size'])}² | " + " | ".join(cells) + " |")
    lines += ["", circumstances_of_speed()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
