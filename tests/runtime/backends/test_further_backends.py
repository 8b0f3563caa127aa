"""ONNX Runtime and torch make the pictures that OpenVINO makes, each in a process of its own."""

import subprocess
import sys

import numpy as np
import pytest

from impasto.errors import ModelFileError
from impasto.runtime.backends.choice import open_backend
from impasto.runtime.compute import Compute
from model_fixtures import make_model_file

PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from impasto.errors import ModelFileError
from impasto.runtime.predictor import Predictor
from impasto.zoo.registry import resolve_model
model, backend, precision = resolve_model("starry_night"), *sys.argv[1:3]
predictor = Predictor(model, backend=backend, precision=precision, num_threads=1)
pictures = np.load("pictures.npy")
assert ("torch" in sys.modules) == (backend == "torch")
assert ("onnxruntime" in sys.modules) == (backend == "onnxruntime")
painted = predictor.predict_batch(pictures)
np.save("painted.npy", painted)
with ThreadPoolExecutor(2) as threads:  # each alone, both at once
    alone = np.stack(list(threads.map(predictor, pictures)))
assert np.abs(alone - painted).max() < (1 / 255 if precision == "f32" else 0.1)
print(predictor.backend.name, predictor.backend.precision)
"""


def painted(folder, backend, precision="f32"):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, backend, precision],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return np.load(folder / "painted.npy"), done.stdout.strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("painted")
    values = np.random.default_rng(0).random((2, 5, 7, 3), dtype=np.float32)
    np.save(folder / "pictures.npy", values.repeat(9, axis=1).repeat(9, axis=2))
    return folder


@pytest.fixture(scope="module")
def by_openvino(folder):
    return painted(folder, "openvino")[0]


@pytest.mark.parametrize(
    ("backend", "name"), [("onnxruntime", "ONNX Runtime CPU f32"), ("torch", "torch ")]
)
def test_a_further_backend_makes_the_same_pictures(folder, by_openvino, backend, name):
    pytest.importorskip("torch" if backend == "torch" else "onnxruntime")
    pictures, said = painted(folder, backend)
    assert said.startswith(name)
    assert np.abs(pictures - by_openvino).max() < 1 / 255


def test_torch_in_bf16_stays_near(folder, by_openvino):
    pictures, said = painted(folder, "torch", "bf16")
    assert said.endswith("bf16")
    assert 0 < np.square(pictures - by_openvino).mean() < 10**-3


def test_settings_a_backend_does_not_have_are_refused():
    model = make_model_file()
    with pytest.raises(ModelFileError, match="does not compute in bf16"):
        open_backend(model, Compute(backend="onnxruntime", precision="bf16"))
    with pytest.raises(ModelFileError, match=r"the weights .* are missing"):
        open_backend(model, Compute(backend="torch"))
