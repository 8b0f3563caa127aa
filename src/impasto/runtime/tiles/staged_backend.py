"""A model that runs stage by stage, so that tiles share the whole picture's statistics.

Instance norm takes mean and variance over its whole input, of which a tile has only a part. So the
graph is cut before each norm layer (`stage_graph`): a stage computes the layer's input from
features of earlier stages, and measures it within a tile's core. When all tiles have passed a
stage, the layer's statistics are known for the whole picture. They are inputs of the later stages,
which are therefore compiled once for all pictures of a tile size. The last stage computes the
picture.

Stages may run in bf16: OpenVINO keeps the operations behind a graph's last convolution in f32, so
the sums are f32 sums of features that were rounded like those of a whole picture.
"""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelFileError
from impasto.runtime.backends.channels_last import keep_channels_last
from impasto.runtime.backends.cheaper_graph import make_cheaper
from impasto.runtime.backends.openvino_backend import OpenVinoBackend, refusal
from impasto.runtime.compute import Precision
from impasto.runtime.tiles.stage_graph import cannot_be_cut, graph_of_stage, norms_of, stages_of
from impasto.runtime.tiles.stages import Stage, Statistics
from impasto.system.free_memory import return_freed_memory

# On a tile, one of these gives the tile's value in place of the picture's: a wrong result without
# an error. So a model that has one is refused.
_OTHER_WHOLE_PICTURE_OPERATORS = frozenset(
    ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceProd")
)


MAX_SHAPES_KEPT = 4
"""Shapes whose stages stay compiled: of tiles, and of whole pictures for joined stages, each for a
camera's pictures in portrait and in landscape format."""


class TileBackend(OpenVinoBackend):
    """A model on the processor, tile by tile and stage by stage.

    Args:
        data: the bytes of a verified model file.
        precision: arithmetic precision; statistics are summed in f32 in any case.
        num_threads: most threads to use; None leaves it to OpenVINO.

    Raises:
        ModelFileError: OpenVINO cannot read the model, or it depends on the whole picture by other
            operators than instance norm.
    """

    def __init__(
        self, data: bytes, *, precision: Precision = "auto", num_threads: int | None = None
    ) -> None:
        super().__init__(data, precision=precision, num_threads=num_threads)
        operators = {node.get_type_name() for node in self._model().get_ops()}
        if operators & _OTHER_WHOLE_PICTURE_OPERATORS:
            raise cannot_be_cut()
        self.num_norms = len(norms_of(self._model()))
        self._cuts: OrderedDict[tuple[int, int], _Cut] = OrderedDict()
        self._cuts_lock = threading.Lock()  # guards _cuts and the idle stages in them

    def stages(self, shape: tuple[int, int]) -> tuple[Stage, ...]:
        """The stages for tiles of a height and width, in their order.

        Raises:
            ModelFileError: the norm layers do not follow one another.
        """
        return self._cut(shape).stages

    @contextlib.contextmanager
    def runner(self, stage: Stage, shape: tuple[int, int]) -> Iterator["StageRunner"]:
        """A compiled stage for tiles of a height and width, for one caller at a time.

        It is compiled on first use, and kept afterwards without the memory of its features.

        Args:
            stage: one of `stages(shape)`, or of those joined by `join_inner_stages`.
            shape: height and width of every tile.

        Raises:
            ModelFileError: OpenVINO cannot compile it.
        """
        cut = self._cut(shape)
        with self._cuts_lock:
            compiled = cut.idle.pop(stage, None)
        # Outside the lock, as compiling takes long; two callers at worst compile a stage twice.
        if compiled is None:
            compiled = self._compile_stage(cut.model, stage)
        yield StageRunner(compiled)
        # Else each of a style's 16 stages would keep the memory of its features, and glibc what it
        # frees: returned, 12 megapixels with --memory 1G peak at 458 MB in place of 771
        # (2026-11-28).
        compiled.model.release_memory()
        return_freed_memory()
        with self._cuts_lock:
            cut.idle[stage] = compiled

    def _compile_stage(self, model: Any, stage: Stage) -> "_CompiledStage":
        try:
            graph, needs_picture, norms = graph_of_stage(model.clone(), stage)
            # In this order: a transpose moved behind the padding would hide it from `make_cheaper`.
            make_cheaper(graph)
            keep_channels_last(graph)
            compiled = self._core.compile_model(graph, "CPU", self._settings)
            return _CompiledStage(compiled, needs_picture, norms)
        except ModelFileError:
            raise
        except Exception as error:  # OpenVINO raises RuntimeError and several of its own
            raise refusal("prepare the model for tiles", error) from None

    def _cut(self, shape: tuple[int, int]) -> "_Cut":
        """The model cut for a shape; the shapes used last are kept."""
        with self._cuts_lock:
            if shape not in self._cuts:
                model = self._shaped(shape)
                while len(self._cuts) >= MAX_SHAPES_KEPT:
                    self._cuts.popitem(last=False)
                self._cuts[shape] = _Cut(model, stages_of(model, shape))
            self._cuts.move_to_end(shape)
            return self._cuts[shape]

    def _shaped(self, shape: tuple[int, int]) -> Any:
        """The model for one size; its computations of sizes become constants."""
        from openvino.passes import ConstantFolding, Manager

        try:
            model = self._model().clone()
            model.reshape([1, 3, *shape])
            # Unfolded, nodes that compute a size would count as features between stages; as
            # they are no features, the model would be refused.
            folding = Manager()
            folding.register_pass(ConstantFolding())
            folding.run_passes(model)
        except Exception as error:  # OpenVINO raises RuntimeError and several of its own
            raise refusal("prepare the model for tiles", error) from None
        return model


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """A model cut into stages for tiles of one shape.

    Attributes:
        model: the model reshaped to it.
        stages: its stages, in their order.
        idle: compiled stages that are not in use.
    """

    model: Any
    stages: tuple[Stage, ...]
    idle: dict[Stage, "_CompiledStage"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class _CompiledStage:
    """A stage compiled by OpenVINO.

    Attributes:
        model: the compiled graph of `graph_of_stage`.
        needs_picture: whether it reads the tile's pixels.
        norms: the norm layers whose statistics it takes.
    """

    model: Any
    needs_picture: bool
    norms: list[int]


@dataclass(frozen=True, slots=True, eq=False)
class PackedFeatures:
    """Features of a tile as they are stored between stages.

    Attributes:
        differences: h×w×C float16, the features minus the pivot.
        pivot: C float32.
    """

    differences: NDArray[np.float16]
    pivot: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Measuring:
    """How to measure a tile.

    Attributes:
        pivot: C float32, near the means, so that squared differences keep their precision.
        counted: w' float32, 1 for the columns of the core and 0 for the others.
    """

    pivot: NDArray[np.float32]
    counted: NDArray[np.float32]


class StageRunner:
    """A compiled stage with the memory that it needs to run.

    Attributes:
        needs_picture: whether it reads the tile's pixels.
    """

    def __init__(self, compiled: _CompiledStage) -> None:
        self._request = compiled.model.create_infer_request()
        self._norms, self.needs_picture = compiled.norms, compiled.needs_picture

    def run(
        self,
        pixels: NDArray[np.float32] | None,
        inputs: list[PackedFeatures],
        statistics: Mapping[int, Statistics],
        measuring: Measuring | None,
        pivots: list[NDArray[np.float32]],
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float16]]]:
        """Run the stage on a tile.

        Args:
            pixels: 1×3×h×w; None if the stage does not need the picture.
            inputs: features for each of the stage's `inputs`.
            statistics: at least those of the norm layers that the stage contains and does not
                measure itself.
            measuring: how to measure the norm layer's input; None for the last stage.
            pivots: C float32 for each of the stage's `computed`.

        Returns:
            From the last stage the picture 1×3×h×w; from others, for each row of the norm layer's
            input, the sum of differences to the pivot and the root of the sum of their squares,
            2×C×h'×1. And for each of `computed` the differences to its pivot, h'×w'×C. The next
            run overwrites these arrays.

        Raises:
            ModelFileError: OpenVINO cannot run it.
        """
        arrays: list[NDArray[Any]] = []
        if self.needs_picture:
            assert pixels is not None
            arrays.append(np.ascontiguousarray(pixels))
        for features in inputs:
            arrays += [np.ascontiguousarray(features.differences)[np.newaxis], features.pivot]
        for number in self._norms:
            arrays += map(_by_channel, (statistics[number].mean, statistics[number].variance))
        if measuring is not None:
            arrays += [_by_channel(measuring.pivot), measuring.counted.reshape(1, 1, 1, -1)]
        try:
            # Shared: `infer` returns only when the inputs were read, so they need no copy.
            self._request.infer([*arrays, *pivots], share_inputs=True)
            result, *computed = [tensor.data for tensor in self._request.output_tensors]
        except Exception as error:
            raise refusal("run the model on a tile", error) from None
        return result, [features[0] for features in computed]


def _by_channel(values: NDArray[Any]) -> NDArray[np.float32]:
    return values.astype(np.float32).reshape(1, -1, 1, 1)
