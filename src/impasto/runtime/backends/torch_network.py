"""The torch network of a model file: built from its card, with the weights loaded by name.

Used for fine-tuning, for export, and by the torch backend.
"""

import numpy as np
import torch
from torch import Tensor, nn

from impasto.errors import ModelFileError
from impasto.networks.building import build_network
from impasto.zoo.model_file import ModelFile
from impasto.zoo.onnx_wire import FLOAT16, FLOAT32, read_onnx

_FLOATS = {FLOAT16: "<f2", FLOAT32: "<f4"}


def load_network(model: ModelFile) -> nn.Module:
    """The torch network of a model file.

    Raises:
        ModelFileError: the model is an int8 model, or its weights are not those of the card's
            architecture.
    """
    if model.card.quantization is not None:
        raise ModelFileError(
            f"{model} is quantized and holds its weights in {model.card.quantization.weight_bits} "
            f"bits; give the model it was made from"
        )
    constants = read_onnx(model.data).initializers
    stored = {one.name: one for one in constants if one.data_type in _FLOATS}
    with torch.device("meta"):  # a card of a kilobyte may describe a network of gigabytes
        expected = build_network(model.card.architecture).state_dict()
    weights: dict[str, Tensor] = {}
    for name, value in expected.items():
        if name.endswith("num_batches_tracked"):  # counted in training, in no model file
            weights[name] = torch.zeros(value.shape, dtype=value.dtype)
        elif name not in stored or stored[name].shape != tuple(value.shape):
            raise ModelFileError(
                f"{model}: the weights {name} are missing or have another shape than the card's "
                "architecture asks for; export the model again"
            )
        else:
            array = np.frombuffer(stored[name].data, _FLOATS[stored[name].data_type])
            weights[name] = torch.from_numpy(array.astype(np.float32).reshape(value.shape))
    network = build_network(model.card.architecture)
    network.load_state_dict(weights)
    return network.eval()


def take_fitting_weights(network: nn.Module, model: ModelFile) -> None:
    """Load the weights of a model file into a network, as far as their shapes fit.

    A network of another scale has another tail, whose weights stay as they are.

    Raises:
        ModelFileError: as `load_network`.
    """
    weights, fresh = load_network(model).state_dict(), network.state_dict()
    fitting = {name: w for name, w in weights.items() if w.shape == fresh[name].shape}
    network.load_state_dict({**fresh, **fitting})
