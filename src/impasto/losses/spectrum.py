"""The losses that compare power spectra: as much detail as the target has, not the same."""

import functools

import torch
from torch import Tensor, nn

from impasto.errors import PictureError, SettingError
from impasto.images.colour import LUMA_WEIGHTS
from impasto.tensors import (
    Pictures,
    Scalar,
    TargetPictures,
    at_least_float32,
    check_pictures,
    check_same_shape,
)

_GREY_LEVEL = 1 / 255


def spectrum_loss(pictures: Pictures, target: TargetPictures, *, window: int = 32) -> Scalar:
    """Return how far the local power spectra of pictures are from the target's.

    Phases do not count: the loss asks for as much detail as the target has, not for the same
    detail. Powers of the luminance are compared in overlapping windows, each frequency with its
    3×3 neighbourhood, by the Itakura–Saito divergence, r − log r − 1 with r the target's power
    over the picture's. It is least at the target's power: both less (blur) and more cost. Powers
    far below one grey level of noise do not count.

    Args:
        pictures: N×3×H×W in [0, 1].
        target: the same shape, or a batch of one for all.
        window: side of the windows in pixels, even; half of it is the step between them.

    Returns:
        The mean over frequencies, windows and pictures.

    Raises:
        PictureError: when either is no picture, the shapes disagree, or a picture is smaller than
            the window.
        SettingError: when the window is odd or below 8.
        NotFiniteError: when either contains NaN or infinity.

    Source: ours; Itakura and Saito 1968 have the divergence.
    """
    power, target_power = _local_powers(pictures, target, window)
    # The target's power on top: a lack of detail costs in proportion to the ratio, too much of it
    # only its logarithm. The other way round, the best answer to an uncertain power would be the
    # harmonic mean of the possible ones, which is blur.
    ratio = _over_frequencies(target_power) / _over_frequencies(power)
    return _itakura_saito(ratio)


def grid_spectrum_loss(
    pictures: Pictures, target: TargetPictures, *, window: int = 32, period: int = 4
) -> Scalar:
    """Return how far the power of pictures at the frequencies of a grid is from the target's.

    As `spectrum_loss`, but for the multiples of 1/period alone, each over all windows of all
    pictures and relative to the target's power in each window: it finds a pattern that is faint
    but everywhere. Unlike `losses.grid_loss` it does not call for less detail than there should be.

    Args:
        pictures: N×3×H×W in [0, 1].
        target: the same shape, or a batch of one for all.
        window: side of the windows in pixels, even; half of it is the step between them.
        period: of the grid in pixels, from 2, a divisor of the window.

    Returns:
        The mean over the period² − 1 frequencies.

    Raises:
        PictureError: as `spectrum_loss`.
        SettingError: as `spectrum_loss`, or when the period does not divide the window.
        NotFiniteError: when either contains NaN or infinity.

    Source: ours; Itakura and Saito 1968 have the divergence.
    """
    power, target_power = _local_powers(pictures, target, window)
    _check_grid(window, period)
    # Divided window by window, so that those with much detail do not outweigh the flat ones, where
    # a grid shows; then averaged before the divergence, or one window's chance would hide it.
    expected = _over_frequencies(target_power)
    step = window // period
    grid, target_grid = (
        # Without the first, the zero frequency, which the subtracted mean has emptied.
        (one / expected)[..., ::step, ::step].mean(dim=(0, 1, 2)).flatten()[1:]
        for one in (power, target_power)
    )
    return _itakura_saito(target_grid / grid)


def _local_powers(pictures: Tensor, target: Tensor, window: int) -> tuple[Tensor, Tensor]:
    check_pictures(pictures)
    check_pictures(target, name="target pictures")
    check_same_shape(pictures, target, names=("pictures", "target pictures"))
    if min(pictures.shape[2:]) < _known_window(window):
        raise PictureError(
            f"pictures are {pictures.shape[3]}×{pictures.shape[2]} pixels; the spectrum of windows "
            f"of {window} needs at least {window}×{window}"
        )
    return _local_power(pictures, window), _local_power(target, window)


@functools.lru_cache(maxsize=16)
def _luma_weights(dtype: torch.dtype, device: torch.device) -> Tensor:
    # Once for each device: a copy from the processor's memory cannot be recorded as a CUDA graph.
    return torch.tensor(LUMA_WEIGHTS, dtype=dtype, device=device)


def _local_power(pictures: Tensor, window: int) -> Tensor:
    """N×rows×columns of windows, each window×window, with one grey level of noise in it."""
    # Never in bf16: its 8 bits would bury weak frequencies in the rounding of strong ones.
    with torch.autocast(pictures.device.type, enabled=False):
        values = at_least_float32(pictures)
        luminance = torch.einsum("c,nchw->nhw", _luma_weights(values.dtype, values.device), values)
        squares = luminance.unfold(1, window, window // 2).unfold(2, window, window // 2)
        # The taper spreads the zero frequency over its neighbours, so the mean goes before.
        squares = squares - squares.mean(dim=(3, 4), keepdim=True)
        slope = torch.hann_window(
            window, periodic=False, dtype=values.dtype, device=pictures.device
        )
        taper = slope[:, None] * slope
        power: Tensor = torch.fft.fft2(squares * taper).abs().square()
        # Over the taper's own energy, white noise of deviation σ has the power σ² everywhere.
        return power / taper.square().sum() + _GREY_LEVEL**2


def _over_frequencies(power: Tensor) -> Tensor:
    """The mean over every frequency's 3×3 neighbourhood, which wraps around."""
    # A single power scatters as widely as its mean is large: a ratio of two would be mostly chance.
    planes = nn.functional.pad(power.flatten(0, 2)[:, None], (1, 1, 1, 1), mode="circular")
    smooth: Tensor = nn.functional.avg_pool2d(planes, 3, stride=1)
    return smooth.view(power.shape)


def _itakura_saito(ratio: Tensor) -> Tensor:
    return (ratio - ratio.log() - 1).mean()


class SpectrumLoss(nn.Module):
    """The distance of local power spectra."""

    def __init__(self, *, window: int = 32) -> None:
        """Keep the window; see `spectrum_loss`.

        Raises:
            SettingError: when it is odd, or below 8.
        """
        super().__init__()
        self.window = _known_window(window)

    def forward(self, pictures: Pictures, target: TargetPictures) -> Scalar:
        """Return the loss between two batches, N×3×H×W in [0, 1]. See `spectrum_loss`."""
        return spectrum_loss(pictures, target, window=self.window)


class GridSpectrumLoss(nn.Module):
    """The distance of the power at a grid's frequencies."""

    def __init__(self, *, window: int = 32, period: int = 4) -> None:
        """Keep window and period; see `grid_spectrum_loss`.

        Raises:
            SettingError: when they do not fit each other.
        """
        super().__init__()
        _check_grid(window, period)
        self.window, self.period = window, period

    def forward(self, pictures: Pictures, target: TargetPictures) -> Scalar:
        """Return the loss between two batches, N×3×H×W in [0, 1]. See `grid_spectrum_loss`."""
        return grid_spectrum_loss(pictures, target, window=self.window, period=self.period)


def _known_window(window: int) -> int:
    if window < 8 or window % 2:
        raise SettingError(f"the window is {window}; expected an even number of 8 or more pixels")
    return window


def _check_grid(window: int, period: int) -> None:
    if period < 2 or _known_window(window) % period:
        raise SettingError(
            f"the period of the grid is {period}; expected a divisor of the window of {window}, "
            "from 2"
        )
