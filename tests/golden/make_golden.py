"""Write the golden values of the loss network, the objective and the networks again.

    PYTHONPATH=tests python tests/golden/make_golden.py .../vgg16/test_vector_persian_cat.npz

It stops when the network does not reproduce the recorded pool5 of the whole picture. Run it only
when numbers are meant to change, and say in the commit why they do.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from feature_fixtures import (
    GOLDEN,
    as_pictures,
    cat_crop,
    fill_by_formula,
    golden_objective_inputs,
    vgg16,
)
from impasto.losses.style_objective import PRESETS, StyleTransferObjective
from impasto.networks.architecture import NetworkArchitecture
from impasto.networks.style_transfer import build_style_network

CORNERS = ((60, 80), (70, 95), (50, 65))
"""Of the crop that each of red, green and blue is made of: the photograph is grey, and a grey
picture would not show red and blue exchanged."""

NUM_VALUES = 32
"""Of each layer, the first channels at its middle."""


def write_loss_network(test_vector: Path) -> None:
    """Check the whole recorded picture, then keep a crop of it with our activations."""
    with np.load(test_vector) as recorded:
        rgb, expected = recorded["rgb"], torch.from_numpy(recorded["pool5"])
    pool5 = F.max_pool2d(vgg16()(as_pictures(rgb))["relu5_3"], 2)[0]
    error = float((pool5 - expected).norm() / expected.norm())
    if error > 1e-3:
        raise SystemExit(f"relative error of pool5 is {error:.2g}; expected at most 1e-3")
    crop = np.stack([rgb[top : top + 64, left : left + 64, 0] for top, left in CORNERS], axis=2)
    arrays = {"rgb": crop}
    features = vgg16()(as_pictures(crop))
    for layer, activations in features.items():
        height, width = activations.shape[2:]
        arrays[f"{layer}.mean"] = activations.mean().numpy()
        middle = activations[0, :NUM_VALUES, height // 2, width // 2]
        arrays[f"{layer}.middle"] = middle.numpy()
    arrays["pool5"] = F.max_pool2d(features["relu5_3"], 2)[0].numpy()
    np.savez_compressed(GOLDEN / "vgg16_persian_cat_crop.npz", **arrays)


def objective_terms() -> dict[str, dict[str, float]]:
    """Return the unweighted terms and the total of every preset."""
    stylized, photograph, painting = golden_objective_inputs()
    values = {}
    for name, preset in PRESETS.items():
        terms = StyleTransferObjective(vgg16(), painting, preset=preset)(stylized, photograph)
        values[name] = {term: float(value) for term, value in terms.unweighted.items()}
        values[name]["total"] = float(terms.total)
    return values


def network_outputs() -> dict[str, dict[str, float]]:
    """Return what both networks make of the crop, with weights given by a formula."""
    values = {}
    for kind in ("default", "paper"):
        architecture = NetworkArchitecture(kind=kind, channels=(8, 16, 16))
        with torch.no_grad():
            output = fill_by_formula(build_style_network(architecture))(cat_crop())
        values[kind] = {
            "mean": float(output.mean()),
            "std": float(output.std()),
            "corner": float(output[0, 0, 0, 0]),
            "middle": float(output[0, 1, 32, 31]),
        }
    return values


if __name__ == "__main__":
    write_loss_network(Path(sys.argv[1]))
    for file, make in (
        ("objective_terms.json", objective_terms),
        ("network_outputs.json", network_outputs),
    ):
        (GOLDEN / file).write_text(json.dumps(make(), indent=2) + "\n")
