"""A whole optimisation of a photograph in a painting's style: files in, resumable, a picture out.

The objective is that of a training: of a preset, or of a trained model, so that both can be
compared. What is computed is `impasto.optimization.picture_optimizer`'s.
"""

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from impasto.data.paintings import load_painting
from impasto.errors import CheckpointError, ModelFileError, SettingError, TrainingError
from impasto.files import reason_of, write_whole
from impasto.images.files.io import Picture, resize_longer_side
from impasto.losses.loss_network import LAYER_NAMES, LossNetwork, Padding
from impasto.losses.style_objective import (
    LossNormalisers,
    StylePreset,
    StyleTransferObjective,
    StyleWeights,
    find_preset,
    layers_of,
)
from impasto.optimization.picture_optimizer import (
    Judge,
    OnOptimization,
    OptimizationSettings,
    PictureOptimizer,
    progress_of,
    resized,
    scales_of,
    white_noise,
)
from impasto.runtime.input_pictures import fill_transparent
from impasto.system.input_files import parse_json
from impasto.system.work_files import alone_in
from impasto.tensors import to_array, to_tensor
from impasto.training.recipe import StyleRecipe
from impasto.training.sealed_file import seal, unseal
from impasto.zoo.card import ModelCard

HEADER_KEY = "impasto.optimization"
SECONDS_BETWEEN_SAVES = 30.0
SMALLEST_SIDE = 32
"""In pixels; below, the deepest style layer sees next to nothing."""


@dataclass(frozen=True, slots=True)
class ObjectiveSettings:
    """What is minimised.

    Attributes:
        preset: layers, reductions and weights.
        weights: in place of the preset's; None takes those.
        scales: what each term is divided by; None measures them on the photograph, where the
            preset is balanced.
        padding: the loss network's.
    """

    preset: StylePreset
    weights: StyleWeights | None = None
    scales: LossNormalisers | None = None
    padding: Padding = "reflect"


def objective_settings(
    preset: str = "default",
    *,
    content_layer: str | None = None,
    style_layers: tuple[str, ...] | None = None,
    style_balance: float = 1.0,
) -> ObjectiveSettings:
    """Return a preset's objective with other layers, or leant to style.

    Raises:
        SettingError: an unknown preset or layer, or a balance that is not above 0.
    """
    chosen = find_preset(preset)
    changes: dict[str, Any] = {}
    if content_layer is not None:
        changes["content_layer"] = content_layer
    if style_layers is not None:
        changes["style_layers"] = style_layers
    chosen = chosen.model_copy(update=changes)
    unknown = [layer for layer in layers_of(chosen) if layer not in LAYER_NAMES]
    if unknown or not chosen.style_layers:
        raise SettingError(
            f"layers given: {', '.join(unknown) or 'none'}; expected among {', '.join(LAYER_NAMES)}"
        )
    if not 0 < style_balance < float("inf"):
        raise SettingError(f"the style balance is {style_balance:g}; expected a number above 0")
    weights = chosen.weights.model_copy(update={"style": chosen.weights.style * style_balance})
    return ObjectiveSettings(chosen, weights)


def objective_of(card: ModelCard) -> ObjectiveSettings:
    """Return the objective that a style was trained by, but for its grid loss.

    Raises:
        ModelFileError: when the card is not of a style that this version can train.
    """
    if card.training is None:
        raise ModelFileError(
            f"{card.name} was trained by another program; its card holds no objective"
        )
    try:
        recipe = StyleRecipe.model_validate(
            {**card.training.recipe, "initialise_from": None, "licences": None}
        )
        scales = LossNormalisers(**card.training.scales)
    except ValueError as error:
        raise ModelFileError(
            f"the card of {card.name} holds no recipe of a style that can be read: {error}"
        ) from error
    return ObjectiveSettings(
        find_preset(recipe.objective.preset),
        recipe.style_weights(),
        scales,
        recipe.objective.padding,
    )


class StyleJudges:
    """Objectives for one photograph and one painting, at any size."""

    def __init__(
        self,
        photograph: Tensor,
        painting: Path,
        settings: ObjectiveSettings,
        *,
        painting_short_side: int = 256,
        bf16: bool = False,
    ) -> None:
        """Compute the painting's Gram matrices once.

        Args:
            photograph: 1×3×H×W in [0, 1], at full size, on the device to compute on.
            painting: any picture file.
            settings: what is minimised.
            painting_short_side: pixels the painting's short side is resized to.
            bf16: compute convolutions in bf16, the rest in float32.
        """
        self.photograph, self.bf16 = photograph, bf16
        network = LossNetwork(layers_of(settings.preset), padding=settings.padding)
        target = load_painting(painting, short_side=painting_short_side)
        self._objective = StyleTransferObjective(
            network, target, preset=settings.preset, weights=settings.weights
        ).to(photograph.device)
        self._scales = settings.scales
        self._is_balanced = settings.preset.balanced

    def at(self, size: tuple[int, int]) -> Judge:
        """Return the objective for pictures of that height and width."""
        content = resized(self.photograph, size)
        objective = self._objective
        if self._scales is not None:
            objective.normalisers = self._scales
        elif self._is_balanced:
            objective.normalisers = objective.measure_normalisers([content])

        def judge(picture: Tensor) -> Any:
            with torch.autocast(picture.device.type, torch.bfloat16, enabled=self.bf16):
                return objective(picture, content)

        return judge


@dataclass(frozen=True, slots=True)
class StyleOptimization:
    """An optimisation as it is asked for.

    Attributes:
        photograph: what is to be seen.
        painting: how it is to be painted, any picture file.
        objective: by which measure.
        settings: by which steps, and how many.
        size: pixels of the longer side; None keeps the photograph's.
        start: `noise`, or `content`: the photograph.
        painting_short_side: pixels the painting's short side is resized to.
        multi_scale: begin large pictures small.
        device: `auto`, `cpu` or `cuda`.
        bf16: compute convolutions in bf16; the end is not quite that of float32.
    """

    photograph: Picture
    painting: Path
    objective: ObjectiveSettings
    settings: OptimizationSettings
    size: int | None = None
    start: Literal["noise", "content"] = "noise"
    painting_short_side: int = 256
    multi_scale: bool = True
    device: Literal["auto", "cpu", "cuda"] = "auto"
    bf16: bool = False


def optimize_photograph(
    wanted: StyleOptimization,
    *,
    checkpoint: Path,
    resume: bool = False,
    on_progress: OnOptimization = lambda _: None,
    stop_requested: Callable[[], bool] = lambda: False,
) -> Picture | None:
    """Return the photograph in the painting's style, or None after it was stopped and saved.

    Args:
        wanted: what to do.
        checkpoint: where the state is kept, every half minute and when it is stopped.
        resume: go on from there.
        on_progress: called after every step.
        stop_requested: asked after every step.

    Raises:
        CheckpointError: nothing to resume, or what is there was asked for otherwise.
        SettingError: a setting out of range, or a size too small.
        PictureFileError: the painting cannot be read.
        TrainingError: CUDA is asked for and is not there, or another optimisation is going on
            with the same checkpoint.
    """
    folder = checkpoint.parent
    with contextlib.ExitStack() as stack:
        try:
            is_alone = stack.enter_context(alone_in(folder, lock=f".{checkpoint.name}.lock"))
        except OSError as error:
            raise CheckpointError(f"cannot write {checkpoint}: {reason_of(error)}") from error
        if not is_alone:
            raise TrainingError(
                f"another optimisation is going on in {folder}; wait for its end, or "
                "give the output another name"
            )
        return _optimize(wanted, checkpoint, resume, on_progress, stop_requested)


def _optimize(
    wanted: StyleOptimization,
    checkpoint: Path,
    resume: bool,
    on_progress: OnOptimization,
    stop_requested: Callable[[], bool],
) -> Picture | None:
    picture = wanted.photograph
    if wanted.size is not None:
        picture = resize_longer_side(picture, wanted.size)
    if min(picture.width, picture.height) < SMALLEST_SIDE:
        raise SettingError(
            f"the photograph is {picture.width}×{picture.height}; expected {SMALLEST_SIDE} pixels "
            "or more on each side: give a larger --size"
        )
    device = _device(wanted.device)
    content = to_tensor(fill_transparent(picture))
    judges = StyleJudges(
        content.to(device),
        wanted.painting,
        wanted.objective,
        painting_short_side=wanted.painting_short_side,
        bf16=wanted.bf16,
    )
    size = (picture.height, picture.width)
    sizes = scales_of(*size) if wanted.multi_scale else [size]
    run = _Run(
        judges,
        sizes,
        wanted,
        checkpoint=checkpoint,
        on_progress=on_progress,
        stop_requested=stop_requested,
    )
    result = run.go_on() if resume else run.begin()
    if result is None:
        return None
    return picture.with_rgb(to_array(result))


class _Run:
    def __init__(
        self,
        judges: StyleJudges,
        sizes: list[tuple[int, int]],
        wanted: StyleOptimization,
        *,
        checkpoint: Path,
        on_progress: OnOptimization,
        stop_requested: Callable[[], bool],
    ) -> None:
        self.judges, self.sizes, self.wanted = judges, sizes, wanted
        self.checkpoint, self.on_progress = checkpoint, on_progress
        self.stop_requested = stop_requested
        self._next_save = time.monotonic() + SECONDS_BETWEEN_SAVES

    def begin(self) -> Tensor | None:
        height, width = self.sizes[0]
        start = self.judges.photograph
        if self.wanted.start == "noise":
            start = white_noise(height, width, seed=self.wanted.settings.seed).to(start.device)
        return self._from(0, start)

    def go_on(self) -> Tensor | None:
        header, tensors = _load(self.checkpoint)
        if header["wanted"] != self._wanted_in_words():
            raise CheckpointError(
                f"{self.checkpoint} was begun with other settings or pictures; resume with the "
                "same ones, or begin anew"
            )
        scale = int(header["scale"])
        start = tensors["best"].to(self.judges.photograph.device)
        optimizer = self._optimizer(scale, start)
        optimizer.restore(tensors, header["numbers"])
        return self._from(scale, start, optimizer)

    def _optimizer(self, scale: int, start: Tensor) -> PictureOptimizer:
        size = self.sizes[scale]
        return PictureOptimizer(self.judges.at(size), resized(start, size), self.wanted.settings)

    def _from(
        self, first: int, picture: Tensor, optimizer: PictureOptimizer | None = None
    ) -> Tensor | None:
        for scale in range(first, len(self.sizes)):
            optimizer = optimizer or self._optimizer(scale, picture)
            while not optimizer.is_done:
                self.on_progress(progress_of(optimizer, scale, len(self.sizes)))
                if self._is_interrupted(optimizer, scale):
                    return None
                optimizer.advance()
            self.on_progress(progress_of(optimizer, scale, len(self.sizes)))
            picture, optimizer = optimizer.picture, None
        return picture

    def _is_interrupted(self, optimizer: PictureOptimizer, scale: int) -> bool:
        stop = self.stop_requested()
        if stop or time.monotonic() > self._next_save:
            self._save(optimizer, scale)
            self._next_save = time.monotonic() + SECONDS_BETWEEN_SAVES
        return stop

    def _save(self, optimizer: PictureOptimizer, scale: int) -> None:
        header = {
            "wanted": self._wanted_in_words(),
            "scale": scale,
            "numbers": optimizer.numbers(),
        }
        data = seal(optimizer.tensors(), {HEADER_KEY: json.dumps(header)})
        try:
            self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.checkpoint, data)
        except OSError as error:
            reason = reason_of(error, num_bytes=len(data))
            raise CheckpointError(f"cannot write {self.checkpoint}: {reason}") from error

    def _wanted_in_words(self) -> dict[str, Any]:
        """What has to be the same to go on, as JSON has it."""
        wanted, objective = self.wanted, self.wanted.objective
        weights, scales = objective.weights, objective.scales
        content = self.judges.photograph
        words = {
            "sizes": self.sizes,
            "photograph": f"{float(content.double().mean()):.9f}",
            "painting": str(wanted.painting.absolute()),
            "painting_short_side": wanted.painting_short_side,
            "start": wanted.start,
            "bf16": wanted.bf16,
            "settings": dataclasses.asdict(wanted.settings),
            "preset": objective.preset.model_dump(mode="json"),
            "weights": weights and weights.model_dump(),
            "scales": scales and scales.model_dump(),
            "padding": objective.padding,
        }
        in_words: dict[str, Any] = json.loads(json.dumps(words))
        return in_words


def _load(checkpoint: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    anew = "begin without --resume"
    if not checkpoint.exists():
        raise CheckpointError(f"there is nothing to resume in {checkpoint}; {anew}")
    header, tensors = unseal(checkpoint, HEADER_KEY, anew=anew)
    return parse_json(header), tensors


def _device(name: str) -> torch.device:
    cuda = torch.cuda.is_available()
    if name == "cuda" and not cuda:
        raise TrainingError("device is 'cuda' but no CUDA device is there; use 'auto' or 'cpu'")
    return torch.device("cuda" if cuda and name != "cpu" else "cpu")
