"""Small model files of every architecture, as the exporters write them, without any training."""

import torch

from impasto.export.model_export import model_bytes
from impasto.networks.architecture import (
    AnyPaintingArchitecture,
    FastNeuralStyleArchitecture,
    NetworkArchitecture,
    PaperSuperResolutionArchitecture,
    SrcnnArchitecture,
    SubpixelArchitecture,
)
from impasto.networks.building import build_network
from model_fixtures import TINY_ANY_PAINTING, make_card, make_quantized_bytes

_SRCNN = SrcnnArchitecture(scale=2, channels=(2, 2), kernel_sizes=(9, 1, 5))
ARCHITECTURES = {
    "default": NetworkArchitecture(channels=(4, 4, 4), num_residual_blocks=1),
    "paper": NetworkArchitecture(kind="paper", channels=(2, 2, 2)),
    "fast neural style": FastNeuralStyleArchitecture(),
    "any painting": TINY_ANY_PAINTING,
    "any painting, at full resolution": AnyPaintingArchitecture(
        channels=(4, 4, 4), num_residual_blocks=1
    ),
    "subpixel": SubpixelArchitecture(scale=4, channels=4, num_residual_blocks=1),
    "paper's super-resolution": PaperSuperResolutionArchitecture(
        scale=8, channels=4, num_residual_blocks=1
    ),
    "SRCNN": _SRCNN,
    "SRCNN 9-3-5": _SRCNN.model_copy(update={"scale": 8, "kernel_sizes": (9, 3, 5)}),
}
"""One of every kind, and of every value that an attribute of a graph depends on."""

SMALL = tuple(name for name in ARCHITECTURES if name != "fast neural style")
"""Those of a few channels."""


def exported_models(names=tuple(ARCHITECTURES)):
    """Model files by name, each followed by its quantized form, `NAME, int8`."""
    files = {}
    for name in names:
        architecture = ARCHITECTURES[name]
        torch.manual_seed(0)
        scale = getattr(architecture, "scale", 1)
        task = "style-transfer" if scale == 1 else "super-resolution"
        card = make_card(architecture=architecture, task=task, scale=scale)
        files[name] = model_bytes(build_network(architecture), card)
        files[f"{name}, int8"] = make_quantized_bytes(files[name])
    return files
