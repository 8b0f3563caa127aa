"""A model through torch: on CUDA or Apple's GPU where there is one, else on the processor.

The only module of the room that reaches torch, and it is imported when this backend is asked for.
The network is built anew from the file, as for fine-tuning; the graph in the file is not used.
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
    """A model through torch, on the best device there is.

    Args:
        model: a verified model file, not quantized.
        precision: of the arithmetic: `auto` is f32; `bf16` by autocast.
        num_threads: at most so many on the processor, for all of torch in this process; None
            leaves it to torch.

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
        self._device = _best_device()
        self.name = f"torch {self._device.type.upper()}"
        self._network = load_network(model).to(self._device)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The model's output N×3×H'×W' for a float32 batch N×3×H×W.

        Raises:
            ModelFileError: torch cannot run the network at this size.
        """
        try:
            with torch.inference_mode(), self._arithmetic():
                given = torch.from_numpy(np.array(batch, dtype=np.float32)).to(self._device)
                output = self._network(given).float().clamp(0.0, 1.0)
                result: NDArray[np.float32] = output.cpu().numpy()
                return result
        except (RuntimeError, ValueError) as error:
            size = f"{batch.shape[3]}×{batch.shape[2]}"
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise ModelFileError(
                f"torch cannot run the model at {size} pixels ({reason}); use a smaller picture "
                f"or the backend 'openvino'"
            ) from None

    def _arithmetic(self) -> contextlib.AbstractContextManager[object]:
        if self.precision == "bf16":
            return torch.autocast(self._device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()


def _best_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")
