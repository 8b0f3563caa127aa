"""The losses as modules, and the shapes that all annotations promise."""

import beartype
import pytest
import torch
from jaxtyping import TypeCheckError, jaxtyped

from feature_fixtures import PixelFeatures, SmoothFeatures, random_pictures
from impasto.errors import PictureError, SettingError
from impasto.losses import perceptual
from impasto.losses.perceptual import (
    FeatureReconstructionLoss,
    PixelLoss,
    StyleReconstructionLoss,
    TotalVariationLoss,
    feature_reconstruction_loss,
    gram_matrix,
    named_features,
    pixel_loss,
    style_reconstruction_loss,
    total_variation_loss,
)

PICTURES = torch.rand(2, 3, 4, 5)


# Known answers


def test_style_loss_of_a_module_is_the_sum_over_layers():
    # Features are the pixels. Grey 1 against grey 0: every entry of the Gram matrix of 3 equal
    # channels is 1·1·HW / (3·HW) = 1/3, against 0: 9 · (1/3)² = 1 for each of the two layers.
    class Twice(PixelFeatures):
        def forward(self, pictures):
            return {"first": pictures, "second": pictures}

    loss = StyleReconstructionLoss(Twice(), torch.zeros(1, 3, 2, 5), layers=["first", "second"])
    assert loss(torch.ones(1, 3, 4, 3)).item() == pytest.approx(2.0)


# Properties


def test_the_painting_may_have_any_other_shape():
    extractor, pictures = SmoothFeatures(), random_pictures(2, 8, 9)
    for height, width in [(5, 20), (16, 4), (8, 9)]:
        loss = StyleReconstructionLoss(extractor, random_pictures(1, height, width))(pictures)
        assert loss.shape == ()
        assert loss.item() > 0


def test_the_style_of_a_painting_is_reached_by_the_painting():
    painting = random_pictures(1, 8, 9)
    loss = StyleReconstructionLoss(SmoothFeatures(), painting)
    assert loss(painting.expand(3, -1, -1, -1)).item() == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_modules_give_what_their_functions_give(reduction):
    extractor, layer = SmoothFeatures(), "relu2_2"
    pictures, target = random_pictures(2, seed=1), random_pictures(2, seed=2)
    painting = random_pictures(1, seed=3)
    features = extractor(pictures)
    assert torch.equal(
        FeatureReconstructionLoss(extractor, layer=layer)(pictures, target),
        feature_reconstruction_loss(features[layer], extractor(target)[layer]),
    )
    style = StyleReconstructionLoss(extractor, painting, layers=[layer], reduction=reduction)
    gram, target_gram = (gram_matrix(extractor(given)[layer]) for given in (pictures, painting))
    expected = style_reconstruction_loss(gram, target_gram, reduction=reduction)
    assert torch.equal(style(pictures), expected)
    assert torch.equal(style.from_features(features), expected)
    variation = TotalVariationLoss(exponent=1, reduction=reduction)
    expected = total_variation_loss(pictures, exponent=1, reduction=reduction)
    assert torch.equal(variation(pictures), expected)
    assert torch.equal(PixelLoss()(pictures, target), pixel_loss(pictures, target))


def test_the_gram_matrices_of_a_painting_move_with_the_module_and_are_saved():
    loss = StyleReconstructionLoss(PixelFeatures(), random_pictures(1), layers=["pixels"])
    assert [*loss.state_dict()] == ["gram_pixels"]
    assert loss.float().gram_pixels.dtype == torch.float32
    assert not loss.gram_pixels.requires_grad


def test_no_gradient_reaches_the_target():
    pictures, target = (random_pictures(1, seed=seed).requires_grad_() for seed in (0, 1))
    FeatureReconstructionLoss(SmoothFeatures())(pictures, target).backward()
    assert target.grad is None
    assert pictures.grad.abs().sum() > 0


# Gradients in float64


def test_gradients_of_the_feature_module_are_right():
    loss, target = FeatureReconstructionLoss(SmoothFeatures()), random_pictures(2, 3, 4, seed=9)
    pictures = random_pictures(2, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda given: loss(given, target), pictures)


def test_gradients_of_the_style_module_are_right():
    loss = StyleReconstructionLoss(SmoothFeatures(), random_pictures(1, 5, 3, seed=9))
    assert torch.autograd.gradcheck(loss, random_pictures(2, 3, 4).requires_grad_())


# Shapes as the annotations have them


checked = jaxtyped(typechecker=beartype.beartype)


def test_annotated_shapes_hold():
    pictures, target, painting = random_pictures(2), random_pictures(1), random_pictures(1, 9, 4)
    extractor = SmoothFeatures()
    assert checked(feature_reconstruction_loss)(pictures, target).shape == ()
    assert checked(pixel_loss)(pictures, pictures).shape == ()
    assert checked(total_variation_loss)(pictures, exponent=1.0).shape == ()
    grams = checked(gram_matrix)(pictures), checked(gram_matrix)(painting)
    assert checked(style_reconstruction_loss)(*grams).shape == ()
    assert checked(named_features)(extractor, pictures, ["relu3_3"]).keys() == {"relu3_3"}
    style = StyleReconstructionLoss(extractor, painting)
    assert checked(StyleReconstructionLoss.forward)(style, pictures).shape == ()
    assert checked(StyleReconstructionLoss.from_features)(style, extractor(pictures)).shape == ()
    checked(StyleReconstructionLoss.__init__)(style, extractor, painting)
    feature = FeatureReconstructionLoss(extractor)
    assert checked(FeatureReconstructionLoss.forward)(feature, pictures, target).shape == ()
    assert checked(TotalVariationLoss.forward)(TotalVariationLoss(), pictures).shape == ()
    assert checked(PixelLoss.forward)(PixelLoss(), pictures, target).shape == ()


@pytest.mark.parametrize("name", ["gram_matrix", "total_variation_loss"])
def test_annotated_shapes_refuse_another_rank(name):
    with pytest.raises(TypeCheckError, match=r"f64\[3,6,7\]"):
        checked(getattr(perceptual, name))(random_pictures()[0])


# Errors


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (PICTURES[0], "expected N×C×H×W"),
        (PICTURES[:, :2], "expected N×3×H×W in RGB order"),
        (255 * PICTURES, r"range from .*expected \[0, 1\]"),
        ((255 * PICTURES).byte(), r"are of type torch\.uint8; expected a float type"),
        (PICTURES / 0, "NaN or infinity"),
    ],
)
def test_what_is_no_picture_is_refused_by_every_module(bad, said):
    extractor = SmoothFeatures()
    for attempt in (
        lambda: TotalVariationLoss()(bad),
        lambda: PixelLoss()(bad, PICTURES),
        lambda: PixelLoss()(PICTURES, bad),
        lambda: FeatureReconstructionLoss(extractor)(bad, PICTURES),
        lambda: FeatureReconstructionLoss(extractor)(PICTURES, bad),
        lambda: StyleReconstructionLoss(extractor, bad),
        lambda: StyleReconstructionLoss(extractor, PICTURES[:1])(bad),
    ):
        with pytest.raises(PictureError, match=said):
            attempt()


def test_the_message_names_the_painting():
    with pytest.raises(PictureError, match=r"^paintings have 3 dim"):
        StyleReconstructionLoss(SmoothFeatures(), PICTURES[0])


def test_a_target_of_another_size_is_refused_though_its_features_might_fit():
    loss = FeatureReconstructionLoss(SmoothFeatures())
    with pytest.raises(PictureError, match="have shape 2×3×4×5 and target pictures 2×3×5×5"):
        loss(PICTURES, torch.rand(2, 3, 5, 5))


def test_settings_are_refused_when_a_module_is_built():
    with pytest.raises(SettingError, match="total variation is 0; expected above 0"):
        TotalVariationLoss(exponent=0)
    for build in (
        lambda: TotalVariationLoss(reduction="max"),
        lambda: StyleReconstructionLoss(SmoothFeatures(), PICTURES[:1], reduction="max"),
    ):
        with pytest.raises(SettingError, match="reduction is 'max'; expected 'sum' or 'mean'"):
            build()


def test_a_layer_the_loss_network_does_not_return_is_refused():
    said = "returns pixels; expected also relu2_2: build it with these layers"
    with pytest.raises(PictureError, match=said):
        FeatureReconstructionLoss(PixelFeatures())(PICTURES, PICTURES)
    with pytest.raises(PictureError, match="expected also relu1_2, relu2_2"):
        StyleReconstructionLoss(PixelFeatures(), PICTURES[:1])
    style = StyleReconstructionLoss(PixelFeatures(), PICTURES[:1], layers=["pixels"])
    with pytest.raises(PictureError, match="returns no features; expected also pixels"):
        style.from_features({})
