"""The objective of the network for any painting."""

import math

import pytest
import torch

from impasto.errors import NotFiniteError
from impasto.losses.any_painting_objective import AnyPaintingObjective, StyleTargets
from impasto.losses.loss_network import LossNetwork
from impasto.losses.perceptual import StyleReconstructionLoss
from impasto.losses.style_objective import PAPER_STYLE_LAYERS, LossNormalisers, StyleWeights

WEIGHTS = StyleWeights(content=1.0, style=2.0, total_variation=0.0)


@pytest.fixture(scope="module")
def objective():
    return AnyPaintingObjective(
        LossNetwork(PAPER_STYLE_LAYERS, padding="reflect"),
        weights=WEIGHTS,
        identity_weight=3.0,
        statistics_weight=0.5,
    )


def pictures(num=2, size=32, *, seed=0):
    return torch.rand(num, 3, size, size, generator=torch.Generator().manual_seed(seed))


def targets(objective, paintings, shares=(1.0, 1.0)):
    return StyleTargets(objective.style_target(paintings), torch.tensor(shares))


def test_a_painting_itself_has_no_style_loss(objective):
    paintings = pictures(seed=1)
    goal = targets(objective, paintings)
    terms = objective(paintings, pictures(), goal, goal.deviations()).unweighted
    assert float(terms["style"]) == pytest.approx(0, abs=1e-5)
    assert float(terms["statistics"]) == 0
    assert float(terms["content"]) > 0


def test_each_picture_has_its_own_painting(objective):
    paintings = pictures(seed=1) * torch.tensor([1.0, 0.3])[:, None, None, None]
    goal = targets(objective, paintings)
    right = objective(paintings, pictures(), goal, goal.deviations()).unweighted["style"]
    wrong = objective(paintings.flip(0), pictures(), goal, goal.deviations()).unweighted["style"]
    assert float(wrong) > float(right) + 0.1


def test_the_style_term_is_a_logarithm_of_relative_distances(objective):
    painting, stylized = pictures(1, seed=1), pictures(1, seed=2) * 0.5
    goal = targets(objective, painting, shares=(1.0,))
    own = objective.style_target(stylized)
    distance = {k: float((own[k] - g).square().mean()) for k, g in goal.grams.items()}
    size = {k: float(g.square().mean()) for k, g in goal.grams.items()}
    together = sum(distance.values()) / (sum(size.values()) + 1.0)  # normaliser 1
    single = sum(math.log1p(10 * distance[k] / size[k]) for k in size) / 4
    expected = math.log1p(10 * together) + 0.5 * single
    terms = objective(stylized, painting, goal, goal.deviations()).unweighted
    assert float(terms["style"]) == pytest.approx(expected, rel=1e-4)


def test_a_photograph_in_its_own_style_has_identity_instead_of_style(objective):
    photographs, paintings = pictures(), pictures(seed=1)
    own = targets(objective, paintings, shares=(0.0, 0.0))
    moved = photographs + 0.1
    terms = objective(moved, photographs, own, own.deviations())
    assert float(terms.unweighted["style"]) == 0
    assert float(terms.unweighted["identity"]) == pytest.approx(0.1, rel=1e-4)
    assert float(terms.weighted["identity"]) == pytest.approx(0.3, rel=1e-4)
    styled = objective(moved, photographs, targets(objective, paintings), own.deviations())
    assert float(styled.unweighted["identity"]) == 0


def test_style_losses_are_those_of_the_default_preset(objective):
    painting, stylized = pictures(1, seed=1), pictures(2, seed=2)
    loss = StyleReconstructionLoss(
        objective.loss_network, painting, layers=PAPER_STYLE_LAYERS, reduction="mean"
    )
    expected = [float(loss(stylized[i : i + 1])) for i in range(2)]
    measured = objective.style_losses(stylized, objective.style_target(painting))
    assert measured.tolist() == pytest.approx(expected, rel=1e-4)


def test_normalisers_are_of_the_photographs(objective):
    normalisers = objective.measure_normalisers([pictures(), pictures(seed=1)])
    assert isinstance(normalisers, LossNormalisers)
    grams = objective.style_target(torch.cat([pictures(), pictures(seed=1)]))
    expected = sum(float(gram.square().mean()) for gram in grams.values())
    assert normalisers.style == pytest.approx(expected, rel=1e-3)


def test_photographs_of_one_colour_are_refused(objective):
    with pytest.raises(NotFiniteError, match="not of a single colour"):
        objective.measure_normalisers([torch.full((1, 3, 32, 32), 0.5)])
