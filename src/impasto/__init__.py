"""Impasto: perceptual losses, and the real-time image transformers they train.

The rooms, from the command line down:

- `impasto.cli`: the commands
- `impasto.batch`: pictures by the million, through Ray
- `impasto.training`: recipes, the training loop, checkpoints
- `impasto.evaluation`: how near super-resolution comes to the truth
- `impasto.export.model_export`: a trained network becomes a model file
- `impasto.runtime`: model files applied to pictures, without torch
- `impasto.zoo`: model files, their cards, and the models that ship
- `impasto.losses.style_objective`, `impasto.data`: what is minimised, and on which photographs
- `impasto.losses.perceptual`, `impasto.networks`: the formulas and the transformers
- `impasto.losses.loss_network`: VGG-16 by named layers
- `impasto.images`: files to pictures and back
- `impasto.errors`: what can go wrong

Importing this package imports nothing heavy; `impasto.Stylizer` and `impasto.Upscaler` are loaded
on first use.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Stylizer", "Upscaler", "__version__"]

if TYPE_CHECKING:
    from impasto.runtime.stylizer import Stylizer
    from impasto.runtime.upscaler import Upscaler


def __getattr__(name: str) -> Any:
    """Load the public classes on first use."""
    if name == "Stylizer":
        from impasto.runtime.stylizer import Stylizer

        return Stylizer
    if name == "Upscaler":
        from impasto.runtime.upscaler import Upscaler

        return Upscaler
    raise AttributeError(f"module 'impasto' has no attribute {name!r}")
