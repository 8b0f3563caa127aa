"""The objective of the network for any painting: another style target for every picture.

Each painting's distances are divided by the size of its own Gram matrices, so that none dominates,
and enter through a logarithm, so that a painting far off does not drown those nearby.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from impasto.errors import NotFiniteError
from impasto.losses.loss_network import LossNetwork
from impasto.losses.perceptual import gram_matrix, named_features, total_variation_loss
from impasto.losses.style_objective import (
    PAPER_STYLE_LAYERS,
    LossNormalisers,
    LossTerms,
    StyleWeights,
)
from impasto.tensors import GramMatrices, Pictures, Scalar, TargetPictures

CONTENT_LAYER = "relu2_2"
STEEPNESS = 10.0
"""Relative distances well above 1 / STEEPNESS enter by their logarithm, those below in proportion.
Good single styles end at 1/30."""


@dataclass(frozen=True, slots=True)
class StyleTargets:
    """The style targets of a batch.

    Attributes:
        grams: by layer, N×C×C.
        shares: N, the weight of style for each picture: 0 where a photograph is its own style.
    """

    grams: dict[str, GramMatrices]
    shares: Tensor

    def deviations(self) -> Tensor:
        """Return the logarithms of all features' root mean squares, N×960.

        The diagonal of a Gram matrix holds mean squares over C.
        """
        squares = [g.diagonal(dim1=1, dim2=2) * g.shape[1] for g in self.grams.values()]
        return torch.cat(squares, dim=1).clamp(min=0).sqrt().log1p()


class AnyPaintingObjective(nn.Module):
    """Content, style, total variation, identity and the encoder's statistics.

    - content: feature reconstruction at relu2_2.
    - style: ln(1 + 10·r), of r the squared distance of Gram matrices over their size: of all
      layers together, which the deep ones hardly enter, and half of the mean over single layers.
    - identity: mean absolute difference where a photograph is its own style.
    - statistics: mean squared error of the encoder's guess of the loss network's features.

    Source of the terms: Johnson et al. 2016; one painting for each picture as in Ghiasi et al.
    2017.
    """

    def __init__(
        self,
        loss_network: LossNetwork,
        *,
        weights: StyleWeights,
        identity_weight: float,
        statistics_weight: float,
    ) -> None:
        """Weigh the terms.

        Args:
            loss_network: with relu1_2, relu2_2, relu3_3 and relu4_3.
            weights: of content, style and total variation.
            identity_weight: of the identity term.
            statistics_weight: of the encoder's guess.
        """
        super().__init__()
        self.loss_network = loss_network
        self.weights = weights
        self.identity_weight, self.statistics_weight = identity_weight, statistics_weight
        self.normalisers = LossNormalisers()

    def style_target(self, paintings: Pictures) -> dict[str, GramMatrices]:
        """Return the Gram matrices of N×3×h×w paintings by layer, each N×C×C."""
        with torch.no_grad():
            features = named_features(self.loss_network, paintings, PAPER_STYLE_LAYERS)
            return {layer: gram_matrix(features[layer]) for layer in PAPER_STYLE_LAYERS}

    def forward(
        self,
        stylized: Pictures,
        photographs: TargetPictures,
        targets: StyleTargets,
        guessed_deviations: Tensor,
    ) -> LossTerms:
        """Return the loss of stylized pictures.

        Args:
            stylized: N×3×H×W in [0, 1], give or take 0.25.
            photographs: likewise, in [0, 1].
            targets: a style for each.
            guessed_deviations: N×960, the encoder's guess of `targets.deviations()`.
        """
        features = named_features(self.loss_network, stylized, PAPER_STYLE_LAYERS)
        with torch.no_grad():
            content = named_features(self.loss_network, photographs, [CONTENT_LAYER])
        difference = features[CONTENT_LAYER].float() - content[CONTENT_LAYER].float()
        is_own = targets.shares == 0
        error = (stylized.float() - photographs).abs().mean(dim=(1, 2, 3))
        own_deviations = targets.deviations()
        guess_error = (guessed_deviations.float() - own_deviations).square().mean(dim=1)
        num_styled = targets.shares.sum().clamp(min=1)
        styles = self._style(features, targets.grams) * targets.shares
        unweighted = {
            "content": difference.square().mean(),
            "style": styles.sum() / num_styled,
            "total_variation": total_variation_loss(stylized) * 255.0**2,
            "identity": (error * is_own).mean(),
            "statistics": (guess_error * targets.shares).sum() / num_styled,
        }
        scales = {
            "content": self.weights.content / self.normalisers.content,
            "style": self.weights.style,
            "total_variation": self.weights.total_variation / self.normalisers.total_variation,
            "identity": self.identity_weight,
            "statistics": self.statistics_weight,
        }
        weighted = {name: loss * scales[name] for name, loss in unweighted.items()}
        return LossTerms(torch.stack(list(weighted.values())).sum(), weighted, unweighted)

    def _style(self, features: dict[str, Tensor], grams: dict[str, Tensor]) -> Tensor:
        """Return the style term of each picture, N."""
        distances, sizes = [], []
        for layer, target in grams.items():
            gram = gram_matrix(features[layer])
            distances.append((gram - target).square().mean(dim=(1, 2)))
            sizes.append(target.square().mean(dim=(1, 2)))
        distance, size = torch.stack(distances), torch.stack(sizes)
        # A dark or flat painting has small Gram matrices; a photograph's are added, so that the
        # ratio is about 1 for a photograph as it is.
        together = distance.sum(dim=0) / (size.sum(dim=0) + self.normalisers.style)
        single = (distance / size.clamp(min=1e-12)).mul(STEEPNESS).log1p().mean(dim=0)
        return (STEEPNESS * together).log1p() + 0.5 * single

    def style_losses(self, pictures: Pictures, grams: dict[str, GramMatrices]) -> Tensor:
        """Return the default preset's style loss of each picture, N, without gradient."""
        own = self.style_target(pictures)
        losses = [(own[layer] - grams[layer]).square().mean(dim=(1, 2)) for layer in grams]
        return torch.stack(losses).sum(dim=0)

    def measure_normalisers(self, photographs: Iterable[Pictures]) -> LossNormalisers:
        """Return how large content, Gram matrices and total variation of photographs are.

        Args:
            photographs: batches of N×3×H×W in [0, 1].

        Raises:
            NotFiniteError: when one of them is 0 or not finite.
        """
        sums, num_batches = dict.fromkeys(LossNormalisers.model_fields, 0.0), 0
        with torch.no_grad():
            for batch in photographs:
                flat = batch.mean(dim=(2, 3), keepdim=True).expand_as(batch)
                of_flat, own = (
                    named_features(self.loss_network, pictures, [CONTENT_LAYER])[CONTENT_LAYER]
                    for pictures in (flat, batch)
                )
                sums["content"] += float((of_flat - own).float().square().mean())
                grams = self.style_target(batch)
                sums["style"] += sum(float(gram.square().mean()) for gram in grams.values())
                sums["total_variation"] += float(total_variation_loss(batch)) * 255.0**2
                num_batches += 1
        normalisers = {name: value / max(num_batches, 1) for name, value in sums.items()}
        if not all(0 < value < float("inf") for value in normalisers.values()):
            raise NotFiniteError(
                f"the probe measured {normalisers}; expected positive scales: give photographs "
                "that are not of a single colour"
            )
        return LossNormalisers(**normalisers)


def relative_consistency(of_changed: Pictures, changed: Pictures) -> Scalar:
    """Return the mean squared difference of a changed photograph's picture and the changed picture.

    Args:
        of_changed: the network's output for a photograph that was moved a little and made noisy.
        changed: the network's output for the photograph itself, moved likewise.
    """
    return (of_changed.float() - changed.float()).square().mean()
