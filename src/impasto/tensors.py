"""Tensor shapes as types, and the checks that a public function makes of what it is given.

Pictures are float RGB in [0, 1], sRGB, N×3×H×W. A network's output may pass that range a little,
so the range check looks for the usual mistake (0..255, or [-1, 1] given as it is), not for
rounding.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from impasto.errors import NotFiniteError, PictureError

Pictures = Float[Tensor, "n 3 h w"]
Features = Float[Tensor, "n c h w"]
GramMatrices = Float[Tensor, "n c c"]
Scalar = Float[Tensor, ""]

RANGE_TOLERANCE = 0.25


def check_pictures(pictures: Tensor, *, name: str = "pictures") -> None:
    """Make sure that a tensor is N×3×H×W, float, finite and in [0, 1] (give or take 0.25).

    Raises:
        PictureError: of the wrong rank, number of channels, type or range.
        NotFiniteError: with NaN or infinity.
    """
    check_features(pictures, name=name)
    if pictures.shape[1] != 3:
        raise PictureError(
            f"{name} have {pictures.shape[1]} channels (shape {_shape(pictures)}); "
            "expected N×3×H×W in RGB order"
        )
    low, high = (float(value) for value in pictures.detach().aminmax())
    if not (low == low and high == high and abs(low) + abs(high) < float("inf")):
        raise NotFiniteError(
            f"{name} contain NaN or infinity; expected finite values in [0, 1]: "
            "check the step that made them"
        )
    if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
        raise PictureError(
            f"{name} range from {low:.3g} to {high:.3g}; expected [0, 1]: "
            "divide 0..255 by 255, or map [-1, 1] by (x + 1) / 2"
        )


def check_features(features: Tensor, *, name: str = "features") -> None:
    """Make sure that a tensor is N×C×H×W, of a float type, and not empty.

    Raises:
        PictureError: of the wrong type, rank or with no element.
    """
    if not isinstance(features, Tensor):
        raise PictureError(f"{name} are a {type(features).__name__}; expected a torch tensor")
    if features.dim() != 4:
        raise PictureError(
            f"{name} have {features.dim()} dimensions (shape {_shape(features)}); expected N×C×H×W:"
            " add the batch dimension with tensor[None]"
        )
    if not features.dtype.is_floating_point:
        raise PictureError(
            f"{name} are of type {features.dtype}; expected a float type: "
            "convert with tensor.float() / 255"
        )
    if features.numel() == 0:
        raise PictureError(f"{name} are empty (shape {_shape(features)}); expected N, C, H, W >= 1")


def check_same_shape(first: Tensor, second: Tensor, *, names: tuple[str, str]) -> None:
    """Make sure that two tensors agree in shape; a batch of one goes with any batch.

    Raises:
        PictureError: when they do not.
    """
    same_item = first.shape[1:] == second.shape[1:]
    if not (same_item and (first.shape[0] == second.shape[0] or second.shape[0] == 1)):
        raise PictureError(
            f"{names[0]} have shape {_shape(first)} and {names[1]} {_shape(second)}; "
            "expected the same shape, or a single target for the whole batch"
        )


def check_finite(value: Tensor, *, name: str) -> None:
    """Make sure that a loss is a finite number.

    Raises:
        NotFiniteError: when it is NaN or infinite, which means that its input was.
    """
    if not torch.isfinite(value.detach()).all():
        raise NotFiniteError(f"the {name} is not finite; its input contains NaN, infinity or overflows")


def _shape(tensor: Tensor) -> str:
    return "×".join(str(size) for size in tensor.shape)
