"""One training step of ours against a plain fp32 eager loop of the same work, in one run.

    python benchmarks/training_step.py

Network 32-64-128, batch 4, 256²; ours is bf16 autocast with channels-last memory, through the
same task, objective and Fabric as `impasto train style`. The share of time spent waiting for
photographs comes from a short real training with the loop's own clock.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from measure import publish
from pictures import write_noise

from impasto.evaluation.timing import median_seconds
from impasto.training.devices import make_fabric
from impasto.training.recipe import StyleRecipe
from impasto.training.recipe_file import parse_recipe
from impasto.training.run import train_model
from impasto.training.style_task import StyleTask

COMMAND = "python benchmarks/training_step.py"
GOAL_RATIO, GOAL_SHARE = 1.8, 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12, help="of the training for the data share")
    parser.add_argument("--photos", type=Path, help="photographs; drawn ones unless given")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos = arguments.photos or _draw_photographs(Path(folder))
        painting = next(path for path in sorted(photos.rglob("*.jpg")))
        recipe = _recipe(painting, photos, arguments.steps)
        seconds = median_seconds(
            {"plain fp32 eager": _plain(recipe), "ours bf16": _ours(recipe)},
            num_rounds=arguments.rounds,
            num_warmups=1,
        )
        train_model(recipe, Path(folder) / "style.onnx")
        log = (Path(folder) / "style.run" / "log.jsonl").read_text().splitlines()
    data_share = float(np.mean([json.loads(line)["data_share"] for line in log[1:]]))
    ratio = seconds["plain fp32 eager"] / seconds["ours bf16"]
    lines = [
        "| | seconds a step |",
        "|---|---|",
        *(f"| {name} | {value:.2f} |" for name, value in seconds.items()),
        "",
        f"Ratio {ratio:.2f} (wanted: at least {GOAL_RATIO}). Network and loss take "
        f"{100 * (1 - data_share):.1f} % of a real training's time (wanted: at least "
        f"{100 * GOAL_SHARE:.0f} %).",
    ]
    publish(
        "training_step",
        command=COMMAND,
        table="\n".join(lines),
        content={"seconds": seconds, "ratio": ratio, "data_share": data_share},
    )


def _recipe(painting: Path, photos: Path, steps: int) -> StyleRecipe:
    return parse_recipe(
        {
            "painting": {"file": painting},
            "photos": {"path": photos, "synthetic_share": 0.1},
            "network": {"channels": (32, 64, 128)},
            "objective": {"num_probe_pictures": 4},
            "stages": [{"steps": steps, "crop_size": 256}],
            "loop": {"log_every_steps": 2, "contact_sheet_minutes": 60},
        }
    )


def _batch() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).random((4, 3, 256, 256), dtype=np.float32))


def _plain(recipe: StyleRecipe):  # type: ignore[no-untyped-def]
    task = StyleTask(recipe)
    network, objective = task.network, task.objective.to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    batch = _batch()

    def step() -> None:
        optimizer.zero_grad()
        objective(network(batch), batch).total.backward()
        optimizer.step()

    return step


def _ours(recipe: StyleRecipe):  # type: ignore[no-untyped-def]
    fabric = make_fabric(recipe)
    task = StyleTask(recipe)
    task.network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(task.network.parameters(), lr=1e-4)
    network, optimizer = fabric.setup(task.network, optimizer)
    batch = _batch().to(memory_format=torch.channels_last)

    def step() -> None:
        optimizer.zero_grad()
        with fabric.autocast():
            terms = task.loss_terms(network, batch)
        fabric.backward(terms.total)
        optimizer.step()

    return step


def _draw_photographs(folder: Path) -> Path:
    photos = folder / "photos"
    photos.mkdir()
    for index in range(24):
        write_noise(photos / f"{index:02d}.jpg", 384, 288, detail=24, seed=index)
    return photos


if __name__ == "__main__":
    main()
