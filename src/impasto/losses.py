"""The losses, one formula one function; each also as an `nn.Module` for anybody's own loop.

Every function averages over the batch, so that the gradient of a batch does not depend on how it
is split over processes. Source: Johnson et al. 2016, section 3 (equations 2 to 5).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from impasto.errors import PictureError
from impasto.loss_network import FeatureExtractor
from impasto.tensors import (
    LUMINANCE_WEIGHTS,
    Features,
    GramMatrices,
    LayerFeatures,
    PaintingPictures,
    Pictures,
    Scalar,
    TargetFeatures,
    TargetGramMatrices,
    TargetPictures,
    check_features,
    check_finite,
    check_gram_matrices,
    check_pictures,
    check_same_shape,
)

Reduction = Literal["sum", "mean"]

_GREY_LEVEL = 1 / 255


def feature_reconstruction_loss(features: Features, target: TargetFeatures) -> Scalar:
    """Return the squared distance of two feature maps over C·H·W, averaged over the batch.

    Args:
        features: N×C×H×W, of the picture being judged.
        target: the same shape, or a batch of one for all.

    Raises:
        PictureError: when rank or type is wrong, or the shapes disagree.
        NotFiniteError: when NaN or infinity comes out.

    Source: Johnson et al. 2016, equation 2.
    """
    check_features(features)
    check_features(target, name="target features")
    check_same_shape(features, target, names=("features", "target features"))
    loss = _mean_square(features, target)
    check_finite(loss, name="feature reconstruction loss")
    return loss


def gram_matrix(features: Features) -> GramMatrices:
    """Return G = ψψᵀ / (C·H·W) with ψ the features as C×HW: N×C×C, in at least float32.

    The result does not depend on the size of the picture nor on where in it things are.

    Args:
        features: N×C×H×W.

    Raises:
        PictureError: when rank or type is wrong.

    Source: Johnson et al. 2016, equation 3.
    """
    check_features(features)
    num_pictures, num_channels, height, width = features.shape
    with torch.autocast(features.device.type, enabled=False):
        # In channels-last memory this reshape is a view; in the other order it would copy.
        rows = _at_least_float32(features).permute(0, 2, 3, 1)
        rows = rows.reshape(num_pictures, height * width, num_channels)
        return rows.transpose(1, 2) @ rows / (num_channels * height * width)


def style_reconstruction_loss(
    gram: GramMatrices, target: TargetGramMatrices, *, reduction: Reduction = "sum"
) -> Scalar:
    """Return the squared Frobenius distance of two Gram matrices, averaged over the batch.

    Args:
        gram: N×C×C, of the pictures being judged.
        target: the same shape, or a batch of one for all.
        reduction: `sum` over the C² entries as the paper has it, or their `mean` as the released
            code has it; the two weigh layers differently.

    Raises:
        PictureError: when these are no Gram matrices, or the shapes disagree.
        NotFiniteError: when NaN or infinity comes out.

    Source: Johnson et al. 2016, equation 4.
    """
    check_gram_matrices(gram)
    check_gram_matrices(target, name="target Gram matrices")
    check_same_shape(gram, target, names=("Gram matrices", "target Gram matrices"))
    loss = _mean_square(gram, target)
    if _known(reduction) == "sum":
        loss = loss * gram.shape[1] ** 2
    check_finite(loss, name="style reconstruction loss")
    return loss


def total_variation_loss(
    pictures: Pictures, *, exponent: float = 2.0, reduction: Reduction = "sum"
) -> Scalar:
    """Return Σ ((x_{i,j+1} − x_{i,j})² + (x_{i+1,j} − x_{i,j})²)^(β/2), averaged over the batch.

    Args:
        pictures: N×3×H×W in [0, 1]; both differences count at every pixel, a missing neighbour
            counting as no difference.
        exponent: β; 2 is the smooth form that the released code minimises, 1 the total variation
            proper.
        reduction: `sum` over a picture's values, or their `mean`. With pixels in 0..255 in place
            of [0, 1] either is 255^β times as large.

    Raises:
        PictureError: when the pictures are not N×3×H×W float in [0, 1], or β is not a positive
            number.
        NotFiniteError: when the pictures contain NaN or infinity.

    Source: Mahendran and Vedaldi 2015, section 2; Johnson et al. 2016, section 3.2.
    """
    check_pictures(pictures)
    _known_exponent(exponent)
    values = _at_least_float32(pictures)
    right = (values[..., :, 1:] - values[..., :, :-1]).square()
    down = (values[..., 1:, :] - values[..., :-1, :]).square()
    if exponent == 2:
        total = right.sum() + down.sum()
    else:
        squares = nn.functional.pad(right, (0, 1)) + nn.functional.pad(down, (0, 0, 0, 1))
        # The root has no slope at 0; where nothing varies the loss and its gradient are 0.
        flat = squares == 0
        total = squares.masked_fill(flat, 1).pow(exponent / 2).masked_fill(flat, 0).sum()
    count = pictures.shape[0] if _known(reduction) == "sum" else pictures.numel()
    return total / count


def grid_loss(pictures: Pictures, *, period: int = 4) -> Scalar:
    """Return how much a picture's mean colour depends on the place in a grid, batch averaged.

    The pixels are sorted by their place in cells of period×period; the loss is the variance of
    the places' mean colours. It is close to 0 in whatever does not know of the grid, and finds
    the faint pattern that networks leave which enlarge their features: Gram matrices average over
    places, so the style loss hardly sees it.

    Args:
        pictures: N×3×H×W in [0, 1]; rows and columns that fill no cell do not count.
        period: of the grid, in pixels, from 2; a network that enlarges by 2 twice leaves one of 4.

    Raises:
        PictureError: when the pictures are not N×3×H×W float in [0, 1], or smaller than a cell, or
            the period is below 2.
        NotFiniteError: when the pictures contain NaN or infinity.

    Source: ours; Odena et al. 2016 describe the pattern.
    """
    check_pictures(pictures)
    rows, columns = (side // _known_period(period) for side in pictures.shape[2:])
    if not (rows and columns):
        raise PictureError(
            f"pictures are {pictures.shape[3]}×{pictures.shape[2]} pixels; the grid loss of period "
            f"{period} needs at least {period}×{period}"
        )
    whole = _at_least_float32(pictures)[..., : rows * period, : columns * period]
    cells = whole.reshape(*pictures.shape[:2], rows, period, columns, period)
    places = cells.mean(dim=(2, 4))
    return _mean_square(places, places.mean(dim=(2, 3), keepdim=True))


def spectrum_loss(pictures: Pictures, target: TargetPictures, *, window: int = 32) -> Scalar:
    """Return how far the local power spectra of pictures are from the target's.

    Phases do not count: it asks for as much detail as the target has, not for the same. Powers of
    the luminance are compared in overlapping windows, each frequency with its 3×3 neighbourhood, by
    the Itakura–Saito divergence, r − log r − 1 with r the target's power over the picture's, which
    the expected power makes least: neither less of it (blur) nor more. Powers far below one grey
    level of noise do not count.

    Args:
        pictures: N×3×H×W in [0, 1].
        target: the same shape, or a batch of one for all.
        window: side of the windows in pixels, even; half of it is the step between them.

    Returns:
        The mean over frequencies, windows and pictures.

    Raises:
        PictureError: when either is no picture, the shapes disagree, the window is odd or below 8,
            or a picture is smaller than it.
        NotFiniteError: when either contains NaN or infinity.

    Source: ours; Itakura and Saito 1968 have the divergence.
    """
    power, target_power = _local_powers(pictures, target, window)
    ratio = _over_frequencies(target_power) / _over_frequencies(power)
    return _itakura_saito(ratio)


def grid_spectrum_loss(
    pictures: Pictures, target: TargetPictures, *, window: int = 32, period: int = 4
) -> Scalar:
    """Return how far the power of pictures at the frequencies of a grid is from the target's.

    As `spectrum_loss`, but for the multiples of 1/period alone, each over all windows of all
    pictures and relative to the target's power in each window: it finds a pattern that is faint
    but everywhere. Unlike `grid_loss` it does not call for less detail than there should be.

    Args:
        pictures: N×3×H×W in [0, 1].
        target: the same shape, or a batch of one for all.
        window: side of the windows in pixels, even; half of it is the step between them.
        period: of the grid in pixels, from 2, a divisor of the window.

    Returns:
        The mean over the period² − 1 frequencies.

    Raises:
        PictureError: as `spectrum_loss`, or when the period does not divide the window.
        NotFiniteError: when either contains NaN or infinity.

    Source: ours; Itakura and Saito 1968 have the divergence.
    """
    power, target_power = _local_powers(pictures, target, window)
    _check_grid(window, period)
    expected = _over_frequencies(target_power)
    step = window // period
    grid, target_grid = (
        (found / expected)[..., ::step, ::step].mean(dim=(0, 1, 2)).flatten()[1:]
        for found in (power, target_power)
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


def _local_power(pictures: Tensor, window: int) -> Tensor:
    """N×rows×columns of windows, each window×window, with one grey level of noise in it."""
    with torch.autocast(pictures.device.type, enabled=False):
        values = _at_least_float32(pictures)
        luminance = torch.einsum("c,nchw->nhw", values.new_tensor(LUMINANCE_WEIGHTS), values)
        squares = luminance.unfold(1, window, window // 2).unfold(2, window, window // 2)
        squares = squares - squares.mean(dim=(3, 4), keepdim=True)
        slope = torch.hann_window(
            window, periodic=False, dtype=values.dtype, device=pictures.device
        )
        taper = slope[:, None] * slope
        power: Tensor = torch.fft.fft2(squares * taper).abs().square()
        return power / taper.square().sum() + _GREY_LEVEL**2


def _over_frequencies(power: Tensor) -> Tensor:
    """The mean over every frequency's 3×3 neighbourhood, which wraps around."""
    planes = nn.functional.pad(power.flatten(0, 2)[:, None], (1, 1, 1, 1), mode="circular")
    smooth: Tensor = nn.functional.avg_pool2d(planes, 3, stride=1)
    return smooth.view(power.shape)


def _itakura_saito(ratio: Tensor) -> Tensor:
    return (ratio - ratio.log() - 1).mean()


def pixel_loss(pictures: Pictures, target: TargetPictures) -> Scalar:
    """Return the squared distance of two pictures over C·H·W, averaged over the batch.

    Args:
        pictures: N×3×H×W in [0, 1].
        target: the same shape, or a batch of one for all.

    Raises:
        PictureError: when either is no picture, or the shapes disagree.
        NotFiniteError: when either contains NaN or infinity.

    Source: Johnson et al. 2016, section 3.2.
    """
    check_pictures(pictures)
    check_pictures(target, name="target pictures")
    check_same_shape(pictures, target, names=("pictures", "target pictures"))
    return _mean_square(pictures, target)


class FeatureReconstructionLoss(nn.Module):
    """The feature reconstruction loss at one layer, between two batches of pictures."""

    def __init__(self, loss_network: FeatureExtractor, *, layer: str = "relu2_2") -> None:
        """Measure at `layer` of `loss_network`, which must return it by that name.

        Source: Johnson et al. 2016, section 4.1, where relu2_2 is the preprint's layer.
        """
        super().__init__()
        self.loss_network = loss_network
        self.layer = layer

    def forward(self, pictures: Pictures, target: TargetPictures) -> Scalar:
        """Return the loss of N×3×H×W pictures in [0, 1]. See `feature_reconstruction_loss`.

        Args:
            pictures: N×3×H×W in [0, 1]; the gradient flows to them.
            target: the same shape, or a batch of one for all; no gradient.

        Raises:
            PictureError: when either is no picture, the shapes disagree, or the loss network
                does not return the layer.
        """
        check_pictures(pictures)
        check_pictures(target, name="target pictures")
        check_same_shape(pictures, target, names=("pictures", "target pictures"))
        with torch.no_grad():
            target_features = named_features(self.loss_network, target, [self.layer])[self.layer]
        features = named_features(self.loss_network, pictures, [self.layer])[self.layer]
        return feature_reconstruction_loss(features, target_features)


class StyleReconstructionLoss(nn.Module):
    """The style reconstruction loss against one painting, summed over layers.

    The painting's Gram matrices are computed once and kept as buffers.
    """

    def __init__(
        self,
        loss_network: FeatureExtractor,
        painting: PaintingPictures,
        *,
        layers: Sequence[str] = ("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
        reduction: Reduction = "sum",
    ) -> None:
        """Take the style of `painting`, 1×3×H×W in [0, 1], of any size.

        Args:
            loss_network: returns the features of `layers` by name.
            painting: the style target.
            layers: summed with equal weight; the default is the paper's, section 4.1.
            reduction: of a layer's Gram difference; see `style_reconstruction_loss`.

        Raises:
            PictureError: when the painting is no picture, the loss network does not return a
                layer, or the reduction is unknown.
        """
        super().__init__()
        check_pictures(painting, name="paintings")
        self.loss_network = loss_network
        self.layers = tuple(layers)
        self.reduction: Reduction = _known(reduction)
        with torch.no_grad():
            features = named_features(loss_network, painting, self.layers)
            for layer in self.layers:
                self.register_buffer(f"gram_{layer}", gram_matrix(features[layer]))

    def forward(self, pictures: Pictures) -> Scalar:
        """Return the loss of N×3×H×W pictures in [0, 1]. See `style_reconstruction_loss`.

        Raises:
            PictureError: when these are no pictures.
        """
        check_pictures(pictures)
        return self.from_features(named_features(self.loss_network, pictures, self.layers))

    def from_features(self, features: Mapping[str, LayerFeatures]) -> Scalar:
        """Return the loss from features already computed, each N×C×H×W, by layer name.

        Raises:
            PictureError: when a layer is not among them.
        """
        features = _selected(features, self.layers)
        by_layer = [
            style_reconstruction_loss(
                gram_matrix(features[layer]),
                self.get_buffer(f"gram_{layer}"),
                reduction=self.reduction,
            )
            for layer in self.layers
        ]
        return torch.stack(by_layer).sum()


class TotalVariationLoss(nn.Module):
    """The total variation of a batch of pictures."""

    def __init__(self, *, exponent: float = 2.0, reduction: Reduction = "sum") -> None:
        """Keep the form; see `total_variation_loss`.

        Raises:
            PictureError: when exponent or reduction is not one of its.
        """
        super().__init__()
        self.exponent = _known_exponent(exponent)
        self.reduction: Reduction = _known(reduction)

    def forward(self, pictures: Pictures) -> Scalar:
        """Return the loss of N×3×H×W pictures in [0, 1]."""
        return total_variation_loss(pictures, exponent=self.exponent, reduction=self.reduction)


class GridLoss(nn.Module):
    """The grid pattern in a batch of pictures."""

    def __init__(self, *, period: int = 4) -> None:
        """Keep the period; see `grid_loss`.

        Raises:
            PictureError: when it is below 2.
        """
        super().__init__()
        self.period = _known_period(period)

    def forward(self, pictures: Pictures) -> Scalar:
        """Return the loss of N×3×H×W pictures in [0, 1]."""
        return grid_loss(pictures, period=self.period)


class SpectrumLoss(nn.Module):
    """The distance of local power spectra."""

    def __init__(self, *, window: int = 32) -> None:
        """Keep the window; see `spectrum_loss`.

        Raises:
            PictureError: when it is odd, or below 8.
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
            PictureError: when they do not fit each other.
        """
        super().__init__()
        _check_grid(window, period)
        self.window, self.period = window, period

    def forward(self, pictures: Pictures, target: TargetPictures) -> Scalar:
        """Return the loss between two batches, N×3×H×W in [0, 1]. See `grid_spectrum_loss`."""
        return grid_spectrum_loss(pictures, target, window=self.window, period=self.period)


class PixelLoss(nn.Module):
    """The squared distance of pixels."""

    def forward(self, pictures: Pictures, target: TargetPictures) -> Scalar:
        """Return the loss between two batches, N×3×H×W in [0, 1]. See `pixel_loss`."""
        return pixel_loss(pictures, target)


def named_features(
    loss_network: FeatureExtractor, pictures: Pictures, layers: Sequence[str]
) -> dict[str, LayerFeatures]:
    """Return the features of `layers`, in that order, each N×C×H×W.

    Raises:
        PictureError: when the loss network does not return one of them.
    """
    return _selected(loss_network(pictures), layers)


def _selected(
    features: Mapping[str, LayerFeatures], layers: Sequence[str]
) -> dict[str, LayerFeatures]:
    missing = [layer for layer in layers if layer not in features]
    if missing:
        raise PictureError(
            f"the loss network returns {', '.join(features) or 'no features'}; "
            f"expected also {', '.join(missing)}: build it with these layers"
        )
    return {layer: features[layer] for layer in layers}


def _mean_square(first: Tensor, second: Tensor) -> Tensor:
    return (_at_least_float32(first) - _at_least_float32(second)).square().mean()


def _at_least_float32(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def _known_exponent(exponent: float) -> float:
    if not 0 < exponent < math.inf:
        raise PictureError(f"the exponent of the total variation is {exponent}; expected above 0")
    return exponent


def _known_period(period: int) -> int:
    if period < 2:
        raise PictureError(f"the period of the grid is {period}; expected at least 2 pixels")
    return period


def _known_window(window: int) -> int:
    if window < 8 or window % 2:
        raise PictureError(f"the window is {window}; expected an even number of 8 or more pixels")
    return window


def _check_grid(window: int, period: int) -> None:
    if _known_window(window) % _known_period(period):
        raise PictureError(
            f"the period of the grid is {period}; expected a divisor of the window of {window}"
        )


def _known(reduction: Reduction) -> Reduction:
    if reduction not in ("sum", "mean"):
        raise PictureError(f"the reduction is {reduction!r}; expected 'sum' or 'mean'")
    return reduction
