import pytest
import torch
from torch import nn

from impasto.errors import PictureError
from impasto.losses.spectrum import grid_spectrum_loss, spectrum_loss
from impasto.losses.super_resolution_objective import (
    SUPER_RESOLUTION_PRESETS,
    SuperResolutionObjective,
    SuperResolutionPreset,
    build_super_resolution_objective,
)


class Doubler(nn.Module):
    """A loss network whose one layer is the picture times two."""

    def forward(self, pictures):
        return {"twice": 2 * pictures}


def preset(**changes):
    return SuperResolutionPreset(source="the tests", **changes)


def flat(value):
    return torch.full((2, 3, 8, 8), value)


def test_pixel_and_l1_are_squared_and_absolute_differences():
    # 0.75 - 0.5 = 0.25: squared 0.0625, times 3 = 0.1875; absolute 0.25, times 2 = 0.5.
    objective = SuperResolutionObjective(preset(pixel_weight=3, l1_weight=2))
    terms = objective(flat(0.75), flat(0.5))
    assert float(terms.unweighted["pixel"]) == pytest.approx(0.0625)
    assert float(terms.weighted["pixel"]) == pytest.approx(0.1875)
    assert float(terms.weighted["l1"]) == pytest.approx(0.5)
    assert float(terms.total) == pytest.approx(0.6875)


def test_relative_features_are_divided_by_the_truths_mean_square():
    # Features 1.5 and 1: distance 0.25, over 1; not relative it is 0.25 too, so take 0.25 for 0.5.
    given = {"feature_weight": 1, "layers": ("twice",)}
    absolute = SuperResolutionObjective(preset(**given), Doubler())
    relative = SuperResolutionObjective(preset(**given, relative=True), Doubler())
    assert float(absolute(flat(0.75), flat(0.25)).total) == pytest.approx(1.0)
    assert float(relative(flat(0.75), flat(0.25)).total) == pytest.approx(4.0)


def test_a_layers_weight_comes_on_top():
    given = {"feature_weight": 2, "layers": ("twice",), "layer_weights": {"twice": 3, "other": 5}}
    terms = SuperResolutionObjective(preset(**given), Doubler())(flat(0.75), flat(0.25))
    assert float(terms.weighted["twice"]) == pytest.approx(6.0)  # 2 · 3 · (1.5 − 0.5)²
    assert float(terms.unweighted["twice"]) == pytest.approx(1.0)


def test_terms_without_weight_are_not_computed():
    objective = SuperResolutionObjective(preset(l1_weight=1, layers=("twice",)))
    assert set(objective(flat(0.5), flat(0.5)).weighted) == {"l1"}


@pytest.mark.parametrize("loss", SUPER_RESOLUTION_PRESETS)
def test_every_preset_is_zero_at_the_truth_and_has_a_gradient_elsewhere(loss):
    objective = build_super_resolution_objective(SUPER_RESOLUTION_PRESETS[loss])
    truth = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert float(objective(truth, truth).total) == 0
    enlarged = (truth * 0.9).requires_grad_()
    objective(enlarged, truth).total.backward()
    assert torch.isfinite(enlarged.grad).all()
    assert enlarged.grad.abs().sum() > 0


def test_the_papers_loss_is_relu2_2_alone():
    paper = SUPER_RESOLUTION_PRESETS["feature"]
    assert (paper.layers, paper.relative, paper.pixel_weight, paper.l1_weight) == (
        ("relu2_2",), False, 0, 0,
    )  # fmt: skip


def test_other_shapes_are_refused():
    with pytest.raises(PictureError, match="enlarged pictures have shape 2×3×8×8 and the truth"):
        SuperResolutionObjective(preset(l1_weight=1))(flat(0.5), torch.rand(2, 3, 8, 4))


def test_grid_is_the_variance_of_the_differences_places_square_by_square():
    # One place of 16 is 0.16 too bright: mean 0.01, variance (0.15² + 15 · 0.01²) / 16 = 0.0015.
    # In the lower square it is as much too dark: the same there, and nothing over the whole.
    truth = torch.rand(1, 3, 64, 32, generator=torch.Generator().manual_seed(0)) / 2 + 0.25
    enlarged = truth.clone()
    enlarged[:, :, :32:4, ::4] += 0.16
    enlarged[:, :, 32::4, ::4] -= 0.16
    terms = SuperResolutionObjective(preset(grid_weight=2))(enlarged, truth)
    assert float(terms.unweighted["grid"]) == pytest.approx(0.0015, rel=1e-3)
    assert float(terms.weighted["grid"]) == pytest.approx(0.003, rel=1e-3)


def test_spectra_are_those_of_the_grids_period():
    generator = torch.Generator().manual_seed(0)
    enlarged, truth = torch.rand(2, 2, 3, 48, 48, generator=generator)
    given = preset(spectrum_weight=3, grid_spectrum_weight=5)
    weighted = SuperResolutionObjective(given, grid_period=8)(enlarged, truth).weighted
    torch.testing.assert_close(weighted["spectrum"], 3 * spectrum_loss(enlarged, truth))
    expected = 5 * grid_spectrum_loss(enlarged, truth, period=8)
    torch.testing.assert_close(weighted["grid_spectrum"], expected)


def test_patches_smaller_than_a_square_have_no_grid_and_no_spectrum():
    given = preset(l1_weight=1, grid_weight=1, spectrum_weight=1, grid_spectrum_weight=1)
    assert float(SuperResolutionObjective(given)(flat(0.75), flat(0.5)).total) == 0.25
