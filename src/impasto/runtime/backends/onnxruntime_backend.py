"""The backend by ONNX Runtime on the processor, an alternative to OpenVINO.

The only module that imports onnxruntime; it does so when a backend is created.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import MissingExtraError, ModelFileError, SettingError
from impasto.runtime.compute import Precision

_ONLY_ERRORS = 3


class OnnxRuntimeBackend:
    """A model run by ONNX Runtime on the processor.

    Args:
        data: the bytes of a verified model file.
        precision: arithmetic precision: `auto` is f32; `int8` is for int8 models.
        num_threads: most threads to use; None leaves it to ONNX Runtime (one per physical core).

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ModelFileError: it cannot read the model, or bf16 was asked for.
        SettingError: fewer than one thread.
    """

    name = "ONNX Runtime CPU"

    def __init__(
        self, data: bytes, *, precision: Precision = "auto", num_threads: int | None = None
    ) -> None:
        if precision == "bf16":
            raise ModelFileError(
                "ONNX Runtime does not compute in bf16 on a processor; "
                "use the precision 'f32', or the backend 'openvino'"
            )
        if num_threads is not None and num_threads < 1:
            raise SettingError(f"num_threads is {num_threads}, expected 1 or more")
        self.precision = "int8" if precision == "int8" else "f32"
        try:
            import onnxruntime
        except ModuleNotFoundError:
            raise MissingExtraError("onnxruntime", extra="onnxruntime") from None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ONLY_ERRORS  # warnings would stand amid our progress
        options.intra_op_num_threads = num_threads or 0
        try:
            self._session: Any = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has several classes of its own
            raise _refusal("read the model", error) from None
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The model's output N×3×H'×W' for a float32 batch N×3×H×W.

        Raises:
            ModelFileError: ONNX Runtime cannot run the model at this size.
        """
        try:
            (output,) = self._session.run(None, {self._input: np.ascontiguousarray(batch)})
        except Exception as error:
            size = f"{batch.shape[3]}×{batch.shape[2]}"
            raise _refusal(f"run the model at {size} pixels", error) from None
        return np.asarray(output, dtype=np.float32)


def _refusal(action: str, error: Exception) -> ModelFileError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[-1][:200] if lines else type(error).__name__
    return ModelFileError(
        f"ONNX Runtime cannot {action} ({reason}); use the backend 'openvino', "
        f"or get the model file again"
    )
