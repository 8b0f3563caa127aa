"""The styles in a model file of a network for any painting: encoder, vectors, norm constants.

The file's graph is the image transformation network in its first named style. A style is a vector;
`StyleNetwork` turns it into the constants of the graph's norms, which are written over those in
the file. So a network in any style is a model like every other, for every runtime.

Names and vectors lie in the file's metadata under `STYLES_KEY`, as JSON with base64 of
little-endian numbers. Encoder and map are constants of the file that its graph does not use.
Encoding a painting: `runtime.painting_styles`.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelFileError
from impasto.networks.architecture import AnyPaintingArchitecture
from impasto.zoo.card import Painting
from impasto.zoo.encoder_graph import check_encoder
from impasto.zoo.model_file import ModelFile
from impasto.zoo.onnx_wire import FLOAT16, Tensor, read_onnx
from impasto.zoo.style_table import STYLE_CONSTANTS, STYLES_KEY, StyleTable, is_style_network

NUM_COLOUR_NUMBERS = 12
"""The last numbers of a style vector: mean colour, and the root of the colours' covariance."""

Vector = NDArray[np.float32]


def encoded(array: NDArray[Any]) -> str:
    """An array's numbers as base64."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


@dataclass(frozen=True, slots=True)
class StyleNetwork:
    """A verified model file of a network for any painting, with its styles.

    Attributes:
        model: the file.
        table: its named styles, and which constants of the graph a style sets.
        offset: float32 K, the norm constants of a vector of zeros.
        slope: float32 K×V, what each number of a vector adds.
        encoder: an ONNX file: paintings N×3×H×W to the learnt numbers of their vectors.
    """

    model: ModelFile
    table: StyleTable = field(repr=False)
    offset: NDArray[np.float32] = field(repr=False)
    slope: NDArray[np.float32] = field(repr=False)
    encoder: bytes = field(repr=False)

    @property
    def architecture(self) -> AnyPaintingArchitecture:
        """The architecture on the card."""
        architecture = self.model.card.architecture
        assert isinstance(architecture, AnyPaintingArchitecture)
        return architecture

    @property
    def vector_size(self) -> int:
        """Numbers of a style vector."""
        return self.architecture.style_size + NUM_COLOUR_NUMBERS

    def vector(self, name: str) -> Vector:
        """The style vector of a named style.

        Raises:
            KeyError: there is no style of that name.
        """
        return _numbers(self.table.styles[name].vector, "<f4")

    def constants(self, vector: Vector) -> NDArray[np.float32]:
        """The norm constants, K, of a style vector, float32 of `vector_size` numbers."""
        return self.offset + self.slope @ vector

    def named_constants(self, name: str) -> NDArray[np.float32]:
        """The norm constants of a named style: tuned ones where the file has them."""
        tuned = self.table.styles[name].constants
        return _numbers(tuned, "<f2") if tuned else self.constants(self.vector(name))

    def in_style(
        self,
        constants: NDArray[np.float32],
        *,
        name: str,
        title: str,
        painting: Painting | None = None,
    ) -> ModelFile:
        """The model of one style: the file's graph with these norm constants.

        Args:
            constants: K.
            name: of the model, on its card.
            title: for display, likewise.
            painting: likewise, where the style is that of one.

        Raises:
            ModelFileError: constants too large for float16.
        """
        with np.errstate(over="ignore"):
            halves = constants.astype("<f2")
        if not np.isfinite(halves).all():
            raise ModelFileError(f"{self.model}: the style {name} does not fit float16")
        data = bytearray(self.model.data)
        begin = 0
        for start, num in _spans(self.model.data, self.table.parameters):
            data[start : start + 2 * num] = halves[begin : begin + num].tobytes()
            begin += num
        card = self.model.card.model_copy(
            update={"name": name, "title": title, "painting": painting}
        )
        written = bytes(data)
        digest = hashlib.sha256(written).hexdigest()
        return replace(self.model, path=None, data=written, card=card, sha256=digest)


def read_style_network(model: ModelFile) -> StyleNetwork:
    """The styles of a model file.

    Raises:
        ModelFileError: the file has none, or they are not as expected.
    """
    if not is_style_network(model):
        raise ModelFileError(
            f"{model} is a network for one style, expected one for any painting; use one that was "
            "made by 'impasto train styles'"
        )
    graph = read_onnx(model.data)
    constants = {tensor.name: tensor for tensor in graph.initializers}
    try:
        offset, slope, encoder = (constants[name] for name in STYLE_CONSTANTS)
        network = StyleNetwork(
            model,
            StyleTable.model_validate_json(graph.metadata.get(STYLES_KEY, "")),
            offset=np.frombuffer(offset.data, "<f4"),
            slope=np.frombuffer(slope.data, "<f2").astype(np.float32).reshape(slope.shape),
            encoder=bytes(encoder.data),
        )
        _check_sizes(network, constants)
    except (KeyError, ValueError):  # pydantic's errors among them
        raise ModelFileError(
            f"{model}: its styles are not as expected; get the model file again"
        ) from None
    try:
        check_encoder(network.encoder, network.architecture)
    except ModelFileError as error:
        raise ModelFileError(f"{model}: in its style encoder, {error}") from None
    return network


def _check_sizes(network: StyleNetwork, constants: Mapping[str, Tensor]) -> None:
    """Refuse arrays that do not fit each other, or hold numbers that are not finite.

    Raises:
        ValueError: when they do not fit; KeyError: when the graph lacks a constant.
    """
    parameters = [constants[name] for name in network.table.parameters]
    num_constants = sum(prod(tensor.shape) for tensor in parameters)
    arrays: list[tuple[NDArray[np.float32], tuple[int, ...]]]
    arrays = [(network.offset, (num_constants,))]
    arrays += [(network.slope, (num_constants, network.vector_size))]
    for name, style in network.table.styles.items():
        arrays.append((network.vector(name), (network.vector_size,)))
        if style.constants:
            arrays.append((_numbers(style.constants, "<f2"), (num_constants,)))
    if any(tensor.data_type != FLOAT16 for tensor in parameters) or not all(
        array.shape == shape and np.isfinite(array).all() for array, shape in arrays
    ):
        raise ValueError("an array of the wrong size")


def _numbers(text: str, kind: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text, validate=True), kind).astype(np.float32)


def _spans(data: bytes, names: list[str]) -> list[tuple[int, int]]:
    """Where each of these float16 constants begins in a file, and how many numbers it has."""
    begin = np.frombuffer(data, np.uint8).ctypes.data
    by_name = {tensor.name: tensor.data for tensor in read_onnx(data).initializers}
    # The reader gives views into the file, so a difference of addresses is a position.
    return [
        (np.frombuffer(by_name[name], np.uint8).ctypes.data - begin, len(by_name[name]) // 2)
        for name in names
    ]
