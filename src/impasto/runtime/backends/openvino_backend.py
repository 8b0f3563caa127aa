"""The backend protocol, and its implementation by OpenVINO on the processor.

A backend runs a model's graph on batches, float32 N×3×H×W. Pictures, padding and clipping:
`predictor`. OpenVINO is imported when the first backend is created.
"""

import contextlib
import functools
import hashlib
import io
import queue
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from math import prod
from types import ModuleType
from typing import Any, Protocol, cast, get_args

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelFileError, SettingError
from impasto.runtime.backends.cheaper_graph import REWRITING_VERSION, make_cheaper
from impasto.runtime.backends.compiled_cache import (
    CachedFiles,
    cache_key,
    compiled_models_folder,
)
from impasto.runtime.compute import Precision

MAX_SHAPES_STORED = 4
"""Compiled shapes of a model that a process stores on disk. They speed up the first picture only,
and a folder of pictures of all sizes would displace all other models."""

MAX_SHAPES_KEPT = 8
"""Compiled shapes kept in memory. Each takes some 10 MiB and two threads, at any size
(`starry_night`, OpenVINO 2026.4, 2026-11-28)."""

MAX_BYTES_KEPT = 400 * 2**20
"""Default limit for the memory of compiled shapes."""

_BYTES_PER_SHAPE = 10 * 2**20
_BYTES_PER_VALUE = 200 // 3
"""For each value of a shape's input; half as much with `cheaper_graph` and bf16."""


Graph = Callable[..., NDArray[np.float32]]
"""A computation compiled by `compile_graph`."""


class Backend(Protocol):
    """Runs one model; several threads may call it at once.

    Attributes:
        name: the library and device.
        precision: the precision in use, `f32`, `bf16` or `int8`.
    """

    name: str
    precision: str

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The model's output N×3×H'×W' for a float32 batch N×3×H×W; the array is the caller's."""
        ...


class OpenVinoBackend:
    """A model on the processor through OpenVINO.

    Each batch shape is compiled on first use. The shapes used last stay compiled, within
    `MAX_SHAPES_KEPT` and `bytes_kept`. A graph compiled once for all sizes was 5 to 17 % slower on
    our networks (256² to 1024², bf16, two Zen 4 cores, OpenVINO 2026.4, 2026-11-23) and no faster
    to the first picture; compiling a shape takes some 0.1 s.

    Args:
        data: the bytes of a verified model file.
        precision: arithmetic precision; `auto` is bf16 if the processor computes in it, else f32.
        num_threads: most threads to use; None leaves it to OpenVINO (one per physical core).
        num_requests: batches computed in parallel when several threads call `run`: each gets its
            share of the processor's threads, and memory of its own. Further calls wait.
        cache_compiled: read compiled shapes from the disk, and store the first ones there
            (`compiled_cache`).
        bytes_kept: memory for compiled shapes; the newest one is kept in any case.

    Raises:
        ModelFileError: OpenVINO cannot read the model, or the processor does not compute in the
            bf16 asked for.
        SettingError: an unknown precision, or fewer than one thread or request.
    """

    name = "OpenVINO CPU"

    def __init__(
        self,
        data: bytes,
        *,
        precision: Precision = "auto",
        num_threads: int | None = None,
        num_requests: int = 1,
        cache_compiled: bool = False,
        bytes_kept: int = MAX_BYTES_KEPT,
    ) -> None:
        self._core = _openvino_core()
        float_precision = choose_precision(
            precision, self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        )
        self.precision = "int8" if precision == "int8" else float_precision
        # LATENCY gives every thread to one batch, as pictures come one by one. THROUGHPUT alone
        # would choose a number of streams itself, so it gets one for each request.
        self._settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": float_precision,
        }
        if num_requests < 1:
            raise SettingError(f"num_requests is {num_requests}, expected 1 or more")
        if num_requests > 1:
            self._settings |= {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": num_requests}
        if num_threads is not None:
            if num_threads < 1:
                raise SettingError(f"num_threads is {num_threads}, expected 1 or more")
            self._settings["INFERENCE_NUM_THREADS"] = num_threads
            # Pinned threads of several processes would all sit on the machine's first cores.
            self._settings["ENABLE_CPU_PINNING"] = False
        self._data = data
        self._digest = hashlib.sha256(data).hexdigest()
        self._compiled = CachedFiles(compiled_models_folder() if cache_compiled else None)
        self._num_stored = 0
        self._read_model: Any = None
        if not cache_compiled:  # needed in any case, so a damaged model is refused here
            self._model()
        self._num_requests, self._bytes_kept = num_requests, bytes_kept
        self._requests: OrderedDict[tuple[int, ...], queue.SimpleQueue[Any]] = OrderedDict()
        self._lock = threading.Lock()  # guards _requests and the compilation of new shapes
        self._slots = threading.Semaphore(num_requests)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The model's output N×3×H'×W' for a float32 batch N×3×H×W.

        Raises:
            ModelFileError: OpenVINO cannot compile or run the model at this size.
        """
        # All shapes share the slots; each shape has num_requests requests of its own.
        with self._slots:
            try:
                with self._lock:
                    requests = self._requests_for(batch.shape)
                request = requests.get()
                try:
                    shared = np.ascontiguousarray(batch)  # OpenVINO reads it until the wait ends
                    request.start_async([shared], share_inputs=True)
                    request.wait()
                    # Copied: the request's own memory belongs to the next caller.
                    return np.array(request.get_output_tensor(0).data, dtype=np.float32)
                finally:
                    with contextlib.suppress(Exception):  # Ctrl-C may have come before
                        request.wait()
                    requests.put(request)
            except ModelFileError:
                raise
            except Exception as error:
                size = f"{batch.shape[3]}×{batch.shape[2]}"
                raise refusal(f"run the model at {size} pixels", error) from None

    def _requests_for(self, shape: tuple[int, ...]) -> "queue.SimpleQueue[Any]":
        """The idle requests for batches of a shape."""
        if shape not in self._requests:
            self._make_room_for(shape)  # first: the old shapes and the new one may not both fit
            compiled = self._compile(shape)
            self._requests[shape] = queue.SimpleQueue()
            for _ in range(self._num_requests):
                self._requests[shape].put(compiled.create_infer_request())
        self._requests.move_to_end(shape)
        return self._requests[shape]

    def _compile(self, shape: tuple[int, ...]) -> Any:
        """The model compiled for a shape, read from the disk if it is stored there."""
        # All that compiled code depends on: machines with other processors may share a home.
        processor = [
            self._core.get_property("CPU", name)
            for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")
        ]
        versions = (_import_openvino().__version__, REWRITING_VERSION)
        key = cache_key((self._digest, shape, sorted(self._settings.items()), versions, processor))
        if (stored := self._compiled.read(key)) is not None:
            with contextlib.suppress(Exception):  # stored by another build of OpenVINO
                return self._core.import_model(io.BytesIO(stored), "CPU", self._settings)
        model = self._model().clone()
        model.reshape(list(shape))
        make_cheaper(model)
        compiled = self._core.compile_model(model, "CPU", self._settings)
        if self._num_stored < MAX_SHAPES_STORED:
            self._num_stored += 1
            with contextlib.suppress(Exception):  # storing it only saves time
                exported = io.BytesIO()
                compiled.export_model(exported)
                self._compiled.write(key, exported.getvalue())
        return compiled

    def _model(self) -> Any:
        """The model, read on first use: one that is compiled on the disk need not be read."""
        if self._read_model is None:
            try:
                self._read_model = self._core.read_model(self._data)
            except Exception as error:  # OpenVINO raises RuntimeError and several of its own
                raise refusal("read the model", error) from None
        return self._read_model

    def _make_room_for(self, shape: tuple[int, ...]) -> None:
        """Drop the shapes used longest ago until the new one fits."""
        # Every request has memory of its own for every shape.
        max_bytes = self._bytes_kept // self._num_requests
        while self._requests:
            shapes = (*self._requests, shape)
            num_bytes = sum(_BYTES_PER_SHAPE + _BYTES_PER_VALUE * prod(it) for it in shapes)
            if len(self._requests) < MAX_SHAPES_KEPT and num_bytes <= max_bytes:
                break
            self._requests.popitem(last=False)


def compile_graph(build: Callable[[ModuleType], tuple[list[Any], Any]]) -> Graph:
    """Compile a function on float32 arrays, written in OpenVINO's operations.

    Args:
        build: takes OpenVINO's operations, and returns the graph's parameters and its result.

    Returns:
        A function from arrays of the parameters' shapes to the result's array; several threads may
        call it at once.
    """
    openvino = _import_openvino()
    parameters, result = build(openvino.opset13)
    return _compiled(openvino.Model([result], parameters))


def compile_file(data: bytes) -> Graph:
    """Compile an ONNX file of one input and one output, for arrays of any size it takes.

    Raises:
        ModelFileError: OpenVINO cannot read or compile it.
    """
    try:
        return _compiled(_openvino_core().read_model(data))
    except Exception as error:
        raise refusal("read the model", error) from None


def _compiled(model: Any) -> Graph:
    # f32 on any processor: bf16 has 8 significant bits, too few for the positions of pixels.
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = _openvino_core().compile_model(model, "CPU", settings)

    def run(*arrays: NDArray[np.float32]) -> NDArray[np.float32]:
        # One for each call: a request serves one thread at a time.
        request = compiled.create_infer_request()
        request.infer([np.ascontiguousarray(array) for array in arrays], share_inputs=True)
        return np.array(request.get_output_tensor(0).data, dtype=np.float32)

    return run


def choose_precision(precision: Precision, capabilities: Collection[str]) -> str:
    """The precision to compute floats in, `f32` or `bf16`.

    Args:
        precision: the setting; `auto` and the float part of `int8` are bf16 if the processor
            computes in it.
        capabilities: the processor's, in OpenVINO's names: `BF16`, `FP32`, `INT8`, ...

    Raises:
        ModelFileError: the setting is bf16, and the processor does not compute in it.
        SettingError: an unknown precision.
    """
    if precision not in get_args(Precision):
        raise SettingError(f"precision is {precision!r}, expected 'auto', 'f32', 'bf16' or 'int8'")
    if precision == "bf16" and "BF16" not in capabilities:
        raise ModelFileError(
            "the model cannot be run in bf16 on this processor, which does not compute in it; "
            "use the precision 'f32' or 'auto'"
        )
    return "bf16" if "BF16" in capabilities and precision != "f32" else "f32"


@functools.lru_cache(maxsize=1)
def _openvino_core() -> Any:
    """The one `Core` of this process, never released.

    Each core lends the thread that makes it a stack for its signal handlers and, released out of
    turn, leaves that thread with one that is gone: the next Ctrl-C then ends in a segmentation
    fault (OpenVINO 2026.4, Linux).
    """
    return _import_openvino().Core()


def _import_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry.

    `import openvino` sends a report over the network and leaves a file in the home folder, unless
    the package openvino_telemetry is missing. So that package looks missing during the import.
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


def refusal(action: str, error: Exception) -> ModelFileError:
    """An error of one line for an exception of OpenVINO's during `action`."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[-1][:200] if lines else type(error).__name__
    return ModelFileError(
        f"OpenVINO cannot {action} ({reason}); get the model file again, or update OpenVINO"
    )
