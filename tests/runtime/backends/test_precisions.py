"""Each shipped model, in every precision that the processor at hand has, against f32."""

import numpy as np
import pytest

from impasto.images.files.io import load_picture
from impasto.runtime.predictor import Predictor
from impasto.zoo.registry import list_models, resolve_model
from model_fixtures import PHOTOS, PROCESSOR_PRECISIONS, psnr


@pytest.fixture(scope="module")
def photograph():
    return np.ascontiguousarray(load_picture(PHOTOS / "chelsea.png").rgb[80:192, 100:228])


@pytest.mark.parametrize("precision", PROCESSOR_PRECISIONS)
@pytest.mark.parametrize("name", [entry.name for entry in list_models() if entry.released])
def test_a_shipped_model_is_itself_in_every_precision(name, precision, photograph):
    model = resolve_model(name)
    exact = Predictor(model, precision="f32")(photograph)
    # bf16 rounds to 2^-9 of a value at each layer: 49 to 61 dB were measured.
    assert psnr(Predictor(model, precision=precision)(photograph), exact) > 44


def test_auto_is_one_of_the_precisions_tested(photograph):
    precision = Predictor(resolve_model("starry_night"), precision="auto").backend.precision
    assert precision in PROCESSOR_PRECISIONS
