"""The perceptual losses, one function each, and each as an `nn.Module` too.

Each averages over the batch: its gradient does not depend on how it is split over processes.
Source: Johnson et al. 2016, section 3 (equations 2 to 5).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from impasto.errors import PictureError, SettingError
from impasto.losses.loss_network import FeatureExtractor, LossNetwork
from impasto.tensors import (
    Features,
    GramMatrices,
    LayerFeatures,
    PaintingPictures,
    Pictures,
    Scalar,
    TargetFeatures,
    TargetGramMatrices,
    TargetPictures,
    at_least_float32,
    check_features,
    check_finite,
    check_gram_matrices,
    check_pictures,
    check_same_shape,
)

Reduction = Literal["sum", "mean"]


def feature_reconstruction_loss(features: Features, target: TargetFeatures) -> Scalar:
    """Return the squared distance of two feature maps over C·H·W, averaged over the batch.

    Args:
        features: N×C×H×W, of the stylized or upscaled pictures.
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
        rows = at_least_float32(features).permute(0, 2, 3, 1)
        rows = rows.reshape(num_pictures, height * width, num_channels)
        gram: Tensor = _ProductWithItself.apply(rows)  # type: ignore[no-untyped-call]
        return gram / (num_channels * height * width)


class _ProductWithItself(torch.autograd.Function):
    """RᵀR, whose gradient R·(G + Gᵀ) takes one product where autograd would take two and a sum."""

    generate_vmap_rule = True

    @staticmethod
    def forward(rows: Tensor) -> Tensor:
        return rows.transpose(1, 2) @ rows

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], _output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        rows: Tensor = ctx.saved_tensors[0]
        return rows @ (gradient + gradient.transpose(1, 2))


def style_reconstruction_loss(
    gram: GramMatrices, target: TargetGramMatrices, *, reduction: Reduction = "sum"
) -> Scalar:
    """Return the squared Frobenius distance of two Gram matrices, averaged over the batch.

    Args:
        gram: N×C×C, of the stylized pictures.
        target: the same shape, or a batch of one for all.
        reduction: `sum` over the C² entries as the paper has it, or their `mean` as the released
            code has it; the two weigh layers differently.

    Raises:
        PictureError: when these are no Gram matrices, or the shapes disagree.
        SettingError: when the reduction is unknown.
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
        PictureError: when the pictures are not N×3×H×W float in [0, 1].
        SettingError: when β is not a positive number, or the reduction is unknown.
        NotFiniteError: when the pictures contain NaN or infinity.

    Source: Mahendran and Vedaldi 2015, section 2; Johnson et al. 2016, section 3.2.
    """
    check_pictures(pictures)
    _known_exponent(exponent)
    values = at_least_float32(pictures)
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
    """Return how much a picture's mean colour depends on the position in a grid, batch averaged.

    The pixels are grouped by their position in cells of period×period; the loss is the variance
    of the groups' mean colours. It is near 0 for natural pictures. Networks that upsample their
    features leave a faint pattern that it detects, and that the style loss hardly sees, since Gram
    matrices average over positions.

    Args:
        pictures: N×3×H×W in [0, 1]; rows and columns that fill no cell do not count.
        period: of the grid, in pixels, from 2; a network that doubles its features twice leaves
            one of 4.

    Raises:
        PictureError: when the pictures are not N×3×H×W float in [0, 1], or smaller than a cell.
        SettingError: when the period is below 2.
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
    whole = at_least_float32(pictures)[..., : rows * period, : columns * period]
    cells = whole.reshape(*pictures.shape[:2], rows, period, columns, period)
    means = cells.mean(dim=(2, 4))
    return _mean_square(means, means.mean(dim=(2, 3), keepdim=True))


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

    The painting's Gram matrices are computed once and stored as buffers.
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
            PictureError: when the painting is no picture, or the loss network does not return a
                layer.
            SettingError: when the reduction is unknown.
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
            SettingError: when exponent or reduction is not one of its.
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
            SettingError: when it is below 2.
        """
        super().__init__()
        self.period = _known_period(period)

    def forward(self, pictures: Pictures) -> Scalar:
        """Return the loss of N×3×H×W pictures in [0, 1]."""
        return grid_loss(pictures, period=self.period)


class PixelLoss(nn.Module):
    """The squared distance of pixels."""

    def forward(self, pictures: Pictures, target: TargetPictures) -> Scalar:
        """Return the loss between two batches, N×3×H×W in [0, 1]. See `pixel_loss`."""
        return pixel_loss(pictures, target)


def named_features(
    loss_network: FeatureExtractor, pictures: Pictures, layers: Sequence[str]
) -> dict[str, LayerFeatures]:
    """Return the features of `layers`, in that order, each N×C×H×W.

    Of our own loss network, only as much is computed as they need.

    Raises:
        PictureError: when the loss network does not return one of them.
    """
    if isinstance(loss_network, LossNetwork) and set(layers) <= set(loss_network.layers):
        return _selected(loss_network(pictures, layers), layers)
    return _selected(loss_network(pictures), layers)


def _selected(
    features: Mapping[str, LayerFeatures], layers: Sequence[str]
) -> dict[str, LayerFeatures]:
    if missing := [layer for layer in layers if layer not in features]:
        raise PictureError(
            f"the loss network returns {', '.join(features) or 'no features'}; "
            f"expected also {', '.join(missing)}: build it with these layers"
        )
    return {layer: features[layer] for layer in layers}


def _mean_square(first: Tensor, second: Tensor) -> Tensor:
    return (at_least_float32(first) - at_least_float32(second)).square().mean()


def _known_exponent(exponent: float) -> float:
    if not 0 < exponent < math.inf:
        raise SettingError(f"the exponent of the total variation is {exponent}; expected above 0")
    return exponent


def _known_period(period: int) -> int:
    if period < 2:
        raise SettingError(f"the period of the grid is {period}; expected at least 2 pixels")
    return period


def _known(reduction: Reduction) -> Reduction:
    if reduction not in ("sum", "mean"):
        raise SettingError(f"the reduction is {reduction!r}; expected 'sum' or 'mean'")
    return reduction
