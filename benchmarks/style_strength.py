"""How much nearer to its painting a style brings photographs: style loss before over after.

    python benchmarks/style_strength.py starry_night --painting FILE --photos DIR

Target as in training (the painting at the short side its card names), photographs with their
short side at 256 and 512 pixels and centre-cropped, stylized by the runtime as `impasto stylize`
does it, 8 bits; features in float32. Content and style are the default preset's terms.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from measure import publish
from numpy.typing import NDArray
from PIL import Image

from impasto.images.io import list_pictures, load_training_rgb
from impasto.loss_network import LossNetwork
from impasto.objectives import PRESETS, StyleTransferObjective, layers_of
from impasto.runtime.predictor import Predictor
from impasto.training.recipe import PaintingSection
from impasto.training.tasks import load_painting
from impasto.zoo.registry import resolve_model

SIZES = (256, 512)
COMMAND = "python benchmarks/style_strength.py {} --painting FILE --photos DIR"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--painting", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--limit", type=int, help="use only so many photographs")
    arguments = parser.parse_args()
    model = resolve_model(arguments.model)
    predictor = Predictor(model)
    short_side = model.card.painting.short_side if model.card.painting else 256
    objective = objective_for(arguments.painting, short_side)
    photos = list_pictures(arguments.photos)[: arguments.limit]
    lines = [
        "| size | style before / after, median (min to max) | content, median |",
        "|---|---|---|",
    ]
    content: dict[str, object] = {"num_photographs": len(photos), "short_side": short_side}
    for size in SIZES:
        factors, contents = strength(predictor, objective, photos, size)
        spread = f"{np.median(factors):.1f} ({factors.min():.1f} to {factors.max():.1f})"
        lines.append(f"| {size}² | {spread} | {np.median(contents):,.0f} |")
        content[str(size)] = {"factors": factors.tolist(), "content": contents.tolist()}
    lines += ["", f"{len(photos)} photographs, target at short side {short_side}."]
    publish(
        f"style_strength_{model.card.name}",
        command=COMMAND.format(arguments.model),
        table="\n".join(lines),
        content=content,
    )


def objective_for(painting: Path, short_side: int) -> StyleTransferObjective:
    """Return the default objective for a painting, its terms unscaled."""
    target = load_painting(PaintingSection(file=painting, short_side=short_side))
    preset = PRESETS["default"]
    return StyleTransferObjective(LossNetwork(layers_of(preset)), target, preset=preset)


def strength(
    predictor: Predictor, objective: StyleTransferObjective, photos: list[Path], size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each photograph's style factor and content loss at size²."""
    factors, contents = [], []
    for photo in photos:
        picture = square(photo, size)
        stylized = np.round(predictor(picture) * 255).astype(np.float32) / 255
        with torch.no_grad():
            before = objective(_tensor(picture), _tensor(picture)).unweighted
            after = objective(_tensor(stylized), _tensor(picture)).unweighted
        factors.append(float(before["style"] / after["style"]))
        contents.append(float(after["content"]))
    return np.array(factors), np.array(contents)


def square(photo: Path, size: int) -> NDArray[np.float32]:
    """Return the centre of a photograph, its short side at `size`."""
    image = load_training_rgb(photo)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    resized = image.resize((size, size), Image.Resampling.LANCZOS, box=box)
    return np.asarray(resized, dtype=np.float32) / 255


def _tensor(picture: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None]


if __name__ == "__main__":
    main()
