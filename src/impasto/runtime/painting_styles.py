"""Paintings as style vectors: a network's encoder, run by OpenVINO, and the colours by numpy.

Vectors are cached on disk by the contents of painting and network. Reading paintings: `paintings`.
What a vector does to the network: `zoo.style_vectors`. Styles by name and mixtures:
`network_styles`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelFileError
from impasto.runtime.backends.compiled_cache import CachedFiles, cache_folder, cache_key
from impasto.runtime.backends.openvino_backend import Graph, compile_file
from impasto.runtime.paintings import PaintingInput, read_painting
from impasto.zoo.style_vectors import StyleNetwork, Vector

PAINTING_SIDE = 256
"""Shorter side in pixels that a painting is encoded at; it sets how large strokes come out."""

MAX_CACHE_BYTES = 16 * 2**20
"""Size limit of the cached vectors, which have half a kilobyte each."""

_ENCODING_VERSION = 1
"""To be raised when paintings are read, resized or encoded in another way."""

_SMALLEST_VARIANCE = 1e-5
"""As in training: a painting of one colour has a root of its covariance too."""


class PaintingEncoder:
    """A network's encoder, ready for paintings.

    Args:
        data: its ONNX file.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __call__(self, rgb: NDArray[np.float32]) -> Vector:
        """The style vector of a painting, float32 H×W×3 in [0, 1], of 64 pixels or more."""
        return np.concatenate([self.learnt_numbers(rgb), colour_numbers(rgb)])

    def learnt_numbers(self, rgb: NDArray[np.float32]) -> Vector:
        """The part of the style vector that the encoder computes."""
        planes = np.ascontiguousarray(rgb.transpose(2, 0, 1)[None], dtype=np.float32)
        numbers: Vector = self._encode(planes)[0]
        return numbers

    @cached_property
    def _encode(self) -> Graph:
        return compile_file(self._data)


def colour_numbers(rgb: NDArray[np.float32]) -> Vector:
    """Mean colour, and the symmetric root of the colours' covariance row by row: 12 numbers.

    Args:
        rgb: float32 H×W×3 in [0, 1].
    """
    pixels = rgb.reshape(-1, 3).astype(np.float64)
    means = pixels.mean(axis=0)
    covariance = np.cov(pixels.T, bias=True) + _SMALLEST_VARIANCE * np.eye(3)
    variances, axes = np.linalg.eigh(covariance)
    root = axes @ np.diag(np.sqrt(variances.clip(min=0))) @ axes.T
    return np.concatenate([means, root.ravel()]).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPainting:
    """A painting as the network takes it.

    Attributes:
        vector: its style vector.
        sha256: of its file, or of its pixels where it came from memory.
        short_side: pixels of its shorter side when it was encoded.
    """

    vector: Vector
    sha256: str
    short_side: int


class PaintingStyles:
    """The style vectors of paintings, for one network; each is computed once and cached.

    Args:
        network: with the encoder.
    """

    def __init__(self, network: StyleNetwork) -> None:
        self._network = network
        self._encoder = PaintingEncoder(network.encoder)
        self._cache = CachedFiles(
            cache_folder("paintings"), suffix=".style", max_bytes=MAX_CACHE_BYTES
        )

    def __call__(self, painting: PaintingInput, *, stroke: float = 1.0) -> EncodedPainting:
        """The style vector of a painting.

        Args:
            painting: a picture's file, a Pillow image or an array H×W×3; laid on white where it is
                transparent.
            stroke: size of the strokes; the painting is encoded at `PAINTING_SIDE` times this.

        Raises:
            PictureFileError: the file cannot be read.
            PictureError: the array is no picture, or one side is too long for the other.
            ModelFileError: the encoder cannot be run.
        """
        side = round(PAINTING_SIDE * stroke)
        source = read_painting(painting)
        key = cache_key((source.sha256, self._network.model.sha256, side, _ENCODING_VERSION))
        vector = self._cached(key)
        if vector is None:
            vector = self._encoder(source.pixels(side))
            if not np.isfinite(vector).all():
                raise ModelFileError(
                    f"{self._network.model}: its encoder gives NaN or infinity for {source.name}; "
                    "get the model file again"
                )
            self._cache.write(key, vector.astype("<f4").tobytes())
        return EncodedPainting(vector, source.sha256, side)

    def _cached(self, key: str) -> Vector | None:
        stored = self._cache.read(key)
        if stored is None or len(stored) != 4 * self._network.vector_size:
            return None
        vector = np.frombuffer(stored, "<f4").astype(np.float32)
        return vector if np.isfinite(vector).all() else None
