"""A model applied to whole pictures: checked, padded, run, cropped and clipped.

Arrays in and out. Pictures too large for memory: `fitting_predictor`. Alpha and colour:
`stylizer` and `upscaler`.
"""

import threading
from dataclasses import replace
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelFileError, NotFiniteError, PictureError
from impasto.networks.architecture import Architecture
from impasto.runtime.backends.choice import open_backend
from impasto.runtime.backends.openvino_backend import MAX_BYTES_KEPT, Backend
from impasto.runtime.compute import DEFAULT_COMPUTE, Compute, ComputeKeywords
from impasto.runtime.grain import GRAIN, with_grain
from impasto.system.forks import check_not_forked
from impasto.zoo.card import ModelCard
from impasto.zoo.model_file import ModelFile

__all__ = ["GRAIN", "Predictor", "check_output", "padded_size"]

# A resize or colour conversion rounds to values a little outside of [0, 1].
_RANGE_TOLERANCE = 1e-4


class Predictor:
    """A model ready to transform pictures.

    Args:
        model: a verified model file.
        compute: how it is run. Tiles, memory and batches are `FittingPredictor`'s.
        bytes_kept: memory for the compiled model, over all sizes of pictures.
        settings: fields of `Compute` that replace those of `compute`.

    Raises:
        ModelFileError: the backend cannot open the model, or not in this precision.
        MissingExtraError: the backend is not installed.
        ForkError: this process was forked after a model was opened; also when it is called.
        SettingError: a setting of `compute` is out of range.
    """

    def __init__(
        self,
        model: ModelFile,
        compute: Compute = DEFAULT_COMPUTE,
        *,
        bytes_kept: int = MAX_BYTES_KEPT,
        **settings: Unpack[ComputeKeywords],
    ) -> None:
        self._model = model
        self._card = model.card
        self._compute = replace(compute, **settings)
        self._bytes_kept = bytes_kept
        # An int8 model has no f32 form to compute 16 bits in.
        self._is_auto = self._compute.precision == "auto" and model.card.quantization is None
        self._backend = self._open(self._compute)
        self._exact_backend: Backend | None = None
        self._lock = threading.Lock()  # while it is opened

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self._card

    @property
    def backend(self) -> Backend:
        """The backend that runs the model; it names itself and its precision."""
        return self._backend

    def precision_for(self, bits: int) -> str:
        """The precision that pictures of 8 or 16 bits per channel are computed in.

        bf16 has 8 significant bits: under `auto`, pictures with more are computed in f32.
        """
        return "f32" if self._is_auto and bits > 8 else self._backend.precision

    def __call__(self, rgb: NDArray[np.float32], *, bits: int = 8) -> NDArray[np.float32]:
        """The transformed picture, float32 (H·scale)×(W·scale)×3 in [0, 1].

        Args:
            rgb: float32 H×W×3 in [0, 1], sRGB, of any size from 1×1.
            bits: per channel that the picture came with: see `precision_for`.

        Raises:
            PictureError: not such an array.
            ModelFileError: the model cannot be run, or its output is no picture.
        """
        _check_pictures(rgb, "H×W×3", rank=3)
        transformed: NDArray[np.float32] = self._run(rgb[np.newaxis], self._backend_for(bits))[0]
        return transformed

    def predict_batch(self, rgb: NDArray[np.float32], *, bits: int = 8) -> NDArray[np.float32]:
        """The transformed pictures, float32 N×(H·scale)×(W·scale)×3 in [0, 1].

        Each is what it would be alone, but for the last bits. All go through the network at once.

        Args:
            rgb: float32 N×H×W×3 in [0, 1], sRGB, of any size from 1×1.
            bits: per channel that the pictures came with: see `precision_for`.

        Raises:
            PictureError: not such an array.
            ModelFileError: the model cannot be run, or its output is no picture.
        """
        _check_pictures(rgb, "N×H×W×3", rank=4)
        return self._run(rgb, self._backend_for(bits))

    def _open(self, compute: Compute) -> Backend:
        check_not_forked()
        try:
            return open_backend(self._model, compute, bytes_kept=self._bytes_kept)
        except ModelFileError as error:
            raise ModelFileError(f"{self._model}: {error}") from None

    def _backend_for(self, bits: int) -> Backend:
        if self.precision_for(bits) == self._backend.precision:
            return self._backend
        with self._lock:
            if self._exact_backend is None:
                self._exact_backend = self._open(replace(self._compute, precision="f32"))
            return self._exact_backend

    def _run(self, rgb: NDArray[np.float32], backend: Backend) -> NDArray[np.float32]:
        # A forked child has OpenVINO's locks without its threads, and would wait for ever.
        check_not_forked()
        _, height, width, _ = rgb.shape
        batch = network_batch(self._card, rgb)
        try:
            output = backend.run(batch)
            check_output(output, batch.shape, scale=self._card.scale)
        except ModelFileError as error:
            raise ModelFileError(f"{self._model}: {error}") from None
        scale = self._card.scale
        # In the layout it has in memory: twice as fast as behind the transposition.
        np.clip(output, 0.0, 1.0, out=output)
        cropped = output[:, :, : height * scale, : width * scale].transpose(0, 2, 3, 1)
        return np.ascontiguousarray(cropped)


def check_output(output: NDArray[np.float32], shape: tuple[int, ...], *, scale: int) -> None:
    """Refuse an output that is no picture `scale` times as large as the input.

    Raises:
        ModelFileError: another shape, or values that are not finite.
    """
    num, channels, height, width = shape
    expected = (num, channels, height * scale, width * scale)
    if output.shape != expected:
        raise ModelFileError(
            f"the output has the shape {output.shape}, expected {expected}; "
            f"the file does not fit its card"
        )
    if not np.isfinite(output).all():
        raise ModelFileError(
            "the output holds numbers that are not finite; try the precision 'f32', "
            "or train the model again"
        )


def network_batch(card: ModelCard, rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """The input of a model's network for pictures: with grain, padded, float32 N×3×H'×W'.

    Args:
        card: of the model.
        rgb: float32 N×H×W×3 in [0, 1].
    """
    if card.task == "style-transfer":
        rgb = with_grain(rgb)
    _, height, width, _ = rgb.shape
    below, right = (padded_size(card.architecture, size) - size for size in (height, width))
    if below or right:
        # Repeating the border makes no edge, which a network would draw.
        rgb = np.pad(rgb, ((0, 0), (0, below), (0, right), (0, 0)), mode="edge")
    return np.ascontiguousarray(rgb.transpose(0, 3, 1, 2), dtype=np.float32)


def _check_pictures(rgb: NDArray[np.float32], layout: str, *, rank: int) -> None:
    if not isinstance(rgb, np.ndarray) or not np.issubdtype(rgb.dtype, np.floating):
        given = rgb.dtype if isinstance(rgb, np.ndarray) else type(rgb).__name__
        raise PictureError(f"given {given}, expected a float array {layout} in [0, 1]")
    if rgb.ndim != rank or rgb.shape[-1] != 3 or rgb.size == 0:
        raise PictureError(f"given an array of the shape {rgb.shape}, expected {layout}, not empty")
    low, high = float(rgb.min()), float(rgb.max())
    if not np.isfinite([low, high]).all():
        raise NotFiniteError(
            "given a picture with NaN or infinity in it, expected values in [0, 1]"
        )
    if not (low >= -_RANGE_TOLERANCE and high <= 1 + _RANGE_TOLERANCE):
        raise PictureError(
            f"given values from {low:g} to {high:g}, expected [0, 1]; divide 8-bit values by 255"
        )


def padded_size(architecture: Architecture, size: int) -> int:
    """The nearest height or width, from `size` up, that the network takes."""
    multiple = architecture.size_multiple
    return -(-max(size, architecture.minimum_size) // multiple) * multiple
