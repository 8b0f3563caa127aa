"""Which backend runs a model, and whether model, backend and precision go together."""

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
"""What can run a model; `auto` is OpenVINO."""


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
        backend: which one.
        precision: of the arithmetic; quantized models take `auto` or `int8`, others the rest.
        num_threads: at most so many; None leaves it to the backend.
        num_requests: so many batches that OpenVINO computes at once, see there; the others take
            what is asked of them at once on the same threads.
        bytes_kept: memory for what OpenVINO compiled, see there.

    Raises:
        ModelFileError: the backend cannot open the model, or not in this precision.
        MissingExtraError: the backend is not installed.
        SettingError: an unknown backend or precision, or fewer than one thread or request.
    """
    if backend not in get_args(BackendName):
        raise SettingError(f"backend is {backend!r}, expected one of {get_args(BackendName)}")
    precision = _fitting(model, precision)
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
        cache_compiled=model.path is not None,  # what lies in memory is seldom seen again
        bytes_kept=bytes_kept,
    )


def _fitting(model: ModelFile, precision: Precision) -> Precision:
    is_quantized = model.card.quantization is not None
    if precision == "int8" and not is_quantized:
        raise ModelFileError(
            "this model is not quantized, so it cannot be run in int8; "
            "'impasto models quantize' makes a quantized form"
        )
    if is_quantized and precision in ("f32", "bf16"):
        raise ModelFileError(
            f"this model is quantized to int8 and cannot be run in {precision}; "
            f"use the precision 'int8', or the model it was made from"
        )
    return "int8" if is_quantized else precision
