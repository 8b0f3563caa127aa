"""Shapes of the network for any painting: milliseconds, and what short trainings reach.

    python benchmarks/style_shapes.py [--train STEPS --paintings DIR --photos DIR]

Networks with random weights stylize noise and take turns; beside them the network for one style.
In int8 every convolution is quantized: the least time that the shape can take. With `--train` each
shape is trained by the recipe `recipes/styles/any_painting.toml`, with the same seed and as many
steps, at one crop size; the terms are means over the last tenth of the log, the fall is the last
that was scored on the paintings held out.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from measure import circumstances_of_speed, publish
from pictures import mosaic, noise

from impasto.evaluation.circumstances import circumstances
from impasto.evaluation.report import table
from impasto.evaluation.timing import median_seconds
from impasto.export.model_export import model_bytes
from impasto.export.quantization import calibrate
from impasto.export.quantized_graph import quantize_graph
from impasto.networks.architecture import AnyPaintingArchitecture, NetworkArchitecture
from impasto.networks.building import build_network
from impasto.runtime.backends.openvino_backend import OpenVinoBackend
from impasto.training.logs import read_log
from impasto.training.progress import Progress
from impasto.training.recipe_file import load_recipe
from impasto.training.run import run_folder, train_model
from impasto.zoo.model_file import ModelFile, model_from_bytes
from impasto.zoo.registry import resolve_model

SINGLE_STYLE = "starry_night"
SHAPES = (
    ((16, 32, 64), 5),
    ((32, 64), 5),
    ((32, 64), 4),
    ((32, 64), 3),
    ((24, 64), 4),
    ((32, 48), 5),
    ((24, 48), 5),
)
"""Channels and residual blocks."""

RECIPE = Path(__file__).parents[1] / "recipes" / "styles" / "any_painting.toml"
CALIBRATION_SIDE = 256
NOT_TERMS = ("step", "learning_rate", "pictures_per_second", "data_share", "seconds")
Shape = AnyPaintingArchitecture | NetworkArchitecture


def main() -> None:
    arguments = parsed()
    shapes = {name_of(shape): shape for shape in architectures(arguments.shapes)}
    single = NetworkArchitecture()
    models = {
        f"one style, {name_of(single)}": random_model(single),
        **{name: random_model(shape) for name, shape in shapes.items()},
    }
    seconds = speed(models, arguments)
    trained = trainings(shapes, arguments) if arguments.train else {}
    text = shape_table(models, seconds, trained, arguments)
    content = {"seconds": seconds, "trained": trained, "steps": arguments.train}
    command = "python benchmarks/style_shapes.py"
    if arguments.json is None:
        publish("style_shapes", command=command, table=text, content=content)
        return
    print(text)
    data = {**circumstances(command).as_dict(), **content}
    arguments.json.write_text(json.dumps(data, indent=2) + "\n")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="side of the timed pictures")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--float-only", action="store_true", help="leave int8 out")
    parser.add_argument("--shapes", type=int, nargs="+", help="positions in the list, from 0")
    parser.add_argument("--train", type=int, default=0, metavar="STEPS")
    parser.add_argument("--paintings", type=Path, help="to train on")
    parser.add_argument("--photos", type=Path, help="likewise")
    parser.add_argument("--crop-size", type=int, default=160, help="of the trainings")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe"
    )
    parser.add_argument("--output", type=Path, help="folder for the trained networks")
    parser.add_argument("--json", type=Path, help="write the figures here, not into the results")
    arguments = parser.parse_args()
    if arguments.train and not (arguments.paintings and arguments.photos):
        parser.error("--train needs --paintings and --photos")
    return arguments


def architectures(positions: list[int] | None) -> list[AnyPaintingArchitecture]:
    chosen = SHAPES if positions is None else [SHAPES[position] for position in positions]
    return [
        AnyPaintingArchitecture(channels=channels, num_residual_blocks=num_blocks)
        for channels, num_blocks in chosen
    ]


def name_of(shape: Shape) -> str:
    return f"{'-'.join(map(str, shape.channels))} × {shape.num_residual_blocks}"


def random_model(shape: Shape) -> ModelFile:
    torch.manual_seed(0)
    card = resolve_model(SINGLE_STYLE).card.model_copy(update={"architecture": shape})
    return model_from_bytes(model_bytes(build_network(shape).eval(), card))


def speed(models: dict[str, ModelFile], arguments: argparse.Namespace) -> dict[str, Any]:
    """Median seconds by precision and network; all networks and precisions take turns."""
    backends = {}
    for name, model in models.items():
        backend = OpenVinoBackend(model.data)
        backends[name, backend.precision] = backend
        if not arguments.float_only:
            # One picture is enough: only time is measured.
            calibration = calibrate(model, [mosaic(CALIBRATION_SIDE)])
            data = quantize_graph(model.data, calibration, in_float=())
            backends[name, "int8"] = OpenVinoBackend(data, precision="int8")
        print(f"opened {name}", file=sys.stderr)
    batch = noise(arguments.size, arguments.size).transpose(2, 0, 1)[None].copy()
    runs: dict[str, Callable[[], object]] = {
        f"{precision} {name}": (lambda b=backend: b.run(batch))
        for (name, precision), backend in backends.items()
    }
    medians = median_seconds(runs, num_rounds=arguments.rounds, num_warmups=1)
    seconds: dict[str, dict[str, float]] = {}
    for (name, precision), median in zip(backends, medians.values(), strict=True):
        seconds.setdefault(precision, {})[name] = median
    return seconds


def trainings(
    shapes: dict[str, AnyPaintingArchitecture], arguments: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """By shape: the last terms of its training, and the fall on paintings held out."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.output or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        return {name: train(shape, folder, arguments) for name, shape in shapes.items()}


def train(
    shape: AnyPaintingArchitecture, folder: Path, arguments: argparse.Namespace
) -> dict[str, float]:
    stem = f"{'_'.join(map(str, shape.channels))}_x{shape.num_residual_blocks}"
    output = folder / f"{stem}.onnx"
    stage = f"{{steps = {arguments.train}, crop_size = {arguments.crop_size}, batch_size = 4}}"
    settings = [
        f"network.channels={list(shape.channels)}",
        f"network.num_residual_blocks={shape.num_residual_blocks}",
        f"stages=[{stage}]",
        *arguments.set,
    ]
    recipe = load_recipe(
        RECIPE,
        settings,
        task="any-painting",
        paintings__path=arguments.paintings.absolute(),
        photos__path=arguments.photos.absolute(),
    )
    every = max(arguments.train // 10, 1)

    def on_progress(progress: Progress) -> None:
        if progress.message:
            print(f"{stem}: {progress.message}", file=sys.stderr)
        elif progress.step % every == 0:
            step, total = f"{progress.step}/{progress.num_steps}", progress.losses["total"]
            print(f"{stem}: step {step}, total {total:.3f}", file=sys.stderr)

    train_model(recipe, output, overwrite=True, on_progress=on_progress)
    return last_terms(read_log(run_folder(output)))


def last_terms(records: list[dict[str, Any]]) -> dict[str, float]:
    """Means of the weighted terms over the last tenth of a log, and the scores logged last."""
    losses = [record for record in records if "total" in record]
    last = losses[-max(len(losses) // 10, 1) :]
    names = [name for name in last[-1] if name not in NOT_TERMS]
    falls = [record["held_out_fall"] for record in records if "held_out_fall" in record]
    means = {name: fmean(record[name] for record in last) for name in names}
    return {**means, **({"held_out_fall": falls[-1]} if falls else {})}


def shape_table(
    models: dict[str, ModelFile],
    seconds: dict[str, dict[str, float]],
    trained: dict[str, dict[str, float]],
    arguments: argparse.Namespace,
) -> str:
    terms = list(dict.fromkeys(term for of_shape in trained.values() for term in of_shape))
    single = next(iter(models))
    rows = []
    for name in models:
        times = [f"{1000 * by[name]:.1f} ({by[name] / by[single]:.2f})" for by in seconds.values()]
        of_shape = trained.get(name, {})
        cells = [f"{of_shape[term]:.3f}" if term in of_shape else "" for term in terms]
        rows.append([name, *times, *cells])
    titles = [f"{precision}, ms" for precision in seconds]
    note = f"At {arguments.size}²; in brackets: time over that of one style."
    if "int8" in seconds:
        note += " int8: every convolution quantized, on random weights."
    note += f" {circumstances_of_speed()}"
    if trained:
        note += f" Terms after {arguments.train} steps, crops of {arguments.crop_size}²."
    return f"{table(['channels × blocks', *titles, *terms], rows)}\n\n{note}"


if __name__ == "__main__":
    main()
