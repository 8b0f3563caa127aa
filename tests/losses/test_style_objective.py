"""What is minimised: presets, named terms, their weights and the probe that balances them."""

import json

import beartype
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError, jaxtyped
from pydantic import ValidationError

from feature_fixtures import (
    GOLDEN,
    PixelFeatures,
    SmoothFeatures,
    golden_objective_inputs,
    random_pictures,
    vgg16,
)
from impasto.errors import NotFiniteError, PictureError, RecipeError, SettingError
from impasto.losses.perceptual import (
    feature_reconstruction_loss,
    gram_matrix,
    style_reconstruction_loss,
    total_variation_loss,
)
from impasto.losses.style_objective import (
    PRESETS,
    STYLE_TERMS,
    LossNormalisers,
    LossTerms,
    StylePreset,
    StyleTransferObjective,
    StyleWeights,
    find_preset,
    layers_of,
    objective_settings,
)

PIXEL_PRESET = StylePreset(
    content_layer="pixels",
    style_layers=("pixels",),
    style_reduction="sum",
    weights=StyleWeights(content=2.0, style=3.0, total_variation=0.5),
    balanced=False,
    source="worked out by hand",
)
every_preset = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
few = settings(max_examples=15)
seeds = st.integers(0, 1000)


def make_objective(preset=PRESETS["default"], *, gain=1.0, **settings):
    """An objective on a stand-in for VGG-16, with a painting of another shape."""
    painting = random_pictures(1, 5, 9, seed=8)
    return StyleTransferObjective(SmoothFeatures(gain=gain), painting, preset=preset, **settings)


def probe_batches(num_batches=2):
    return [random_pictures(3, 8, 6, seed=seed) for seed in range(20, 20 + num_batches)]


# Known answers


def test_terms_are_weighted_divided_by_their_normaliser_and_summed():
    # Features are the pixels. Stylized is white on the left and black on the right, the
    # photograph black, the painting grey 0.5 of one pixel. C·H·W = 3·1·2 = 6.
    #   content: three values of six differ by 1: 3 / 6 = 0.5.
    #   style: stylized Gram entries 1/6, the painting's 0.25/3 = 1/12; 9 · (1/12)² = 0.0625.
    #   total variation: a step of 1 in three channels, in 0..255: 3 · 255² = 195075.
    # Weights 2, 3, 0.5 over normalisers 4, 0.5, 100: 0.25 + 0.375 + 975.375 = 976.
    stylized = torch.tensor([1.0, 0.0]).expand(1, 3, 1, 2)
    objective = StyleTransferObjective(
        PixelFeatures(),
        torch.full((1, 3, 1, 1), 0.5),
        preset=PIXEL_PRESET,
        normalisers=LossNormalisers(content=4, style=0.5, total_variation=100),
    )
    terms = objective(stylized, torch.zeros(1, 3, 1, 2))
    unweighted = {name: value.item() for name, value in terms.unweighted.items()}
    assert unweighted == pytest.approx({"content": 0.5, "style": 0.0625, "total_variation": 195075})
    weighted = {name: value.item() for name, value in terms.weighted.items()}
    assert weighted == pytest.approx({"content": 0.25, "style": 0.375, "total_variation": 975.375})
    assert terms.total.item() == pytest.approx(976)


def test_the_presets_are_these_four():
    assert sorted(PRESETS) == ["arxiv", "default", "eccv", "released"]
    assert {name: preset.content_layer for name, preset in PRESETS.items()} == {
        "arxiv": "relu2_2",
        "default": "relu2_2",
        "eccv": "relu3_3",
        "released": "relu3_3",
    }
    assert {name: preset.style_reduction for name, preset in PRESETS.items()} == {
        "arxiv": "sum",
        "default": "mean",
        "eccv": "sum",
        "released": "mean",
    }


def test_the_released_preset_is_that_of_the_released_code():
    released = find_preset("released")
    assert released.content_layer == "relu3_3"
    assert released.style_layers == ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    assert released.weights == StyleWeights(content=1, style=5, total_variation=1e-6)
    assert (released.style_reduction, released.total_variation_reduction) == ("mean", "sum")
    assert not released.balanced
    assert "fast-neural-style" in released.source


@every_preset
def test_every_preset_says_range_reduction_and_source(preset):
    assert preset.pixel_range == 255
    assert preset.style_reduction in ("sum", "mean")
    assert preset.total_variation_reduction in ("sum", "mean")
    assert preset.source
    assert preset.style_layers == ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


def test_presets_without_published_weights_are_balanced_by_the_probe():
    assert [name for name, preset in PRESETS.items() if not preset.balanced] == ["released"]


def test_layers_are_named_once_shallow_first():
    for preset in PRESETS.values():
        assert layers_of(preset) == ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
        assert make_objective(preset).layers == layers_of(preset)
    strange = PIXEL_PRESET.model_copy(
        update={"content_layer": "zebra", "style_layers": ("relu3_1", "apple", "relu1_1")}
    )
    assert layers_of(strange) == ("relu1_1", "relu3_1", "apple", "zebra")


def test_a_further_term_is_weighted_and_added():
    terms = LossTerms(torch.tensor(3.0), {"a": torch.tensor(3.0)}, {"a": torch.tensor(1.0)})
    more = terms.plus("b", torch.tensor(0.5), weight=4)
    assert more.total.item() == 5
    assert {name: value.item() for name, value in more.weighted.items()} == {"a": 3, "b": 2}
    assert {name: value.item() for name, value in more.unweighted.items()} == {"a": 1, "b": 0.5}
    assert list(terms.weighted) == ["a"]


# Properties


@every_preset
@few
@given(seeds, st.tuples(*[st.floats(0.01, 100)] * 6))
def test_weighted_terms_are_unweighted_times_weight_over_scale(preset, seed, numbers):
    weights = StyleWeights(**dict(zip(STYLE_TERMS, numbers[:3], strict=True)))
    normalisers = LossNormalisers(**dict(zip(STYLE_TERMS, numbers[3:], strict=True)))
    objective = make_objective(preset, weights=weights, normalisers=normalisers)
    terms = objective(random_pictures(seed=seed), random_pictures(seed=seed + 1))
    assert tuple(terms.weighted) == tuple(terms.unweighted) == STYLE_TERMS
    for name in STYLE_TERMS:
        factor = getattr(weights, name) / getattr(normalisers, name)
        torch.testing.assert_close(terms.weighted[name], terms.unweighted[name] * factor)
    torch.testing.assert_close(terms.total, sum(terms.weighted.values()))


@every_preset
def test_the_probe_makes_every_term_equal_to_its_weight_where_it_was_measured(preset):
    objective = make_objective(preset, weights=StyleWeights(content=1, style=4, total_variation=2))
    (photographs,) = probe_batches(1)
    objective.normalisers = objective.measure_normalisers([photographs])
    flat = photographs.mean(dim=(2, 3), keepdim=True).expand_as(photographs)
    weighted = objective(photographs, photographs).weighted
    assert objective(flat, photographs).weighted["content"].item() == pytest.approx(1)
    assert weighted["style"].item() == pytest.approx(4)
    assert weighted["total_variation"].item() == pytest.approx(2)


def test_the_probe_averages_over_its_batches():
    objective, batches = make_objective(), probe_batches(3)
    alone = [objective.measure_normalisers([batch]) for batch in batches]
    together = objective.measure_normalisers(iter(batches))
    for name in STYLE_TERMS:
        mean = sum(getattr(normalisers, name) for normalisers in alone) / 3
        assert getattr(together, name) == pytest.approx(mean)


@few
@given(st.floats(0.01, 100))
def test_after_the_probe_the_gain_of_the_loss_network_does_not_matter(gain):
    stylized, photographs = random_pictures(seed=1), random_pictures(seed=2)
    totals = []
    for objective in (make_objective(), make_objective(gain=gain)):
        objective.normalisers = objective.measure_normalisers(probe_batches())
        totals.append(objective(stylized, photographs).total)
    torch.testing.assert_close(*totals)


def test_the_probe_leaves_no_gradient_and_no_trace():
    objective = make_objective()
    before = objective.normalisers
    objective.measure_normalisers([batch.requires_grad_() for batch in probe_batches()])
    assert objective.normalisers == before == LossNormalisers()


@few
@given(st.floats(0, 50))
def test_leaning_towards_style_changes_the_style_term_only(factor):
    preset = PRESETS["default"]
    leaning = preset.weights.model_copy(update={"style": factor * preset.weights.style})
    stylized, photographs = random_pictures(seed=1), random_pictures(seed=2)
    plain = make_objective()(stylized, photographs)
    leant = make_objective(weights=leaning)(stylized, photographs)
    for name in STYLE_TERMS:
        expected = plain.weighted[name] * (factor if name == "style" else 1)
        torch.testing.assert_close(leant.weighted[name], expected)
        torch.testing.assert_close(leant.unweighted[name], plain.unweighted[name])


@every_preset
def test_a_batch_has_the_mean_terms_of_its_pictures(preset):
    objective = make_objective(preset)
    stylized, photographs = random_pictures(4, seed=1), random_pictures(4, seed=2)
    whole = objective(stylized, photographs)
    for num_parts in (2, 4):
        parts = zip(stylized.chunk(num_parts), photographs.chunk(num_parts), strict=True)
        totals = [objective(*part).total for part in parts]
        torch.testing.assert_close(whole.total, torch.stack(totals).mean())


def test_the_gradient_reaches_the_stylized_pictures_only():
    stylized, photographs = (random_pictures(seed=seed).requires_grad_() for seed in (1, 2))
    make_objective()(stylized, photographs).total.backward()
    assert stylized.grad.abs().min() > 0
    assert photographs.grad is None


def test_an_untouched_photograph_has_no_content_loss():
    photographs = random_pictures()
    terms = make_objective()(photographs, photographs)
    assert terms.unweighted["content"].item() == 0
    assert terms.unweighted["style"].item() > 0


def test_bfloat16_is_close_to_float32():
    stylized, photograph, painting = golden_objective_inputs()
    objective = StyleTransferObjective(vgg16(), painting)
    expected = objective(stylized, photograph).unweighted
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = objective(stylized, photograph).unweighted
    for name in STYLE_TERMS:
        assert terms[name].dtype == torch.float32
        torch.testing.assert_close(terms[name], expected[name], rtol=0.03, atol=0)


# Outside reference: the formulas, put together without the objective


@every_preset
def test_the_objective_is_the_sum_that_equation_five_writes(preset):
    extractor, painting = SmoothFeatures(), random_pictures(1, 5, 9, seed=8)
    stylized, photographs = random_pictures(seed=1), random_pictures(seed=2)
    ours, theirs, style = (extractor(given) for given in (stylized, photographs, painting))
    content = feature_reconstruction_loss(ours[preset.content_layer], theirs[preset.content_layer])
    by_layer = [
        style_reconstruction_loss(
            gram_matrix(ours[layer]), gram_matrix(style[layer]), reduction=preset.style_reduction
        )
        for layer in preset.style_layers
    ]
    variation = total_variation_loss(stylized, reduction=preset.total_variation_reduction)
    expected = (
        preset.weights.content * content
        + preset.weights.style * sum(by_layer)
        + preset.weights.total_variation * 255**2 * variation
    )
    torch.testing.assert_close(make_objective(preset)(stylized, photographs).total, expected)


# Gradient in float64


@every_preset
def test_gradients_of_the_objective_are_right(preset):
    objective = make_objective(preset)
    objective.normalisers = objective.measure_normalisers(probe_batches())
    photographs = random_pictures(2, 4, 5, seed=2)
    stylized = random_pictures(2, 4, 5, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda given: objective(given, photographs).total, stylized)


# Shapes as the annotations have them


def test_annotated_shapes_hold():
    checked = jaxtyped(typechecker=beartype.beartype)
    objective, stylized = make_objective(), random_pictures()
    forward = checked(StyleTransferObjective.forward)
    assert forward(objective, stylized, stylized).total.shape == ()
    checked(StyleTransferObjective.__init__)(objective, SmoothFeatures(), random_pictures(1, 9, 4))
    with pytest.raises(TypeCheckError):
        forward(objective, stylized[0], stylized[0])
    with pytest.raises(TypeCheckError):
        forward(objective, stylized, random_pictures(2, 7, 7))


# Errors


def test_an_unknown_preset_is_refused_with_the_known_ones():
    said = "the preset 'eccv2016' is unknown; expected one of default, arxiv, eccv, released"
    with pytest.raises(RecipeError, match=said):
        find_preset("eccv2016")


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "much"])
def test_weights_that_are_no_weights_are_refused(value):
    with pytest.raises(ValidationError, match="style"):
        StyleWeights(content=1, style=value, total_variation=0)
    with pytest.raises(ValidationError, match="content"):
        LossNormalisers(content=value)


def test_normalisers_of_zero_and_unknown_terms_are_refused():
    with pytest.raises(ValidationError, match="greater than 0"):
        LossNormalisers(content=0)
    with pytest.raises(ValidationError, match="smoothness"):
        StyleWeights(content=1, style=1, total_variation=0, smoothness=1)


def test_presets_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        PRESETS["released"].content_layer = "relu2_2"


@pytest.mark.parametrize(
    "batches", [[torch.full((2, 3, 8, 8), 0.3, dtype=torch.float64)], []], ids=["flat", "none"]
)
def test_a_probe_on_nothing_to_measure_is_refused(batches):
    said = "expected positive scales: give photographs .* not of a single colour"
    with pytest.raises(NotFiniteError, match=said):
        make_objective().measure_normalisers(batches)


@pytest.mark.parametrize(
    ("stylized", "photographs", "said"),
    [
        (random_pictures()[0], random_pictures(), "^stylized pictures have 3 dim"),
        (random_pictures(), 255 * random_pictures(), "^photographs range from"),
        (random_pictures() / 0, random_pictures(), "^stylized pictures contain NaN"),
        (random_pictures(), random_pictures(2, 9, 9), "6×7 and photographs 2×3×9×9; expected"),
        (random_pictures(2), random_pictures(3), "2×3×6×7 and photographs 3×3×6×7; expected"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_name(stylized, photographs, said):
    with pytest.raises(PictureError, match=said):
        make_objective()(stylized, photographs)


def test_a_loss_network_without_the_presets_layers_is_refused():
    with pytest.raises(PictureError, match="returns pixels; expected also relu1_2, relu2_2"):
        StyleTransferObjective(PixelFeatures(), random_pictures(1))


# Golden values


@every_preset
def test_terms_with_vgg16_are_as_recorded(preset):
    (name,) = (name for name, value in PRESETS.items() if value is preset)
    stylized, photograph, painting = golden_objective_inputs()
    terms = StyleTransferObjective(vgg16(), painting, preset=preset)(stylized, photograph)
    recorded = json.loads((GOLDEN / "objective_terms.json").read_text())[name]
    ours = {term: float(value) for term, value in terms.unweighted.items()}
    assert {**ours, "total": float(terms.total)} == pytest.approx(recorded, rel=1e-3)


def test_unknown_layers_are_refused():
    with pytest.raises(SettingError, match="layers given: relu9_1; expected among relu1_1"):
        objective_settings(content_layer="relu9_1")


def test_leaning_doubles_the_weight_of_style():
    leant = objective_settings(style_balance=2).weights
    assert leant.style == 2 * PRESETS["default"].weights.style
    assert leant.content == PRESETS["default"].weights.content
