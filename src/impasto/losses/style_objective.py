"""The style transfer objective: losses weighted and summed, each returned by its name.

A weight means nothing without the pixel range, the reduction and the Gram normalisation it was
chosen for, so these travel together as a `StylePreset`. Presets whose source gives no weights are
balanced: `measure_normalisers` measures each term where nothing has been learnt, and the terms are
divided by that, so that one scale-free weight suits every painting.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from impasto.errors import NotFiniteError, RecipeError, SettingError
from impasto.losses.loss_network import LAYER_NAMES, FeatureExtractor, Padding
from impasto.losses.perceptual import (
    Reduction,
    StyleReconstructionLoss,
    feature_reconstruction_loss,
    named_features,
    total_variation_loss,
)
from impasto.tensors import (
    PaintingPictures,
    Pictures,
    Scalar,
    TargetPictures,
    check_pictures,
    check_same_shape,
)

PAPER_STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
STYLE_TERMS = ("content", "style", "total_variation")
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class StyleWeights(BaseModel):
    """The weight of each term."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    content: NonNegative
    style: NonNegative
    total_variation: NonNegative


class LossNormalisers(BaseModel):
    """The normaliser of each term, which divides it before it is weighted; 1 changes nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    content: Positive = 1.0
    style: Positive = 1.0
    total_variation: Positive = 1.0


class StylePreset(BaseModel):
    """A style objective as one source states it.

    The pixel range is that of the loss network's input and of the total variation; the Gram
    matrix is always divided by C·H·W.

    Attributes:
        content_layer: where the feature reconstruction loss is taken.
        style_layers: where the style reconstruction loss is taken.
        style_reduction: whether a Gram difference is summed or averaged over its C² entries.
        total_variation_reduction: likewise over a picture's values.
        pixel_range: white in the total variation, whose pictures are scaled to [0, pixel_range].
        weights: of the terms; scale-free where `balanced`.
        balanced: divide each term by its normaliser first.
        source: the publication or program that states the preset.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    content_layer: str
    style_layers: tuple[str, ...] = PAPER_STYLE_LAYERS
    style_reduction: Reduction
    total_variation_reduction: Reduction = "sum"
    pixel_range: float = 255.0
    weights: StyleWeights
    balanced: bool
    source: str


DEFAULT_WEIGHTS = StyleWeights(content=1.0, style=40.0, total_variation=0.005)
"""Scale-free. Content and style equal, on the Starry Night, content 1 and style 5 of the released
code with content taken at relu2_2; its total variation of 1e-6 would be 0.0002 here."""

PRESETS: Mapping[str, StylePreset] = {
    "default": StylePreset(
        content_layer="relu2_2",
        style_reduction="mean",
        weights=DEFAULT_WEIGHTS,
        balanced=True,
        source="ours: the released code's form, the preprint's content layer, weights by probe",
    ),
    "arxiv": StylePreset(
        content_layer="relu2_2",
        style_reduction="sum",
        weights=DEFAULT_WEIGHTS,
        balanced=True,
        source="arXiv:1603.08155v1; it prints no weights, so they are balanced by probe",
    ),
    "eccv": StylePreset(
        content_layer="relu3_3",
        style_reduction="sum",
        weights=DEFAULT_WEIGHTS,
        balanced=True,
        source="ECCV 2016, section 4.1; it prints no weights, so they are balanced by probe",
    ),
    "released": StylePreset(
        content_layer="relu3_3",
        style_reduction="mean",
        weights=StyleWeights(content=1.0, style=5.0, total_variation=1e-6),
        balanced=False,
        source="jcjohnson/fast-neural-style, the defaults of train.lua, pixels in 0..255",
    ),
}


def find_preset(name: str) -> StylePreset:
    """Return a preset by name.

    Raises:
        RecipeError: when there is none of that name.
    """
    if name not in PRESETS:
        raise RecipeError(f"the preset {name!r} is unknown; expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


@dataclass(frozen=True, slots=True)
class LossTerms:
    """An objective's value and its terms.

    Attributes:
        total: the weighted sum, to call `backward` on.
        weighted: each term as it enters the sum.
        unweighted: each term as its formula gives it.
    """

    total: Scalar
    weighted: dict[str, Scalar]
    unweighted: dict[str, Scalar]

    def plus(self, name: str, loss: Scalar, *, weight: float) -> "LossTerms":
        """Return these terms and one more."""
        weighted = {**self.weighted, name: loss * weight}
        total = self.total + weighted[name]
        return LossTerms(total, weighted, {**self.unweighted, name: loss})


class StyleTransferObjective(nn.Module):
    """λc · feature reconstruction + λs · style reconstruction + λtv · total variation.

    Source: Johnson et al. 2016, equation 5. The painting's Gram matrices are computed once.
    """

    def __init__(
        self,
        loss_network: FeatureExtractor,
        painting: PaintingPictures,
        *,
        preset: StylePreset = PRESETS["default"],
        weights: StyleWeights | None = None,
        normalisers: LossNormalisers | None = None,
    ) -> None:
        """Take the style of `painting`, 1×3×H×W in [0, 1], of any size.

        Args:
            loss_network: returns the features of the preset's layers by name.
            painting: the style target.
            preset: layers, reductions and pixel range.
            weights: in place of the preset's.
            normalisers: from `measure_normalisers`; None leaves every term as it is.

        Raises:
            PictureError: when the painting is no picture, or the loss network does not return a
                layer of the preset.
        """
        super().__init__()
        self.loss_network = loss_network
        self.preset = preset
        self.weights = weights or preset.weights
        self.normalisers = normalisers or LossNormalisers()
        self.style_loss = StyleReconstructionLoss(
            loss_network, painting, layers=preset.style_layers, reduction=preset.style_reduction
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer that the objective reads, shallow first where VGG-16's names are used."""
        return layers_of(self.preset)

    def forward(self, stylized: Pictures, photographs: TargetPictures) -> LossTerms:
        """Return the loss of stylized pictures against the photographs they came from.

        Args:
            stylized: N×3×H×W in [0, 1], give or take 0.25; the gradient flows to them.
            photographs: the same shape, in [0, 1]; no gradient.

        Raises:
            PictureError: when either is no picture, or the shapes disagree.
            NotFiniteError: when either contains NaN or infinity.
        """
        check_pictures(stylized, name="stylized pictures")
        check_pictures(photographs, name="photographs")
        check_same_shape(stylized, photographs, names=("stylized pictures", "photographs"))
        features = named_features(self.loss_network, stylized, self.layers)
        content_layer = self.preset.content_layer
        with torch.no_grad():
            target = named_features(self.loss_network, photographs, [content_layer])
        reduction = self.preset.total_variation_reduction
        total_variation = total_variation_loss(stylized, reduction=reduction)
        unweighted = {
            "content": feature_reconstruction_loss(features[content_layer], target[content_layer]),
            "style": self.style_loss.from_features(features),
            # Pictures are in [0, 1]; the weight was chosen for the preset's range of pixels.
            "total_variation": total_variation * self.preset.pixel_range**2,
        }
        weights, normalisers = self.weights.model_dump(), self.normalisers.model_dump()
        weighted = {
            name: loss * (weights[name] / normalisers[name]) for name, loss in unweighted.items()
        }
        return LossTerms(torch.stack(list(weighted.values())).sum(), weighted, unweighted)

    def measure_normalisers(self, photographs: Iterable[Pictures]) -> LossNormalisers:
        """Return how large each term is where nothing has been learnt.

        - content: each photograph replaced by its own mean colour, which loses all content;
        - style: the photographs untouched against the painting;
        - total variation: the photographs' own.

        Args:
            photographs: batches of N×3×H×W in [0, 1]; a few dozen pictures are plenty.

        Raises:
            NotFiniteError: when a normaliser is 0 or not finite (a painting or photographs without
                any structure).
        """
        sums = dict.fromkeys(STYLE_TERMS, 0.0)
        num_batches = 0
        with torch.no_grad():
            for batch in photographs:
                # A photograph without content: what a network can reach without learning any.
                flat = batch.mean(dim=(2, 3), keepdim=True).expand_as(batch)
                sums["content"] += float(self(flat, batch).unweighted["content"])
                untouched = self(batch, batch).unweighted
                sums["style"] += float(untouched["style"])
                sums["total_variation"] += float(untouched["total_variation"])
                num_batches += 1
        normalisers = {name: value / max(num_batches, 1) for name, value in sums.items()}
        if not all(0 < value < float("inf") for value in normalisers.values()):
            raise NotFiniteError(
                f"the probe measured {normalisers}; expected positive scales: give photographs "
                "and a painting that are not of a single colour"
            )
        return LossNormalisers(**normalisers)


def layers_of(preset: StylePreset) -> tuple[str, ...]:
    """Return the layers that a loss network must give for a preset."""
    layers = {preset.content_layer, *preset.style_layers}
    ours = [layer for layer in LAYER_NAMES if layer in layers]
    return tuple(ours + sorted(layers.difference(LAYER_NAMES)))


@dataclass(frozen=True, slots=True)
class ObjectiveSettings:
    """A style objective without its pictures.

    Attributes:
        preset: layers, reductions and weights.
        weights: in place of the preset's; None takes those.
        normalisers: what each term is divided by; None measures them on the photograph, where the
            preset is balanced.
        padding: of the loss network.
    """

    preset: StylePreset
    weights: StyleWeights | None = None
    normalisers: LossNormalisers | None = None
    padding: Padding = "reflect"


def objective_settings(
    preset: str = "default",
    *,
    content_layer: str | None = None,
    style_layers: tuple[str, ...] | None = None,
    style_balance: float = 1.0,
) -> ObjectiveSettings:
    """Return a preset's objective, with other layers or another weight of style.

    Args:
        preset: its name.
        content_layer: in place of the preset's.
        style_layers: in place of the preset's, at least one.
        style_balance: factor on the weight of style.

    Raises:
        SettingError: an unknown layer, no style layer, or a balance that is not above 0.
        RecipeError: an unknown preset.
    """
    chosen = find_preset(preset)
    layers: dict[str, Any] = {"content_layer": content_layer, "style_layers": style_layers}
    changes = {name: value for name, value in layers.items() if value is not None}
    chosen = chosen.model_copy(update=changes)
    unknown = [layer for layer in layers_of(chosen) if layer not in LAYER_NAMES]
    if unknown or not chosen.style_layers:
        raise SettingError(
            f"layers given: {', '.join(unknown) or 'none'}; expected among {', '.join(LAYER_NAMES)}"
        )
    if not 0 < style_balance < float("inf"):
        raise SettingError(f"the style balance is {style_balance:g}; expected a number above 0")
    weights = chosen.weights.model_copy(update={"style": chosen.weights.style * style_balance})
    return ObjectiveSettings(chosen, weights)
