"""The choice of a backend, and the check that model, backend and precision fit together."""

from impasto.errors import MissingExtraError, ModelFileError
from impasto.runtime.backends.openvino_backend import MAX_BYTES_KEPT, Backend, OpenVinoBackend
from impasto.runtime.compute import DEFAULT_COMPUTE, Compute, Precision
from impasto.zoo.model_file import ModelFile


def open_backend(
    model: ModelFile, compute: Compute = DEFAULT_COMPUTE, *, bytes_kept: int = MAX_BYTES_KEPT
) -> Backend:
    """A backend with the model opened.

    Args:
        model: a verified model file.
        compute: which backend, and its settings. Quantized models take the precisions `auto` and
            `int8`, others the rest. OpenVINO alone runs several requests in parallel.
        bytes_kept: memory for what OpenVINO compiled, see there.

    Raises:
        ModelFileError: the backend cannot open the model, or not with this precision.
        MissingExtraError: the backend is not installed.
    """
    precision = _check_precision(model, compute.precision)
    if compute.backend == "onnxruntime":
        from impasto.runtime.backends.onnxruntime_backend import OnnxRuntimeBackend

        return OnnxRuntimeBackend(model.data, precision=precision, num_threads=compute.num_threads)
    if compute.backend == "torch":
        try:
            from impasto.runtime.backends.torch_backend import TorchBackend
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "torch", extra="train") from None

        return TorchBackend(model, precision=precision, num_threads=compute.num_threads)
    return OpenVinoBackend(
        model.data,
        precision=precision,
        num_threads=compute.num_threads,
        num_requests=compute.num_requests,
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
