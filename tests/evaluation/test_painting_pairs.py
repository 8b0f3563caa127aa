from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from impasto.errors import DataError
from impasto.evaluation.painting_pairs import (
    PairScores,
    compared,
    evaluate_pairs,
    medians,
    sampled,
)
from impasto.evaluation.style_measures import StyleScorer
from impasto.evaluation.styles import Contender
from impasto.tensors import to_array, to_tensor

PAIR = PairScores(
    photograph="bridge.jpg",
    painting="wave",
    content=10.0,
    style=2.0,
    untouched_style=6.0,
    total_variation=1.0,
    nearest="wave",
    palette_distance=0.5,
    peak_2=1.0,
    peak_4=1.0,
)


def test_medians_are_over_pairs_and_the_share_counts_right_paintings():
    pairs = [PAIR, replace(PAIR, style=3.0, nearest="night"), replace(PAIR, style=1.0)]
    result = medians(pairs)
    assert result["style"] == 2.0
    assert result["style_fall"] == 3.0  # of 6/2, 6/3 and 6/1
    assert result["right_share"] == pytest.approx(2 / 3)
    assert not {"photograph", "painting", "nearest"} & set(result)


def test_ratios_are_taken_pair_by_pair():
    # The falls are 3, 2, 6 and 1.5, 1, 2: each 2, 2 and 3 times as far.
    ours = [PAIR, replace(PAIR, style=3.0), replace(PAIR, style=1.0, content=30.0)]
    theirs = [replace(PAIR, style=4.0), replace(PAIR, style=6.0), replace(PAIR, style=3.0)]
    result = compared(ours, theirs)
    assert result["style_fall"] == 2.0
    assert result["content"] == 1.0


@pytest.mark.parametrize("theirs", [[], [replace(PAIR, painting="night")]])
def test_other_pairs_are_not_compared(theirs):
    with pytest.raises(DataError, match="other pairs"):
        compared([PAIR], theirs)


def test_a_sample_keeps_128_rows_or_all_of_fewer():
    assert sampled(torch.zeros(1, 3, 512, 700)).shape == (1, 3, 128, 175)
    assert sampled(torch.zeros(1, 3, 255, 300)).shape == (1, 3, 255, 300)
    assert sampled(torch.zeros(1, 3, 64, 64)).shape == (1, 3, 64, 64)


def test_who_copies_the_painting_is_right_and_who_copies_the_photograph_falls_by_nothing(tmp_path):
    rng = np.random.default_rng(0)
    colours = {"wave": rng.random((8, 8, 3)), "night": rng.random((8, 8, 3))}
    paintings = {
        name: to_tensor(np.kron(coarse, np.ones((8, 8, 1))).astype(np.float32))
        for name, coarse in colours.items()
    }
    photo = tmp_path / "bridge.png"
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(photo)
    programs = {
        "copies the painting": [
            Contender(name, name, lambda *_, name=name: to_array(paintings[name][0]))
            for name in paintings
        ],
        "copies the photograph": [
            Contender(name, name, lambda _, photograph: photograph) for name in paintings
        ],
    }
    result = evaluate_pairs(programs, [photo], StyleScorer(paintings), size=64, num_shown=1)
    copies, untouched = result.scores.values()
    assert [pair.nearest for pair in copies] == ["wave", "night"]
    assert [pair.palette_distance for pair in copies] == [0.0, 0.0]
    assert [pair.content for pair in untouched] == [0.0, 0.0]
    assert [pair.style_fall for pair in untouched] == [1.0, 1.0]
    assert [pair.peak_2 for pair in untouched] == [1.0, 1.0]
    assert ("copies the painting", "night", "bridge.png") in result.pictures


def test_no_photographs_are_an_error():
    scorer = StyleScorer({"grey": torch.full((1, 3, 64, 64), 0.5)})
    with pytest.raises(DataError, match="no photographs"):
        evaluate_pairs({}, [], scorer, size=64)
