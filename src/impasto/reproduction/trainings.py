"""Short trainings of one style for a claim: alike but for what the claim is about.

Two claims train networks: `architecture` varies the network, `loss_network` the loss network. What
their trainings share is here; the trainings themselves are the package's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from impasto.evaluation.photographs import Pixels
from impasto.images.contact_sheet import contact_sheet
from impasto.reproduction.claim import Settings, first
from impasto.reproduction.journal import Journal, Key, digest_of
from impasto.reproduction.trained_style import TrainedStyle, first_style
from impasto.reproduction.variants import Channels
from impasto.training.recipe import StyleRecipe
from impasto.training.recipe_file import parse_recipe

SMALLEST_CELL = 160
"""Pixels of a cell in a published picture, at least."""


@dataclass(frozen=True, slots=True)
class TrainingAmount:
    """How much is trained and measured.

    Attributes:
        num_steps: of every training.
        crop_size: of the photographs trained on.
        batch_size: crops in a step.
        channels: of every network.
        size: of the pictures that are scored.
        num_photographs: that are scored.
        num_shown: photographs in the published picture.
    """

    num_steps: int
    crop_size: int
    batch_size: int
    channels: Channels
    size: int
    num_photographs: int
    num_shown: int = 1


@dataclass(frozen=True, slots=True)
class Trainings:
    """What all trainings of a claim share.

    Attributes:
        style: to learn.
        amount: of training and measuring.
        settings: of the claim.
        journal: of the claim.
        photos: that are scored.
        shown: photographs in the published picture.
    """

    style: TrainedStyle
    amount: TrainingAmount
    settings: Settings
    journal: Journal
    photos: tuple[Path, ...]
    shown: tuple[Path, ...]

    @classmethod
    def of(cls, settings: Settings, journal: Journal, amount: TrainingAmount) -> Self:
        """Choose style and photographs.

        Raises:
            ImpastoError: photographs, painting or model are missing or unusable.
        """
        return cls(
            first_style(settings),
            amount,
            settings,
            journal,
            first(settings.photos, amount.num_photographs),
            first(settings.shown, amount.num_shown),
        )

    def key(self, varied: Mapping[str, str], *, shown: str | list[str]) -> Key:
        """Return a journal's key for one training.

        Args:
            varied: what this training differs in, by name.
            shown: digests of the photographs in the published picture.
        """
        amount = self.amount
        return {
            **varied,
            "steps": amount.num_steps,
            "crop": amount.crop_size,
            "batch": amount.batch_size,
            "channels": list(amount.channels),
            "size": amount.size,
            "painting": digest_of(self.style.painting),
            # By name alone: a digest would read every photograph there is for every unit.
            "training": self.settings.training.name,
            "photos": [digest_of(photo) for photo in self.photos],
            "shown": shown,
        }

    def recipe(self, *, objective: Mapping[str, Any], **sections: Any) -> StyleRecipe:
        """Return the recipe of one training.

        Args:
            objective: what differs from the default objective.
            sections: further sections, or values, of the recipe.
        """
        amount, style = self.amount, self.style
        stage = {
            "steps": amount.num_steps,
            "crop_size": amount.crop_size,
            "batch_size": amount.batch_size,
        }
        recipe = parse_recipe(
            {
                "device": self.settings.device,
                "painting": {"file": style.painting, "short_side": style.painting_short_side},
                "photos": {"path": self.settings.training},
                "objective": {"num_probe_pictures": 8, **objective},
                "stages": [stage],
                # These trainings are stopped often, and nobody looks at their sheets.
                "loop": {"checkpoint_every_steps": 50, "contact_sheet_minutes": 1e6},
                **sections,
            }
        )
        assert isinstance(recipe, StyleRecipe)
        return recipe

    def sheet(self, rows: list[list[Pixels]], labels: list[str]) -> Pixels:
        """Return the published picture, H×W×3."""
        cell_size = max(self.amount.size, SMALLEST_CELL)
        return contact_sheet(rows, cell_size=cell_size, column_labels=labels)
