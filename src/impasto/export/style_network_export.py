"""A trained network for any painting becomes a model file: graph, encoder, map and named styles.

The graph is the transformation in the first named style, exported as every network is. What the
file holds besides it: `zoo.style_vectors`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxscript.optimizer
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from impasto.errors import ExportError, ModelFileError
from impasto.export.model_export import (
    OPSET,
    check_parity,
    model_bytes,
    quiet_exporter,
    write_model,
)
from impasto.networks.any_painting import (
    COLOUR_PARAMETERS,
    NUM_COLOUR_NUMBERS,
    AnyPaintingNetwork,
    StyledNetwork,
)
from impasto.runtime.backends.torch_network import take_fitting_weights
from impasto.zoo.card import ModelCard, Painting
from impasto.zoo.model_file import ModelFile, model_from_bytes
from impasto.zoo.style_table import STYLE_CONSTANTS, STYLES_KEY, NamedStyle, StyleTable
from impasto.zoo.style_vectors import StyleNetwork, encoded

PARITY_TOLERANCE = 2e-2
"""Largest difference of a number that the encoder's file gives, of numbers around 1."""


@dataclass(frozen=True, slots=True, eq=False)
class StyleToExport:
    """A named style.

    Attributes:
        title: for display.
        vector: its style vector, float32.
        painting: that it was learnt from.
        constants: norm constants that were tuned; None takes those of the vector.
    """

    title: str
    vector: NDArray[np.float32]
    painting: Painting
    constants: NDArray[np.float32] | None = None


def export_style_network(
    network: AnyPaintingNetwork,
    card: ModelCard,
    path: Path,
    *,
    styles: Mapping[str, StyleToExport],
    replace: bool = True,
) -> ModelFile:
    """Write a network for any painting as one model file, and return it as read back.

    Args:
        network: on the processor.
        card: of the model.
        path: of the file.
        styles: by name; the first is the style of the file's graph.
        replace: a file that is there.

    Raises:
        ExportError: the file's output is not torch's, or the file cannot be written.
        OutputAppearedError: a file is there and is not to be replaced.
    """
    plain = AnyPaintingNetwork(network.architecture)
    plain.load_state_dict({name: value.cpu() for name, value in network.state_dict().items()})
    plain.eval()
    offset, slope = affine_map(plain)
    styled = StyledNetwork(plain.architecture)
    styled.load_state_dict(plain.transformation.state_dict())
    first = next(iter(styles.values()), None)
    if first is not None:
        constants = offset + slope @ first.vector if first.constants is None else first.constants
        styled.set_style(torch.from_numpy(constants.astype(np.float32)))
    table = StyleTable(
        parameters=list(styled.constant_parameters()),
        styles={
            name: NamedStyle(
                title=style.title,
                vector=encoded(style.vector.astype("<f4")),
                constants="" if style.constants is None else encoded(style.constants.astype("<f2")),
                painting=style.painting,
            )
            for name, style in styles.items()
        },
    )
    graph = onnx.load_model_from_string(model_bytes(styled, card))
    encoder = np.frombuffer(encoder_bytes(plain), np.uint8)
    arrays = (offset.astype(np.float32), slope.astype(np.float16), encoder)
    for name, array in zip(STYLE_CONSTANTS, arrays, strict=True):
        graph.graph.initializer.append(numpy_helper.from_array(array, name))
    entry = graph.metadata_props.add()
    entry.key, entry.value = STYLES_KEY, table.model_dump_json()
    data: bytes = graph.SerializeToString(deterministic=True)
    model_from_bytes(data)
    check_parity(styled, data)
    return write_model(data, path, replace=replace)


def affine_map(network: AnyPaintingNetwork) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return offset K and slope K×V of the map from style vectors to norm constants."""
    size = network.architecture.style_size + NUM_COLOUR_NUMBERS
    with torch.no_grad():
        at_zero = network.constants(torch.zeros(1, size))
        at_units = network.constants(torch.eye(size))
    return at_zero[0].numpy(), (at_units - at_zero).T.contiguous().numpy()


def encoder_bytes(network: AnyPaintingNetwork) -> bytes:
    """Return the encoder as an ONNX file with float16 weights.

    Raises:
        ExportError: its numbers are not torch's.
    """
    dynamic = torch.export.Dim.DYNAMIC
    encoder: nn.Module = network.encoder
    with quiet_exporter():
        program = torch.onnx.export(
            encoder,
            (torch.rand(2, 3, 96, 128),),
            dynamo=True,
            verbose=False,
            optimize=False,
            opset_version=OPSET,
            input_names=["painting"],
            output_names=["style"],
            dynamic_shapes={"paintings": {0: dynamic, 2: dynamic, 3: dynamic}},
        )
        assert program is not None
        onnxscript.optimizer.fold_constants(program.model)
        onnxscript.optimizer.remove_unused_nodes(program.model)
    model: onnx.ModelProto = program.model_proto
    _store_half(model)
    del model.graph.value_info[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del model.graph.metadata_props[:]
    model.producer_name, model.producer_version, model.doc_string = "impasto", "", ""
    data: bytes = model.SerializeToString(deterministic=True)
    _check_encoder(encoder, data)
    return data


def load_style_network(network: AnyPaintingNetwork, source: StyleNetwork) -> None:
    """Put the weights of a model file into a network of its architecture.

    The encoder's guess of the loss network's features is in no file and stays as it is. What the
    file has rounded to float16 stays rounded.

    Raises:
        ModelFileError: the weights are not those of the architecture.
    """
    take_fitting_weights(network.transformation, source.model)
    arrays = {
        tensor.name.removesuffix(":f16"): numpy_helper.to_array(tensor)
        for tensor in onnx.load_model_from_string(source.encoder).graph.initializer
    }
    expected = network.encoder.state_dict()
    if any(name not in arrays or arrays[name].shape != w.shape for name, w in expected.items()):
        raise ModelFileError(f"{source.model}: its encoder is not that of its architecture")
    network.encoder.load_state_dict(
        {name: torch.from_numpy(arrays[name].astype(np.float32)) for name in expected}
    )
    size = network.architecture.style_size
    own = network.transformation.constant_parameters()
    num_colours = sum(own[name].numel() for name in COLOUR_PARAMETERS)
    num_norms = len(source.offset) - num_colours
    positions = network.transformation.to_rgb.out_channels // 3
    slope = torch.from_numpy(source.slope[:, :size].copy())
    # Of the square of colours each position has the same numbers: the first one's are taken.
    matrix = slope[num_norms : -3 * positions].view(3, positions, 3, positions, size)[:, 0, :, 0]
    offset = slope[-3 * positions :].view(3, positions, size)[:, 0]
    with torch.no_grad():
        parts = (slope[:num_norms], offset, matrix.reshape(9, size))
        network.style_map.weight.copy_(torch.cat(parts))
        # The file's norms are those of its first style.
        network.transformation.set_style(torch.from_numpy(source.offset.copy()))
        for name in COLOUR_PARAMETERS:
            own[name].zero_()


def _store_half(model: onnx.ModelProto) -> None:
    """Store float32 weights of more than a few numbers in float16, each followed by a cast."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and len(tensor.raw_data) > 64:
            half, name = numpy_helper.to_array(tensor).astype(np.float16), tensor.name
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}:f16"))
            casts.append(helper.make_node("Cast", [f"{name}:f16"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _check_encoder(encoder: nn.Module, data: bytes) -> None:
    from impasto.runtime.painting_styles import PaintingEncoder

    opened = PaintingEncoder(data)
    for height, width in ((96, 128), (131, 77)):
        rng = np.random.default_rng(height)
        rgb = np.clip(rng.normal(0.5, 0.25, (height, width, 3)), 0, 1).astype(np.float32)
        pictures: Tensor = torch.from_numpy(rgb.transpose(2, 0, 1)[None].copy())
        with torch.no_grad():
            expected = encoder(pictures)[0].numpy()
        difference = np.abs(opened.learnt_numbers(rgb) - expected).max()
        if not difference <= PARITY_TOLERANCE * max(1.0, float(np.abs(expected).max())):
            raise ExportError(
                f"the encoder's file differs from torch by {difference:.3g} at {width}×{height}: "
                "nothing was written"
            )
