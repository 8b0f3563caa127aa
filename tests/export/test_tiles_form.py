"""The form of a model for tiles in other runtimes, run here by OpenVINO."""

import json

import numpy as np
import onnx
import openvino
import pytest

from impasto.errors import ModelFileError
from impasto.export.tiles_form import TILES_METADATA_KEY, tiled_model, write_tiled_model
from impasto.runtime.backends.openvino_backend import OpenVinoBackend
from impasto.zoo.model_file import read_model_file
from impasto.zoo.registry import resolve_model
from model_fixtures import make_card, make_model_file


def test_a_caller_with_the_graph_alone_gets_the_whole_pictures_tiles(tmp_path):
    # As docs/model-file.md says: as many passes as norm layers make the statistics exact.
    style = resolve_model("the_scream")
    model, about = tiled_model(style)
    assert about["halo"] == 60
    halo, width = 60, 152
    tiles = [(0, 76 + halo, 0, 76), (76 - halo, width, halo, halo + 76)]
    rng = np.random.default_rng(0)
    image = (rng.random((1, 3, 20, width)) * np.linspace(0, 1, width)).astype(np.float32)
    run = openvino.Core().compile_model(
        openvino.Core().read_model(model.SerializeToString()),
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32"},
    )
    mean, variance = np.zeros(sum(about["channels"])), np.ones(sum(about["channels"]))
    for _ in range(len(about["channels"]) + 1):
        moments, parts = 0, []
        for start, stop, left, right in tiles:
            statistics = np.stack([mean, variance]).astype(np.float32)
            core = np.array([0, 20, left, right])
            result, sums = run([image[..., start:stop], statistics, core]).values()
            moments = moments + sums.astype(np.float64)
            parts.append(result[..., left:right])
        shift, square = moments[:2] / moments[2]
        mean, variance = mean + shift, np.maximum(square - shift**2, 0)
    whole = OpenVinoBackend(style.data, precision="f32").run(image)
    tiled = np.concatenate(parts, axis=3)
    assert -10 * np.log10(np.square(tiled - whole).mean()) > 60


def test_the_file_says_what_a_caller_has_to_know(tmp_path):
    style = resolve_model("the_scream")
    about = write_tiled_model(style.path, tmp_path / "tiles.onnx")
    model = onnx.load(tmp_path / "tiles.onnx")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(metadata[TILES_METADATA_KEY]) == about
    assert [value.name for value in model.graph.input] == ["image", "statistics", "core"]
    assert [value.name for value in model.graph.output] == ["result", "moments"]
    with pytest.raises(ModelFileError, match="3 inputs"):  # it is no model file of ours
        read_model_file(tmp_path / "tiles.onnx")


def test_a_network_without_statistics_needs_no_other_form():
    card = make_card(task="super-resolution", scale=4)
    with pytest.raises(ModelFileError, match="tiles with 18 pixels around each"):
        tiled_model(make_model_file(card=card, scale=4))
