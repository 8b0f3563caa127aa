"""What runs a model's graph: a small protocol, and OpenVINO on the processor behind it.

The only module that imports OpenVINO, and it does so when a backend is made. Batches are float32
N×3×H×W; pictures, padding and clipping are the predictor's.
"""

import sys
import threading
from collections.abc import Collection
from types import ModuleType
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelFileError

Precision = Literal["auto", "f32", "bf16"]


class Backend(Protocol):
    """Runs one model.

    Attributes:
        name: of the library and device.
        precision: the one in use, `f32` or `bf16`.
    """

    name: str
    precision: str

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The model's output N×3×H'×W' for a float32 batch N×3×H×W."""
        ...


class OpenVinoBackend:
    """A model on the processor through OpenVINO.

    The model is compiled once, with open sizes: on this kind of network that was as fast as a
    compilation for each size (256² to 1024², bf16 and f32, two Zen 4 cores, OpenVINO 2026.4),
    a new size costs nothing, and a folder of mixed sizes took half the memory.

    Args:
        data: the bytes of a verified model file.
        precision: of the arithmetic; `auto` is bf16 where the processor computes in it, else f32.
        num_threads: at most so many; None leaves it to OpenVINO (one per physical core).

    Raises:
        ModelFileError: OpenVINO cannot read or compile the model, or bf16 was asked of a
            processor without it.
        ValueError: an unknown precision or fewer than one thread.
    """

    name = "OpenVINO CPU"

    def __init__(
        self, data: bytes, *, precision: Precision = "auto", num_threads: int | None = None
    ) -> None:
        core = _import_openvino().Core()
        self.precision = choose_precision(
            precision, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        )
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": self.precision,
        }
        if num_threads is not None:
            if num_threads < 1:
                raise ValueError(f"num_threads is {num_threads}, expected 1 or more")
            settings["INFERENCE_NUM_THREADS"] = num_threads
        try:
            self._compiled = core.compile_model(core.read_model(data), "CPU", settings)
            self._request = self._compiled.create_infer_request()
        except Exception as error:  # OpenVINO raises RuntimeError and several of its own
            raise _refusal("open", error) from None
        self._lock = threading.Lock()  # a request serves one caller at a time

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The model's output N×3×H'×W' for a float32 batch N×3×H×W.

        Raises:
            ModelFileError: OpenVINO cannot run the model at this size.
        """
        with self._lock:
            try:
                self._request.infer([np.ascontiguousarray(batch)], share_inputs=True)
                return np.array(self._request.get_output_tensor(0).data, dtype=np.float32)
            except Exception as error:
                raise _refusal(f"run at {batch.shape[3]}×{batch.shape[2]} pixels", error) from None


def choose_precision(precision: Precision, capabilities: Collection[str]) -> str:
    """The precision to compute in, `f32` or `bf16`.

    Args:
        precision: asked for; `auto` is bf16 where the processor has it.
        capabilities: of the processor, as OpenVINO names them: `BF16`, `FP32`, `INT8`, ...

    Raises:
        ModelFileError: bf16 asked of a processor without it.
        ValueError: an unknown precision.
    """
    if precision not in ("auto", "f32", "bf16"):
        raise ValueError(f"precision is {precision!r}, expected 'auto', 'f32' or 'bf16'")
    if precision == "bf16" and "BF16" not in capabilities:
        raise ModelFileError(
            "the model cannot be run in bf16 on this processor, which does not compute in it; "
            "use the precision 'f32' or 'auto'"
        )
    return "bf16" if "BF16" in capabilities and precision != "f32" else "f32"


def _import_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry.

    `import openvino` reports itself over the network and leaves a file in the home folder unless
    the package openvino_telemetry is missing, so it is made to look missing meanwhile.
    """
    if "openvino" not in sys.modules:
        hidden = "openvino_telemetry"
        before = sys.modules.get(hidden)
        sys.modules[hidden] = cast(ModuleType, None)  # the documented way to refuse an import
        try:
            import openvino  # noqa: F401
        finally:
            del sys.modules[hidden]
            if before is not None:
                sys.modules[hidden] = before
    return sys.modules["openvino"]


def _refusal(action: str, error: Exception) -> ModelFileError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[-1][:200] if lines else type(error).__name__
    return ModelFileError(
        f"OpenVINO cannot {action} the model ({reason}); get the model file again, "
        f"or update OpenVINO"
    )
