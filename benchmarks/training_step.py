"""One training step of ours against a plain fp32 eager loop of the same work, in one run.

    python benchmarks/training_step.py

Network 32-64-128, batch 4, 256², unless `--channels` and `--crop` say otherwise; ours is bf16
autocast with channels-last memory, through the same step as `impasto train style`. The share of
time spent waiting for photographs comes from a short real training with the loop's own clock.
"""

import argparse
import contextlib
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from measure import publish
from pictures import write_noise

from impasto.evaluation.timing import median_seconds
from impasto.networks.blocks import ReflectionConvolution
from impasto.training import step as step_module
from impasto.training.devices import make_fabric
from impasto.training.recipe import StyleRecipe
from impasto.training.recipe_file import parse_recipe
from impasto.training.run import train_model
from impasto.training.step import TrainingStep, make_optimizer
from impasto.training.style_task import StyleTask

COMMAND = "python benchmarks/training_step.py"
GOAL_RATIO, GOAL_SHARE = 1.8, 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12, help="of the training for the data share")
    parser.add_argument("--photos", type=Path, help="photographs; drawn ones unless given")
    parser.add_argument("--channels", type=int, nargs=3, default=(32, 64, 128))
    parser.add_argument("--crop", type=int, default=256)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos = arguments.photos or _draw_photographs(Path(folder))
        painting = next(path for path in sorted(photos.rglob("*.jpg")))
        recipe = _recipe(painting, photos, arguments)
        seconds = median_seconds(
            {
                "plain fp32 eager": _plain(recipe),
                "ours bf16, values checked, padding in f32": _before(recipe),
                "ours bf16": _ours(recipe),
            },
            num_rounds=arguments.rounds,
            num_warmups=1,
        )
        train_model(recipe, Path(folder) / "style.onnx")
        log = (Path(folder) / "style.run" / "log.jsonl").read_text().splitlines()
    data_share = float(np.mean([json.loads(line)["data_share"] for line in log[1:]]))
    ratio = seconds["plain fp32 eager"] / seconds["ours bf16"]
    gain = seconds["ours bf16, values checked, padding in f32"] / seconds["ours bf16"]
    lines = [
        "| | seconds a step |",
        "|---|---|",
        *(f"| {name} | {value:.2f} |" for name, value in seconds.items()),
        "",
        f"Ratio {ratio:.2f} (wanted: at least {GOAL_RATIO}). Without checks and conversions "
        f"{gain:.2f} times as fast. Network and loss take "
        f"{100 * (1 - data_share):.1f} % of a real training's time (wanted: at least "
        f"{100 * GOAL_SHARE:.0f} %).",
    ]
    publish(
        "training_step",
        command=COMMAND,
        table="\n".join(lines),
        content={"seconds": seconds, "ratio": ratio, "gain": gain, "data_share": data_share},
    )


def _recipe(painting: Path, photos: Path, arguments: argparse.Namespace) -> StyleRecipe:
    return parse_recipe(
        {
            "painting": {"file": painting},
            "photos": {"path": photos, "synthetic_share": 0.1},
            "network": {"channels": arguments.channels},
            "objective": {"num_probe_pictures": 4},
            "stages": [{"steps": arguments.steps, "crop_size": arguments.crop}],
            "loop": {"log_every_steps": 2, "contact_sheet_minutes": 60},
        }
    )


def _batch(recipe: StyleRecipe) -> torch.Tensor:
    shape = (4, 3, recipe.stages[0].crop_size, recipe.stages[0].crop_size)
    return torch.from_numpy(np.random.default_rng(0).random(shape, dtype=np.float32))


def _plain(recipe: StyleRecipe):  # type: ignore[no-untyped-def]
    task = StyleTask(recipe)
    network, objective = task.network, task.objective.to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    batch = _batch(recipe)

    def step() -> None:
        optimizer.zero_grad()
        objective(network(batch), batch).total.backward()
        optimizer.step()

    return step


def _ours(recipe: StyleRecipe):  # type: ignore[no-untyped-def]
    fabric = make_fabric(recipe)
    task = StyleTask(recipe)
    task.network.to(memory_format=torch.channels_last)
    optimizer = make_optimizer(task.network, learning_rate=1e-4, device=fabric.device)
    network, optimizer = fabric.setup(task.network, optimizer)
    step = TrainingStep(fabric, task, network, optimizer, gradient_clip=2.0)
    batch = _batch(recipe).to(memory_format=torch.channels_last)
    return lambda: step.take(batch)


def _before(recipe: StyleRecipe):  # type: ignore[no-untyped-def]
    """Return the step with every value checked, and padding in the type that autocast chooses."""
    step = _ours(recipe)
    forward, unchecked = ReflectionConvolution.forward, step_module.unchecked_values

    def run() -> None:
        ReflectionConvolution.forward = torch.nn.Conv2d.forward  # type: ignore[method-assign]
        step_module.unchecked_values = contextlib.nullcontext
        try:
            step()
        finally:
            ReflectionConvolution.forward = forward  # type: ignore[method-assign]
            step_module.unchecked_values = unchecked

    return run


def _draw_photographs(folder: Path) -> Path:
    photos = folder / "photos"
    photos.mkdir()
    for index in range(24):
        write_noise(photos / f"{index:02d}.jpg", 384, 288, detail=24, seed=index)
    return photos


if __name__ == "__main__":
    main()
