"""A model's graph cut into stages, so that tiles can be normalised by the whole picture.

Instance norm (OpenVINO's `MVN`) takes mean and variance over all it is given. So the graph is cut
before each norm layer: a stage computes what enters the next one, from features that earlier
stages left, and measures it within a tile's core. When all tiles have been through a stage, the
norm layer's statistics are those of the whole picture and inputs of the stages behind it, which
are therefore compiled once for all pictures of a tile size. The last stage makes the picture.
Between stages features lie channels last and in half precision, as differences to a pivot; the
graphs transpose and convert them. With `backends`, `cheaper_graph` and `channels_last` one of four
modules that import OpenVINO.

Stages may run in bf16: OpenVINO keeps in f32 what follows the last convolution of a graph, so that
sums are taken in f32 of features that were rounded as those of a whole picture are.
"""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelFileError
from impasto.runtime.backends import OpenVinoBackend, Precision, refusal
from impasto.runtime.channels_last import TO_FIRST, TO_LAST, keep_channels_last
from impasto.runtime.cheaper_graph import make_cheaper
from impasto.runtime.free_memory import return_freed_memory

_OTHER_WHOLE_PICTURE_OPERATORS = frozenset(
    ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceProd")
)


MAX_SHAPES_KEPT = 2
"""Shapes of tiles whose stages stay compiled: a camera's pictures, upright and lying."""


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Mean and variance of what enters a norm layer, by channel: C float64 each."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Feature:
    """Features that a stage leaves for later ones.

    Attributes:
        name: of the graph's node that makes them.
        channels: of the features.
        stride: pixels of the picture to one step of the features.
    """

    name: str
    channels: int
    stride: int


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the graph.

    Attributes:
        norm: the layer measured at its end, counted from 0; None for the stage of the picture.
        given: features that it starts from, besides the picture.
        left: features that the next stage starts from.
        measured: what enters the norm layer.
        num_known: norm layers, from the first on, whose statistics are known where it begins. It
            computes those between them and `norm` by itself, and so needs the picture whole.
    """

    norm: int | None
    given: tuple[Feature, ...]
    left: tuple[Feature, ...]
    measured: Feature | None = None
    num_known: int | None = None

    @property
    def made(self) -> tuple[Feature, ...]:
        """Features that it leaves and was not given."""
        return tuple(feature for feature in self.left if feature not in self.given)

    @property
    def features(self) -> tuple[Feature, ...]:
        """All that it is given, measures or leaves."""
        return (*self.given, *self.left, *(() if self.measured is None else (self.measured,)))


def join_inner_stages(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages, with those in the middle that see only the smallest features made one.

    That one is run on the picture as a whole: its features take a fraction of those at full size
    (of the shipped styles, a quarter), and it costs what a network without tiles costs.

    Args:
        stages: in their order.
    """
    largest = max((feature.stride for stage in stages for feature in stage.features), default=1)
    inner = [
        stage
        for stage in stages
        if stage.given and all(feature.stride == largest for feature in stage.features)
    ]
    if len(inner) < 2 or largest == 1:
        return stages
    first, last = inner[0], inner[-1]
    begin, end = stages.index(first), stages.index(last) + 1
    assert stages[begin:end] == tuple(inner), "norm layers follow one another"
    joined = replace(last, given=first.given, num_known=first.norm)
    return (*stages[:begin], joined, *stages[end:])


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
            raise _cannot_be_cut()
        self.num_norms = len(_norms(self._model()))
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
            graph, needs_picture, norms = _graph(model.clone(), stage)
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
                self._cuts[shape] = _Cut(model, _stages_of(model, shape))
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
        model: what `_graph` made, compiled.
        needs_picture: whether it looks at the tile's pixels.
        norms: the layers whose statistics it takes.
    """

    model: Any
    needs_picture: bool
    norms: list[int]


def _stages_of(model: Any, shape: tuple[int, int]) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    given: tuple[Feature, ...] = ()
    for number, norm in enumerate(_norms(model)):
        left = _frontier(model, number, shape)
        if any(feature.stride == 1 for feature in left):
            left = given  # many values, and one convolution: cheaper to compute again
        measured = _feature(norm.input_value(0).get_node(), shape)
        stages.append(Stage(number, given, left, measured))
        given = left
    return (*stages, Stage(None, given, ()))


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


_LARGEST_HALF = float(np.finfo(np.float16).max)


def _graph(model: Any, stage: Stage) -> tuple[Any, bool, list[int]]:
    """The part of a model between what a stage is given and what it makes.

    Inputs: the picture if it is needed, each given feature and its pivot, mean and variance of
    each norm layer in it, pivot and counted columns of what is measured, and the pivot of each
    feature that is made.

    Returns:
        The graph, whether it needs the picture, and the norm layers in it.
    """
    import openvino

    norms = _norms(model)
    nodes = {node.get_friendly_name(): node for node in model.get_ops()}
    result = (
        model.get_results()[0].input_value(0)
        if stage.norm is None
        else norms[stage.norm].input_value(0)
    )
    made = [nodes[feature.name].output(0) for feature in stage.made]
    num_known = stage.norm if stage.num_known is None else stage.num_known
    statistics = [_normalise(norm) for norm in norms[:num_known]]
    packed, pivots = zip(*map(_packing, made), strict=True) if made else ((), ())
    given = [part for feature in stage.given for part in _unpacking(nodes[feature.name])]
    measuring: list[Any] = []
    if stage.norm is not None:
        result, *measuring = _sums_by_row(result)
    results = [openvino.opset13.result(output) for output in (result, *packed)]
    picture = model.get_parameters()[0]
    if needs_picture := _reaches(results, picture):
        given.insert(0, picture)
    inside = [number for number, (mean, _) in enumerate(statistics) if _reaches(results, mean)]
    known = [parameter for number in inside for parameter in statistics[number]]
    graph = openvino.Model(results, [*given, *known, *measuring, *pivots], "stage")
    return graph, needs_picture, inside


def _normalise(norm: Any) -> tuple[Any, Any]:
    """Put given statistics in a norm layer's place: the parameters of mean and variance."""
    from openvino import opset13 as ops

    channels = norm.get_output_shape(0)[1]
    mean, variance = (ops.parameter([1, channels, 1, 1], np.float32) for _ in range(2))
    epsilon = np.float32(norm.get_attributes()["eps"])
    scale = ops.power(ops.add(variance, epsilon), np.float32(-0.5))
    centred = ops.subtract(norm.input_value(0), mean)
    norm.output(0).replace(ops.multiply(centred, scale).output(0))
    return mean, variance


def _sums_by_row(features: Any) -> tuple[Any, Any, Any]:
    """What `StageRunner.run` says of features, and the parameters of pivot and counted columns.

    The root of the sum of squares is one operation on the features; squaring them first would
    write them out once more.
    """
    from openvino import opset13 as ops

    _, channels, _, width = features.get_shape()
    pivot = ops.parameter([1, channels, 1, 1], np.float32)
    counted = ops.parameter([1, 1, 1, width], np.float32)
    differences = ops.multiply(ops.subtract(features, pivot), counted)
    sums = [
        ops.reduce_sum(differences, [3], keep_dims=True),
        ops.reduce_l2(differences, [3], keep_dims=True),
    ]
    return ops.concat(sums, 0).output(0), pivot, counted


def _packing(features: Any) -> tuple[Any, Any]:
    """Features as they lie between stages, and the parameter of their pivot."""
    from openvino import opset13 as ops

    channels = features.get_shape()[1]
    pivot = ops.parameter([channels], np.float32)
    differences = ops.subtract(ops.transpose(features, TO_LAST), pivot)
    return ops.convert(ops.clamp(differences, -_LARGEST_HALF, _LARGEST_HALF), "f16"), pivot


def _unpacking(node: Any) -> tuple[Any, Any]:
    """The parameters that take the place of a node: what lies between stages, and its pivot."""
    from openvino import opset13 as ops

    num, channels, height, width = node.get_output_shape(0)
    differences = ops.parameter([num, height, width, channels], np.float16)
    pivot = ops.parameter([channels], np.float32)
    features = ops.add(ops.convert(differences, "f32"), pivot)
    node.output(0).replace(ops.transpose(features, TO_FIRST).output(0))
    return differences, pivot


def _reaches(results: list[Any], parameter: Any) -> bool:
    """Whether results are computed from a parameter."""
    name = parameter.get_friendly_name()
    return any(name in _ancestors(result) for result in results)


def _by_channel(values: NDArray[Any]) -> NDArray[np.float32]:
    return values.astype(np.float32).reshape(1, -1, 1, 1)


def _norms(model: Any) -> list[Any]:
    return [node for node in model.get_ordered_ops() if node.get_type_name() == "MVN"]


def _frontier(model: Any, number: int, shape: tuple[int, int]) -> tuple[Feature, ...]:
    """What is known where a norm layer begins and used from there on."""
    norms = _norms(model)
    norm = norms[number]
    before = _ancestors(norm)
    if any(earlier.get_friendly_name() not in before for earlier in norms[:number]):
        raise _cannot_be_cut()
    return tuple(
        _feature(node, shape)
        for name, node in before.items()
        if node.get_type_name() not in ("Constant", "Convert", "Parameter")
        and any(
            target.get_node().get_friendly_name() not in before
            for target in node.output(0).get_target_inputs()
        )
    )


def _ancestors(node: Any) -> dict[str, Any]:
    """Everything a node is computed from, by name."""
    found: dict[str, Any] = {}
    waiting = [value.get_node() for value in node.input_values()]
    while waiting:
        current = waiting.pop()
        if current.get_friendly_name() not in found:
            found[current.get_friendly_name()] = current
            waiting += [value.get_node() for value in current.input_values()]
    return found


def _feature(node: Any, shape: tuple[int, int]) -> Feature:
    """What a node's output is, as features of a picture; its stride fits the tile's height."""
    sizes = node.get_output_partial_shape(0).to_shape()
    if len(sizes) != 4:
        raise _cannot_be_cut()
    height, width = shape
    for stride in (1, 2, 4, 8):
        if (-(-height // stride), -(-width // stride)) == (sizes[2], sizes[3]):
            return Feature(node.get_friendly_name(), int(sizes[1]), stride)
    raise _cannot_be_cut()


def _cannot_be_cut() -> ModelFileError:
    return ModelFileError(
        "the model cannot be run in tiles, because it looks at the whole picture in a way that is "
        "not known; turn tiles off, or give a smaller picture"
    )
