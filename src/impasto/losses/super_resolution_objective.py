"""The super-resolution objective: pixels, features, or both, each term returned by its name.

Source: Johnson et al. 2016, section 3.2. Our mixture adds several layers, each divided by the
mean square of the truth's features, so that one weight suits all of them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from impasto.losses.loss_network import FeatureExtractor, LossNetwork
from impasto.losses.perceptual import (
    feature_reconstruction_loss,
    grid_loss,
    named_features,
    pixel_loss,
)
from impasto.losses.spectrum import grid_spectrum_loss, spectrum_loss
from impasto.losses.style_objective import LossTerms, NonNegative
from impasto.tensors import Pictures, Scalar, TargetPictures, check_pictures, check_same_shape

GRID_CELLS = 8
"""Grid cells along a side of the squares in which the grid loss is taken."""

SPECTRUM_WINDOW = 32
"""Side in pixels of the windows whose spectra are compared."""

SuperResolutionLoss = Literal["feature", "pixel", "l1", "mix"]


class SuperResolutionPreset(BaseModel):
    """A super-resolution objective.

    Attributes:
        pixel_weight: of the squared distance of pixels.
        l1_weight: of their absolute distance.
        feature_weight: of the feature reconstruction loss at every layer.
        layers: where that is taken.
        layer_weights: of single layers, on top of `feature_weight`; 1 for those not named.
        relative: divide it by the mean square of the truth's features.
        grid_weight: of the grid loss of the difference to the truth: see `_grid`.
        spectrum_weight: of the distance of local power spectra.
        grid_spectrum_weight: of the distance of the power at a grid's frequencies.
        window_margin: pixels of a patch outside the window that the loss is computed on. The window
            moves, so that the loss network's poolings meet every phase.
        source: the publication that states the loss.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pixel_weight: NonNegative = 0.0
    l1_weight: NonNegative = 0.0
    feature_weight: NonNegative = 0.0
    layers: tuple[str, ...] = ()
    layer_weights: Mapping[str, NonNegative] = {}
    relative: bool = False
    grid_weight: NonNegative = 0.0
    spectrum_weight: NonNegative = 0.0
    grid_spectrum_weight: NonNegative = 0.0
    window_margin: int = 0
    source: str


SUPER_RESOLUTION_PRESETS: Mapping[SuperResolutionLoss, SuperResolutionPreset] = {
    "feature": SuperResolutionPreset(
        feature_weight=1.0,
        layers=("relu2_2",),
        source="Johnson et al. 2016, section 4.2: ℓ_feat at relu2_2 alone, grid and all",
    ),
    "pixel": SuperResolutionPreset(
        pixel_weight=1.0, source="Johnson et al. 2016, section 4.2: ℓ_pixel"
    ),
    "l1": SuperResolutionPreset(
        l1_weight=1.0, source="Lim et al. 2017 (EDSR): absolute rather than squared differences"
    ),
    # Each term mends what another leaves: features leave a grid, the grid loss takes detail away
    # with the grid, the spectrum losses bring it back. docs/training-sr.md measures the steps.
    "mix": SuperResolutionPreset(
        l1_weight=1.0,
        feature_weight=0.1,
        layers=("relu2_2", "relu3_3", "relu4_3", "relu5_3"),
        layer_weights={"relu2_2": 12.0},
        relative=True,
        grid_weight=50.0,
        spectrum_weight=0.006,
        grid_spectrum_weight=0.06,
        window_margin=7,
        source="ours",
    ),
}


class SuperResolutionObjective(nn.Module):
    """The weighted sum of the terms that have a weight.

    Args:
        preset: which terms.
        loss_network: returns the features of the preset's layers by name; none is needed where no
            layer is.
        grid_period: of the grid, in pixels.
    """

    def __init__(
        self,
        preset: SuperResolutionPreset,
        loss_network: FeatureExtractor | None = None,
        *,
        grid_period: int = 4,
    ) -> None:
        super().__init__()
        self.preset = preset
        self.grid_period = grid_period
        self.loss_network = loss_network

    def forward(self, upscaled: Pictures, truth: TargetPictures) -> LossTerms:
        """Return the loss of upscaled pictures against the truth.

        Args:
            upscaled: N×3×H×W in [0, 1], give or take 0.25; the gradient flows to them.
            truth: the same shape, in [0, 1]; no gradient.

        Raises:
            PictureError: when either is no picture, or the shapes disagree.
            NotFiniteError: when either contains NaN or infinity.
        """
        # An untrained network may pass the range by more than a picture may.
        upscaled = upscaled.clamp(-0.25, 1.25)
        check_pictures(upscaled, name="enlarged pictures")
        check_pictures(truth, name="the truth")
        check_same_shape(upscaled, truth, names=("enlarged pictures", "the truth"))
        terms = self._terms(upscaled, truth)
        unweighted = {name: loss for name, (_, loss) in terms.items()}
        weighted = {name: weight * loss for name, (weight, loss) in terms.items()}
        return LossTerms(torch.stack(list(weighted.values())).sum(), weighted, unweighted)

    def _terms(self, upscaled: Tensor, truth: Tensor) -> dict[str, tuple[float, Scalar]]:
        """Return weight and loss of each term."""
        preset = self.preset
        terms: dict[str, tuple[float, Scalar]] = {}
        if preset.pixel_weight:
            terms["pixel"] = (preset.pixel_weight, pixel_loss(upscaled, truth))
        if preset.l1_weight:
            distance = (upscaled.float() - truth.float()).abs().mean()
            terms["l1"] = (preset.l1_weight, distance)
        if preset.grid_weight:
            terms["grid"] = (preset.grid_weight, self._grid(upscaled, truth))
        # Patches smaller than a window have no spectrum.
        has_spectrum = min(truth.shape[2:]) >= SPECTRUM_WINDOW
        if has_spectrum and preset.spectrum_weight:
            loss = spectrum_loss(upscaled, truth, window=SPECTRUM_WINDOW)
            terms["spectrum"] = (preset.spectrum_weight, loss)
        if has_spectrum and preset.grid_spectrum_weight:
            loss = grid_spectrum_loss(
                upscaled, truth, window=SPECTRUM_WINDOW, period=self.grid_period
            )
            terms["grid_spectrum"] = (preset.grid_spectrum_weight, loss)
        if preset.feature_weight and preset.layers:
            losses = self._features(upscaled, truth)
            terms |= {
                layer: (preset.feature_weight * preset.layer_weights.get(layer, 1.0), loss)
                for layer, loss in losses.items()
            }
        return terms

    def _grid(self, upscaled: Tensor, truth: Tensor) -> Scalar:
        """Return the grid loss of the difference to the truth, in squares of 8 cells each.

        In small squares, so that a pattern whose sign varies over the picture counts too.
        """
        side = GRID_CELLS * self.grid_period
        difference = (upscaled.float() - truth.float()).clamp(-1, 1)
        rows, columns = (size // side for size in difference.shape[2:])
        # Zero, but with a gradient: the sum of the terms may have no other.
        if not (rows and columns):
            return difference.sum() * 0
        whole = difference[..., : rows * side, : columns * side]
        squares = whole.reshape(*difference.shape[:2], rows, side, columns, side)
        squares = squares.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
        # A grid loss takes pictures: half the difference around grey, and four times its square.
        return 4 * grid_loss(0.5 + squares / 2, period=self.grid_period)

    def _features(self, upscaled: Tensor, truth: Tensor) -> dict[str, Scalar]:
        assert self.loss_network is not None, "a preset with layers needs a loss network"
        features = named_features(self.loss_network, upscaled, self.preset.layers)
        # The truth is constant; with a gradient its activations would stay in memory as well.
        with torch.no_grad():
            target = named_features(self.loss_network, truth, self.preset.layers)
        losses = {}
        for layer in self.preset.layers:
            loss = feature_reconstruction_loss(features[layer], target[layer])
            if self.preset.relative:
                # Deep layers can be silent on a flat patch.
                loss = loss / target[layer].float().square().mean().clamp(min=1e-6)
            losses[layer] = loss
        return losses


def build_super_resolution_objective(
    preset: SuperResolutionPreset, *, scale: int = 4, weights: Path | None = None
) -> SuperResolutionObjective:
    """Return an objective with the loss network that it needs, if any.

    Raises:
        WeightsError: when the loss network's weights do not fit.
    """
    needs_features = bool(preset.feature_weight and preset.layers)
    network = LossNetwork(preset.layers, weights=weights) if needs_features else None
    return SuperResolutionObjective(preset, network, grid_period=max(4, scale))
