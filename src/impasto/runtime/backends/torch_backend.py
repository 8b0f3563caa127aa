"""The backend by torch: on CUDA or Apple's GPU if there is one, else on the processor.

With `torch_network` the only module of the room that imports torch; `choice` imports it on demand.
The network is built from card and weights, as for fine-tuning; the file's graph is not used.
"""

import contextlib

import numpy as np
import torch
from numpy.typing import NDArray

from impasto.errors import ModelFileError, SettingError
from impasto.runtime.backends.torch_network import load_network
from impasto.runtime.compute import Precision
from impasto.zoo.model_file import ModelFile


class TorchBackend:
    """A model run by torch on the best device available.

    Args:
        model: a verified model file, not quantized.
        precision: arithmetic precision: `auto` is f32; `bf16` uses autocast.
        num_threads: most threads on the processor, for all of torch in this process; None leaves
            it to torch.

    Raises:
        ModelFileError: the weights are not those of the card's network, or int8 was asked for.
        SettingError: fewer than one thread.
    """

    def __init__(
        self, model: ModelFile, *, precision: Precision = "auto", num_threads: int | None = None
    ) -> None:
        if precision == "int8":
            raise ModelFileError(
                "torch does not run quantized models; use the backend 'openvino' or "
                "'onnxruntime', or the precision 'f32'"
            )
        if num_threads is not None:
            if num_threads < 1:
                raise SettingError(f"num_threads is {num_threads}, expected 1 or more")
            torch.set_num_threads(num_threads)
        self.precision = "bf16" if precision == "bf16" else "f32"
        has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
        self._device = torch.device("cuda" if has_cuda else "mps" if has_mps else "cpu")
        self.name = f"torch {self._device.type.upper()}"
        self._network = load_network(model).to(self._device)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The model's output N×3×H'×W' for a float32 batch N×3×H×W.

        Raises:
            ModelFileError: torch cannot run the network at this size.
        """
        try:
            arithmetic: contextlib.AbstractContextManager[object] = (
                torch.autocast(self._device.type, dtype=torch.bfloat16)
                if self.precision == "bf16"
                else contextlib.nullcontext()
            )
            with torch.inference_mode(), arithmetic:
                pictures = torch.from_numpy(np.array(batch, dtype=np.float32)).to(self._device)
                output = self._network(pictures).float().clamp(0.0, 1.0)
                result: NDArray[np.float32] = output.cpu().numpy()
                return result
        except (RuntimeError, ValueError) as error:
            size = f"{batch.shape[3]}×{batch.shape[2]}"
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise ModelFileError(
                f"torch cannot run the model at {size} pixels ({reason}); use a smaller picture "
                f"or the backend 'openvino'"
            ) from None
