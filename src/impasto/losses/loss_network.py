"""The loss network: VGG-16's 13 convolutions, frozen, read by named layers.

The classifier is not here. Preprocessing (0..255, BGR, mean
subtracted) lives in this module and nowhere else. Source: Simonyan and Zisserman 2014, *Very Deep
Convolutional Networks for Large-Scale Image Recognition*, configuration D; the weights are the
authors' own (CC BY 4.0), stored in half precision.

Anything that maps pictures to named features can stand in its place: see `FeatureExtractor`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from impasto.errors import PictureError, WeightsError
from impasto.networks.blocks import ReflectionConvolution
from impasto.system.input_files import read_given_file
from impasto.tensors import LayerFeatures, Pictures, check_pictures

Pooling = Literal["max", "average"]
Padding = Literal["zeros", "reflect"]

NUM_CONVOLUTIONS_BY_BLOCK = (2, 2, 3, 3, 3)
NUM_CHANNELS_BY_BLOCK = (64, 128, 256, 512, 512)
LAYER_NAMES = tuple(
    f"relu{block}_{index}"
    for block, count in enumerate(NUM_CONVOLUTIONS_BY_BLOCK, start=1)
    for index in range(1, count + 1)
)
MEAN_RGB = (123.68, 116.779, 103.939)
SHIPPED_WEIGHTS = "vgg16.safetensors"
MAX_WEIGHTS_BYTES = 2**30
"""Twice as many as all of VGG-16 has, its classifier included."""

SHIPPED_WEIGHTS_SHA256 = "d3a49a27df75c794919632a81b9b28993bfefbc3fcbd3c6908dc4f2c8947cfab"


@runtime_checkable
class FeatureExtractor(Protocol):
    """A function from N×3×H×W pictures, float RGB in [0, 1], to named N×C×H×W features.

    Any `nn.Module` with such a `forward` is one; the losses need nothing else. C, H and W may
    differ from one name to the next; N is that of the pictures.
    """

    def __call__(self, pictures: Tensor, /) -> Mapping[str, Tensor]:
        """Return the features by name, each N×C×H×W and of a float type."""
        ...


class LossNetwork(nn.Module):
    """VGG-16 up to the deepest layer asked for: pictures in, activations of `layers` out.

    Pictures are N×3×H×W, float RGB in [0, 1], of any height and width from `minimum_size` up. A
    layer of block b has N×C×⌊H/2ᵇ⁻¹⌋×⌊W/2ᵇ⁻¹⌋ activations, none below 0, with C = 64, 128, 256,
    512, 512 for b = 1 to 5. Parameters are frozen; gradients still flow to the pictures.

    Source: Simonyan and Zisserman 2014, table 1, column D; section 3 of Johnson et al. 2016 for
    its use.
    """

    mean: Tensor

    def __init__(
        self,
        layers: Sequence[str] = ("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
        *,
        weights: Path | None = None,
        pooling: Pooling = "max",
        padding: Padding = "zeros",
    ) -> None:
        """Build the network and load its weights.

        Args:
            layers: names among `relu1_1` … `relu5_3`; the network is cut after the deepest.
            weights: a safetensors file with `convB_C.weight` (OIHW) and `convB_C.bias`;
                None takes the one in the package.
            pooling: `max` as trained, or `average` as Gatys et al. 2016 suggest.
            padding: `zeros` as trained, which frames a picture in the mean colour; `reflect`
                continues it by its mirror image, so that networks trained with it learn no frame.

        Raises:
            WeightsError: for an unknown layer name, or a file that is damaged or does not fit.
        """
        super().__init__()
        self.layers = tuple(layers)
        unknown = [layer for layer in layers if layer not in LAYER_NAMES]
        if unknown or not layers:
            names = ", ".join(unknown) or "no layer at all"
            raise WeightsError(
                f"layers given: {names}; expected names among {', '.join(LAYER_NAMES)}"
            )
        self.depth = max(LAYER_NAMES.index(layer) for layer in layers) + 1
        if pooling not in ("max", "average"):
            raise WeightsError(f"pooling is {pooling!r}; expected 'max' or 'average'")
        if padding not in ("zeros", "reflect"):
            raise WeightsError(f"padding is {padding!r}; expected 'zeros' or 'reflect'")
        self.pooling: Pooling = pooling
        self.padding: Padding = padding
        self.convolutions = nn.ModuleDict(_convolutions(self.depth, self.padding))
        self.register_buffer("mean", torch.tensor(MEAN_RGB).view(1, 3, 1, 1), persistent=False)
        tensors = _read_weights(weights)
        with torch.no_grad():
            for name, convolution in self.convolutions.items():
                _copy_weights(tensors, name, convolution)
        self.requires_grad_(False)
        self.eval()

    @property
    def minimum_size(self) -> int:
        """The smallest height and width, in pixels, from which the deepest layer can be computed.

        It is 2 to the number of poolings passed, 1 for relu1 and 16 for relu5, which leaves one
        pixel there; twice that with padding by reflection, which needs two.
        """
        num_poolings = int(LAYER_NAMES[self.depth - 1][4]) - 1
        return int(2**num_poolings) * (2 if self.padding == "reflect" else 1)

    def forward(
        self, pictures: Pictures, layers: Sequence[str] | None = None
    ) -> dict[str, LayerFeatures]:
        """Return the activations of the layers asked for, by name, shallow first.

        Each is N×C×H'×W', after the ReLU, in the parameters' type (or that of autocast).

        Args:
            pictures: N×3×H×W, float RGB in [0, 1].
            layers: some of `layers`; deeper ones are not computed. None returns all.

        Raises:
            PictureError: when the pictures are not such, or smaller than `minimum_size`.
            WeightsError: for a layer that is not among those the network was built with.
            NotFiniteError: when they contain NaN or infinity.
        """
        check_pictures(pictures)
        if min(pictures.shape[2:]) < self.minimum_size:
            raise PictureError(
                f"pictures are {pictures.shape[3]}×{pictures.shape[2]} pixels; layers up to "
                f"{LAYER_NAMES[self.depth - 1]} need at least "
                f"{self.minimum_size}×{self.minimum_size}: enlarge them, or read shallower layers"
            )
        requested = set(self.layers if layers is None else layers)
        if unknown := sorted(requested.difference(self.layers)):
            raise WeightsError(
                f"the loss network has no {', '.join(unknown)}; expected layers among "
                f"{', '.join(self.layers)}: build it with these"
            )
        pool = F.max_pool2d if self.pooling == "max" else F.avg_pool2d
        # VGG-16 was trained on BGR in 0..255 with the mean of its photographs subtracted.
        activations = (pictures * 255 - self.mean).flip(1).to(self.mean.dtype)
        features: dict[str, LayerFeatures] = {}
        for layer, convolution in zip(LAYER_NAMES, self.convolutions.values(), strict=False):
            if layer.endswith("_1") and layer != "relu1_1":
                activations = pool(activations, 2)
            activations = F.relu(convolution(activations), inplace=True)
            if layer in requested:
                features[layer] = activations
            if len(features) == len(requested):
                break
        return features


def weights_sha256(weights: Path | None = None) -> str:
    """Return the sha256 of a weights file, None meaning the shipped one: it goes into the card.

    Raises:
        WeightsError: when the file cannot be read.
    """
    if weights is None:
        return SHIPPED_WEIGHTS_SHA256
    return hashlib.sha256(_file_bytes(weights)).hexdigest()


def _convolutions(depth: int, padding: Padding) -> dict[str, nn.Conv2d]:
    convolutions: dict[str, nn.Conv2d] = {}
    num_inputs = 3
    for layer in LAYER_NAMES[:depth]:
        num_outputs = NUM_CHANNELS_BY_BLOCK[int(layer[4]) - 1]
        name = layer.replace("relu", "conv")
        convolutions[name] = (
            ReflectionConvolution(num_inputs, num_outputs, 3)
            if padding == "reflect"
            else nn.Conv2d(num_inputs, num_outputs, 3, padding=1)
        )
        num_inputs = num_outputs
    return convolutions


def _read_weights(weights: Path | None) -> dict[str, Tensor]:
    data = _shipped_weights() if weights is None else _file_bytes(weights)
    try:
        return load_safetensors(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(
            f"{weights} is not a safetensors file ({error}); expected one with convB_C.weight and "
            "convB_C.bias"
        ) from error


def _shipped_weights() -> bytes:
    with resources.as_file(resources.files("impasto") / "weights" / SHIPPED_WEIGHTS) as path:
        data = _file_bytes(path)
    if hashlib.sha256(data).hexdigest() != SHIPPED_WEIGHTS_SHA256:
        raise WeightsError(
            f"the shipped {SHIPPED_WEIGHTS} does not have the sha256 "
            f"{SHIPPED_WEIGHTS_SHA256[:12]}…; the install is damaged: install impasto again"
        )
    return data


def _file_bytes(path: Path) -> bytes:
    try:
        return read_given_file(path, max_bytes=MAX_WEIGHTS_BYTES)
    except OSError as error:
        raise WeightsError(
            f"cannot read the loss-network weights {path}: {error.strerror}; "
            "expected a safetensors file, or leave it out to use the one in the package"
        ) from error


def _copy_weights(tensors: Mapping[str, Tensor], name: str, convolution: nn.Module) -> None:
    for kind, parameter in convolution.named_parameters():
        tensor = tensors.get(f"{name}.{kind}")
        if tensor is None or tensor.shape != parameter.shape or not tensor.is_floating_point():
            problem = (
                "missing" if tensor is None else f"{tensor.dtype} of shape {tuple(tensor.shape)}"
            )
            raise WeightsError(
                f"loss-network weights: {name}.{kind} is {problem}; "
                f"expected a float type and shape {tuple(parameter.shape)}, as VGG-16 has it"
            )
        parameter.copy_(tensor)
        if not torch.isfinite(parameter).all():
            raise WeightsError(
                f"loss-network weights: {name}.{kind} contains NaN or infinity; "
                "the file is damaged: fetch it again"
            )
