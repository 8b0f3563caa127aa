"""Style transfer as a task: one painting, one network.

Source: Johnson et al. 2016, section 3.1. Departs from the paper in the grid loss and in the
window of a crop that the loss is computed on.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from impasto.data.paintings import load_painting
from impasto.data.stream import SkippedPhotograph
from impasto.errors import PictureFileError, RecipeError
from impasto.export.model_export import export_model
from impasto.images.contact_sheet import contact_sheet
from impasto.images.formats.pillow_errors import MAX_PICTURE_BYTES
from impasto.losses.loss_network import LossNetwork
from impasto.losses.perceptual import grid_loss
from impasto.losses.style_objective import (
    LossTerms,
    StyleTransferObjective,
    find_preset,
    layers_of,
)
from impasto.networks.any_painting import StyledNetwork
from impasto.networks.building import build_network
from impasto.runtime.backends.torch_network import take_fitting_weights
from impasto.system.input_files import read_given_file
from impasto.tensors import to_array
from impasto.training.loss_window import LossSlices, LossWindow, cut, loss_window
from impasto.training.plan import plan_refinement, plan_stages
from impasto.training.recipe import PaintingSection, StyleRecipe
from impasto.training.sections import Stage
from impasto.training.style_normalisation import StyleNormalisation
from impasto.training.style_refinement import StyleStart
from impasto.training.task import CardFields, SecondsPerStep
from impasto.zoo.card import ModelCard, Painting, as_line
from impasto.zoo.model_file import ModelFile
from impasto.zoo.registry import resolve_model
from impasto.zoo.style_file import is_style_file
from impasto.zoo.style_table import is_style_network


class StyleTask:
    """One painting, one network."""

    network: nn.Module
    objective: StyleTransferObjective

    def __init__(self, recipe: StyleRecipe) -> None:
        """Build network, loss network and objective; the seed decides the network's start.

        Raises:
            PictureFileError: when the painting cannot be read.
            RecipeError: when constants are to be tuned of a network that has none.
            WeightsError: when the loss network's weights do not fit.
        """
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.network = build_network(recipe.network)
        self._start: StyleStart | None = None
        if recipe.tune == "constants":
            if not isinstance(self.network, StyledNetwork):
                raise RecipeError(
                    f'tune = "constants" starts from a network for any painting, which '
                    f"{recipe.initialise_from} is not; start from another model"
                )
            self.network.tune_constants_only()
        self._painting_of_card = _painting_of_card(recipe.painting)
        self.painting = load_painting(recipe.painting.file, short_side=recipe.painting.short_side)
        preset = find_preset(recipe.objective.preset)
        loss_network = LossNetwork(
            layers_of(preset),
            weights=recipe.objective.loss_network_weights,
            pooling=recipe.objective.pooling,
            padding=recipe.objective.padding,
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.objective = StyleTransferObjective(
            loss_network, self.painting, preset=preset, weights=recipe.style_weights()
        )

    @property
    def normalisation(self) -> StyleNormalisation | None:
        """How to normalise the terms; None where the recipe's weights apply as they are."""
        return StyleNormalisation(self) if self.recipe.is_balanced else None

    @property
    def skipped(self) -> tuple[SkippedPhotograph, ...]:
        """None: the task has no files of its own that may be missing."""
        return ()

    @property
    def can_be_recorded(self) -> bool:
        """Yes: a step reads its photographs and its window."""
        return True

    def loss_terms(
        self,
        network: nn.Module,
        photographs: Tensor,
        *,
        position: int = 0,
        window: LossWindow | None = None,
    ) -> LossTerms:
        """Return the loss of `network` on N×3×H×W photographs, in a window of each crop."""
        stylized = network(photographs)
        window = window or self.window(photographs, position)
        terms: LossTerms = self.objective(cut(stylized, window), cut(photographs, window))
        weight = self.recipe.objective.grid_weight
        return terms.plus("grid", grid_loss(stylized), weight=weight) if weight else terms

    def window(self, pictures: Tensor, position: int) -> LossSlices:
        """Return the rows and columns of N×3×H×W crops that the loss is computed on."""
        return loss_window(
            *pictures.shape[2:],
            margin=self.recipe.objective.window_margin,
            seed=self.recipe.seed,
            position=position,
        )

    def contact_sheet(self, photographs: Tensor) -> NDArray[np.float32]:
        """Return the photographs above their stylized pictures, both beside the painting."""
        training = self.network.training
        self.network.eval()
        with torch.no_grad():
            stylized = self.network(photographs).clamp(0, 1)
        self.network.train(training)
        painting = to_array(self.painting[0])
        return contact_sheet(
            [
                [painting, *(to_array(picture) for picture in photographs)],
                [painting, *(to_array(picture) for picture in stylized)],
            ],
            cell_size=256,
        )

    def scores(self, _photographs: Tensor, /) -> dict[str, float]:
        """Return no scores: the losses say enough."""
        return {}

    def plan(
        self, minutes: float, seconds_per_step: SecondsPerStep, num_processes: int, /
    ) -> list[Stage]:
        """Return the stages that fill the given minutes on this machine.

        Raises:
            RecipeError: when the time is too short.
        """
        if self.recipe.tune == "constants":
            return plan_refinement(minutes, seconds_per_step, stage=self.recipe.stages[0])
        return plan_stages(
            minutes,
            seconds_per_step,
            batch_size=self.recipe.stages[0].batch_size,
            num_processes=num_processes,
            started=self.recipe.initialise_from is not None,
        )

    def export(self, card: ModelCard, path: Path, *, replace: bool) -> ModelFile:
        """Write the network as a model file, or its constants as an add-on; see `TrainingTask`.

        Raises:
            ModelFileError: an add-on's network is not there or was changed.
        """
        if not is_style_file(path):
            return export_model(self.network, card, path, replace=replace)
        assert isinstance(self.network, StyledNetwork)
        if self._start is None:  # a training that was resumed
            base = resolve_model(str(self.recipe.initialise_from))
            self._start = StyleStart.of(base, self.painting)
        return self._start.export(self.network, card, path, replace=replace)

    def start_from(self, model: ModelFile) -> None:
        """Take a model's weights, in the painting's style if it has any; see `TrainingTask`."""
        has_styles = self.recipe.tune == "constants" or is_style_network(model)
        if isinstance(self.network, StyledNetwork) and has_styles:
            self._start = StyleStart.of(model, self.painting)
            self._start.load(self.network)
        else:
            take_fitting_weights(self.network, model)

    def card_fields(self) -> CardFields:
        """Return the painting and its title."""
        return CardFields(title=self.recipe.painting.title, painting=self._painting_of_card)


def _painting_of_card(section: PaintingSection) -> Painting:
    """Return what the card says of the painting; its file may be gone after the last step."""
    try:
        data = read_given_file(section.file, max_bytes=MAX_PICTURE_BYTES)
    except OSError as error:
        raise PictureFileError(
            f"cannot read the painting {section.file}: {error.strerror}; expected a picture file"
        ) from error
    return Painting(
        title=section.title or as_line(section.file.stem),
        artist=section.artist or None,
        year=section.year or None,
        source=section.source or None,
        sha256=hashlib.sha256(data).hexdigest(),
        short_side=section.short_side,
    )
