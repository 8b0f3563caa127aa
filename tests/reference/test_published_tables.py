"""The bicubic rows that everybody publishes, met on the real sets: if they are off, all is.

Skipped where the sets are not there.
"""

import json

import numpy as np
import pytest

from impasto.evaluation.benchmark import evaluate
from impasto.evaluation.measures import fidelity
from impasto.evaluation.picture_sets import find_pictures
from impasto.evaluation.upscaling_methods import bicubic_method
from impasto.metrics.fidelity import Protocol

CHECK_ROW = {"Set5": (28.42, 0.8104), "Set14": (26.00, 0.7027), "BSD100": (25.96, 0.6675)}
"""PSNR and SSIM of bicubic ×4 as the papers of the field print them."""


@pytest.fixture(scope="module")
def bicubic(shared_data):
    """Bicubic's numbers on each set, and the published ones of each picture."""
    protocol = Protocol(scale=4)
    folder = shared_data / "sr_test"
    sets = [find_pictures(folder / name, scale=4) for name in CHECK_ROW]
    evaluation = evaluate(sets, [bicubic_method(4)], [fidelity(protocol)], protocol=protocol)
    published = json.loads((folder / "published_selfexsr_table.json").read_text())
    return {
        scores.name: (scores.models[0], published[f"{scores.name}_x4"])
        for scores in evaluation.sets
    }


@pytest.mark.parametrize("name", CHECK_ROW)
def test_the_mean_of_bicubic_is_the_published_one(bicubic, name):
    scores, _ = bicubic[name]
    psnr, ssim = CHECK_ROW[name]
    assert scores.means["psnr"] == pytest.approx(psnr, abs=0.02)
    assert scores.means["ssim"] == pytest.approx(ssim, abs=0.001)


@pytest.mark.parametrize("name", CHECK_ROW)
def test_bicubic_is_the_published_one_picture_by_picture(bicubic, name):
    # Set14's third, bridge, is a grey file: its own values are its luminance.
    scores, published = bicubic[name]
    for key, tolerance in (("psnr", 0.05), ("ssim", 0.001)):
        ours = [picture.values[key] for picture in scores.pictures]
        theirs = published[key.upper()]["per_image"]["Bicubic"]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)
