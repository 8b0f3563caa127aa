"""What is measured of a stylized picture: against its photograph, against paintings, by itself.

Features are those of VGG-16 in float32. Content, style and total variation are the terms of the
objective; the distances at layers that no training uses say whether a style is more than a network
that fits its objective. This module needs torch; artefacts of pixels are in `metrics.artefacts`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from impasto.evaluation.photographs import Pixels
from impasto.losses.loss_network import LossNetwork
from impasto.losses.perceptual import feature_reconstruction_loss, gram_matrix, total_variation_loss
from impasto.losses.style_objective import PRESETS, layers_of
from impasto.metrics.artefacts import GRID_PERIODS, border_step, grid_peak, style_luminance
from impasto.tensors import to_tensor

PRESET = PRESETS["default"]
UNSEEN_LAYERS = ("relu2_1", "relu3_1", "relu4_1")
"""Layers that no objective of ours reads."""

STRUCTURE_LAYER = "relu3_1"
NUM_PROJECTIONS, NUM_QUANTILES = 64, 256
STRUCTURE_CELLS = 16
_TINY = 1e-8


@dataclass(frozen=True, slots=True)
class StyleScores:
    """The measures of one stylized picture.

    Attributes:
        content: feature reconstruction loss against the photograph, unweighted.
        style: style reconstruction loss against the style's own painting, unweighted.
        untouched_style: the same loss of the photograph as it is.
        total_variation: of the picture, pixels from 0 to 255.
        nearest: the painting with the lowest style loss.
        feature_distance: sliced Wasserstein distance to the painting, at layers no training uses.
        palette_distance: sliced Wasserstein distance to the painting in RGB.
        structure_distance: how far the self-similarity of its patches is from the photograph's.
        border: luminance of the border strip minus the interior, less the photograph's own.
        peak_2: spectral peak at 2 pixels, over the photograph's own.
        peak_4: spectral peak at 4 pixels, over the photograph's own.
    """

    content: float
    style: float
    untouched_style: float
    total_variation: float
    nearest: str
    feature_distance: float
    palette_distance: float
    structure_distance: float
    border: float
    peak_2: float
    peak_4: float

    @property
    def style_fall(self) -> float:
        """How many times lower than the photograph's the style loss is."""
        return self.untouched_style / max(self.style, _TINY)

    def as_dict(self) -> dict[str, float | str]:
        """All measures by name."""
        names = [field.name for field in fields(self)]
        return {**{name: getattr(self, name) for name in names}, "style_fall": self.style_fall}


@dataclass(frozen=True, slots=True)
class _Target:
    """What a painting is known by."""

    grams: list[Tensor]
    features: dict[str, Tensor]
    rgb: Tensor


@dataclass(frozen=True, slots=True)
class PhotographReference:
    """A photograph as its stylized pictures are measured against it.

    Attributes:
        features: at every layer that is measured.
        style_losses: of the photograph as it is, against each painting.
        border: its `border_step`.
        peaks: its `grid_peak` at each of `GRID_PERIODS`.
    """

    features: dict[str, Tensor]
    style_losses: dict[str, float]
    border: float
    peaks: list[float]


class StyleScorer:
    """Measures stylized pictures against photographs and a set of paintings.

    Attributes:
        names: of the paintings, in order.
    """

    def __init__(
        self,
        paintings: Mapping[str, Tensor],
        *,
        weights: Path | None = None,
        in_bfloat16: bool = False,
    ) -> None:
        """Compute the features of all paintings once.

        Args:
            paintings: 1×3×H×W in [0, 1] by name; as large as in training, 256 pixels at the short
                side, for the losses to be comparable.
            weights: another VGG-16 than the shipped one.
            in_bfloat16: compute features in bfloat16. It takes half the time where the processor
                has such arithmetic, and moves the losses by less than 1 %: for trial runs.

        Raises:
            PictureError: a painting is no picture, or too small.
            WeightsError: the weights do not fit.
        """
        self.names = list(paintings)
        layers = tuple(dict.fromkeys((*layers_of(PRESET), *UNSEEN_LAYERS)))
        self._loss_network = LossNetwork(layers, weights=weights)
        self._in_bfloat16 = in_bfloat16
        self._targets = {name: self._target(picture) for name, picture in paintings.items()}

    def reference(self, photograph: Pixels) -> "PhotographReference":
        """Compute once what every stylized picture of a photograph is measured against.

        Args:
            photograph: H×W×3 in [0, 1].

        Raises:
            PictureError: it is no picture, or too small.
        """
        features = self.features(to_tensor(photograph))
        luminance = style_luminance(photograph)
        peaks = [grid_peak(luminance, period=period) for period in GRID_PERIODS]
        return PhotographReference(
            features, self.style_losses(features), border_step(luminance), peaks
        )

    def score(
        self, stylized: Pixels, reference: "PhotographReference", *, painting: str
    ) -> StyleScores:
        """Measure one picture.

        Args:
            stylized: H×W×3 in [0, 1], rounded to the 8 bits of a file; as large as the photograph.
            reference: of the photograph.
            painting: the name of the style's own.

        Raises:
            PictureError: it is no picture or too small, or the sizes differ.
        """
        result = to_tensor(stylized)
        features, before = self.features(result), reference.features
        losses, target = self.style_losses(features), self._targets[painting]
        luminance = style_luminance(stylized)
        peaks = relative_peaks(luminance, reference)
        return StyleScores(
            content=content_loss(features, reference),
            style=losses[painting],
            untouched_style=reference.style_losses[painting],
            total_variation=total_variation(result),
            nearest=min(losses, key=losses.__getitem__),
            feature_distance=float(
                np.mean([distance(features[x], target.features[x]) for x in UNSEEN_LAYERS])
            ),
            palette_distance=distance(result, target.rgb),
            structure_distance=structure_distance(
                features[STRUCTURE_LAYER], before[STRUCTURE_LAYER]
            ),
            border=border_step(luminance) - reference.border,
            peak_2=peaks[0],
            peak_4=peaks[1],
        )

    def features(self, picture: Tensor) -> dict[str, Tensor]:
        """The features of a picture, 1×3×H×W in [0, 1], at every layer that is measured."""
        # Channels last: a quarter faster, and Gram matrices need no copy.
        picture = picture.contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=self._in_bfloat16):
            return {name: each.float() for name, each in self._loss_network(picture).items()}

    def style_losses(self, features: Mapping[str, Tensor]) -> dict[str, float]:
        """The style reconstruction loss against each painting, of features as `features` gives."""
        grams = [gram_matrix(features[layer]) for layer in PRESET.style_layers]
        # Means over the C² entries, as the preset reduces them.
        return {
            name: sum(
                float((a - b).square().mean()) for a, b in zip(grams, target.grams, strict=True)
            )
            for name, target in self._targets.items()
        }

    def painting(self, name: str) -> Tensor:
        """A painting as it was given, 1×3×H×W."""
        return self._targets[name].rgb

    def _target(self, picture: Tensor) -> _Target:
        features = self.features(picture)
        grams = [gram_matrix(features[layer]) for layer in PRESET.style_layers]
        return _Target(grams, {x: features[x] for x in UNSEEN_LAYERS}, picture)


def content_loss(features: Mapping[str, Tensor], reference: PhotographReference) -> float:
    """The feature reconstruction loss of a picture's features against the photograph's."""
    layer = PRESET.content_layer
    return float(feature_reconstruction_loss(features[layer], reference.features[layer]))


def relative_peaks(
    luminance: NDArray[np.float32], reference: PhotographReference
) -> tuple[float, float]:
    """The spectral peaks of a picture at 2 and 4 pixels, over the photograph's own.

    Args:
        luminance: as `style_luminance` gives it.
        reference: of the photograph.

    Raises:
        PictureError: the picture is too small.
    """
    first, second = (
        grid_peak(luminance, period=period) / max(peak, _TINY)
        for period, peak in zip(GRID_PERIODS, reference.peaks, strict=True)
    )
    return first, second


def total_variation(picture: Tensor) -> float:
    """The total variation of a picture, as the objective has it: pixels from 0 to 255."""
    loss = total_variation_loss(picture, reduction=PRESET.total_variation_reduction)
    return float(loss) * PRESET.pixel_range**2  # of squared differences


def distance(features: Tensor, target: Tensor) -> float:
    """The sliced Wasserstein distance of two sets of feature vectors, of any two sizes.

    Both are projected on the same 64 random directions (always the same ones); along each, the
    distance is the root of the mean squared difference of 256 quantiles. The mean over directions
    is divided by the target's own spread along them, so that layers compare.

    Args:
        features: 1×C×H×W.
        target: 1×C×H'×W'.

    Source: Rabin et al. 2011, *Wasserstein Barycenter and its Application to Texture Mixing*;
    Heitz et al. 2021 have it of VGG features.
    """
    generator = torch.Generator().manual_seed(0)
    num_channels = features.shape[1]
    directions = torch.randn(NUM_PROJECTIONS, num_channels, generator=generator)
    directions = F.normalize(directions, dim=1)
    ours, theirs = (_quantiles(directions @ f[0].flatten(1)) for f in (features, target))
    spread = theirs.std(dim=1).mean().clamp(min=_TINY)
    return float((ours - theirs).square().mean(dim=1).sqrt().mean() / spread)


def structure_distance(features: Tensor, original: Tensor) -> float:
    """How far the self-similarity of a picture's patches is from that of the photograph's.

    Features are averaged to 16×16 patches. Of each picture, the cosine distances of all pairs of
    patches make a matrix whose columns are divided by their sums; the result is the mean absolute
    difference of the two, times the number of patches: 0 where the layout is kept.

    Args:
        features: of the stylized picture, 1×C×H×W.
        original: of the photograph, the same shape.

    Source: Kolkin et al. 2019, *Style Transfer by Relaxed Optimal Transport and Self-Similarity*,
    equation 9.
    """
    ours, theirs = (_self_similarity(f) for f in (features, original))
    return float((ours - theirs).abs().mean() * ours.shape[0])


def _self_similarity(features: Tensor) -> Tensor:
    patches = F.adaptive_avg_pool2d(features, STRUCTURE_CELLS)[0].flatten(1)
    directions = F.normalize(patches, dim=0)
    # Rounding can take the distance of a patch to itself below 0.
    distances = (1 - directions.T @ directions).clamp(min=0)
    return distances / distances.sum(dim=0, keepdim=True).clamp(min=_TINY)


def _quantiles(projections: Tensor) -> Tensor:
    """Equally many quantiles of each row, between sorted values as numpy interpolates them."""
    # Sorted values themselves compare only between pictures of as many pixels.
    ordered = projections.sort(dim=1).values[:, None]
    return F.interpolate(ordered, size=NUM_QUANTILES, mode="linear", align_corners=True)[:, 0]
