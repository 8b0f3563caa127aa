"""VGG-16 by named layers: against its recorded output, by hand, and on its own terms."""

import hashlib
from functools import cache
from importlib import resources

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from scipy.signal import correlate

from feature_fixtures import GOLDEN, as_pictures, cat_crop, random_pictures, vgg16
from impasto.errors import NotFiniteError, PictureError, WeightsError
from impasto.losses import loss_network
from impasto.losses.loss_network import (
    LAYER_NAMES,
    MEAN_RGB,
    SHIPPED_WEIGHTS_SHA256,
    LossNetwork,
    weights_sha256,
)

SHIPPED = resources.files("impasto") / "weights" / "vgg16.safetensors"


def save_first_convolutions(path, **changes):
    """A weights file for layers up to relu1_2; `conv1_1__bias=None` leaves a tensor out."""
    tensors = {
        "conv1_1.weight": torch.zeros(64, 3, 3, 3),
        "conv1_1.bias": torch.zeros(64),
        "conv1_2.weight": torch.zeros(64, 64, 3, 3),
        "conv1_2.bias": torch.zeros(64),
    }
    tensors |= {name.replace("__", "."): value for name, value in changes.items()}
    save_file({name: value for name, value in tensors.items() if value is not None}, path)
    return path


@cache
def shallow_network():
    return LossNetwork(["relu1_2", "relu2_2", "relu3_1"])


def relative_error(ours, reference):
    return float((ours - reference).norm() / reference.norm())


# Known answers


def test_the_layers_are_the_thirteen_of_configuration_d():
    expected = [
        *("relu1_1", "relu1_2", "relu2_1", "relu2_2"),
        *("relu3_1", "relu3_2", "relu3_3", "relu4_1", "relu4_2", "relu4_3"),
        *("relu5_1", "relu5_2", "relu5_3"),
    ]
    assert list(LAYER_NAMES) == expected


def test_preprocessing_is_bgr_in_0_to_255_without_the_mean(tmp_path):
    # With kernels that pass one channel through and a bias of 300 (the ReLU then cuts nothing),
    # red 1, green 0.5, blue 0 must come out, blue first, as
    #   0 − 103.939 + 300 = 196.061,  127.5 − 116.779 + 300 = 310.721,  255 − 123.68 + 300 = 431.32.
    kernels = torch.zeros(64, 3, 3, 3)
    for channel in range(3):
        kernels[channel, channel, 1, 1] = 1
    weights = save_first_convolutions(
        tmp_path / "passing.safetensors",
        conv1_1__weight=kernels,
        conv1_1__bias=torch.full((64,), 300.0),
    )
    network = LossNetwork(["relu1_1"], weights=weights)
    features = network(torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1))["relu1_1"]
    torch.testing.assert_close(features[0, :3, 0, 0], torch.tensor([196.061, 310.721, 431.32]))


def test_a_picture_of_the_mean_colour_is_zero_inside():
    # Then only the bias is left, at the border too, where zero padding means the mean colour.
    pictures = (torch.tensor(MEAN_RGB) / 255).view(1, 3, 1, 1).expand(1, 3, 5, 6)
    features = LossNetwork(["relu1_1"])(pictures)["relu1_1"]
    bias = vgg16().convolutions["conv1_1"].bias
    expected = bias.relu().view(1, 64, 1, 1).expand_as(features)
    torch.testing.assert_close(features, expected, atol=1e-4, rtol=0)


def test_the_first_biases_are_those_published():
    # As Keras' and Caffe's files of VGG_ILSVRC_16_layers begin.
    published = torch.tensor([0.73429835, 0.09340367, 0.06775674, 0.8862966, 0.25994542])
    bias = vgg16().convolutions["conv1_1"].bias
    torch.testing.assert_close(bias[:5], published, rtol=1e-7, atol=0)


def test_the_shipped_file_has_the_sha256_in_the_code():
    assert hashlib.sha256(SHIPPED.read_bytes()).hexdigest() == SHIPPED_WEIGHTS_SHA256
    assert weights_sha256() == SHIPPED_WEIGHTS_SHA256


def test_pool5_of_a_recorded_photograph_is_reproduced(shared_data):
    with np.load(shared_data / "vgg16" / "test_vector_persian_cat.npz") as recorded:
        pictures, expected = as_pictures(recorded["rgb"]), torch.from_numpy(recorded["pool5"])
    pool5 = F.max_pool2d(vgg16()(pictures)["relu5_3"], 2)[0]
    assert pool5.shape == (512, 7, 7)
    assert relative_error(pool5, expected) < 1e-3


@pytest.mark.parametrize(
    ("layers", "num_convolutions", "minimum_size"),
    [
        (["relu1_1"], 1, 1),
        (["relu1_2"], 2, 1),
        (["relu2_2", "relu1_1"], 4, 2),
        (["relu3_3"], 7, 4),
        (["relu4_3", "relu2_1"], 10, 8),
    ],
)
def test_the_network_is_cut_at_the_deepest_layer(layers, num_convolutions, minimum_size):
    network = LossNetwork(layers)
    assert list(network.convolutions) == [
        layer.replace("relu", "conv") for layer in LAYER_NAMES[:num_convolutions]
    ]
    assert network.minimum_size == minimum_size
    features = network(random_pictures(1, minimum_size, minimum_size, dtype=torch.float32))
    assert list(features) == sorted(layers)
    assert features[max(layers)].shape[2:] == (1, 1)


# Properties


@settings(max_examples=12)
@given(st.integers(1, 3), st.integers(8, 21), st.integers(8, 21))
def test_every_layer_has_its_channels_and_size(num_pictures, height, width):
    network = shallow_network()
    features = network(random_pictures(num_pictures, height, width, dtype=torch.float32))
    assert {name: tuple(value.shape) for name, value in features.items()} == {
        "relu1_2": (num_pictures, 64, height, width),
        "relu2_2": (num_pictures, 128, height // 2, width // 2),
        "relu3_1": (num_pictures, 256, height // 4, width // 4),
    }
    assert all(value.min() >= 0 for value in features.values())


def test_a_picture_has_the_same_features_alone_and_in_a_batch():
    pictures = random_pictures(3, 16, 20, dtype=torch.float32)
    together = vgg16()(pictures)
    for index in range(3):
        alone = vgg16()(pictures[index : index + 1])
        for layer in LAYER_NAMES:
            assert relative_error(together[layer][index], alone[layer][0]) < 1e-5, layer


def test_average_pooling_takes_means_where_max_pooling_takes_maxima():
    pictures = cat_crop()
    layers = ["relu1_2", "relu2_1"]
    features = LossNetwork(layers, pooling="average")(pictures)
    convolution = vgg16().convolutions["conv2_1"]
    first = vgg16()(pictures)["relu1_2"]
    rows = first.unflatten(2, (32, 2)).unflatten(4, (32, 2))
    by_mean, by_maximum = (convolution(rows.mean((3, 5))), convolution(rows.amax((3, 5))))
    assert relative_error(features["relu2_1"], by_mean.relu()) < 1e-5
    assert relative_error(vgg16()(pictures)["relu2_1"], by_maximum.relu()) < 1e-5
    assert relative_error(features["relu2_1"], by_maximum.relu()) > 0.05


def test_parameters_are_frozen_in_evaluation_mode_and_stay_so():
    network = LossNetwork(["relu1_2"])
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    pictures = random_pictures(1, 4, 4, dtype=torch.float32).requires_grad_()
    network(pictures)["relu1_2"].sum().backward()
    assert all(parameter.grad is None for parameter in network.parameters())
    assert pictures.grad.abs().sum() > 0


def test_bfloat16_is_close_to_float32():
    expected = vgg16()(cat_crop())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = vgg16()(cat_crop())
    for layer in LAYER_NAMES:
        assert features[layer].dtype == torch.bfloat16
        assert relative_error(features[layer].float(), expected[layer]) < 0.02, layer


def test_a_network_of_another_type_takes_float32_pictures():
    network = LossNetwork(["relu1_2"])
    expected = network(cat_crop())["relu1_2"]
    in_double = network.double()(cat_crop())["relu1_2"]
    assert in_double.dtype == torch.float64
    torch.testing.assert_close(in_double.float(), expected, rtol=1e-5, atol=1e-3)


def test_channels_last_memory_changes_nothing():
    network = LossNetwork(["relu1_2"]).to(memory_format=torch.channels_last)
    pictures = cat_crop().contiguous(memory_format=torch.channels_last)
    assert relative_error(network(pictures)["relu1_2"], vgg16()(cat_crop())["relu1_2"]) < 1e-5


# Outside references


def test_the_first_layer_is_scipys_correlation():
    pictures = random_pictures(1, 6, 7, dtype=torch.float32)
    stored = load_file(str(SHIPPED))
    kernels = stored["conv1_1.weight"].double().numpy()
    bgr = (
        255 * pictures[0].double().numpy()[::-1]
        - np.array([103.939, 116.779, 123.68])[:, None, None]
    )
    padded = np.pad(bgr, ((0, 0), (1, 1), (1, 1)))
    expected = [
        correlate(padded, kernel, mode="valid")[0] + bias
        for kernel, bias in zip(kernels, stored["conv1_1.bias"].numpy(), strict=True)
    ]
    features = LossNetwork(["relu1_1"])(pictures)["relu1_1"][0]
    np.testing.assert_allclose(features, np.maximum(expected, 0), rtol=1e-4, atol=1e-3)


def test_any_other_weights_file_can_be_given(tmp_path):
    weights = save_first_convolutions(tmp_path / "own.safetensors", conv1_2__bias=torch.ones(64))
    features = LossNetwork(["relu1_2"], weights=weights)(random_pictures(1, 3, 3))["relu1_2"]
    assert torch.equal(features, torch.ones(1, 64, 3, 3))
    assert weights_sha256(weights) == hashlib.sha256(weights.read_bytes()).hexdigest()


# Gradient


def test_gradients_of_pictures_are_right_in_float64():
    network = LossNetwork(["relu2_1"]).double()
    pictures = random_pictures(1, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda given: network(given)["relu2_1"].square().mean().sqrt(), pictures, atol=1e-4
    )


# Errors


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (["relu2_2", "relu2_3"], "layers given: relu2_3; expected names among relu1_1, relu1_2"),
        (["conv1_1"], "layers given: conv1_1; expected"),
        (["relu6_1"], "layers given: relu6_1; expected"),
        ([], "layers given: no layer at all; expected"),
        ("relu2_2", "expected names among"),
    ],
)
def test_unknown_layers_are_refused_with_the_known_ones(layers, said):
    with pytest.raises(WeightsError, match=said):
        LossNetwork(layers)


def test_an_unknown_pooling_is_refused():
    with pytest.raises(WeightsError, match="pooling is 'median'; expected 'max' or 'average'"):
        LossNetwork(["relu1_1"], pooling="median")


@pytest.mark.parametrize(
    ("pictures", "error", "said"),
    [
        (torch.rand(3, 8, 8), PictureError, "expected N×C×H×W"),
        (torch.rand(1, 4, 8, 8), PictureError, "expected N×3×H×W"),
        (255 * torch.rand(1, 3, 8, 8), PictureError, r"expected \[0, 1\]"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), PictureError, "expected a float type"),
        (torch.full((1, 3, 8, 8), torch.nan), NotFiniteError, "NaN"),
        (torch.rand(1, 3, 3, 9), PictureError, "pictures are 9×3 pixels.*relu3_1 need.* 4×4"),
    ],
)
def test_what_is_no_picture_or_too_small_is_refused(pictures, error, said):
    with pytest.raises(error, match=said):
        shallow_network()(pictures)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("conv1_2.weight", None, r"conv1_2\.weight is missing; expected .*\(64, 64, 3, 3\)"),
        ("conv1_1.bias", torch.zeros(32), r"conv1_1\.bias is .*\(32,\); expected .*\(64,\)"),
        ("conv1_1.weight", torch.zeros(64, 3, 5, 5), r"shape \(64, 3, 5, 5\)"),
        ("conv1_1.bias", torch.zeros(64, dtype=torch.int8), "int8.*expected a float type"),
        ("conv1_2.bias", torch.full((64,), torch.nan), r"conv1_2\.bias contains NaN"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(tmp_path, name, value, said):
    weights = save_first_convolutions(
        tmp_path / "bad.safetensors", **{name.replace(".", "__"): value}
    )
    with pytest.raises(WeightsError, match=said):
        LossNetwork(["relu1_2"], weights=weights)


@pytest.mark.parametrize("num_bytes", [0, 7, 100, 5000])
def test_a_damaged_weights_file_is_refused(tmp_path, num_bytes):
    weights = save_first_convolutions(tmp_path / "cut.safetensors")
    weights.write_bytes(weights.read_bytes()[:num_bytes])
    with pytest.raises(WeightsError, match=r"cut\.safetensors is not a safetensors file"):
        LossNetwork(["relu1_1"], weights=weights)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_as_weights(tmp_path_factory, data):
    weights = tmp_path_factory.getbasetemp() / "noise.safetensors"
    weights.write_bytes(data)
    with pytest.raises(WeightsError):
        LossNetwork(["relu1_1"], weights=weights)


def test_a_weights_file_that_is_not_there_is_refused(tmp_path):
    for read in (lambda path: LossNetwork(["relu1_1"], weights=path), weights_sha256):
        with pytest.raises(WeightsError, match=r"cannot read .*none\.safetensors: No such file"):
            read(tmp_path / "none.safetensors")
        with pytest.raises(WeightsError, match=r"cannot read .*: Is a directory"):
            read(tmp_path)


def test_a_shipped_file_of_another_sha256_is_refused(monkeypatch):
    monkeypatch.setattr(loss_network, "SHIPPED_WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(WeightsError, match="the install is damaged: install impasto again"):
        LossNetwork(["relu1_1"])


def test_an_install_without_its_weights_says_so(monkeypatch):
    monkeypatch.setattr(loss_network, "SHIPPED_WEIGHTS", "lost.safetensors")
    with pytest.raises(WeightsError, match=r"cannot read .*lost\.safetensors: No such file"):
        LossNetwork(["relu1_1"])


# Golden values


def test_activations_of_a_small_picture_are_as_recorded():
    features = vgg16()(cat_crop())
    with np.load(GOLDEN / "vgg16_persian_cat_crop.npz") as golden:
        for layer, activations in features.items():
            height, width = activations.shape[2:]
            middle = activations[0, : len(golden[f"{layer}.middle"]), height // 2, width // 2]
            np.testing.assert_allclose(activations.mean(), golden[f"{layer}.mean"], rtol=1e-4)
            np.testing.assert_allclose(middle, golden[f"{layer}.middle"], rtol=1e-3, atol=1e-2)
        pool5 = F.max_pool2d(features["relu5_3"], 2)[0]
        assert relative_error(pool5, torch.from_numpy(golden["pool5"])) < 1e-4


def test_exchanged_channels_would_not_pass_for_the_recorded():
    features = vgg16()(cat_crop().flip(1))["relu5_3"]
    with np.load(GOLDEN / "vgg16_persian_cat_crop.npz") as golden:
        pool5 = torch.from_numpy(golden["pool5"])
    assert relative_error(F.max_pool2d(features, 2)[0], pool5) > 0.05


# Padding


def test_padding_by_reflection_shows_a_picture_no_edge():
    # A flat picture stays flat in every layer; zeros would frame it in the mean colour.
    flat = torch.full((1, 3, 32, 32), 0.9)
    layers = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    reflected = LossNetwork(layers, padding="reflect")(flat)
    framed = LossNetwork(layers)(flat)
    for layer in layers:
        spread = [
            (f[layer] - f[layer].mean((2, 3), keepdim=True)).norm() for f in (reflected, framed)
        ]
        assert spread[0] < 1e-3 * reflected[layer].norm()
        assert spread[1] > 0.1 * framed[layer].norm()


def test_padding_changes_nothing_away_from_the_border():
    picture = random_pictures(1, 48, 48, dtype=torch.float32)
    reflected = LossNetwork(["relu1_2"], padding="reflect")(picture)["relu1_2"]
    framed = LossNetwork(["relu1_2"])(picture)["relu1_2"]
    inside = (..., slice(2, -2), slice(2, -2))  # two convolutions of 3×3 reach two pixels in
    torch.testing.assert_close(reflected[inside], framed[inside])
    assert not torch.allclose(reflected, framed)


def test_padding_by_reflection_needs_two_pixels_at_the_deepest_layer():
    network = LossNetwork(["relu3_1"], padding="reflect")
    assert network.minimum_size == 8
    assert network(random_pictures(1, 8, 9, dtype=torch.float32))["relu3_1"].shape[2:] == (2, 2)
    with pytest.raises(PictureError, match="at least 8×8"):
        network(random_pictures(1, 7, 8, dtype=torch.float32))


def test_unknown_padding_is_refused():
    with pytest.raises(WeightsError, match="padding is 'circular'; expected 'zeros' or 'reflect'"):
        LossNetwork(padding="circular")


def test_layers_that_are_not_needed_are_not_computed():
    network = LossNetwork(("relu1_2", "relu2_2", "relu3_3"))
    computed = []
    for name, convolution in network.convolutions.items():
        convolution.register_forward_hook(lambda *_, name=name: computed.append(name))
    pictures = torch.rand(1, 3, 32, 32)
    some = network(pictures, ["relu2_2"])
    assert computed == ["conv1_1", "conv1_2", "conv2_1", "conv2_2"]
    assert list(some) == ["relu2_2"]
    torch.testing.assert_close(some["relu2_2"], network(pictures)["relu2_2"], rtol=0, atol=0)


def test_a_layer_the_network_was_not_built_with():
    with pytest.raises(WeightsError, match="has no relu3_1; expected layers among relu2_2"):
        LossNetwork(("relu2_2",))(torch.rand(1, 3, 32, 32), ["relu3_1"])
