"""Run by torchrun: the gradient that two processes agree on, beside that of the joint batch.

Prints one line of JSON: the largest difference to the joint batch's gradient, over that gradient's
largest entry, for the processes together and for one of them alone.
"""

import json
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import torch

from impasto.data.photos import PhotoFolder
from impasto.data.stream import CropStream, StreamSettings
from impasto.losses.style_objective import LossNormalisers
from impasto.training.devices import launched_fabric
from impasto.training.recipe import StyleRecipe
from impasto.training.style_task import StyleTask
from training_fixtures import tiny_recipe

BATCH_SIZE = 4


def main() -> None:
    painting, photos = map(Path, sys.argv[1:])
    recipe = tiny_recipe(painting, photos, device="cpu")
    with launched_fabric(recipe) as fabric:
        assert fabric.world_size == 2
        joint = _gradient(recipe, _photographs(photos, rank=0, num_ranks=1))
        mine = _photographs(photos, rank=fabric.global_rank, num_ranks=2)
        alone = _gradient(recipe, mine)
        task = _task(recipe)
        network = fabric.setup(task.network)
        fabric.backward(task.loss_terms(network, mine).total)
        together = _collect(task.network)
        if fabric.is_global_zero:
            errors = {"together": _error(together, joint), "alone": _error(alone, joint)}
            print(json.dumps(errors))  # noqa: T201


def _task(recipe: StyleRecipe) -> StyleTask:
    task = StyleTask(recipe)
    task.normalisation.apply(LossNormalisers(content=1e6, style=1e7, total_variation=1e6))
    return task


def _photographs(photos: Path, *, rank: int, num_ranks: int) -> torch.Tensor:
    source = PhotoFolder(photos, seed=0)
    stream = CropStream(source, StreamSettings(seed=0), rank=rank, num_ranks=num_ranks)
    batches = stream.batches(position=0, batch_size=BATCH_SIZE, crop_size=32)
    with closing(batches):
        return torch.from_numpy(np.copy(next(batches).pictures))


def _gradient(recipe: StyleRecipe, photographs: torch.Tensor) -> torch.Tensor:
    task = _task(recipe)
    task.loss_terms(task.network, photographs).total.backward()
    return _collect(task.network)


def _collect(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters()])


def _error(gradient: torch.Tensor, joint: torch.Tensor) -> float:
    return float((gradient - joint).abs().max() / joint.abs().max())


if __name__ == "__main__":
    main()
