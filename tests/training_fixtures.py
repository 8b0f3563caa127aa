"""Trainings small enough for tests: drawn photographs, narrow networks, few steps."""

import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TINY_SETTINGS = (
    "network.channels=[4, 4, 8]",
    "network.num_residual_blocks=1",
    "painting.short_side=32",
    "objective.num_probe_pictures=4",
    "loop.log_every_steps=2",
)


def draw(seed, width, height):
    """Soft coloured blotches that no other seed has."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def tiny_recipe(painting, photos, /, **changes):
    """A recipe of a few steps at 32×32; `changes` replace whole sections."""
    from impasto.training.recipe_file import parse_recipe  # brings torch, which few tests need

    table = {
        "precision": "f32",
        "painting": {"file": painting, "short_side": 32},
        "photos": {"path": photos, "num_workers": 1},
        "network": {"channels": (4, 4, 8), "num_residual_blocks": 1},
        "objective": {"num_probe_pictures": 4},
        "stages": [{"steps": 4, "crop_size": 32, "batch_size": 2}],
        "loop": {"log_every_steps": 1, "checkpoint_every_steps": 2, "contact_sheet_minutes": 60},
    }
    return parse_recipe(table | changes)


def stop_at(step):
    """Press Ctrl-C as soon as that step is logged."""

    def watch(progress):
        if progress.step == step and not progress.message:
            os.kill(os.getpid(), signal.SIGINT)

    return watch


def leave_unfinished(recipe, output):
    """Train to the first step only; its checkpoint is left, and no model is exported."""
    from impasto.errors import TrainingInterrupted
    from impasto.training.run import train_model

    with pytest.raises(TrainingInterrupted):
        train_model(recipe, output, on_progress=stop_at(1))


@pytest.fixture(scope="session")
def painting(tmp_path_factory):
    """A painting of 48×40."""
    path = tmp_path_factory.mktemp("painting") / "painting.png"
    draw(99, 48, 40).save(path)
    return path


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of six photographs of 80×60 and one that is none; read only."""
    folder = tmp_path_factory.mktemp("photographs")
    for index in range(6):
        draw(index, 80, 60).save(folder / f"{index}.png")
    (folder / "broken.jpg").write_bytes(b"no photograph")
    return folder


def impasto_command(*arguments):
    """The installed command `impasto`."""
    return [str(Path(sysconfig.get_path("scripts")) / "impasto"), *map(str, arguments)]


def environment(*, num_threads=1):
    """This process's, with a number of threads that other processes leave room for."""
    return {**os.environ, "OMP_NUM_THREADS": str(num_threads)}


def run_command(command, *, folder=None, num_threads=1, timeout_seconds=300):
    """Run a command to its end; its output is text."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(num_threads=num_threads),
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )


def torchrun_command(*arguments):
    """Two processes on this machine, at a free port."""
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone")
    return [*launcher, "--nproc-per-node=2", *map(str, arguments)]


@contextlib.contextmanager
def files_of_at_most(num_bytes):
    """Let the system refuse larger files, as a full disk would."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


class CallRecorder:
    """Records on a CPU: a replay calls the work again, and writes to the same addresses.

    Attributes:
        problem: raised in place of recording.
        calls: what was called, in order.
        results: of each replay.
    """

    def __init__(self, problem=None):
        self.problem, self.calls, self.results = problem, [], []

    def warm_up(self, work):
        self.calls.append("warm up")
        return work()

    def record(self, work):
        self.calls.append("record")
        if self.problem is not None:
            raise self.problem
        fixed = []

        def replay():
            self.calls.append("replay")
            result = work()
            self.results.append(result)
            if not fixed:
                fixed.append(result)
            fixed[0].losses.copy_(result.losses)
            fixed[0].gradient.copy_(result.gradient)
            return fixed[0]

        return replay


TINY_NETWORK = {
    "channels": (4, 8),
    "num_residual_blocks": 1,
    "style_size": 8,
    "encoder_channels": (4, 4, 4, 4, 4),
    "hidden_size": 8,
}


@pytest.fixture(scope="session")
def base_network_path(tmp_path_factory):
    """A network for any painting with random weights, as `impasto train styles` writes one."""
    import torch

    from impasto.export.style_network_export import export_style_network
    from impasto.networks.any_painting import AnyPaintingNetwork
    from impasto.networks.architecture import AnyPaintingArchitecture
    from model_fixtures import make_card

    architecture = AnyPaintingArchitecture(**TINY_NETWORK)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = AnyPaintingNetwork(architecture)
    path = tmp_path_factory.mktemp("base_network") / "any_painting.onnx"
    card = make_card(name="any_painting", architecture=architecture, painting=None)
    export_style_network(network, card, path, styles={})
    return path


def refinement_recipe(painting, photos, base, /, **changes):
    """A recipe that tunes the norm constants of a network for a few steps."""
    table = {
        "initialise_from": base,
        "tune": "constants",
        "network": {"kind": "any-painting", **TINY_NETWORK},
        "painting": {"file": painting, "short_side": 64},
        "stages": [{"steps": 4, "crop_size": 32, "batch_size": 2, "learning_rate": 0.01}],
    }
    return tiny_recipe(painting, photos, **{**table, **changes})
