"""The report's motivation: a shift by a pixel is invisible, but the pixel loss sees it.

Shifted pictures are cut from a larger one, so that no border is invented. Blur and noise get the
same pixel loss as the shift; differences between the three in a layer's feature loss are then what
the layer sees and pixels do not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter

from impasto.evaluation.photographs import Pixels, at_8_bits, square
from impasto.images.colour import to_bytes
from impasto.losses.loss_network import LAYER_NAMES, LossNetwork
from impasto.losses.perceptual import feature_reconstruction_loss, pixel_loss
from impasto.metrics.fidelity import rgb_to_luminance, ssim
from impasto.reproduction.claim import Effort, Result, Settings, first, with_note
from impasto.reproduction.journal import Journal, digest_of
from impasto.reproduction.plot import drawn
from impasto.tensors import to_tensor

STATEMENT = (
    "Section 2 of the report: the per-pixel loss rises when a picture is moved by one pixel, "
    "though it looks the same; losses on features are more forgiving."
)
DEGRADATIONS = ("shift", "blur", "noise")
SHOWN_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
NUM_HALVINGS = 18  # of 40 pixels leave 0.00015, less than 8 bits can show


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is measured.

    Attributes:
        size: of the pictures, which are square.
        num_photographs: how many.
        shifts: in pixels, to the right.
    """

    size: int
    num_photographs: int
    shifts: tuple[int, ...]


AMOUNTS: Mapping[Effort, Amount] = {
    "tiny": Amount(48, 1, (1, 4)),
    "quick": Amount(192, 6, (1, 2, 3, 4, 6, 8)),
    "full": Amount(256, 50, (1, 2, 3, 4, 5, 6, 7, 8)),
}


def run(settings: Settings, journal: Journal) -> Result:
    """Compare shifts with blur and noise of equal pixel loss."""
    amount = AMOUNTS[settings.effort]
    network = LossNetwork(LAYER_NAMES)
    units = []
    for photo in first(settings.photos, amount.num_photographs):
        key = {
            "photo": photo.name,
            "size": amount.size,
            "shifts": list(amount.shifts),
            "content": digest_of(photo),
        }
        unit = journal.unit(key, partial(_measure, photo, amount, network))
        if unit is not None:
            units.append({"photo": photo.name, **unit})
    means = _means(units)
    pictures = {"": _plot(means, amount)} if units else {}
    return Result(_text(means, amount, len(units)), {"means": means, "units": units}, pictures)


def _measure(photo: Path, amount: Amount, network: LossNetwork) -> dict[str, Any]:
    """Return the losses of shift, blur and noise for each shift."""
    margin = max(amount.shifts)
    whole = square(photo, amount.size + 2 * margin)
    inside = slice(margin, margin + amount.size)
    target = whole[inside, inside]
    measured = {}
    for shift in amount.shifts:
        # A window further left shows the picture further right, with real pixels at its border.
        shifted = whole[inside, margin - shift : margin - shift + amount.size]
        difference = float(np.mean((shifted - target) ** 2))
        pictures = {
            "shift": shifted,
            "blur": _equal(
                lambda sigma: blurred(target, sigma), target, difference, strongest=40.0
            ),
            "noise": _equal(lambda sigma: noisy(target, sigma), target, difference, strongest=2.0),
        }
        measured[str(shift)] = {
            name: _losses(picture, target, network) for name, picture in pictures.items()
        }
    return measured


def _equal(
    degrade: Callable[[float], Pixels], target: Pixels, difference: float, *, strongest: float
) -> Pixels:
    """Return the picture degraded to a mean squared difference, by bisection of the strength."""
    # By bisection: the difference of both degradations only grows with their strength.
    low, high = 0.0, strongest
    for _ in range(NUM_HALVINGS):
        middle = (low + high) / 2
        if float(np.mean((degrade(middle) - target) ** 2)) < difference:
            low = middle
        else:
            high = middle
    return degrade((low + high) / 2)


def blurred(picture: Pixels, sigma: float) -> Pixels:
    """Return a picture blurred by a Gaussian of that many pixels, at 8 bits."""
    image = Image.fromarray(to_bytes(picture))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(sigma)), dtype=np.float32) / np.float32(
        255
    )


def noisy(picture: Pixels, sigma: float) -> Pixels:
    """Return a picture with white noise of that standard deviation, at 8 bits."""
    # The same noise at every strength, or a bisection of the strength would chase chance.
    noise = np.random.default_rng(0).standard_normal(picture.shape).astype(np.float32)
    return at_8_bits(picture + np.float32(sigma) * noise)


def _losses(picture: Pixels, target: Pixels, network: LossNetwork) -> dict[str, float]:
    """Pixel loss, SSIM, and each layer's feature loss over the mean square of its features."""
    pictures, targets = to_tensor(picture), to_tensor(target)
    with torch.no_grad():
        features, truth = network(pictures), network(targets)
    relative = {
        layer: float(feature_reconstruction_loss(features[layer], truth[layer]))
        / float(truth[layer].square().mean())
        for layer in LAYER_NAMES
    }
    energy = float(targets.square().mean())
    return {
        "pixel": float(pixel_loss(pictures, targets)) / energy,
        "ssim": ssim(rgb_to_luminance(picture), rgb_to_luminance(target)),
        **relative,
    }


Means = dict[str, dict[str, dict[str, float]]]
"""By shift, degradation and measure."""


def _means(units: list[dict[str, Any]]) -> Means:
    if not units:
        return {}
    shifts = [shift for shift in units[0] if shift != "photo"]
    return {
        shift: {
            name: {
                measure: float(np.mean([unit[shift][name][measure] for unit in units]))
                for measure in units[0][shift][name]
            }
            for name in DEGRADATIONS
        }
        for shift in shifts
    }


def _text(means: Means, amount: Amount, num_photographs: int) -> str:
    columns = ["pixels", "picture", "pixel loss", "SSIM", *SHOWN_LAYERS]
    cells = [
        [
            shift,
            name,
            f"{losses['pixel']:.4f}",
            f"{losses['ssim']:.3f}",
            *(f"{losses[layer]:.3f}" for layer in SHOWN_LAYERS),
        ]
        for shift, by_name in means.items()
        for name, losses in by_name.items()
    ]
    note = (
        f"Means over {num_photographs} photographs at {amount.size}². Losses are relative: over "
        "the mean square of what is compared. Blur (Gaussian) and noise (white) are as strong as "
        "the shift by pixel loss, or as strong as they can be. All 13 layers are in the JSON."
    )
    return with_note(columns, cells, note)


def _plot(means: Means, amount: Amount) -> Pixels:
    def draw(axes: Any) -> None:
        for layer in ("pixel", *SHOWN_LAYERS):
            curve = [means[str(shift)]["shift"][layer] for shift in amount.shifts]
            axes[0, 0].plot(amount.shifts, curve, marker=".", label=layer)
        axes[0, 0].set(title="a shift", xlabel="pixels", ylabel="relative loss", yscale="log")
        axes[0, 0].legend(fontsize=7)
        for panel, other in ((axes[0, 1], "blur"), (axes[0, 2], "noise")):
            for shift in (amount.shifts[0], amount.shifts[-1]):
                shifted, degraded = (means[str(shift)][name] for name in ("shift", other))
                ratios = [shifted[layer] / max(degraded[layer], 1e-12) for layer in LAYER_NAMES]
                panel.plot(LAYER_NAMES, ratios, marker=".", label=f"{shift} px")
            panel.axhline(1.0, color="tab:gray", linewidth=0.8)
            panel.set(title=f"shift over {other} of equal pixel loss", yscale="log")
            panel.tick_params(axis="x", rotation=90)
            panel.legend(fontsize=8)

    return drawn(draw, num_columns=3)
