"""The choice of a backend, and the check that model, backend and precision fit together."""

from typing import Literal, get_args

from impasto.errors import MissingExtraError, ModelFileError, SettingError
from impasto.runtime.backends.openvino_backend import (
    MAX_BYTES_KEPT,
    Backend,
    OpenVinoBackend,
    Precision,
)
from impasto.zoo.model_file import ModelFile

BackendName = Literal["auto", "openvino", "onnxruntime", "torch"]
"""Backends by name; `auto` is OpenVINO."""


def open_backend(
    model: ModelFile,
    *,
    backend: BackendName = "auto",
    precision: Precision = "auto",
    num_threads: int | None = None,
    num_requests: int = 1,
    bytes_kept: int = MAX_BYTES_KEPT,
) -> Backend:
    """A backend with the model opened.

    Args:
        model: a verified model file.
        backend: the backend's name.
        precision: arithmetic precision; int8 models take `auto` or `int8`, others all but `int8`.
        num_threads: most threads to use; None leaves it to the backend.
        num_requests: batches computed in parallel by OpenVINO, see `OpenVinoBackend`; the other
            backends compute simultaneous calls on the same threads.
        bytes_kept: memory for OpenVINO's compiled shapes, see `OpenVinoBackend`.

    Raises:
        ModelFileError: the backend cannot open the model, or not with this precision.
        MissingExtraError: the backend is not installed.
        SettingError: an unknown backend or precision, or fewer than one thread or request.
    """
    if backend not in get_args(BackendName):
        raise SettingError(f"backend is {backend!r}, expected one of {get_args(BackendName)}")
    precision = _check_precision(model, precision)
    if backend == "onnxruntime":
        from impasto.runtime.backends.onnxruntime_backend import OnnxRuntimeBackend

        return OnnxRuntimeBackend(model.data, precision=precision, num_threads=num_threads)
    if backend == "torch":
        try:
            from impasto.runtime.backends.torch_backend import TorchBackend
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "torch", extra="train") from None

        return TorchBackend(model, precision=precision, num_threads=num_threads)
    return OpenVinoBackend(
        model.data,
        precision=precision,
        num_threads=num_threads,
        num_requests=num_requests,
        cache_compiled=model.path is not None,  # a model without a file is seldom opened again
        bytes_kept=bytes_kept,
    )


def _check_precision(model: ModelFile, precision: Precision) -> Precision:
    """The precision for the backend: `int8` for every int8 model.

    Raises:
        ModelFileError: model and precision do not fit together.
    """
    is_quantized = model.card.quantization is not None
    if precision == "int8" and not is_quantized:
        raise ModelFileError(
            "this model is not quantized, so it cannot be run in int8; "
            "'impasto models quantize' makes an int8 model"
        )
    if is_quantized and precision in ("f32", "bf16"):
        raise ModelFileError(
            f"this model is quantized to int8 and cannot be run in {precision}; "
            f"use the precision 'int8', or the model it was made from"
        )
    return "int8" if is_quantized else precision
