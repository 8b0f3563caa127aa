"""Milliseconds of the network for any painting: fixed style, new style, encoding, cold start.

For `any_painting.py`. All candidates take turns, round by round.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pictures import noise
from rival import NAME, ONE_PICTURE

from impasto.data.paintings import load_painting
from impasto.evaluation.timing import median_seconds
from impasto.export.model_export import model_bytes
from impasto.images.files.io import Picture, save_picture
from impasto.networks.any_painting import StyledNetwork
from impasto.networks.architecture import AnyPaintingArchitecture
from impasto.runtime.painting_styles import PAINTING_SIDE, PaintingEncoder
from impasto.runtime.predictor import Predictor
from impasto.tensors import to_array
from impasto.zoo.model_file import ModelFile, model_from_bytes
from impasto.zoo.registry import resolve_model
from impasto.zoo.style_vectors import StyleNetwork, Vector

SINGLE_STYLE = "starry_night"
COLD_ROUNDS = 5


def single_style_network(network: StyleNetwork) -> ModelFile:
    """A network of the same shape for one style, exported as such, with random weights."""
    architecture = network.model.card.architecture
    assert isinstance(architecture, AnyPaintingArchitecture)
    torch.manual_seed(0)
    card = network.model.card.model_copy(update={"name": "single_style", "paintings": None})
    return model_from_bytes(model_bytes(StyledNetwork(architecture).eval(), card))


def in_vector(network: StyleNetwork, vector: Vector, name: str) -> ModelFile:
    return network.in_style(network.constants(vector), name=name, title="A painting")


def fixed_style_seconds(
    network: StyleNetwork, vector: Vector, *, sizes: tuple[int, ...], rounds: int
) -> dict[str, dict[str, float]]:
    """By side of the picture: our network in a style, and single-style networks."""
    predictors = {
        "fixed style": Predictor(in_vector(network, vector, "fixed")),
        "single style, same shape": Predictor(single_style_network(network)),
        f"single style, {SINGLE_STYLE}": Predictor(resolve_model(SINGLE_STYLE)),
    }
    seconds = {}
    for size in sizes:
        picture = noise(size, size)
        runs = {name: partial(predictor, picture) for name, predictor in predictors.items()}
        seconds[str(size)] = median_seconds(runs, num_rounds=rounds)
        print(f"speed at {size}² measured", file=sys.stderr)
    return seconds


def new_style_seconds(
    network: StyleNetwork,
    painting: Path,
    *,
    size: int,
    rounds: int,
    rival: Callable[[NDArray[np.float32], Path], object] | None,
) -> dict[str, float]:
    """A picture in a style that is there, in one that is new, and the parts of the latter."""
    rgb = to_array(load_painting(painting, short_side=PAINTING_SIDE))
    encoder, picture, number = PaintingEncoder(network.encoder), noise(size, size), count()
    vector = encoder(rgb)
    fixed = Predictor(in_vector(network, vector, "fixed"))

    def new_style() -> None:
        # Moved by a column each time: a style that was there before is compiled already.
        moved = np.ascontiguousarray(np.roll(rgb, next(number), axis=1))
        Predictor(in_vector(network, encoder(moved), f"new_{next(number)}"))(picture)

    candidates: dict[str, Callable[[], object]] = {
        "fixed style": lambda: fixed(picture),
        "new style": new_style,
        "encoding": lambda: encoder(rgb),
        "constants and file": lambda: in_vector(network, vector, "again"),
    }
    if rival is not None:
        candidates[NAME] = lambda: rival(picture, painting)
    return median_seconds(candidates, num_rounds=rounds)


def cold_start_seconds(painting: Path, rival_python: str | None) -> dict[str, float]:
    """Whole processes that stylize one 512² photograph; empty where the command refuses."""
    with tempfile.TemporaryDirectory() as folder:
        photo, output = Path(folder) / "photo.png", Path(folder) / "picture.png"
        save_picture(Picture(rgb=noise(512, 512)), photo)
        words = ["stylize", str(photo), "--style", str(painting), "-o", str(output), "--overwrite"]
        ours = [sys.executable, "-m", "impasto", *words]
        first = subprocess.run(ours, capture_output=True, text=True, check=False)
        if first.returncode:
            reason = (first.stderr.strip().splitlines() or ["no message"])[-1]
            print(f"cold start left out: impasto stylize --style PAINTING: {reason}")
            return {}
        candidates = {"impasto": lambda: _run(ours)}
        if rival_python is not None:
            files = [str(photo), str(painting), str(output)]
            candidates[NAME] = lambda: _run([rival_python, "-c", ONE_PICTURE, *files])
        return median_seconds(candidates, num_rounds=COLD_ROUNDS, num_warmups=1)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)
