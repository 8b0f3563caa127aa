"""Fidelity of a picture to the ground truth: PSNR and SSIM, with the protocol that they need.

Pure functions on arrays, on luminance as the field has it: MATLAB's `rgb2ycbcr` of 8-bit pictures.
The same picture scores 30 or 32 dB by another conversion or crop, hence `Protocol`. Distances in
the features of a network need torch and are in `evaluation`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impasto.errors import MissingExtraError, PictureError
from impasto.images.colour import LUMA_WEIGHTS, check_rgb_shape, round_levels
from impasto.images.degradation_kind import Degradation

Luminance = NDArray[np.float64]
"""H×W in grey levels: whole numbers, 16 to 235 of a colour picture, 0 to 255 of a grey one."""

PEAK = 255.0
SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
SSIM_K1, SSIM_K2 = 0.01, 0.03

# MATLAB's rgb2ycbcr for 0..255: luminance 16 to 235.
_LUMINANCE_OFFSET = 16.0
_LUMINANCE_WEIGHTS = np.array([65.481, 128.553, 24.966]) / 255
_GREY_WEIGHTS = np.array(LUMA_WEIGHTS)


@dataclass(frozen=True, slots=True)
class Protocol:
    """How an evaluation was measured; printed beside its numbers.

    Attributes:
        scale: width of the truth over width of the low-resolution picture.
        degradation: of the truth to low resolution, or `files` for pictures from files.
    """

    scale: int
    degradation: Degradation | str = "bicubic"

    @property
    def shave(self) -> int:
        """Pixels cut from each border before anything is measured."""
        return self.scale

    @property
    def low_resolution(self) -> str:
        """The degradation, in words."""
        kinds = {
            "bicubic": "by MATLAB-equal bicubic imresize, mirrored border",
            "blur-bicubic": "by a Gaussian blur (σ 1) and MATLAB-equal bicubic imresize, "
            "mirrored border",
            "files": "read from files",
        }
        method = kinds.get(self.degradation, self.degradation)
        return f"truth cropped to a multiple of {self.scale}, low resolution {method}, 8 bits"

    @property
    def luminance(self) -> str:
        """The compared luminance, in words."""
        return (
            "luminance by MATLAB's rgb2ycbcr (BT.601, 16 to 235; of grey files their grey) of "
            f"pictures clipped and rounded to 8 bits, rounded, {self.shave} pixels cut from "
            "each border"
        )

    @property
    def psnr(self) -> str:
        """The protocol of PSNR, in words."""
        return f"dB, peak 255, on {self.luminance}"

    @property
    def ssim(self) -> str:
        """The protocol of SSIM, in words."""
        return (
            f"Wang et al. 2004 ({SSIM_WINDOW}×{SSIM_WINDOW} Gaussian of σ {SSIM_SIGMA}, K "
            f"{SSIM_K1} and {SSIM_K2}, no padding, range 255), on {self.luminance}"
        )

    def __str__(self) -> str:
        """The protocol in one sentence."""
        return f"×{self.scale}: {self.low_resolution}; {self.luminance}"


def to_levels(rgb: NDArray[np.floating]) -> NDArray[np.float64]:
    """A picture's 8-bit grey levels, H×W×3 whole numbers from 0 to 255; clipped, halves upwards.

    Args:
        rgb: H×W×3 float, [0, 1] or a little beyond.

    Raises:
        PictureError: not such an array.
    """
    check_rgb_shape(rgb, "rgb")
    return round_levels(rgb.astype(np.float32) * np.float32(255))


def rgb_to_luminance(rgb: NDArray[np.floating], *, grey: bool = False) -> Luminance:
    """The luminance that benchmarks of super-resolution compare, H×W in whole grey levels.

    Args:
        rgb: H×W×3 float in [0, 1]; clipped and rounded to 8 bits first.
        grey: the truth is a grey file, whose own values 0 to 255 are the luminance.

    Raises:
        PictureError: not such an array.

    Source: MATLAB's `rgb2ycbcr` of uint8 pictures, ITU-R BT.601, which rounds. Published tables
    take the grey values of grey files as they are (bridge in Set14).
    """
    levels = to_levels(rgb)
    weights, offset = (_GREY_WEIGHTS, 0.0) if grey else (_LUMINANCE_WEIGHTS, _LUMINANCE_OFFSET)
    luminance: Luminance = np.floor(levels @ weights + offset + 0.5)
    return luminance


def shave(luminance: Luminance, border: int) -> Luminance:
    """A plane without its outermost pixels, (H - 2·border)×(W - 2·border).

    Args:
        luminance: H×W.
        border: pixels cut from each side, at least 0.

    Raises:
        PictureError: nothing would be left.
    """
    height, width = luminance.shape
    if border < 0 or min(height, width) <= 2 * border:
        raise PictureError(
            f"a picture of {width}×{height} pixels loses all of them when {border} are cut from "
            "each border; give larger pictures"
        )
    return luminance[border : height - border, border : width - border]


def psnr(luminance: Luminance, truth: Luminance) -> float:
    """Peak signal-to-noise ratio in dB, infinite for equal pictures.

    Args:
        luminance: H×W in grey levels, peak 255.
        truth: of the same size.

    Raises:
        PictureError: sizes differ.
    """
    _check_same_size(luminance, truth)
    mean_squared_error = float(np.mean((luminance - truth) ** 2))
    if mean_squared_error == 0:
        return float("inf")
    return float(10 * np.log10(PEAK**2 / mean_squared_error))


def ssim(luminance: Luminance, truth: Luminance) -> float:
    """Structural similarity, at most 1: the mean over all windows that lie inside the picture.

    Args:
        luminance: H×W in grey levels, peak 255, at least 11×11.
        truth: of the same size.

    Raises:
        PictureError: sizes differ, or are too small for one window.
        MissingExtraError: without scikit-image.

    Source: Wang et al. 2004, *Image Quality Assessment: From Error Visibility to Structural
    Similarity*, without their later downsampling, as in the field's tables.
    """
    _check_same_size(luminance, truth)
    if min(truth.shape) < SSIM_WINDOW:
        raise PictureError(
            f"a picture of {truth.shape[1]}×{truth.shape[0]} pixels is too small for SSIM's window "
            f"of {SSIM_WINDOW}×{SSIM_WINDOW}; give larger pictures"
        )
    try:
        from skimage.metrics import structural_similarity
    except ModuleNotFoundError:
        raise MissingExtraError("scikit-image", extra="train") from None
    similarity = structural_similarity(
        luminance,
        truth,
        data_range=PEAK,
        gaussian_weights=True,  # truncated after 5 pixels: 11×11
        sigma=SSIM_SIGMA,
        # Wang et al. weight by the Gaussian alone, without Bessel's correction.
        use_sample_covariance=False,
        K1=SSIM_K1,
        K2=SSIM_K2,
    )
    return float(similarity)


def _check_same_size(luminance: Luminance, truth: Luminance) -> None:
    if luminance.shape != truth.shape or luminance.ndim != 2 or truth.size == 0:
        shape, expected = ("×".join(map(str, plane.shape)) for plane in (luminance, truth))
        raise PictureError(
            f"the picture's luminance has shape {shape} and the truth's {expected}; expected one "
            "shape H×W"
        )
