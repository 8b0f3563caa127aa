"""Tensor shapes as types, and the checks that a public function makes of what it is given.

Pictures are float RGB in [0, 1], sRGB, N×3×H×W. A network's output may pass that range a little,
so the range check looks for the usual mistake (0..255, or [-1, 1] given as it is), not for
rounding.

In the aliases below `n`, `c`, `h` and `w` mean one size throughout a signature, `#n` that size or
1, and `_` any size.
"""

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from impasto.errors import NotFiniteError, PictureError

Pictures = Float[Tensor, "n 3 h w"]
TargetPictures = Float[Tensor, "#n 3 h w"]
"""A target for each picture, or one for all."""
PaintingPictures = Float[Tensor, "_ 3 _ _"]
"""Of any size, whatever the size of the pictures it is compared with."""
Features = Float[Tensor, "n c h w"]
TargetFeatures = Float[Tensor, "#n c h w"]
LayerFeatures = Float[Tensor, "n _ _ _"]
"""Features of a layer, with channels and size of its own."""
GramMatrices = Float[Tensor, "n c c"]
TargetGramMatrices = Float[Tensor, "#n c c"]
Scalar = Float[Tensor, ""]

# Far above what networks overshoot, and far below the -1 of pictures in [-1, 1].
RANGE_TOLERANCE = 0.25

_CHECKS_VALUES: ContextVar[bool] = ContextVar("checks_values", default=True)


@contextlib.contextmanager
def unchecked_values() -> Iterator[None]:
    """Leave out the checks of values in this block; those of shape and type stay.

    A check of values reads every pixel, and waits for the device that computes them. This is for a
    caller that made the pictures itself and looks at the loss that comes out: NaN and infinity in
    pictures end up in it.
    """
    token = _CHECKS_VALUES.set(False)
    try:
        yield
    finally:
        _CHECKS_VALUES.reset(token)


def to_tensor(rgb: NDArray[np.float32]) -> Tensor:
    """A picture as a batch of one.

    Args:
        rgb: H×W×3.

    Returns:
        1×3×H×W, contiguous.
    """
    return torch.from_numpy(rgb).permute(2, 0, 1)[None].contiguous()


def to_array(picture: Tensor) -> NDArray[np.float32]:
    """A tensor as a picture.

    Args:
        picture: 3×H×W, or a batch of one, 1×3×H×W; of any float type, on any device.

    Returns:
        H×W×3 float32, contiguous, clipped to [0, 1].
    """
    one = picture[0] if picture.dim() == 4 else picture
    array: NDArray[np.float32] = one.detach().float().cpu().permute(1, 2, 0).contiguous().numpy()
    # A network's output passes the range a little; pictures and files do not.
    return array.clip(0, 1)


def check_pictures(pictures: Tensor, *, name: str = "pictures") -> None:
    """Make sure that a tensor is N×3×H×W, float, finite and in [0, 1] (give or take 0.25).

    Within `unchecked_values`, finite and in [0, 1] are taken for granted.

    Raises:
        PictureError: when rank, number of channels, type or range is wrong.
        NotFiniteError: when there is NaN or infinity in it.
    """
    check_picture_shape(pictures, name=name)
    if not _CHECKS_VALUES.get():
        return
    # One pass over the tensor; NaN anywhere makes both of them NaN.
    low, high = (float(value) for value in pictures.detach().aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise NotFiniteError(
            f"{name} contain NaN or infinity; expected finite values in [0, 1]: "
            "check the step that made them"
        )
    if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
        raise PictureError(
            f"{name} range from {low:.3g} to {high:.3g}; expected [0, 1]: "
            "divide 0..255 by 255, or map [-1, 1] by (x + 1) / 2"
        )


def check_picture_shape(pictures: Tensor, *, name: str = "pictures") -> None:
    """Make sure that a tensor is N×3×H×W and of a float type, without a look at its values.

    Raises:
        PictureError: when rank, number of channels or type is wrong.
    """
    check_features(pictures, name=name)
    if pictures.shape[1] != 3:
        raise PictureError(
            f"{name} have {pictures.shape[1]} channels (shape {_shape(pictures)}); "
            "expected N×3×H×W in RGB order"
        )


def check_features(features: Tensor, *, name: str = "features") -> None:
    """Make sure that a tensor is N×C×H×W, of a float type, and not empty.

    Raises:
        PictureError: when type or rank is wrong, or there is no element.
    """
    _check_tensor(features, name=name)
    if features.dim() != 4:
        raise PictureError(
            f"{name} have {features.dim()} dimensions (shape {_shape(features)}); expected N×C×H×W:"
            " add the batch dimension with tensor[None]"
        )
    _check_float(features, name=name, remedy="tensor.float() / 255")
    if features.numel() == 0:
        raise PictureError(f"{name} are empty (shape {_shape(features)}); expected N, C, H, W >= 1")


def check_gram_matrices(gram: Tensor, *, name: str = "Gram matrices") -> None:
    """Make sure that a tensor is N×C×C and of a float type.

    Raises:
        PictureError: when type or shape is wrong.
    """
    _check_tensor(gram, name=name)
    if gram.dim() != 3 or gram.shape[1] != gram.shape[2]:
        raise PictureError(
            f"{name} have shape {_shape(gram)}; expected N×C×C: make them with gram_matrix"
        )
    _check_float(gram, name=name, remedy="tensor.float()")


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
    """Make sure that a loss is a finite number; `unchecked_values` leaves that out.

    Raises:
        NotFiniteError: when it is NaN or infinite, which means that its input was.
    """
    if _CHECKS_VALUES.get() and not torch.isfinite(value.detach()).all():
        raise NotFiniteError(
            f"the {name} is not finite; its input contains NaN, infinity or overflows: "
            "check the step that made it"
        )


def _check_tensor(tensor: Tensor, *, name: str) -> None:
    # Arrays are given where nobody checks types, and would fail further on in words of torch.
    if not isinstance(tensor, Tensor):
        raise PictureError(f"{name} are a {type(tensor).__name__}; expected a torch tensor")


def _check_float(tensor: Tensor, *, name: str, remedy: str) -> None:
    if not tensor.dtype.is_floating_point:
        raise PictureError(
            f"{name} are of type {tensor.dtype}; expected a float type: convert with {remedy}"
        )


def _shape(tensor: Tensor) -> str:
    return "×".join(str(size) for size in tensor.shape) or "of a single number"


def at_least_float32(tensor: Tensor) -> Tensor:
    """Return float32 and float64 as they are, and other types as float32."""
    # Sums of squares overflow float16, and lose most of their digits in bfloat16.
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()
