"""Paintings as style vectors: a network's encoder, run by OpenVINO, and the colours by numpy."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.backends.openvino_backend import Graph, compile_file
from impasto.zoo.style_vectors import Vector

PAINTING_SIDE = 256
"""Shorter side in pixels that a painting is encoded at; it sets how large strokes come out."""

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
        """The style vector of a painting, float32 H×W×3 in [0, 1], of 32 pixels or more."""
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
