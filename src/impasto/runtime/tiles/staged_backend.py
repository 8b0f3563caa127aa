"""A model run stage by stage, so that tiles can be normalised by the whole picture.

Instance norm takes mean and variance over all it is given. So the graph is cut before each norm
layer (`stage_graph`): a stage computes what enters the next one, from features that earlier stages
left, and measures it within a tile's core. When all tiles have been through a stage, the norm
layer's statistics are those of the whole picture and inputs of the stages behind it, which are
therefore compiled once for all pictures of a tile size. The last stage makes the picture.

Stages may run in bf16: OpenVINO keeps in f32 what follows the last convolution of a graph, so that
sums are taken in f32 of features that were rounded as those of a whole picture are.
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

_OTHER_WHOLE_PICTURE_OPERATORS = frozenset(
    ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceProd")
)


MAX_SHAPES_KEPT = 4
"""Shapes whose stages stay compiled: of tiles and of the whole picture, where its middle goes
through as one, for a camera's pictures upright and lying."""


class TileBackend(OpenVinoBackend):
    """A model on the processor, tile by tile and stage by stage.

    Args:
        data: the bytes of a verified model file.
        precision: of the arithmetic; statistics are gathered in f32 in any case.
        num_threads: at most so many; None leaves it to OpenVINO.

    Raises:
        ModelFileError: OpenVINO cannot read the model, or the model looks at the whole picture
            otherwise than by instance norm.
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
        self._cutting = threading.Lock()  # of what is kept, while that changes

    def stages(self, shape: tuple[int, int]) -> tuple[Stage, ...]:
        """The stages for tiles of a height and width, in their order.

        Raises:
            ModelFileError: norm layers that do not follow one another.
        """
        return self._cut(shape).stages

    @contextlib.contextmanager
    def runner(self, stage: Stage, shape: tuple[int, int]) -> Iterator["StageRunner"]:
        """A compiled stage for tiles of a height and width, for the caller alone.

        It is compiled on first use and kept without the memory of its features.

        Args:
            stage: one of `stages(shape)`, or of those joined by `join_inner_stages`.
            shape: height and width of every tile.

        Raises:
            ModelFileError: OpenVINO cannot compile it.
        """
        cut = self._cut(shape)
        with self._cutting:
            compiled = cut.idle.pop(stage, None)
        if compiled is None:
            compiled = self._compile_stage(cut.model, stage)
        yield StageRunner(compiled)
        compiled.model.release_memory()
        return_freed_memory()
        with self._cutting:
            cut.idle[stage] = compiled

    def _compile_stage(self, model: Any, stage: Stage) -> "_CompiledStage":
        try:
            graph, needs_picture, norms = graph_of_stage(model.clone(), stage)
            make_cheaper(graph)
            keep_channels_last(graph)
            compiled = self._core.compile_model(graph, "CPU", self._settings)
            return _CompiledStage(compiled, needs_picture, norms)
        except ModelFileError:
            raise
        except Exception as error:  # OpenVINO raises RuntimeError and several of its own
            raise refusal("prepare the model for tiles", error) from None

    def _cut(self, shape: tuple[int, int]) -> "_Cut":
        """The model cut for a shape, the last few of which are kept."""
        with self._cutting:
            if shape not in self._cuts:
                model = self._shaped(shape)
                while len(self._cuts) >= MAX_SHAPES_KEPT:
                    self._cuts.popitem(last=False)
                self._cuts[shape] = _Cut(model, stages_of(model, shape))
            self._cuts.move_to_end(shape)
            return self._cuts[shape]

    def _shaped(self, shape: tuple[int, int]) -> Any:
        """The model at one size; what it computes about sizes becomes constants."""
        from openvino.passes import ConstantFolding, Manager

        try:
            model = self._model().clone()
            model.reshape([1, 3, *shape])
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
        model: at that shape.
        stages: in their order.
        idle: compiled stages that nobody is using.
    """

    model: Any
    stages: tuple[Stage, ...]
    idle: dict[Stage, "_CompiledStage"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class _CompiledStage:
    """A stage by OpenVINO.

    Attributes:
        model: what `graph_of_stage` made, compiled.
        needs_picture: whether it looks at the tile's pixels.
        norms: the layers whose statistics it takes.
    """

    model: Any
    needs_picture: bool
    norms: list[int]


@dataclass(frozen=True, slots=True, eq=False)
class PackedFeatures:
    """Features of a tile as they lie between stages.

    Attributes:
        differences: h×w×C float16.
        pivot: C float32, which they are differences to.
    """

    differences: NDArray[np.float16]
    pivot: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Measuring:
    """How to measure a tile.

    Attributes:
        pivot: C float32, near the means, so that squares of differences keep their precision.
        counted: w' float32, 1 for the columns that count and 0 for the others.
    """

    pivot: NDArray[np.float32]
    counted: NDArray[np.float32]


class StageRunner:
    """A compiled stage with the memory that it takes to run.

    Attributes:
        needs_picture: whether it looks at the tile's pixels.
    """

    def __init__(self, compiled: _CompiledStage) -> None:
        self._request = compiled.model.create_infer_request()
        self._norms, self.needs_picture = compiled.norms, compiled.needs_picture

    def run(
        self,
        pixels: NDArray[np.float32] | None,
        given: list[PackedFeatures],
        statistics: Mapping[int, Statistics],
        measuring: Measuring | None,
        pivots: list[NDArray[np.float32]],
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float16]]]:
        """What the stage makes of a tile.

        Args:
            pixels: 1×3×h×w, where the stage needs the picture.
            given: for each of the stage's `given`.
            statistics: of the norm layers that it has and does not compute, at least.
            measuring: how to measure what enters the norm layer; None for the last stage.
            pivots: C float32 for each of its `made`.

        Returns:
            The picture 1×3×h×w; or, of what enters the norm layer, by row the sums of differences
            to the pivot and the roots of the sums of their squares, 2×C×h'×1. And differences to
            the pivot, h'×w'×C, for each of `made`. The next run overwrites them.

        Raises:
            ModelFileError: OpenVINO cannot run it.
        """
        inputs: list[NDArray[Any]] = []
        if self.needs_picture:
            assert pixels is not None
            inputs.append(np.ascontiguousarray(pixels))
        for features in given:
            inputs += [np.ascontiguousarray(features.differences)[np.newaxis], features.pivot]
        for number in self._norms:
            inputs += map(_by_channel, (statistics[number].mean, statistics[number].variance))
        if measuring is not None:
            inputs += [_by_channel(measuring.pivot), measuring.counted.reshape(1, 1, 1, -1)]
        try:
            self._request.infer([*inputs, *pivots], share_inputs=True)
            result, *made = [tensor.data for tensor in self._request.output_tensors]
        except Exception as error:
            raise refusal("run the model on a tile", error) from None
        return result, [features[0] for features in made]


def _by_channel(values: NDArray[Any]) -> NDArray[np.float32]:
    return values.astype(np.float32).reshape(1, -1, 1, 1)
