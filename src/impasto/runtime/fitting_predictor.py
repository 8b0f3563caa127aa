"""A model for pictures of any size: whole, cut into tiles where memory is short, or in batches.

Whole pictures: `predictor`. Tiles: the room `tiles`. Which pictures make a batch: `batching`.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar, Unpack

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.batching import Batching, Load, batches
from impasto.runtime.compute import Compute, Precision, memory_bytes
from impasto.runtime.predictor import Predictor
from impasto.runtime.tiles.large_pictures import (
    Finish,
    LargePicture,
    LargeResult,
    SavingKeywords,
    find_large,
    transform_large,
)
from impasto.runtime.tiles.memory_budget import Tiling
from impasto.runtime.tiles.tiled_predictor import ArraySource, TiledPredictor
from impasto.zoo.card import ModelCard
from impasto.zoo.model_file import ModelFile
from impasto.zoo.registry import display_name

Input = TypeVar("Input")


class FittingPredictor:
    """A model ready for pictures of any size.

    Args:
        model: a verified model file.
        compute: how it is run.

    Raises:
        ModelFileError: the backend cannot open the model, or not in this precision.
        MissingExtraError: the backend is not installed.
    """

    def __init__(self, model: ModelFile, compute: Compute) -> None:
        self._model, self._compute = model, compute
        self._batching: Batching[tuple[NDArray[np.float32], int]] = Batching(
            compute.batch_size,
            compute.num_requests,
            lambda picture: self.load_of(*picture[0].shape[:2], bits=picture[1]),
        )
        self._tiling = Tiling(
            compute.tile,
            memory_bytes(compute.memory),
            # The other backends run the graph as the file has it.
            has_cheaper_graph=compute.backend in ("auto", "openvino"),
        )
        self._whole = Predictor(model, compute, bytes_kept=self._tiling.compiled_bytes)
        self._tiled_predictors: dict[Precision, TiledPredictor] = {}
        self._lock = threading.Lock()  # so that two threads do not open one twice

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self._whole.card

    @property
    def name(self) -> str:
        """The name of the model in results: see `zoo.registry.display_name`."""
        return display_name(self._model)

    @property
    def precision(self) -> str:
        """The precision of whole pictures with 8 bits per channel, `f32`, `bf16` or `int8`."""
        return self._whole.backend.precision

    def precision_for(self, bits: int) -> str:
        """The precision of pictures with 8 or 16 bits per channel: see `Predictor`."""
        return self._whole.precision_for(bits)

    def _tiled(self, bits: int) -> TiledPredictor:
        """The model in tiles, in the precision for pictures of 8 or 16 bits per channel."""
        # Opened for the first large picture: a process may never see one.
        is_exact = self.precision_for(bits) == "f32"
        precision: Precision = "f32" if is_exact else self._compute.precision
        with self._lock:
            if precision not in self._tiled_predictors:
                self._tiled_predictors[precision] = TiledPredictor(
                    self._model, precision=precision, num_threads=self._compute.num_threads
                )
            return self._tiled_predictors[precision]

    def batching_by(self, load: Callable[[Input], Load]) -> Batching[Input]:
        """The batching of items whose load is computed by `load`, most likely from `load_of`."""
        return self._batching.by(load)

    def load_of(self, height: int, width: int, *, bits: int) -> Load:
        """The load of a picture of this size, with 8 or 16 bits per channel."""
        if self._is_cut(height, width, bits):
            return Load(None, 1.0)  # tiles are sized to fill the memory
        precision = self.precision_for(bits)
        share = self._tiling.share_of(self.card, height, width, precision=precision)
        # 8 and 16 bits of one size may go through the model in two precisions.
        return Load((height, width, precision), share)

    def _is_cut(self, height: int, width: int, bits: int) -> bool:
        """Whether a picture of this size and depth is cut into tiles."""
        precision = self.precision_for(bits)
        return self._tiling.applies_to(self.card, height, width, precision=precision)

    def predict_all(
        self, pictures: Sequence[tuple[NDArray[np.float32], int]]
    ) -> list[NDArray[np.float32]]:
        """The transformed pictures in their order, each as it would be alone.

        Pictures of one size that follow each other go through the network together.

        Args:
            pictures: each as for a call, with its bits per channel.

        Raises:
            PictureError: one is no such array.
            ModelFileError: the model cannot be run, or not in tiles.
        """
        results: list[NDArray[np.float32]] = []
        for batch, _ in batches(pictures, self._batching):
            (first, bits), *others = batch
            if others:
                together = np.stack([rgb for rgb, _ in batch])
                results.extend(self._whole.predict_batch(together, bits=bits))
            else:  # may be cut into tiles, which are never part of a batch
                results.append(self(first, bits=bits))
        return results

    def __call__(self, rgb: NDArray[np.float32], *, bits: int = 8) -> NDArray[np.float32]:
        """The transformed picture, float32 (H·scale)×(W·scale)×3 in [0, 1].

        Args:
            rgb: float32 H×W×3 in [0, 1], sRGB, of any size from 1×1.
            bits: per channel that the picture came with: see `precision_for`.

        Raises:
            PictureError: not such an array.
            ModelFileError: the model cannot be run, or not in tiles.
        """
        if rgb.ndim != 3 or not self._is_cut(rgb.shape[0], rgb.shape[1], bits):
            return self._whole(rgb, bits=bits)
        source, side, scale = ArraySource(rgb), self._tiling.tile_size(self.card), self.card.scale
        tiled = self._tiled(bits)
        grid = tiled.plan(source, tile_height=side, tile_width=side)
        result = np.empty((rgb.shape[0] * scale, rgb.shape[1] * scale, 3), np.float32)
        for part in tiled.parts(source, grid, memory=self._tiling.features_bytes(self.card)):
            rows, columns = (
                slice(span.start * scale, span.stop * scale) for span in (part.rows, part.columns)
            )
            result[rows, columns] = part.rgb
        return result

    def find_large(
        self, source: Path, output: Path, *, size: int | None = None
    ) -> LargePicture | None:
        """A picture that is transformed by windows; None for one that is read whole.

        Args:
            source: the picture's file.
            output: the file of the result.
            size: longer side in pixels that the picture is resized to first; None keeps its own.

        Raises:
            PictureFileError: the output's suffix is that of no format.
        """
        return find_large(source, output, size=size, is_large=self._is_cut)

    def transform_large(
        self,
        picture: LargePicture,
        *,
        finish: Finish | None = None,
        **saving: Unpack[SavingKeywords],
    ) -> LargeResult:
        """Transform a picture from file to file.

        Arguments and errors are those of `large_pictures.transform_large`.
        """
        return transform_large(
            picture,
            self._tiled(picture.bits),
            tile_size=self._tiling.tile_size(self.card),
            features_bytes=self._tiling.features_bytes(self.card),
            finish=finish,
            **saving,
        )
