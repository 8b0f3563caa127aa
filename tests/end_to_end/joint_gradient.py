"""Run by torchrun: the gradient of this process group's joint batch, saved by the first process."""

import sys
from pathlib import Path

import numpy as np
import torch

from impasto.training.devices import make_fabric
from impasto.training.recipe import parse_recipe
from impasto.training.tasks import StyleTask


def main() -> None:
    """Take painting, photographs' folder and target file; every rank judges its own share."""
    painting, photos, target = map(Path, sys.argv[1:])
    recipe = parse_recipe(
        {
            "precision": "f32",
            "device": "cpu",
            "painting": {"file": painting, "short_side": 32},
            "photos": {"path": photos},
            "network": {"channels": (4, 4, 8), "num_residual_blocks": 1},
        }
    )
    fabric = make_fabric(recipe)
    fabric.launch()
    task = StyleTask(recipe)
    network = fabric.setup(task.network)
    joint = np.random.default_rng(0).random((4, 3, 32, 32), dtype=np.float32)
    mine = torch.from_numpy(joint[fabric.global_rank :: fabric.world_size])
    fabric.backward(task.loss_terms(network, mine).total)
    if fabric.is_global_zero:
        gradient = torch.cat([p.grad.flatten() for p in task.network.parameters()])
        np.save(target, gradient.numpy())
    fabric.barrier()


if __name__ == "__main__":
    main()
