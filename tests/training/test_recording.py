import numpy as np
import pytest
import torch

from impasto.data.photos import open_photographs
from impasto.data.stream import CropStream
from impasto.training.checkpoint import load_checkpoint
from impasto.training.devices import make_fabric
from impasto.training.loop import CHECKPOINT_NAME, Trainer
from impasto.training.recording import WARM_UP_STEPS, recorder_for
from impasto.training.style_task import StyleTask
from training_fixtures import CallRecorder, tiny_recipe

STAGES = [
    {"steps": 6, "crop_size": 32, "batch_size": 2},
    {"steps": 5, "crop_size": 48, "batch_size": 2},
]


@pytest.fixture
def train(tmp_path, painting, photos):
    def run(name, recorder=None, messages=None):
        objective = {"num_probe_pictures": 4, "window_margin": 8}
        loop = {"log_every_steps": 4, "checkpoint_every_steps": 4, "contact_sheet_minutes": 60}
        recipe = tiny_recipe(painting, photos, stages=STAGES, objective=objective, loop=loop)
        source = open_photographs(photos, seed=recipe.seed)
        (tmp_path / name).mkdir()
        trainer = Trainer(
            make_fabric(recipe),
            StyleTask(recipe),
            recipe,
            CropStream(source, recipe.photos.stream_settings(seed=recipe.seed)),
            tmp_path / name,
            sheet_photographs=np.full((1, 3, 32, 32), 0.25, np.float32),
            on_progress=lambda p: None if messages is None else messages.append(p.message),
            recorder=recorder,
            steps_per_reading=4,
        )
        trainer.fit()
        return load_checkpoint(tmp_path / name / CHECKPOINT_NAME)

    return run


def assert_same(first, second):
    # Sums may differ in their last bits: index tensors cut windows of another memory layout.
    for name in first.tensors:
        torch.testing.assert_close(first.tensors[name], second.tensors[name], rtol=1e-3, atol=1e-5)
    assert first.state.running_terms == pytest.approx(second.state.running_terms, rel=1e-5)


def test_recorded_steps_train_as_plain_ones(train):
    recorder = CallRecorder()
    assert_same(train("plain"), train("recorded", recorder))
    # Every crop size is warmed up and recorded on its own; a warm-up is a step of the training.
    warm_up = ["warm up"] * WARM_UP_STEPS
    first, second = (["record"] + ["replay"] * (stage["steps"] - WARM_UP_STEPS) for stage in STAGES)
    assert recorder.calls == warm_up + first + warm_up + second


def test_training_goes_on_where_nothing_can_be_recorded(train):
    recorder, messages = CallRecorder(RuntimeError("operation not permitted\nand more")), []
    assert_same(train("plain"), train("fallen back", recorder, messages))
    assert recorder.calls == ["warm up"] * WARM_UP_STEPS + ["record"]
    lines = [message for message in messages if "recorded" in message]
    assert lines == ["steps are not recorded as a graph: operation not permitted"]


def test_a_cpu_records_nothing(painting, photos):
    recipe = tiny_recipe(painting, photos)
    assert recorder_for(make_fabric(recipe), StyleTask(recipe)) is None
