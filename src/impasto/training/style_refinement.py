"""A style that starts from a network for any painting, and the add-on file that it may end as.

The network's encoder sees the painting and gives a style vector, the vector norm constants: from
there a training of a minute goes on. With `tune = "constants"` it moves only these, some 1,700
numbers, and the result is that of the network with other constants. The network's own file is
read and never written.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.errors import ModelFileError, RecipeError
from impasto.networks.any_painting import StyledNetwork
from impasto.runtime.backends.torch_network import load_network, take_fitting_weights
from impasto.runtime.painting_styles import PaintingEncoder
from impasto.tensors import PaintingPictures, to_array
from impasto.zoo.card import ModelCard
from impasto.zoo.model_file import ModelFile
from impasto.zoo.style_file import StyleFile, read_style_file, write_style_file
from impasto.zoo.style_vectors import StyleNetwork, Vector, read_style_network

SMALLEST_PAINTING = 64
"""Shorter side in pixels that an encoder takes: it halves the resolution five times."""


@dataclass(frozen=True, slots=True, eq=False)
class StyleStart:
    """A painting as a network for any painting sees it.

    Attributes:
        base: the network, as its file has it.
        vector: the painting's style vector.
    """

    base: StyleNetwork
    vector: Vector

    @classmethod
    def of(cls, model: ModelFile, painting: PaintingPictures) -> "StyleStart":
        """Encode a painting, 1×3×H×W in [0, 1], by the encoder in a model file.

        Raises:
            ModelFileError: the model is no network for any painting.
            RecipeError: the painting is too small for its encoder.
        """
        base = read_style_network(model)
        short_side = min(painting.shape[2:])
        if short_side < SMALLEST_PAINTING:
            raise RecipeError(
                f"painting.short_side is {short_side}; a network for any painting takes "
                f"{SMALLEST_PAINTING} or more"
            )
        return cls(base, PaintingEncoder(base.encoder)(to_array(painting[0])))

    def load(self, network: StyledNetwork) -> None:
        """Put the file's weights into a network of its architecture, in the painting's style.

        Raises:
            ModelFileError: the file does not hold them.
        """
        take_fitting_weights(network, self.base.model)
        network.set_style(torch.from_numpy(self.base.constants(self.vector)))

    def export(
        self, network: StyledNetwork, card: ModelCard, path: Path, *, replace: bool
    ) -> ModelFile:
        """Write the constants of a network as an add-on, and return the model that it makes.

        Args:
            network: whose other weights are the file's.
            card: of the training.
            path: of the add-on.
            replace: a file that is there.

        Raises:
            OutputAppearedError: a file is there and is not to be replaced.
            ModelFileError: the other weights are not the file's, the constants do not fit float16,
                or the add-on cannot be written.
        """
        self._check_frozen(network)
        constants: NDArray[np.float32] = network.style_constants().detach().cpu().numpy()
        style = StyleFile.from_numbers(self.vector, constants, network=self.base, card=card)
        model = style.in_network(self.base)
        write_style_file(style, path, replace=replace)
        assert read_style_file(path) == style
        return model

    def _check_frozen(self, network: StyledNetwork) -> None:
        """Refuse a network whose weights are not this file's: the file was changed since."""
        expected: dict[str, Tensor] = load_network(self.base.model).state_dict()
        constants = network.constant_parameters()
        if any(
            not torch.equal(weights.cpu(), expected[name])
            for name, weights in network.state_dict().items()
            if name not in constants
        ):
            raise ModelFileError(
                f"{self.base.model} was changed since the training began; put back the network "
                "that the style was tuned on, or begin the training anew with --overwrite"
            )
