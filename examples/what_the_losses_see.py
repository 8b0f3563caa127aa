"""Why not compare pixels: losses of one photograph moved, blurred and noisy.

    python examples/what_the_losses_see.py

Blur and noise are as strong as the move in the pixel loss. To the eye the moved photograph is the
same as before, and the others are not; deep features of VGG-16 agree with the eye.
Prints a table and writes what-the-losses-see.jpg. Needs the extra `train`.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from impasto.images.contact_sheet import contact_sheet
from impasto.images.files.io import Picture, load_training_rgb, save_picture
from impasto.losses import LossNetwork, feature_reconstruction_loss, pixel_loss

PHOTO = Path(__file__).parent / "photos" / "chelsea.png"
LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
CROP = (120, 40, 344, 264)
SHIFT = 2


def main() -> None:
    """Measure and draw."""
    photo = load_training_rgb(PHOTO)
    left, top, right, bottom = CROP
    moved = photo.crop((left + SHIFT, top, right + SHIFT, bottom))
    photo_crop = photo.crop(CROP)
    target = pixels(photo_crop)
    goal = float(pixel_loss(pixels(moved), target))
    pictures = {
        "photograph": target,
        f"moved by {SHIFT} pixels": pixels(moved),
        "blurred": as_far(goal, target, lambda radius: blurred(photo, radius)),
        "noisy": as_far(goal, target, lambda strength: noisy(target, strength)),
    }
    loss_network = LossNetwork(LAYERS)
    features = loss_network(target)
    print(f"{'':18} {'pixels':>8} {' '.join(f'{layer:>8}' for layer in LAYERS)}")
    for name, picture in list(pictures.items())[1:]:
        losses = [float(pixel_loss(picture, target)) / float((target**2).mean())]
        for layer, now in loss_network(picture).items():
            before = features[layer]
            loss = feature_reconstruction_loss(now, before)
            losses.append(float(loss) / float((before**2).mean()))
        print(f"{name:18} {' '.join(f'{loss:8.3f}' for loss in losses)}")
    cells = [picture[0].permute(1, 2, 0).numpy() for picture in pictures.values()]
    sheet = contact_sheet([cells], cell_size=CROP[2] - CROP[0])
    save_picture(Picture(rgb=sheet), "what-the-losses-see.jpg", quality=92, overwrite=True)
    print("each loss over the photograph's own square; wrote what-the-losses-see.jpg")


def pixels(image: Image.Image) -> Tensor:
    """Return a picture as 1×3×H×W in [0, 1]."""
    array = np.asarray(image, dtype=np.float32) / 255
    return torch.from_numpy(array).permute(2, 0, 1)[None].contiguous()


def blurred(photo: Image.Image, radius: float) -> Tensor:
    """Return the crop out of the blurred photograph."""
    return pixels(photo.filter(ImageFilter.GaussianBlur(radius)).crop(CROP))


def noisy(target: Tensor, strength: float) -> Tensor:
    """Return the picture with Gaussian noise, the same with each call but for its strength."""
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    return (target + strength * noise).clamp(0, 1)


def as_far(goal: float, target: Tensor, change: Callable[[float], Tensor]) -> Tensor:
    """Return the change whose pixel loss is `goal`, by bisection of its strength."""
    low, high = 0.0, 40.0
    for _ in range(30):
        middle = (low + high) / 2
        too_weak = float(pixel_loss(change(middle), target)) < goal
        low, high = (middle, high) if too_weak else (low, middle)
    return change(high)


if __name__ == "__main__":
    main()
