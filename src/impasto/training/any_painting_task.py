"""Any painting as a task: one network, and a folder of paintings to learn from.

Which paintings a step sees, and in which variant, depends on the seed and the samples consumed.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from impasto.data.painting_collection import VARIANT_SIZES, PaintingCollection
from impasto.data.source import PAINTING_STREAM
from impasto.data.stream import SkippedPhotograph
from impasto.export.style_network_export import (
    StyleToExport,
    export_style_network,
    load_style_network,
)
from impasto.images.contact_sheet import contact_sheet
from impasto.losses.any_painting_objective import (
    AnyPaintingObjective,
    StyleTargets,
    relative_consistency,
)
from impasto.losses.loss_network import LossNetwork
from impasto.losses.perceptual import grid_loss
from impasto.losses.style_objective import PAPER_STYLE_LAYERS, LossTerms
from impasto.networks.any_painting import AnyPaintingNetwork
from impasto.tensors import Pictures, to_array
from impasto.training.any_painting_recipe import AnyPaintingRecipe
from impasto.training.loss_window import LossSlices, LossWindow, cut, loss_window
from impasto.training.plan import plan_stages
from impasto.training.sections import Stage
from impasto.training.style_normalisation import StyleNormalisation
from impasto.training.task import CardFields, SecondsPerStep
from impasto.zoo.card import ModelCard, Painting, PaintingSet, as_line, model_name
from impasto.zoo.model_file import ModelFile
from impasto.zoo.style_vectors import read_style_network

NUM_SHEET_PAINTINGS = 6
NUM_SCORED_PAINTINGS = 12
SCORED_SIZE = 256

MOVED_PIXELS, MOVED_SHARE, NOISE = 4.0, 0.03, 0.02
"""For the consistency term: most pixels of shift, most change of scale and radians of rotation,
and the noise's deviation."""


class AnyPaintingTask:
    """One network for every painting of a folder."""

    network: AnyPaintingNetwork
    objective: AnyPaintingObjective

    def __init__(self, recipe: AnyPaintingRecipe) -> None:
        """Build network and objective and read the paintings; the seed decides the start.

        Raises:
            DataError: when no painting can be read, or one to hold out is not there.
            WeightsError: when the loss network's weights do not fit.
        """
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.network = AnyPaintingNetwork(recipe.network)
        self.paintings = PaintingCollection(
            recipe.paintings.path, held_out=recipe.paintings.held_out, seed=recipe.seed
        )
        settings = recipe.objective
        loss_network = LossNetwork(
            PAPER_STYLE_LAYERS, weights=settings.loss_network_weights, padding="reflect"
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.objective = AnyPaintingObjective(
            loss_network,
            weights=settings.weights,
            identity_weight=settings.identity_weight,
            statistics_weight=settings.statistics_weight,
        )
        self._targets = _StoredTargets(self.paintings, self.objective)
        self._held_out = [_picture(rgb) for rgb in self.paintings.held_out(SCORED_SIZE)]

    @property
    def normalisation(self) -> StyleNormalisation:
        """How to normalise the terms."""
        return StyleNormalisation(self)

    @property
    def skipped(self) -> tuple[SkippedPhotograph, ...]:
        """Paintings that cannot be read, and why."""
        return self.paintings.skipped

    @property
    def can_be_recorded(self) -> bool:
        """No: every step takes other paintings from the processor's memory."""
        return False

    def loss_terms(
        self,
        network: nn.Module,
        photographs: Tensor,
        *,
        position: int = 0,
        window: LossWindow | None = None,
    ) -> LossTerms:
        """Return the loss of `network` on N×3×H×W photographs, each in a painting's style."""
        settings = self.recipe.objective
        rng = np.random.default_rng([self.recipe.seed, PAINTING_STREAM, position])
        number = int(rng.integers(len(VARIANT_SIZES)))
        indices = rng.integers(len(self.paintings), size=len(photographs))
        is_own = rng.random(len(photographs)) < self.recipe.paintings.identity_share
        paintings, grams = self._targets.batch(indices, number, photographs.device)
        own = F.interpolate(photographs, paintings.shape[2:], mode="bilinear", antialias=True)
        shares = torch.from_numpy(1.0 - is_own.astype(np.float32)).to(photographs.device)
        paintings = torch.where(shares[:, None, None, None] > 0, paintings, own)
        window = window or self.window(photographs, position)
        pictures, changed = photographs, None
        if settings.consistency_weight:
            changed = _Change(rng, photographs)
            pictures = torch.cat([photographs, changed.of(photographs, noise=NOISE)])
        stylized, deviations = network(
            pictures, paintings.contiguous(memory_format=torch.channels_last)
        )
        own_pictures = stylized[: len(photographs)]
        terms: LossTerms = self.objective(
            cut(own_pictures, window),
            cut(photographs, window),
            StyleTargets(grams, shares),
            deviations,
        )
        terms = terms.plus("grid", grid_loss(own_pictures), weight=settings.grid_weight)
        if changed is None:
            return terms
        moved = cut(changed.of(own_pictures), window)
        loss = relative_consistency(cut(stylized[len(photographs) :], window), moved)
        return terms.plus("consistency", loss, weight=settings.consistency_weight)

    def window(self, pictures: Tensor, position: int) -> LossSlices:
        """Return the rows and columns of N×3×H×W crops that the loss is computed on."""
        margin = self.recipe.objective.window_margin
        return loss_window(
            *pictures.shape[2:], margin=margin, seed=self.recipe.seed, position=position
        )

    def contact_sheet(self, photographs: Tensor) -> NDArray[np.float32]:
        """Return photographs (columns) in the styles of paintings (rows), held out if there are."""
        paintings = self._held_out[:NUM_SHEET_PAINTINGS] or [
            _picture(self.paintings.variant(index, 0))
            for index in range(min(NUM_SHEET_PAINTINGS, len(self.paintings)))
        ]
        blank = np.ones((SCORED_SIZE, SCORED_SIZE, 3), np.float32)
        rows = [[blank, *(to_array(picture) for picture in photographs)]]
        for painting in paintings:
            stylized = self._stylized(photographs, painting)
            rows.append([to_array(painting[0]), *(to_array(each) for each in stylized)])
        return contact_sheet(rows, cell_size=256)

    def scores(self, photographs: Tensor, /) -> dict[str, float]:
        """Return the median fall of the style loss over paintings held out and photographs.

        The fall is the style loss of the photograph over that of the stylized picture, by the
        default preset. Empty without paintings held out.
        """
        falls = []
        with torch.no_grad():
            for painting in self._held_out[:NUM_SCORED_PAINTINGS]:
                grams = self.objective.style_target(painting.to(photographs.device))
                stylized = self._stylized(photographs, painting)
                before = self.objective.style_losses(photographs, grams)
                falls.append(before / self.objective.style_losses(stylized, grams))
        return {"held_out_fall": float(torch.cat(falls).median())} if falls else {}

    def _stylized(self, photographs: Tensor, painting: Tensor) -> Tensor:
        network, device = self.network, photographs.device
        training = network.training
        network.eval()
        with torch.no_grad():
            stylized: Tensor = network(photographs, painting.to(device))[0].clamp(0, 1)
        network.train(training)
        return stylized

    def plan(
        self, minutes: float, seconds_per_step: SecondsPerStep, num_processes: int, /
    ) -> list[Stage]:
        """Return the stages that fill the given minutes on this machine.

        Raises:
            RecipeError: when the time is too short.
        """
        return plan_stages(
            minutes,
            seconds_per_step,
            batch_size=self.recipe.stages[0].batch_size,
            num_processes=num_processes,
            started=self.recipe.initialise_from is not None,
        )

    def export(self, card: ModelCard, path: Path, *, replace: bool) -> ModelFile:
        """Write the network as a model file; see `TrainingTask`.

        Its first paintings are its named styles, since a graph has to be in some style.
        """
        styles = {}
        for index in range(min(NUM_SHEET_PAINTINGS, len(self.paintings))):
            name = Path(self.paintings.names[index]).name
            rgb = self.paintings.variant(index, 0)
            styles[model_name(name)] = self._named_style(name, _picture(rgb), rgb)
        return export_style_network(self.network, card, path, styles=styles, replace=replace)

    def _named_style(self, name: str, picture: Tensor, rgb: NDArray[np.uint8]) -> StyleToExport:
        with torch.no_grad():
            vector = self.network.encode(picture)[0].numpy()
        digest = hashlib.sha256(rgb.tobytes()).hexdigest()
        painting = Painting(title=as_line(name), sha256=digest, short_side=SCORED_SIZE)
        return StyleToExport(as_line(name), vector, painting)

    def start_from(self, model: ModelFile) -> None:
        """Take the weights of another network for any painting; see `TrainingTask`."""
        load_style_network(self.network, read_style_network(model))

    def card_fields(self) -> CardFields:
        """Return the title and the paintings."""
        return CardFields(
            title=self.recipe.title,
            paintings=PaintingSet(
                description=self.recipe.paintings.description,
                num_paintings=len(self.paintings),
                held_out=list(self.paintings.held_out_names),
            ),
        )


@dataclass(frozen=True, slots=True)
class _HalfMatrix:
    """The upper triangle of a symmetric matrix over its largest entry, in float16.

    Divided, since float16 ends at 65,504, which a Gram matrix of saturated colours passes.
    """

    size: int
    triangle: Tensor
    largest: float

    @classmethod
    def of(cls, matrix: Tensor) -> "_HalfMatrix":
        """Return the half of a C×C matrix, on the processor."""
        rows, columns = torch.triu_indices(*matrix.shape, device=matrix.device)
        largest = max(float(matrix.abs().max()), 1e-12)
        return cls(len(matrix), (matrix[rows, columns] / largest).half().cpu(), largest)

    def matrix(self, device: torch.device) -> Tensor:
        """Return the C×C matrix, float32."""
        values = self.triangle.to(device).float() * self.largest
        rows, columns = torch.triu_indices(self.size, self.size, device=device)
        matrix = torch.empty(self.size, self.size, device=device)
        matrix[rows, columns] = values
        matrix[columns, rows] = values
        return matrix


class _StoredTargets:
    """Variants of paintings and their Gram matrices, computed when they are first asked for.

    A Gram matrix is symmetric, and stored as half of itself in float16: 0.35 MB a variant.
    """

    def __init__(self, paintings: PaintingCollection, objective: AnyPaintingObjective) -> None:
        self._paintings, self._objective = paintings, objective
        self._stored: dict[tuple[int, int], tuple[NDArray[np.uint8], list[_HalfMatrix]]] = {}

    def batch(
        self, indices: NDArray[np.int64], number: int, device: torch.device
    ) -> tuple[Pictures, dict[str, Tensor]]:
        """Return variant `number` of paintings, N×3×S×S, and their Gram matrices by layer."""
        chosen = [self._of(int(index), number, device) for index in indices]
        pictures = torch.cat([_picture(rgb) for rgb, _ in chosen]).to(device)
        grams = {
            layer: torch.stack([halves[depth].matrix(device) for _, halves in chosen])
            for depth, layer in enumerate(PAPER_STYLE_LAYERS)
        }
        return pictures, grams

    def _of(
        self, index: int, number: int, device: torch.device
    ) -> tuple[NDArray[np.uint8], list[_HalfMatrix]]:
        key = (index, number)
        if key not in self._stored:
            rgb = self._paintings.variant(index, number)
            picture = _picture(rgb).to(device, memory_format=torch.channels_last)
            grams = self._objective.style_target(picture)
            halves = [_HalfMatrix.of(grams[layer][0]) for layer in PAPER_STYLE_LAYERS]
            self._stored[key] = (rgb, halves)
        return self._stored[key]


class _Change:
    """A small random shift, rotation and change of scale, the same for all pictures of a step."""

    def __init__(self, rng: np.random.Generator, pictures: Tensor) -> None:
        self._seed = int(rng.integers(2**31))
        height, width = pictures.shape[2:]
        angle, scale = rng.uniform(-MOVED_SHARE, MOVED_SHARE, size=2)
        across, down = rng.uniform(-MOVED_PIXELS, MOVED_PIXELS, size=2)
        cosine, sine = (1 + scale) * np.cos(angle), (1 + scale) * np.sin(angle)
        rows = [[cosine, -sine, 2 * across / width], [sine, cosine, 2 * down / height]]
        matrix = torch.tensor(rows, dtype=torch.float32, device=pictures.device)
        self._grid = F.affine_grid(matrix[None], [1, 1, height, width], align_corners=False)

    def of(self, pictures: Tensor, *, noise: float = 0.0) -> Tensor:
        """Return N×3×H×W pictures moved, with noise of this deviation."""
        grid = self._grid.expand(len(pictures), -1, -1, -1)
        moved = F.grid_sample(
            pictures.float(), grid, padding_mode="reflection", align_corners=False
        )
        if noise:
            chance = torch.Generator().manual_seed(self._seed)
            grain = torch.randn(moved.shape, generator=chance).to(moved.device)
            moved = (moved + noise * grain).clamp(0, 1)
        return moved


def _picture(rgb: NDArray[np.uint8]) -> Pictures:
    """Return 8-bit H×W×3 as 1×3×H×W in [0, 1]."""
    # Copied: a mirrored picture has negative strides, which torch does not take.
    planes = np.ascontiguousarray(rgb.transpose(2, 0, 1))[None]
    return torch.from_numpy(planes).float() / 255
