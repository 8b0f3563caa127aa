"""Impasto's losses in a training loop of one's own: no recipe, and any loss network.

    python examples/own_training_loop.py

Trains a small network for a few steps on the example photographs, first against VGG-16, then
against a loss network made here. Saves the first as a model file, and stylizes a photograph with
it. It shows how the parts fit together; a style takes thousands of steps. Needs the extra `train`.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import ImageOps
from torch import Tensor, nn

import impasto
from impasto.images.files.io import load_training_rgb
from impasto.losses import (
    FeatureReconstructionLoss,
    LossNetwork,
    StyleReconstructionLoss,
    TotalVariationLoss,
)
from impasto.networks.architecture import NetworkArchitecture
from impasto.networks.style_transfer import build_style_network

EXAMPLES = Path(__file__).parent
CROP_SIZE = 64
NUM_STEPS = 20


class RandomPyramid(nn.Module):
    """A loss network of your own: fixed random filters at three levels of a pyramid.

    The losses need one thing of it: from N×3×H×W pictures in [0, 1] to features by name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Conv2d(3, 32, 5, padding=2).requires_grad_(False)

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Return the features by name."""
        features = {}
        for name in ("fine", "middle", "coarse"):
            features[name] = F.relu(self.filters(pictures))
            pictures = F.avg_pool2d(pictures, 2)
        return features


def main() -> None:
    """Train with the same losses on two loss networks; save one network and stylize with it."""
    torch.manual_seed(0)
    photographs = torch.stack(
        [load_square(path, CROP_SIZE) for path in sorted((EXAMPLES / "photos").iterdir())]
    )
    painting = load_square(EXAMPLES / "paintings" / "starry_night.jpg", 256)[None]

    print("against VGG-16")
    vgg16 = LossNetwork(("relu1_2", "relu2_2"))
    network = train(
        FeatureReconstructionLoss(vgg16, layer="relu2_2"),
        StyleReconstructionLoss(vgg16, painting, layers=vgg16.layers, reduction="mean"),
        photographs,
    )

    print("against random filters")
    pyramid = RandomPyramid()
    train(
        FeatureReconstructionLoss(pyramid, layer="middle"),
        StyleReconstructionLoss(pyramid, painting, layers=("fine", "middle", "coarse")),
        photographs,
    )

    notes = f"{NUM_STEPS} steps on {len(photographs)} photographs, to show the way"
    impasto.save_model(network, "mine.onnx", title="Mine", notes=notes, overwrite=True)
    stylizer = impasto.Stylizer("mine.onnx")
    stylizer(EXAMPLES / "photos" / "chelsea.png").save("chelsea-mine.jpg")
    print("wrote mine.onnx and chelsea-mine.jpg")


def train(content_loss: nn.Module, style_loss: nn.Module, photographs: Tensor) -> nn.Module:
    """Take a few steps on one batch, and return the network."""
    total_variation_loss = TotalVariationLoss(reduction="mean")
    network = build_style_network(NetworkArchitecture(channels=(8, 16, 32), num_residual_blocks=2))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    # The losses differ by orders of magnitude, so each is divided by its value before training.
    with torch.no_grad():
        flat = photographs.mean(dim=(2, 3), keepdim=True).expand_as(photographs)
        content_normaliser = content_loss(flat, photographs)
        style_normaliser = style_loss(photographs)
    for step in range(1, NUM_STEPS + 1):
        stylized = network(photographs)
        content = content_loss(stylized, photographs) / content_normaliser
        style = style_loss(stylized) / style_normaliser
        total = content + style + 0.1 * total_variation_loss(stylized)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        if step == 1 or step % 5 == 0:
            terms = f"content {content.item():.3f}, style {style.item():.3f}"
            print(f"  step {step:2}: total {total.item():.3f}, {terms}")
    return network


def load_square(path: Path, size: int) -> Tensor:
    """Return the middle of a picture, 3×size×size in [0, 1]."""
    square = ImageOps.fit(load_training_rgb(path), (size, size))
    return torch.from_numpy(np.asarray(square, dtype=np.float32) / 255).permute(2, 0, 1)


if __name__ == "__main__":
    main()
