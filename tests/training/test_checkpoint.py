import json
import pickle
import struct

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

import impasto.training.checkpoint as checkpoint_module
from impasto.data.stream import SkippedPhotograph
from impasto.errors import CheckpointError
from impasto.losses.style_objective import LossNormalisers
from impasto.networks.architecture import NetworkArchitecture
from impasto.networks.style_transfer import build_style_network
from impasto.training.checkpoint import (
    HEADER_KEY,
    TrainingState,
    load_checkpoint,
    restore_checkpoint,
    save_checkpoint,
    take_checkpoint,
)
from impasto.training.sealed_file import seal
from training_fixtures import files_of_at_most

STATE = TrainingState(
    step=2,
    position=14,
    rate_factor=0.25,
    num_rollbacks=2,
    running_loss=0.1 + 0.2,
    running_gradient=1 / 3,
    running_terms={"content": 1e300, "style": 5e-324},
    seconds=12.5,
    normalisers=LossNormalisers(content=3.0),
    skipped=(SkippedPhotograph("a.jpg", "no picture"),),
    recipe={"seed": 3},
)


def make_network(kind="default", width=4):
    num_blocks = 5 if kind == "paper" else 1
    torch.manual_seed(width)
    return build_style_network(
        NetworkArchitecture(kind=kind, channels=(width, 4, 8), num_residual_blocks=num_blocks)
    ).to(memory_format=torch.channels_last)


def trained(kind="default", num_steps=2):
    """A network and its Adam after some steps on noise."""
    network = make_network(kind)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for step in range(num_steps):
        take_step(network, optimizer, step)
    return network, optimizer


def take_step(network, optimizer, seed):
    pictures = torch.rand(1, 3, 44, 44, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    network(pictures).square().mean().backward()
    optimizer.step()


def assert_same_tensors(first, second):
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert tensor.dtype == second[name].dtype
        assert torch.equal(tensor, second[name]), name


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A checkpoint and its file; read only."""
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint.safetensors"
    checkpoint = take_checkpoint(*trained(), STATE)
    save_checkpoint(checkpoint, path)
    return checkpoint, path


@pytest.mark.parametrize("kind", ["default", "paper"])
def test_file_gives_back_every_bit(tmp_path, kind):
    checkpoint = take_checkpoint(*trained(kind, num_steps=1), STATE)
    save_checkpoint(checkpoint, tmp_path / "c.safetensors")
    loaded = load_checkpoint(tmp_path / "c.safetensors")
    assert loaded.state == STATE
    assert_same_tensors(loaded.tensors, checkpoint.tensors)
    assert "optimizer.to_rgb.weight.exp_avg_sq" in loaded.tensors
    assert "optimizer.to_rgb.weight.step" in loaded.tensors


def test_restored_training_goes_on_bit_for_bit(saved, tmp_path):
    network, optimizer = trained()
    other = make_network()
    with torch.no_grad():
        other.to_rgb.weight.mul_(2)
    other_optimizer = torch.optim.Adam(other.parameters(), lr=1e-3)
    assert restore_checkpoint(load_checkpoint(saved[1]), other, other_optimizer) == STATE
    for step in range(2, 5):
        take_step(network, optimizer, step)
        take_step(other, other_optimizer, step)
    assert_same_tensors(
        take_checkpoint(network, optimizer, STATE).tensors,
        take_checkpoint(other, other_optimizer, STATE).tensors,
    )


def test_restored_moments_have_the_layout_of_their_parameters():
    network, optimizer = trained()
    fresh = {p: optimizer.state[p]["exp_avg"].stride() for p in network.parameters()}
    restore_checkpoint(take_checkpoint(network, optimizer, STATE), network, optimizer)
    assert {p: optimizer.state[p]["exp_avg"].stride() for p in network.parameters()} == fresh


def test_checkpoint_is_a_copy():
    network, optimizer = trained()
    checkpoint = take_checkpoint(network, optimizer, STATE)
    before = checkpoint.tensors["network.to_rgb.weight"].clone()
    take_step(network, optimizer, 9)
    assert torch.equal(checkpoint.tensors["network.to_rgb.weight"], before)
    assert not torch.equal(network.to_rgb.weight, before)


def test_a_checkpoint_restores_as_often_as_it_is_asked_to():
    network, optimizer = trained()
    checkpoint = take_checkpoint(network, optimizer, STATE)
    for _ in range(2):
        state = restore_checkpoint(checkpoint, network, optimizer)
        state.running_terms["content"] = 0.0
        take_step(network, optimizer, 3)
    restore_checkpoint(checkpoint, network, optimizer)
    assert_same_tensors(take_checkpoint(network, optimizer, STATE).tensors, checkpoint.tensors)
    assert checkpoint.state == STATE


def test_a_state_before_the_first_step_empties_the_moments():
    network = make_network()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    start = take_checkpoint(network, optimizer, TrainingState())
    take_step(network, optimizer, 0)
    assert restore_checkpoint(start, network, optimizer) == TrainingState()
    assert not optimizer.state_dict()["state"]


@given(
    loss=st.floats(allow_nan=False, allow_infinity=False),
    gradient=st.floats(min_value=0, allow_nan=False, allow_infinity=False),
)
def test_running_means_survive_the_file_to_the_last_bit(tmp_path_factory, loss, gradient):
    state = TrainingState(running_loss=loss, running_gradient=gradient)
    path = tmp_path_factory.mktemp("state") / "c.safetensors"
    save_checkpoint(checkpoint_module.Checkpoint(state, {}), path)
    assert load_checkpoint(path).state == state


def test_file_written_before_a_field_was_added_can_be_read(saved, tmp_path):
    checkpoint, _ = saved
    state = json.loads(checkpoint.state.model_dump_json())
    del state["skipped"], state["running_gradient"]
    path = tmp_path / "old.safetensors"
    path.write_bytes(seal(checkpoint.tensors, {HEADER_KEY: json.dumps(state)}))
    assert load_checkpoint(path).state.step == 2


def test_failing_write_leaves_the_old_checkpoint(saved, tmp_path):
    checkpoint, _ = saved
    path = tmp_path / "c.safetensors"
    save_checkpoint(checkpoint, path)
    before = path.read_bytes()
    with files_of_at_most(1000), pytest.raises(CheckpointError, match=r"cannot write .*too large"):
        save_checkpoint(checkpoint, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folder_cannot_be_written_to(saved, tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot write the checkpoint .*: No such file"):
        save_checkpoint(saved[0], tmp_path / "none" / "c.safetensors")


class Surprise:
    """What a pickle would run."""

    def __reduce__(self):
        return (open, ("surprise", "w"))


def test_pickles_are_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, write in (("a", pickle.dump), ("b", torch.save)):
        with (tmp_path / name).open("wb") as file:
            write(Surprise(), file)
        with pytest.raises(CheckpointError, match="cannot read the checkpoint"):
            load_checkpoint(tmp_path / name)
    assert not (tmp_path / "surprise").exists()


@pytest.mark.parametrize("num_bytes", [0, 4, 100, 5000, -1])
def test_truncated_file_is_refused(saved, tmp_path, num_bytes):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(saved[1].read_bytes()[:num_bytes])
    with pytest.raises(CheckpointError, match=r"cannot read the checkpoint .*cut\.safetensors"):
        load_checkpoint(path)


@given(place=st.floats(0, 1, exclude_max=True), in_header=st.booleans(), bit=st.integers(0, 7))
def test_a_single_bit_that_changed_is_noticed(saved, tmp_path_factory, place, in_header, bit):
    data = bytearray(saved[1].read_bytes())
    data[int(place * (3000 if in_header else len(data)))] ^= 1 << bit
    path = tmp_path_factory.mktemp("damaged") / "c.safetensors"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"c\.safetensors.*anew with --overwrite"):
        load_checkpoint(path)


def test_an_edited_state_is_refused_though_the_file_is_sound(saved, tmp_path):
    data = saved[1].read_bytes()
    assert data.count(b'\\"step\\":2,') == 1
    path = tmp_path / "c.safetensors"
    path.write_bytes(data.replace(b'\\"step\\":2,', b'\\"step\\":1,'))
    assert len(load(path.read_bytes())) == len(saved[0].tensors)  # safetensors takes it
    with pytest.raises(CheckpointError, match=r"damaged, was edited .*put back a copy of it, or"):
        load_checkpoint(path)


def test_a_checkpoint_without_a_digest_is_refused(saved, tmp_path):
    checkpoint, _ = saved
    path = tmp_path / "old.safetensors"
    path.write_bytes(save(checkpoint.tensors, {HEADER_KEY: checkpoint.state.model_dump_json()}))
    with pytest.raises(CheckpointError, match="made by another version of impasto; begin"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"step": -1},
        {"rate_factor": 0},
        {"surprise": 1},
        {"scales": {"content": 0}},
    ],
)
def test_state_of_another_version_is_refused(saved, tmp_path, changes):
    checkpoint, _ = saved
    state = {**json.loads(checkpoint.state.model_dump_json()), **changes}
    path = tmp_path / "other.safetensors"
    path.write_bytes(seal(checkpoint.tensors, {HEADER_KEY: json.dumps(state)}))
    with pytest.raises(CheckpointError, match="another version of impasto; begin"):
        load_checkpoint(path)


def test_foreign_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save({"weight": torch.ones(3)}))
    with pytest.raises(CheckpointError, match="a safetensors file but no checkpoint"):
        load_checkpoint(path)


def test_missing_file_and_folder_are_refused(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(CheckpointError, match="cannot read the checkpoint"):
            load_checkpoint(path)


def test_absurd_header_length_is_refused(tmp_path):
    path = tmp_path / "absurd"
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(CheckpointError, match="cannot read the checkpoint"):
        load_checkpoint(path)


def test_checkpoint_of_another_network_is_refused(saved):
    network = make_network(width=6)
    before = network.to_rgb.weight.detach().clone()
    with pytest.raises(CheckpointError, match="not those of this network"):
        restore_checkpoint(saved[0], network, torch.optim.Adam(network.parameters()))
    assert torch.equal(network.to_rgb.weight, before)


def test_moments_that_are_not_adams_are_refused(saved):
    checkpoint, _ = saved
    tensors = {k: v for k, v in checkpoint.tensors.items() if not k.endswith("exp_avg_sq")}
    network = make_network()
    with pytest.raises(CheckpointError, match="not those of this network"):
        restore_checkpoint(
            checkpoint_module.Checkpoint(STATE, tensors),
            network,
            torch.optim.Adam(network.parameters()),
        )
