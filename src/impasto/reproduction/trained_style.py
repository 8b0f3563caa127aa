"""A trained style with its own objective, against its own painting.

The same code with the same weights scores the network's pictures and the optimised ones. The grid
loss, which only trainings have, is left out of both.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from impasto.errors import DataError, PictureFileError
from impasto.evaluation.photographs import Pixels, stylized
from impasto.images.files.io import list_pictures
from impasto.losses.style_objective import ObjectiveSettings
from impasto.optimization.picture_optimizer import Objective
from impasto.optimization.style import StyleObjectives
from impasto.reproduction.claim import Settings
from impasto.runtime.predictor import Predictor
from impasto.tensors import to_tensor
from impasto.training.recorded_objective import objective_of
from impasto.zoo.model_file import ModelFile
from impasto.zoo.registry import list_models, resolve_model


@dataclass(frozen=True, slots=True)
class TrainedStyle:
    """A style.

    Attributes:
        name: of the model.
        model: its file.
        painting: the file it was trained with.
        objective: it was trained with.
        predictor: runs the model.
    """

    name: str
    model: ModelFile
    painting: Path
    objective: ObjectiveSettings
    predictor: Predictor

    @property
    def digest(self) -> str:
        """The model's digest in a journal's keys."""
        return self.model.sha256[:12]

    @property
    def objective_digest(self) -> str:
        """The digest of objective and painting in a journal's keys."""
        objective = self.objective
        parts = [
            objective.preset.model_dump(mode="json"),
            objective.weights and objective.weights.model_dump(mode="json"),
            objective.normalisers and objective.normalisers.model_dump(mode="json"),
            objective.padding,
            hashlib.sha256(self.painting.read_bytes()).hexdigest(),
            self.painting_short_side,
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def precision(self) -> str:
        """The arithmetic that the model is run in."""
        return self.predictor.backend.precision

    @property
    def painting_short_side(self) -> int:
        """Pixels of the painting's short side, as in its training."""
        painting = self.model.card.painting
        assert painting is not None
        return painting.short_side

    def objective_for(self, photograph: Pixels, *, bf16: bool = False) -> Objective:
        """Return the objective for pictures of a photograph, at its size.

        Args:
            photograph: H×W×3.
            bf16: compute convolutions in bf16, the rest in float32.
        """
        objectives = StyleObjectives(
            to_tensor(photograph),
            self.painting,
            self.objective,
            painting_short_side=self.painting_short_side,
            bf16=bf16,
        )
        return objectives.at(photograph.shape[:2])

    def stylized(self, photograph: Pixels) -> Pixels:
        """Return the stylized picture that `impasto stylize` writes, at 8 bits."""
        return stylized(self.predictor, photograph)


def terms_of(objective: Objective, picture: Pixels) -> dict[str, float]:
    """Return the weighted terms of a picture H×W×3, and their `total`."""
    with torch.no_grad():
        terms = objective(to_tensor(picture))
    weighted = {name: float(term) for name, term in terms.weighted.items()}
    return {"total": float(terms.total), **weighted}


def mean_terms(terms: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each term over pictures, at least one."""
    return {name: float(np.mean([each[name] for each in terms])) for name in terms[0]}


def released_styles() -> tuple[str, ...]:
    """Return the names of the styles that ship as models of their own."""
    entries = list_models(task="style-transfer")
    return tuple(
        entry.name for entry in entries if entry.released and entry.card and entry.card.painting
    )


def first_style(settings: Settings) -> TrainedStyle:
    """Return the first of the styles in a claim's settings; the Starry Night where none is.

    Raises:
        ImpastoError: as `load_styles` does.
    """
    return load_styles((settings.styles or ("starry_night",))[:1], settings.paintings)[0]


def load_styles(names: Sequence[str], paintings: Path) -> list[TrainedStyle]:
    """Return styles by name or file, each with its painting.

    Raises:
        UnknownModelError: no model of that name.
        ModelFileError: a file cannot be used, or is of no style whose objective is known.
        DataError: the painting is not in the folder.
    """
    # By content, since people name their paintings as they like.
    try:
        pictures = list_pictures(paintings)
        files = {hashlib.sha256(file.read_bytes()).hexdigest(): file for file in pictures}
    except (OSError, PictureFileError) as error:
        raise DataError(
            f"there are no paintings in {paintings} ({error}); give --paintings DIR"
        ) from error
    return [_load(name, files, paintings) for name in names]


def _load(name: str, files: dict[str, Path], paintings: Path) -> TrainedStyle:
    model = resolve_model(name, task="style-transfer")
    painting = model.card.painting
    if painting is None or painting.sha256 not in files:
        title = "its painting" if painting is None else f"{painting.title}, the painting it learned"
        raise DataError(f"{name}: {title}, is not in {paintings}; give --paintings DIR")
    return TrainedStyle(
        name=model.card.name,
        model=model,
        painting=files[painting.sha256],
        objective=objective_of(model.card),
        # As many threads as torch has, or speeds would compare numbers of threads.
        predictor=Predictor(model, num_threads=torch.get_num_threads()),
    )
