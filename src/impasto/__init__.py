"""Impasto: perceptual losses, and the image transformation networks they train.

The public names:

- `impasto.Stylizer`, `impasto.Upscaler`: model files applied to photographs, without torch
- `impasto.save_model`: a network trained in a loop of one's own becomes a model file
- `impasto.losses`: the losses for such a loop

The rooms, from the command line down:

- `impasto.cli`: the commands
- `impasto.reproduction`: the paper's claims, one file each
- `impasto.evaluation`: super-resolution and style measured on sets of pictures
- `impasto.optimization`, `impasto.batch`: pictures optimised; pictures by the million, through Ray
- `impasto.training`: recipes, the training loop, checkpoints
- `impasto.export`: trained networks become model files
- `impasto.runtime`: model files applied to pictures, without torch
- `impasto.zoo`: model files, their cards, and the models that ship
- `impasto.losses`, `impasto.data`, `impasto.metrics`, `impasto.networks`: what is minimised, on
  which photographs, how results are measured, and what is trained
- `impasto.images`: files to pictures and back
- `impasto.system`: signals, memory and files of the machine
- `impasto.errors`: what can go wrong

Importing this package imports nothing heavy; the public names are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Stylizer", "Upscaler", "__version__", "save_model"]

if TYPE_CHECKING:
    from impasto.export.own_loop import save_model
    from impasto.runtime.stylizer import Stylizer
    from impasto.runtime.upscaler import Upscaler

_MODULES = {
    "Stylizer": "impasto.runtime.stylizer",
    "Upscaler": "impasto.runtime.upscaler",
    "save_model": "impasto.export.own_loop",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use.

    Raises:
        MissingExtraError: when `save_model` is used without the extra `train`.
    """
    if name not in _MODULES:
        raise AttributeError(f"module 'impasto' has no attribute {name!r}")
    try:
        return getattr(import_module(_MODULES[name]), name)
    except ModuleNotFoundError as error:
        if name != "save_model":
            raise
        from impasto.errors import MissingExtraError

        raise MissingExtraError(error.name or "torch", extra="train") from None


def __dir__() -> list[str]:
    """Return the public names, loaded or not, and Python's own."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
