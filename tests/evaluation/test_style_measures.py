import numpy as np
import pytest
import torch

from impasto.errors import PictureError
from impasto.evaluation.style_measures import StyleScorer, distance, structure_distance
from impasto.tensors import to_tensor


def picture(seed, size=64):
    """Smooth noise with colours of its own."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(0, 1, (size // 8, size // 8, 3)).astype(np.float32)
    return np.kron(coarse, np.ones((8, 8, 1), np.float32))


@pytest.fixture(scope="module")
def paintings():
    return {"first": picture(1, 96), "second": picture(2, 96)}


@pytest.fixture(scope="module")
def scorer(paintings):
    return StyleScorer({name: to_tensor(rgb) for name, rgb in paintings.items()})


def test_features_are_at_no_distance_from_themselves_in_any_order():
    features = torch.randn(1, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    shuffled = features.flatten(2)[:, :, torch.randperm(42)].view(1, 5, 7, 6)
    assert distance(features, features) == 0
    assert distance(shuffled, features) == pytest.approx(0, abs=1e-6)


def test_distance_of_a_shift_is_its_length_over_the_spread():
    # One channel, so every direction is +1 or -1. Values 0..255 shifted by 10: each quantile moves
    # by 10; the spread is the deviation of 256 even steps, sqrt(256 · 257 / 12) = 74.0.
    target = torch.arange(256.0).view(1, 1, 16, 16)
    assert distance(target + 10, target) == pytest.approx(10 / np.sqrt(256 * 257 / 12), rel=1e-4)


def test_distance_does_not_depend_on_the_size_of_a_picture():
    target = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    twice = target.repeat_interleave(2, dim=3)
    assert distance(twice, target) < 0.02


def test_structure_ignores_strength_and_sees_a_new_layout():
    features = torch.rand(1, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    assert structure_distance(3 * features, features) == pytest.approx(0, abs=1e-5)
    assert structure_distance(features.flip(3), features) > 0.01


def test_a_painting_scores_best_against_itself(scorer, paintings):
    photograph = scorer.reference(picture(3, 96))
    own = scorer.score(paintings["first"], photograph, painting="first")
    other = scorer.score(paintings["second"], photograph, painting="first")
    assert own.nearest == "first"
    assert other.nearest == "second"
    assert own.style == pytest.approx(0, abs=1e-3)
    assert own.feature_distance == pytest.approx(0, abs=1e-4)
    assert own.palette_distance == pytest.approx(0, abs=1e-4)
    assert other.style > own.style
    assert other.feature_distance > 0.05
    assert own.style_fall > other.style_fall


def test_an_untouched_photograph_keeps_everything(scorer):
    photograph = picture(3, 96)
    scores = scorer.score(photograph, scorer.reference(photograph), painting="first")
    assert scores.content == 0
    assert scores.style_fall == pytest.approx(1)
    assert scores.structure_distance == pytest.approx(0, abs=1e-6)
    assert (scores.border, scores.peak_2, scores.peak_4) == (0, 1, 1)


def test_pictures_of_two_sizes_are_refused(scorer):
    with pytest.raises(PictureError):
        scorer.score(picture(1, 64), scorer.reference(picture(1, 96)), painting="first")


def test_features_in_bfloat16_move_losses_by_less_than_a_hundredth(scorer, paintings):
    quick = StyleScorer({n: to_tensor(rgb) for n, rgb in paintings.items()}, in_bfloat16=True)
    photograph = to_tensor(picture(3, 96))
    exact, rounded = (each.style_losses(each.features(photograph)) for each in (scorer, quick))
    assert exact != rounded
    assert list(rounded.values()) == pytest.approx(list(exact.values()), rel=0.01)
