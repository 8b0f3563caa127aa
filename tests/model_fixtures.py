"""Small model files for tests: real ONNX with real cards, made without any training."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
from onnx import TensorProto, helper, numpy_helper

from impasto.export.quantized_graph import (
    Calibration,
    find_convolutions,
    quantize_graph,
    with_metadata,
)
from impasto.networks.architecture import (
    AnyPaintingArchitecture,
    NetworkArchitecture,
    SubpixelArchitecture,
)
from impasto.zoo import registry
from impasto.zoo.card import (
    Licences,
    ModelCard,
    Painting,
    PaintingSet,
    QuantizationRecord,
    TrainingRecord,
)
from impasto.zoo.model_file import MODEL_METADATA_KEY, ModelFile, model_from_bytes

PHOTOS = Path(__file__).parents[1] / "examples" / "photos"

_CAPABILITIES = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
PROCESSOR_PRECISIONS = ["f32", "bf16"] if "BF16" in _CAPABILITIES else ["f32"]
"""What floats can be computed in here: what `auto` promises is tested in each."""

NEGATIVE = -np.eye(3, dtype=np.float16)[:, :, None, None]
"""A 1×1 kernel: with a bias of 1 it turns a picture x into 1 - x."""

BLUR = np.einsum("oi,hw->oihw", np.eye(3), np.full((3, 3), 1 / 9)).astype(np.float16)
"""A 3×3 kernel: each channel's mean over nine pixels."""


NEAREST = {
    "mode": "nearest",
    "coordinate_transformation_mode": "asymmetric",
    "nearest_mode": "floor",
}
"""Of a Resize that repeats every pixel."""


def make_card(**changes):
    """A card of a style that nobody has trained."""
    digest = hashlib.sha256(b"impasto").hexdigest()
    fields = {
        "name": "tiny_style",
        "title": "A tiny style",
        "task": "style-transfer",
        "created": "2026-11-23",
        "architecture": NetworkArchitecture(),
        "painting": Painting(
            title="Under the Wave off Kanagawa",
            artist="Katsushika Hokusai",
            year="c. 1831",
            source="drawn for the tests",
            sha256=digest,
            short_side=256,
        ),
        "training": TrainingRecord(
            recipe={"steps": 2, "style": {"layers": ["relu1_2"]}},
            dataset="two photographs",
            num_photographs=2,
            steps=2,
            minutes=0.5,
            seed=7,
            hardware="2 cores",
            versions={"torch": "2.13.0"},
            loss_network_sha256=digest,
            losses={"content": 1.5, "style": 0.25},
            scales={"content": 2.0},
        ),
        "licences": Licences(
            code="Apache-2.0",
            weights="CC-BY-4.0",
            painting="public domain",
            training_photographs="CC0",
            commercial_use="clear",
        ),
        "impasto_version": "0.1.0",
    }
    if changes.get("scale", 1) > 1:
        fields |= {
            "architecture": SubpixelArchitecture(scale=changes["scale"]),
            "painting": None,
            "degradation": "bicubic",
        }
    return ModelCard(**(fields | changes))


def make_onnx(*, kernel=NEGATIVE, bias=1.0, scale=1, metadata=None):
    """An ONNX model: pad by reflection, convolve, add a bias, enlarge, clip to [0, 1].

    Every operator is written as the exporters write it, else it would be refused.
    """
    half = kernel.shape[-1] // 2
    constants = {
        "pads": np.array([0, 0, half, half, 0, 0, half, half], np.int64),
        "kernel_half": kernel,
        "bias_half": np.full((1, 3, 1, 1), bias, np.float16),
        "doubled": np.array([1, 1, 2, 2], np.float32),
        "zero": np.array(0, np.float32),
        "one": np.array(1, np.float32),
    }
    nodes = [
        helper.make_node("Pad", ["image", "pads"], ["padded"], mode="reflect"),
        helper.make_node("Cast", ["kernel_half"], ["kernel"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["bias_half"], ["bias"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["padded", "kernel"], ["convolved"]),
        helper.make_node("Add", ["convolved", "bias"], ["resized1"]),
    ]
    for factor in [2**i for i in range(scale.bit_length() - 1)]:
        names = [f"resized{factor}", "", "doubled"], [f"resized{2 * factor}"]
        nodes.append(helper.make_node("Resize", *names, **NEAREST))
    nodes.append(helper.make_node("Clip", [f"resized{scale}", "zero", "one"], ["stylized"]))
    return onnx_of(nodes, constants, output="stylized", metadata=metadata)


def onnx_of(nodes, constants, *, output="result", metadata=None):
    """A checked ONNX model that makes `output` of `image`; constants are arrays by name."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", 3, "H2", "W2"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, metadata or {})
    onnx.checker.check_model(model)
    return model


def make_model_bytes(*, card=None, **settings):
    """The bytes of a model file with its card."""
    card = card or make_card(scale=settings.get("scale", 1))
    return make_onnx(metadata={MODEL_METADATA_KEY: card.to_json()}, **settings).SerializeToString()


def unchecked_model(model: onnx.ModelProto) -> ModelFile:
    """A model file that no check has seen, for what has to hold behind the check too."""
    card = {entry.key: entry.value for entry in model.metadata_props}[MODEL_METADATA_KEY]
    data = model.SerializeToString()
    digest = hashlib.sha256(data).hexdigest()
    return ModelFile(path=None, data=data, card=ModelCard.from_json(card), sha256=digest)


def make_model_file(**settings) -> ModelFile:
    """A verified model file that lies in memory only."""
    return model_from_bytes(make_model_bytes(**settings))


@pytest.fixture(scope="session")
def tiny_model_bytes():
    """A model file that turns pictures into their negatives."""
    return make_model_bytes()


TINY_ANY_PAINTING = AnyPaintingArchitecture(
    channels=(4, 8),
    num_residual_blocks=1,
    style_size=8,
    encoder_channels=(4, 4, 4, 4, 4),
    hidden_size=8,
)


@pytest.fixture(scope="session")
def any_painting_path(tmp_path_factory):
    """A network for any painting that nobody has trained, whose colours are the painting's.

    It holds two styles: `red_sky` by its vector, `blue_hour` with tuned constants.
    """
    import torch

    from impasto.export.style_network_export import StyleToExport, export_style_network
    from impasto.networks.any_painting import AnyPaintingNetwork

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = AnyPaintingNetwork(TINY_ANY_PAINTING)
        numbers = torch.randn(8).numpy()
    root = 0.1 * np.eye(3, dtype=np.float32).ravel()
    vectors = {
        "red_sky": np.concatenate([numbers, [0.8, 0.2, 0.2], root]).astype(np.float32),
        "blue_hour": np.concatenate([-numbers, [0.1, 0.1, 0.7], root]).astype(np.float32),
    }
    with torch.no_grad():
        constants = network.constants(torch.from_numpy(vectors["blue_hour"])[None])[0].numpy()
    painting = make_card().painting
    styles = {
        "red_sky": StyleToExport("Red Sky", vectors["red_sky"], painting),
        "blue_hour": StyleToExport("Blue Hour", vectors["blue_hour"], painting, constants + 0.01),
    }
    card = make_card(
        name="any_painting",
        title="Any painting",
        architecture=TINY_ANY_PAINTING,
        painting=None,
        paintings=PaintingSet(
            description="three paintings", num_paintings=3, held_out=["Nocturne", "Guernica"]
        ),
    )
    path = tmp_path_factory.mktemp("any_painting") / "any_painting.onnx"
    export_style_network(network, card, path, styles=styles)
    return path


@pytest.fixture
def without_any_painting(tmp_path, monkeypatch):
    """The released models but the network for any painting, whose name is free then."""
    folder = tmp_path / "released_but_one"
    folder.mkdir()
    for path in registry.RELEASED_MODELS_FOLDER.glob("*.onnx"):
        if path.name != "any_painting.onnx":
            (folder / path.name).symlink_to(path)
    monkeypatch.setattr(registry, "RELEASED_MODELS_FOLDER", folder)


@pytest.fixture
def any_painting(any_painting_path, user_models, without_any_painting):
    """The same among the user's own models, by the name that is looked for."""
    user_models.mkdir(parents=True, exist_ok=True)
    (user_models / "any_painting.onnx").write_bytes(any_painting_path.read_bytes())
    return user_models / "any_painting.onnx"


@pytest.fixture
def tiny_model_path(tmp_path, tiny_model_bytes):
    """The same on disk."""
    path = tmp_path / "tiny.onnx"
    path.write_bytes(tiny_model_bytes)
    return path


@pytest.fixture
def user_models(tmp_path, monkeypatch):
    """An empty place for the user's own models; the folder is not there yet."""
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "models"


def make_quantized_bytes(data: bytes) -> bytes:
    """The quantized form of a model file for pictures that use the whole range, not searched."""
    model = model_from_bytes(data)
    convolutions = find_convolutions(data)
    calibration = Calibration({c.source: (0.0, 1.0) for c in convolutions}, {})
    record = QuantizationRecord(
        made_from=model.sha256,
        activation_bits=8,
        weight_bits=7,
        photographs="none",
        num_photographs=1,
        in_float=[],
        share_in_float=0,
        checked="nothing",
        min_psnr=40,
        median_psnr=45,
    )
    card = model.card.model_copy(update={"quantization": record})
    graph = quantize_graph(data, calibration, in_float=())
    return with_metadata(graph, {MODEL_METADATA_KEY: card.to_json()})


def psnr(picture, truth):
    """Of float pictures in [0, 1], in dB."""
    return -10 * np.log10(max(np.square(picture - truth).mean(), 1e-12))
