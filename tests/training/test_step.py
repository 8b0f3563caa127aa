import copy

import pytest
import torch

from impasto.training.devices import make_fabric
from impasto.training.step import (
    STEPS_PER_READING,
    TrainingStep,
    make_optimizer,
    usual_steps_per_reading,
)
from impasto.training.style_task import StyleTask
from training_fixtures import tiny_recipe


@pytest.mark.parametrize("clip", [0.5, 10.0])
def test_a_step_on_a_copy_clips_the_copy_s_gradient(painting, photos, clip):
    recipe = tiny_recipe(painting, photos)
    task, fabric = StyleTask(recipe), make_fabric(recipe)
    network = copy.deepcopy(task.network)
    optimizer = make_optimizer(network, learning_rate=0.0, device=fabric.device)
    step = TrainingStep(fabric, task, network, optimizer, gradient_clip=clip)
    photographs = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    length, usual = step.take(photographs).gradient.tolist()
    assert length == usual > 0
    step.take(photographs)
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    # The same photographs at a rate of 0 have the same gradient, so the usual length is its own.
    shortened = float(torch.nn.utils.get_total_norm(gradients))
    assert shortened == pytest.approx(length * min(clip, 1.0), rel=1e-4)
    assert all(parameter.grad is None for parameter in task.network.parameters())


def test_a_cpu_reads_every_step_and_a_gpu_some_at_once():
    assert usual_steps_per_reading(torch.device("cpu")) == 1
    assert usual_steps_per_reading(torch.device("cuda")) == STEPS_PER_READING > 1
