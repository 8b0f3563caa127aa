"""A model's graph cut into the graphs of its stages, in OpenVINO's operations.

The graph is cut before each norm layer (OpenVINO's `MVN`). Between stages features lie channels
last and in half precision, as differences to a pivot; the graphs transpose and convert them.
`staged_backend` runs them. One of the five modules that may import OpenVINO.
"""

from typing import Any

import numpy as np

from impasto.errors import ModelFileError
from impasto.runtime.backends.channels_last import TO_FIRST, TO_LAST
from impasto.runtime.tiles.stages import Feature, Stage

_LARGEST_HALF = float(np.finfo(np.float16).max)


def stages_of(model: Any, shape: tuple[int, int]) -> tuple[Stage, ...]:
    """The stages of a model, in their order.

    Args:
        model: an `openvino.Model` for one tile.
        shape: height and width of the tile.

    Raises:
        ModelFileError: the norm layers do not follow one another.
    """
    stages: list[Stage] = []
    inputs: tuple[Feature, ...] = ()
    for number, norm in enumerate(norms_of(model)):
        passed_on = _frontier(model, number, shape)
        if any(feature.stride == 1 for feature in passed_on):
            # Full resolution: storing it costs more than the one convolution to compute it again.
            passed_on = inputs
        measured = _feature(norm.input_value(0).get_node(), shape)
        stages.append(Stage(number, inputs, passed_on, measured))
        inputs = passed_on
    return (*stages, Stage(None, inputs, ()))


def graph_of_stage(model: Any, stage: Stage) -> tuple[Any, bool, list[int]]:
    """The part of a model that a stage computes.

    Its parameters in order: the picture if it is needed, each feature of `inputs` and its pivot,
    mean and variance of each norm layer in it, pivot and counted columns of the measured features,
    and the pivot of each feature of `computed`.

    Returns:
        The graph, whether it needs the picture, and the norm layers in it.
    """
    import openvino

    norms = norms_of(model)
    nodes = {node.get_friendly_name(): node for node in model.get_ops()}
    result = (
        model.get_results()[0].input_value(0)
        if stage.norm is None
        else norms[stage.norm].input_value(0)
    )
    computed = [nodes[feature.name].output(0) for feature in stage.computed]
    num_known = stage.norm if stage.num_known is None else stage.num_known
    statistics = [_normalise(norm) for norm in norms[:num_known]]
    packed, pivots = zip(*map(_packing, computed), strict=True) if computed else ((), ())
    inputs = [part for feature in stage.inputs for part in _unpacking(nodes[feature.name])]
    measuring: list[Any] = []
    if stage.norm is not None:
        result, *measuring = _sums_by_row(result)
    results = [openvino.opset13.result(output) for output in (result, *packed)]
    picture = model.get_parameters()[0]
    # A stage that starts at features spares reading, padding and graining the tile's pixels again.
    if needs_picture := _reaches(results, picture):
        inputs.insert(0, picture)
    inside = [number for number, (mean, _) in enumerate(statistics) if _reaches(results, mean)]
    known = [parameter for number in inside for parameter in statistics[number]]
    graph = openvino.Model(results, [*inputs, *known, *measuring, *pivots], "stage")
    return graph, needs_picture, inside


def _normalise(norm: Any) -> tuple[Any, Any]:
    """Replace a norm layer by one with known statistics; returns their parameters."""
    from openvino import opset13 as ops

    channels = norm.get_output_shape(0)[1]
    mean, variance = (ops.parameter([1, channels, 1, 1], np.float32) for _ in range(2))
    epsilon = np.float32(norm.get_attributes()["eps"])
    scale = ops.power(ops.add(variance, epsilon), np.float32(-0.5))
    centred = ops.subtract(norm.input_value(0), mean)
    norm.output(0).replace(ops.multiply(centred, scale).output(0))
    return mean, variance


def _sums_by_row(features: Any) -> tuple[Any, Any, Any]:
    """The sums of features that `StageRunner.run` returns, and the parameters that they need.

    These are the pivot and the counted columns. The root of the sum of squares is one operation on
    the features; squaring them first would write them to memory once more.
    """
    from openvino import opset13 as ops

    _, channels, _, width = features.get_shape()
    pivot = ops.parameter([1, channels, 1, 1], np.float32)
    # An input, not a slice: the core's columns differ between tiles, the compiled graph must not.
    counted = ops.parameter([1, 1, 1, width], np.float32)
    differences = ops.multiply(ops.subtract(features, pivot), counted)
    # By row: the caller picks the core's rows, and adds them in float64. Over a whole tile, float32
    # sums would lose digits, and the norm layers that follow would multiply the error.
    sums = [
        ops.reduce_sum(differences, [3], keep_dims=True),
        ops.reduce_l2(differences, [3], keep_dims=True),
    ]
    return ops.concat(sums, 0).output(0), pivot, counted


def _packing(features: Any) -> tuple[Any, Any]:
    """Features packed for storage between stages, and the parameter of their pivot."""
    from openvino import opset13 as ops

    channels = features.get_shape()[1]
    pivot = ops.parameter([channels], np.float32)
    differences = ops.subtract(ops.transpose(features, TO_LAST), pivot)
    # Half precision is infinite beyond 65,504, and one infinity would spoil the statistics of its
    # channel over the whole picture.
    return ops.convert(ops.clamp(differences, -_LARGEST_HALF, _LARGEST_HALF), "f16"), pivot


def _unpacking(node: Any) -> tuple[Any, Any]:
    """Replace a node by stored features; returns the parameters of these and of their pivot."""
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


def norms_of(model: Any) -> list[Any]:
    """The norm layers of a model, in their order."""
    return [node for node in model.get_ordered_ops() if node.get_type_name() == "MVN"]


def _frontier(model: Any, number: int, shape: tuple[int, int]) -> tuple[Feature, ...]:
    """The nodes computed before a norm layer and used behind it."""
    norms = norms_of(model)
    norm = norms[number]
    before = _ancestors(norm)
    # Each layer is measured with the statistics of all earlier ones: they must form a chain.
    if any(earlier.get_friendly_name() not in before for earlier in norms[:number]):
        raise cannot_be_cut()
    # Not stored between stages: weights (constants, perhaps converted from float16), which are in
    # each stage's graph, and the picture, which can be read again.
    return tuple(
        _feature(node, shape)
        for name, node in before.items()
        if node.get_type_name() not in ("Constant", "Convert", "Parameter")
        and any(
            reader.get_node().get_friendly_name() not in before
            for reader in node.output(0).get_target_inputs()
        )
    )


def _ancestors(node: Any) -> dict[str, Any]:
    """All nodes that a node is computed from, by name."""
    ancestors: dict[str, Any] = {}
    waiting = [value.get_node() for value in node.input_values()]
    while waiting:
        current = waiting.pop()
        if current.get_friendly_name() not in ancestors:
            ancestors[current.get_friendly_name()] = current
            waiting += [value.get_node() for value in current.input_values()]
    return ancestors


def _feature(node: Any, shape: tuple[int, int]) -> Feature:
    """A node's output as features; their stride is the one that fits the tile's size."""
    sizes = node.get_output_partial_shape(0).to_shape()
    if len(sizes) != 4:
        raise cannot_be_cut()
    height, width = shape
    for stride in (1, 2, 4, 8):
        if (-(-height // stride), -(-width // stride)) == (sizes[2], sizes[3]):
            return Feature(node.get_friendly_name(), int(sizes[1]), stride)
    raise cannot_be_cut()


def cannot_be_cut() -> ModelFileError:
    """The error for a model that cannot be cut into stages."""
    return ModelFileError(
        "the model cannot be run in tiles, because it looks at the whole picture in a way that is "
        "not known; turn tiles off, or give a smaller picture"
    )
