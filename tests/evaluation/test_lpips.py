"""LPIPS with made-up weights, against its definition written out again in plain torch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from impasto.errors import PictureError, WeightsError
from impasto.evaluation.lpips import Lpips, lpips_measure, read_lpips
from impasto.evaluation.picture_sets import TestPicture
from impasto.metrics.fidelity import Protocol

# torchvision's vgg16().features: (place, channels), M a pooling, as its configuration D lists them.
LAYOUT = [
    (0, 64), (2, 64), "M", (5, 128), (7, 128), "M", (10, 256), (12, 256), (14, 256), "M",
    (17, 512), (19, 512), (21, 512), "M", (24, 512), (26, 512), (28, 512),
]  # fmt: skip
LAST_OF_BLOCK = (2, 7, 14, 21, 28)


def made_up():
    generator = torch.Generator().manual_seed(0)
    tensors, num_inputs = {}, 3
    for entry in LAYOUT:
        if entry == "M":
            continue
        position, num = entry
        spread = (2 / (9 * num_inputs)) ** 0.5  # keeps activations alive
        shape = (num, num_inputs, 3, 3)
        tensors[f"features.{position}.weight"] = spread * torch.randn(shape, generator=generator)
        tensors[f"features.{position}.bias"] = 0.1 * torch.randn(num, generator=generator)
        num_inputs = num
    for head, num in enumerate((64, 128, 256, 512, 512)):
        tensors[f"lin{head}.model.1.weight"] = torch.rand((1, num, 1, 1), generator=generator)
    return tensors


@pytest.fixture(scope="module")
def tensors():
    return made_up()


def by_definition(one, other, tensors):
    """Zhang et al. 2018, equation 1, picture by picture and place by place in double precision."""
    mean = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).view(3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).view(3, 1, 1)
    by_picture = []
    for picture in (one, other):
        activations = ((picture.double() - mean) / deviation)[None]
        layers = []
        for entry in LAYOUT:
            if entry == "M":
                activations = F.max_pool2d(activations, 2)
                continue
            weight, bias = (
                tensors[f"features.{entry[0]}.{x}"].double() for x in ("weight", "bias")
            )
            activations = F.conv2d(activations, weight, bias, padding=1).clamp(min=0)
            if entry[0] in LAST_OF_BLOCK:
                layers.append(F.normalize(activations[0], dim=0, eps=1e-10))
        by_picture.append(layers)
    total = 0.0
    for block, (a, b) in enumerate(zip(*by_picture, strict=True)):
        weights = tensors[f"lin{block}.model.1.weight"].double().view(-1)
        total += float(torch.einsum("c,chw->hw", weights, (a - b) ** 2).mean())
    return total


def pictures(height=36, width=41):
    return torch.rand((2, 3, height, width), generator=torch.Generator().manual_seed(1))


def test_lpips_is_its_definition(tensors):
    one, other = pictures()
    distance = float(Lpips(tensors)(one[None], other[None]))
    # (2x - 1 - shift) / spread is (x - mean) / deviation with mean 0.485, 0.456, 0.406 exactly.
    assert distance == pytest.approx(by_definition(one, other, tensors), rel=1e-4)
    assert distance > 0.01


def test_equal_pictures_have_no_distance_and_a_batch_is_its_pictures(tensors):
    network = Lpips(tensors)
    both = pictures(20, 20)
    turned = both.flip(0)
    assert network(both, both).tolist() == [0.0, 0.0]
    forth, back = network(both, turned).tolist()
    assert forth == pytest.approx(back)
    assert forth == pytest.approx(float(network(both[:1], turned[:1])), rel=1e-4)


def test_weights_come_from_one_file_or_two(tensors, tmp_path):
    save_file({k: v for k, v in tensors.items() if k.startswith("features")}, tmp_path / "vgg.st")
    save_file({k: v for k, v in tensors.items() if k.startswith("lin")}, tmp_path / "heads.st")
    network = read_lpips([tmp_path / "vgg.st", tmp_path / "heads.st"])
    measure = lpips_measure(Protocol(scale=2), network)
    truth, upscaled = (x.permute(1, 2, 0).numpy().copy() for x in pictures())
    upscaled, truth = (np.rint(x * 255).astype(np.float32) / 255 for x in (upscaled, truth))
    scorer = measure.scorer_for(TestPicture("noise", truth, truth[::2, ::2], False))
    inner = [torch.from_numpy(x[2:-2, 2:-2]).permute(2, 0, 1) for x in (upscaled, truth)]
    assert scorer(upscaled)[0] == pytest.approx(by_definition(*inner, tensors), rel=1e-4)
    with pytest.raises(WeightsError, match=r"lin0\.model\.1\.weight is missing; expected a float"):
        read_lpips([tmp_path / "vgg.st"])


def test_weights_that_do_not_fit_are_refused(tensors, tmp_path):
    wrong = tensors | {"features.5.weight": torch.zeros(64, 64, 3, 3)}
    with pytest.raises(WeightsError, match=r"features\.5\.weight is .*\(64, 64, 3, 3\); expected"):
        Lpips(wrong)
    with pytest.raises(WeightsError, match=r"lin2\.model\.1\.weight is negative"):
        Lpips(tensors | {"lin2.model.1.weight": -tensors["lin2.model.1.weight"]})
    (tmp_path / "text").write_text("no weights")
    with pytest.raises(WeightsError, match="cannot be read as safetensors"):
        read_lpips([tmp_path / "text"])


def test_another_range_is_refused(tensors):
    one, other = pictures(16, 16)
    with pytest.raises(PictureError, match=r"outside \[0, 1\]"):
        Lpips(tensors)(2 * one[None] - 1, other[None])
