import contextlib
import itertools

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from impasto.data.photos import PhotoFolder
from impasto.data.stream import CropStream, StreamSettings
from impasto.errors import (
    CheckpointError,
    NotFiniteError,
    TrainingError,
    TrainingInterrupted,
)
from impasto.losses.style_objective import LossNormalisers, LossTerms
from impasto.tensors import check_pictures
from impasto.training import loop
from impasto.training.checkpoint import load_checkpoint
from impasto.training.devices import make_fabric
from impasto.training.logs import read_log
from impasto.training.loop import CHECKPOINT_NAME, MAX_ROLLBACKS, Trainer
from impasto.training.schedule import learning_rate_at
from training_fixtures import tiny_recipe

CONSTANT_RATE = {"warmup_share": 0.0, "end_divisor": 1.0}


class GreyTask:
    """Teaches a 1×1 convolution to make everything grey; things can go wrong at chosen calls.

    Attributes:
        faults: what happens at a call, counted from 0: a factor on the loss, or an exception.
        seen: the photographs of each call.
        measured: how often the normalisers were measured.
        on_call: called with the number of each call, from 1.
    """

    def __init__(self, faults=None, *, num_batches=0):
        torch.manual_seed(0)
        self.network = nn.Conv2d(3, 3, 1)
        self.objective = nn.Identity()
        self.faults = faults or {}
        self.normalisation = self if num_batches else None
        self.num_batches = num_batches
        self.seen, self.measured, self.normalisers = [], 0, None
        self.on_call = lambda number: None

    can_be_recorded = True
    skipped = ()

    def scores(self, photographs):
        return {}

    def measure(self, batches):
        self.measured += 1
        return LossNormalisers(
            content=float(torch.stack([batch.mean() for batch in batches]).mean())
        )

    def apply(self, normalisers):
        self.normalisers = normalisers

    def loss_terms(self, network, photographs, *, position=0):
        fault = self.faults.get(len(self.seen), 1.0)
        self.seen.append(photographs)
        self.on_call(len(self.seen))
        if isinstance(fault, Exception):
            raise fault
        loss = (network(photographs) - 0.5).square().mean()
        return LossTerms(loss * fault, {"content": loss}, {"content": 2 * loss})

    def contact_sheet(self, photographs):
        with torch.no_grad():
            stylized = self.network(photographs).clamp(0, 1)
        return stylized[0].permute(1, 2, 0).numpy()


class EndlessGradient(torch.autograd.Function):
    """Adds nothing, and has an infinite gradient."""

    @staticmethod
    def forward(ctx, loss):
        return loss.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * float("inf")


class EndlessGradientTask(GreyTask):
    """A finite loss whose gradient is not, at chosen calls."""

    def loss_terms(self, network, photographs, *, position=0):
        is_fault = len(self.seen) in self.faults
        terms = GreyTask.loss_terms(self, network, photographs, position=position)
        total = EndlessGradient.apply(terms.total) if is_fault else terms.total
        return LossTerms(total, terms.weighted, terms.unweighted)


@pytest.fixture
def recipe_of(painting, photos):
    def make(num_steps=8, **changes):
        sections = {
            "stages": [{"steps": num_steps, "crop_size": 16, "batch_size": 2}],
            "optimizer": CONSTANT_RATE,
        }
        return tiny_recipe(painting, photos, **(sections | changes))

    return make


def make_stream(recipe):
    source = PhotoFolder(recipe.photos.path, seed=recipe.seed)
    share = recipe.photos.synthetic_share
    return CropStream(source, StreamSettings(seed=recipe.seed, synthetic_share=share))


def make_trainer(folder, task, recipe, *, checkpoint=None, reports=None, **settings):
    folder.mkdir(exist_ok=True)
    shown = np.full((1, 3, 16, 16), 0.25, np.float32)
    return Trainer(
        make_fabric(recipe),
        task,
        recipe,
        make_stream(recipe),
        folder,
        sheet_photographs=shown,
        checkpoint=checkpoint,
        on_progress=[].append if reports is None else reports.append,
        **settings,
    )


def messages_of(reports):
    return [r.message for r in reports if r.message and "contact sheet" not in r.message]


def steps_of(folder):
    return [record["step"] for record in read_log(folder) if "total" in record]


def timeless(state):
    return state.model_copy(update={"seconds": 0.0})


def test_unbroken_training(tmp_path, recipe_of):
    reports = []
    trainer = make_trainer(tmp_path, GreyTask(), recipe_of(), reports=reports)
    state = trainer.fit()
    assert (state.step, state.position, state.num_rollbacks) == (8, 16, 0)
    assert messages_of(reports) == []
    assert steps_of(tmp_path) == list(range(1, 9))
    losses = [report.losses["total"] for report in reports if not report.message]
    assert losses[-1] < losses[0]
    assert state.running_terms["content"] == pytest.approx(2 * state.running_loss)
    assert timeless(load_checkpoint(tmp_path / CHECKPOINT_NAME).state) == timeless(state)


def test_reports_count_steps_pictures_and_time(tmp_path, recipe_of):
    reports = []
    make_trainer(tmp_path, GreyTask(), recipe_of(), reports=reports).fit()
    lines = [report for report in reports if not report.message]
    assert [report.step for report in lines] == list(range(1, 9))
    assert all(report.num_steps == 8 for report in lines)
    assert all(report.pictures_per_second > 0 for report in lines)
    assert lines[-1].seconds_left == 0


def test_log_follows_the_schedule(tmp_path, recipe_of):
    recipe = recipe_of(optimizer={"learning_rate": 0.01})
    make_trainer(tmp_path, GreyTask(), recipe).fit()
    rates = [record["learning_rate"] for record in read_log(tmp_path)]
    assert rates == [learning_rate_at(step, recipe.stages, recipe.optimizer) for step in range(8)]


def test_each_stage_has_its_crop_size_and_its_batch_size(tmp_path, recipe_of):
    stages = [
        {"steps": 2, "crop_size": 16, "batch_size": 2},
        {"steps": 3, "crop_size": 24, "batch_size": 1},
    ]
    task = GreyTask()
    state = make_trainer(tmp_path, task, recipe_of(stages=stages)).fit()
    assert [tuple(batch.shape) for batch in task.seen] == [(2, 3, 16, 16)] * 2 + [
        (1, 3, 24, 24)
    ] * 3
    assert state.position == 2 * 2 + 3 * 1


def test_training_sees_the_streams_samples_and_no_others(tmp_path, recipe_of):
    task, recipe = GreyTask(), recipe_of()
    make_trainer(tmp_path, task, recipe).fit()
    expected = make_stream(recipe).batches(position=0, batch_size=2, crop_size=16)
    for batch, mine in zip(task.seen, itertools.islice(expected, 8), strict=True):
        assert np.array_equal(batch.numpy(), mine.pictures)
    expected.close()


@pytest.mark.parametrize("photograph_bytes", [0, 1, 10**8])
def test_crops_cut_on_the_device_train_the_same_weights(tmp_path, recipe_of, photograph_bytes):
    stages = [
        {"steps": 4, "crop_size": 16, "batch_size": 2},
        {"steps": 4, "crop_size": 24, "batch_size": 2},
    ]
    recipe, reports = recipe_of(stages=stages), []
    make_trainer(tmp_path / "plain", GreyTask(num_batches=2), recipe).fit()
    make_trainer(
        tmp_path / "cut",
        GreyTask(num_batches=2),
        recipe,
        reports=reports,
        photograph_bytes=photograph_bytes,
    ).fit()
    first, second = (load_checkpoint(tmp_path / n / CHECKPOINT_NAME) for n in ("plain", "cut"))
    assert all(torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors)
    assert timeless(first.state) == timeless(second.state)
    said = [message for message in messages_of(reports) if "stay on the device" in message]
    # Too little for one photograph: said once for each crop size.
    assert [message[:13] for message in said] == ["0 photographs"] * (
        2 if photograph_bytes == 1 else 0
    )


@pytest.mark.parametrize("stop_at", [1, 3, 6])
def test_stopped_and_resumed_ends_in_the_same_weights(tmp_path, recipe_of, stop_at):
    stages = [
        {"steps": 4, "crop_size": 16, "batch_size": 2},
        {"steps": 4, "crop_size": 24, "batch_size": 2},
    ]
    recipe = recipe_of(stages=stages)
    whole = make_trainer(tmp_path / "whole", GreyTask(num_batches=2), recipe)
    whole.fit()

    folder = tmp_path / "broken"
    broken = make_trainer(folder, GreyTask(num_batches=2), recipe)
    broken.on_progress = lambda p: broken.stop_requested.set() if p.step == stop_at else None
    with pytest.raises(TrainingInterrupted, match=rf"stopped at step {stop_at} of 8"):
        broken.fit()
    checkpoint = load_checkpoint(folder / CHECKPOINT_NAME)
    assert checkpoint.state.step == stop_at
    task = GreyTask(num_batches=2)
    resumed = make_trainer(folder, task, recipe, checkpoint=checkpoint)
    resumed.fit()

    assert steps_of(folder) == list(range(1, 9))
    first, second = (load_checkpoint(run / CHECKPOINT_NAME) for run in (tmp_path / "whole", folder))
    assert first.tensors.keys() == second.tensors.keys()
    assert all(torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors)
    assert timeless(first.state) == timeless(second.state)


def test_probe_runs_once_and_is_remembered(tmp_path, recipe_of):
    first, reports = GreyTask(num_batches=3), []
    make_trainer(tmp_path, first, recipe_of(), reports=reports).fit()
    assert first.measured == 1
    assert first.normalisers == load_checkpoint(tmp_path / CHECKPOINT_NAME).state.normalisers
    assert messages_of(reports)[0].startswith("probe: terms are divided by content 0.")
    second = GreyTask(num_batches=3)
    checkpoint = load_checkpoint(tmp_path / CHECKPOINT_NAME)
    make_trainer(tmp_path, second, recipe_of(), checkpoint=checkpoint).fit()
    assert second.measured == 0
    assert second.normalisers == first.normalisers


@pytest.mark.parametrize(
    ("make_task", "fault"),
    [
        (GreyTask, float("nan")),
        (GreyTask, float("inf")),
        (GreyTask, NotFiniteError("the style loss is not finite")),
        (EndlessGradientTask, 1.0),
    ],
)
def test_bad_loss_or_gradient_rolls_back_with_half_the_rate(tmp_path, recipe_of, make_task, fault):
    # Saved at step 4; the sixth call, which would be step 6, goes wrong: steps 5 to 8 follow with
    # half the rate on the photographs after it.
    reports, task, recipe = (
        [],
        make_task({5: fault}),
        recipe_of(
            loop={"log_every_steps": 1, "checkpoint_every_steps": 4, "contact_sheet_minutes": 60}
        ),
    )
    state = make_trainer(tmp_path, task, recipe, reports=reports).fit()
    expected = "the loss exploded at step 6: back to step 4 with 0.5 of the learning rate"
    assert messages_of(reports) == [expected]
    assert (state.step, state.num_rollbacks, state.rate_factor) == (8, 1, 0.5)
    assert state.position == 2 * len(task.seen) == 2 * (6 + 4)
    assert steps_of(tmp_path) == list(range(1, 9))
    records = read_log(tmp_path)
    assert {"step": 4, "event": expected} in records
    rates = {record["step"]: record["learning_rate"] for record in records if "total" in record}
    assert rates[5] == rates[8] == rates[4] / 2


def test_rolled_back_weights_are_those_of_the_last_good_state(tmp_path, recipe_of):
    task = GreyTask({4: float("nan")})
    good = {}

    def watch(progress):
        weight = task.network.weight.detach().clone()
        if "exploded" in progress.message:
            good["after rollback"] = weight
        elif not progress.message:
            good.setdefault(progress.step, weight)

    loop = {"log_every_steps": 1, "checkpoint_every_steps": 2, "contact_sheet_minutes": 60}
    trainer = make_trainer(tmp_path, task, recipe_of(loop=loop))
    trainer.on_progress = watch
    trainer.fit()
    assert torch.equal(good["after rollback"], good[4])
    assert not torch.equal(good["after rollback"], good[3])


def test_loss_far_above_its_running_mean_rolls_back(tmp_path, recipe_of):
    loop = {"log_every_steps": 1, "checkpoint_every_steps": 10, "explosion_factor": 20}
    reports, task = [], GreyTask({22: 1000.0})
    state = make_trainer(tmp_path, task, recipe_of(24, loop=loop), reports=reports).fit()
    assert messages_of(reports) == [
        "the loss exploded at step 23: back to step 20 with 0.5 of the learning rate"
    ]
    assert state.step == 24


def test_a_high_loss_at_the_beginning_is_no_explosion(tmp_path, recipe_of):
    state = make_trainer(tmp_path, GreyTask({3: 1000.0}), recipe_of()).fit()
    assert state.num_rollbacks == 0


def test_loss_that_keeps_exploding_ends_the_training(tmp_path, recipe_of):
    faults = dict.fromkeys(range(3, 1000), float("nan"))
    task = GreyTask(faults)
    with pytest.raises(TrainingError, match=r"exploded 9 times, last at step 3; lower optimizer"):
        make_trainer(tmp_path, task, recipe_of()).fit()
    # Three good steps, back to step 2, and then one try for each of the rollbacks allowed.
    assert len(task.seen) == 3 + 1 + MAX_ROLLBACKS
    assert load_checkpoint(tmp_path / CHECKPOINT_NAME).state.step == 2


def test_weights_that_are_not_finite_are_never_saved(tmp_path, recipe_of):
    reports, task = [], GreyTask()
    trainer = make_trainer(tmp_path, task, recipe_of(3), reports=reports)

    def spoil(progress):
        reports.append(progress)
        if progress.step == 3 and not any("exploded" in report.message for report in reports):
            task.network.weight.data.fill_(float("nan"))

    trainer.on_progress = spoil
    state = trainer.fit()
    assert messages_of(reports) == [
        "the loss exploded at step 4: back to step 2 with 0.5 of the learning rate"
    ]
    assert (state.step, state.num_rollbacks) == (3, 1)
    tensors = load_checkpoint(tmp_path / CHECKPOINT_NAME).tensors
    assert all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())


def test_contact_sheet_is_a_picture_replaced_as_a_whole(tmp_path, recipe_of):
    make_trainer(tmp_path, GreyTask(), recipe_of()).fit()
    latest = tmp_path / "contact_sheet.jpg"
    first = latest.read_bytes()
    with Image.open(latest) as picture:
        picture.load()
    with latest.open("rb") as being_read:
        checkpoint = load_checkpoint(tmp_path / CHECKPOINT_NAME)
        make_trainer(tmp_path, GreyTask(), recipe_of(16), checkpoint=checkpoint).fit()
        assert being_read.read() == first
    assert latest.read_bytes() != first
    names = sorted(path.name for path in (tmp_path / "contact_sheets").iterdir())
    assert names == ["step-000000.jpg", "step-000008.jpg", "step-000016.jpg"]


def test_contact_sheets_come_by_the_clock(tmp_path, recipe_of):
    loop = {"log_every_steps": 1, "checkpoint_every_steps": 8, "contact_sheet_minutes": 0}
    make_trainer(tmp_path, GreyTask(), recipe_of(loop=loop)).fit()
    assert len(list((tmp_path / "contact_sheets").iterdir())) == 9


def test_skipped_photographs_are_remembered_over_sessions(tmp_path, recipe_of):
    recipe = recipe_of()
    first = make_trainer(tmp_path, GreyTask(), recipe)
    first.fit()
    assert [skip.name for skip in first.skipped] == ["broken.jpg"]
    checkpoint = load_checkpoint(tmp_path / CHECKPOINT_NAME)
    second = make_trainer(tmp_path, GreyTask(), recipe, checkpoint=checkpoint)
    second.fit()  # nothing is left to do, so nothing is read
    assert second.skipped == first.skipped


def test_hardware_of_every_session_is_remembered(tmp_path, recipe_of, monkeypatch):
    recipe = recipe_of()

    def session(hardware, checkpoint=None, stop_at=None):
        monkeypatch.setattr(loop, "describe_hardware", lambda _: hardware)
        trainer = make_trainer(tmp_path, GreyTask(), recipe, checkpoint=checkpoint)
        trainer.on_progress = lambda p: trainer.stop_requested.set() if p.step == stop_at else None
        with contextlib.suppress(TrainingInterrupted):
            trainer.fit()
        return load_checkpoint(tmp_path / CHECKPOINT_NAME)

    first = session("a graphics card", stop_at=3)
    again = session("a graphics card", first, stop_at=5)
    assert again.state.hardware == ("a graphics card",)
    second = session("a processor", again)
    assert second.state.hardware == ("a graphics card", "a processor")
    third = session("what only writes the model", second)
    assert third.state.hardware == second.state.hardware


def test_checkpoint_of_another_network_is_refused(tmp_path, recipe_of):
    make_trainer(tmp_path, GreyTask(), recipe_of()).fit()
    checkpoint = load_checkpoint(tmp_path / CHECKPOINT_NAME)
    task = GreyTask()
    task.network = nn.Conv2d(3, 3, 3)
    with pytest.raises(CheckpointError, match="not those of this network"):
        make_trainer(tmp_path, task, recipe_of(), checkpoint=checkpoint)


EVERY_FIFTH = {"log_every_steps": 5, "checkpoint_every_steps": 10, "contact_sheet_minutes": 0}


@pytest.mark.parametrize("steps_per_reading", [3, 100])
def test_how_often_steps_are_read_changes_nothing_else(tmp_path, recipe_of, steps_per_reading):
    stages = [
        {"steps": 7, "crop_size": 16, "batch_size": 2},
        {"steps": 6, "crop_size": 24, "batch_size": 2},
    ]
    recipe = recipe_of(stages=stages, loop=EVERY_FIFTH)
    folders = tmp_path / "each", tmp_path / "few"
    states = [
        make_trainer(folder, GreyTask(num_batches=2), recipe, steps_per_reading=steps).fit()
        for folder, steps in zip(folders, (1, steps_per_reading), strict=True)
    ]
    assert timeless(states[0]) == timeless(states[1])
    first, second = (load_checkpoint(folder / CHECKPOINT_NAME).tensors for folder in folders)
    assert all(torch.equal(first[name], second[name]) for name in first)
    first, second = ([record["total"] for record in read_log(folder)] for folder in folders)
    assert first == second


@pytest.mark.parametrize(
    ("make_task", "fault"),
    [
        (GreyTask, float("nan")),
        (GreyTask, NotFiniteError("the style loss is not finite")),
        (EndlessGradientTask, 1.0),
    ],
)
def test_bad_step_found_later_leaves_no_trace(tmp_path, recipe_of, make_task, fault):
    # Step 7 goes wrong and is found after step 10, which would have been saved.
    reports, task = [], make_task({6: fault})
    loop = {"log_every_steps": 5, "checkpoint_every_steps": 5, "contact_sheet_minutes": 0}
    recipe = recipe_of(10, loop=loop)
    trainer = make_trainer(tmp_path, task, recipe, steps_per_reading=100)
    finite = []

    def watch(progress):
        reports.append(progress)
        finite.append(bool(torch.isfinite(task.network.weight).all()))

    trainer.on_progress = watch
    state = trainer.fit()
    assert messages_of(reports) == [
        "the loss exploded at step 7: back to step 5 with 0.5 of the learning rate"
    ]
    assert (state.step, state.num_rollbacks) == (10, 1)
    assert state.position == 2 * len(task.seen) == 2 * (10 + 5)
    assert steps_of(tmp_path) == [5, 10]
    assert all(finite)
    assert all(np.isfinite(record["total"]) for record in read_log(tmp_path) if "total" in record)
    tensors = load_checkpoint(tmp_path / CHECKPOINT_NAME).tensors
    assert all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())


def test_wish_to_stop_is_granted_after_the_steps_are_read(tmp_path, recipe_of):
    task = GreyTask({3: float("nan")})
    loop = {"log_every_steps": 4, "checkpoint_every_steps": 100, "contact_sheet_minutes": 60}
    trainer = make_trainer(tmp_path, task, recipe_of(loop=loop), steps_per_reading=100)
    task.on_call = lambda number: trainer.stop_requested.set() if number == 2 else None
    # Asked for at step 2; step 4 is bad: what is saved is the state before all of them.
    with pytest.raises(TrainingInterrupted, match="stopped at step 0 of 8"):
        trainer.fit()
    assert len(task.seen) == 4
    checkpoint = load_checkpoint(tmp_path / CHECKPOINT_NAME)
    assert torch.isfinite(checkpoint.tensors["network.weight"]).all()


def test_values_of_pictures_are_not_checked_within_a_step(tmp_path, recipe_of):
    checked = []

    class CheckingTask(GreyTask):
        def loss_terms(self, network, photographs, *, position=0):
            check_pictures(photographs * torch.nan)
            checked.append(position)
            return GreyTask.loss_terms(self, network, photographs, position=position)

    make_trainer(tmp_path, CheckingTask(), recipe_of()).fit()
    assert len(checked) == 8
