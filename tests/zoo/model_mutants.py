"""Model files changed at random, and what becomes of them.

Used by `test_models_fuzz` and, with many more of them, by `benchmarks/fuzz_models.py`. Mostly the
graph is changed between decoding and encoding again, so that the file stays sound and the change
gets as far as it can; sometimes its bytes.

    python tests/zoo/model_mutants.py FOLDER NUMBER    # of model files, which mutants are made of
"""

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from impasto.errors import ImpastoError, ModelFileError
from impasto.runtime.backends.onnxruntime_backend import OnnxRuntimeBackend
from impasto.runtime.predictor import Predictor, network_batch
from impasto.runtime.tiles.tiled_predictor import ArraySource, TiledPredictor
from impasto.zoo.model_file import model_from_bytes
from impasto.zoo.operators import OPERATORS

OUTCOMES = ("refused", "ran", "refused when run", "several lines", "other error")

_NUMBERS = (0, 1, -1, 2, 3, 4, 5, 7, 8, 9, 16, 40, 64, 255, 1000, 2**15, 2**31 - 1, 2**31, -(2**31))
_EXTREMES = (*_NUMBERS, 2**62, 2**63 - 1, -(2**63))
_FLOATS = (0.0, -0.0, 1.0, 2.0, 0.5, -1.0, 1e-3, 1e-40, 6e4, 1e30, np.inf, -np.inf, np.nan)
_TEXTS = ("reflect", "constant", "edge", "wrap", "nearest", "linear", "cubic", "CRD", "DCR", "")
_FOREIGN = ("ScatterElements", "GatherND", "GatherElements", "Tile", "Expand", "Einsum", "MaxPool")
_TYPES = (np.float16, np.float32, np.int64, np.uint8, np.int8, np.float64, np.int32)
_SIZES = ((16, 16), (17, 23), (44, 64))


def mutant(data, random, other):
    """A model file's bytes changed in one to three places; `other` lends its card or nodes."""
    if random.random() < 0.1:
        return _with_other_bytes(data, random)
    model = onnx.load_model_from_string(data)
    for _ in range(_any(random, (1, 1, 1, 2, 3))):
        random.choice(_CHANGES)(model, random, other)
    return model.SerializeToString()


def outcome_of(data, random):
    """What became of a file, and what there is to know of it."""
    try:
        model = model_from_bytes(data)
    except ModelFileError as error:
        return ("several lines" if "\n" in str(error) else "refused"), str(error)
    except Exception as error:
        return "other error", f"{type(error).__name__} when read: {error}"
    try:
        _run(model, random)
    except ImpastoError as error:
        return ("several lines" if "\n" in str(error) else "refused when run"), str(error)
    except Exception as error:
        return "other error", f"{type(error).__name__} when run: {error}"
    return "ran", ""


def _run(model, random):
    """By OpenVINO at two sizes, by ONNX Runtime, and sometimes in tiles."""
    predictor = Predictor(model)
    for height, width in (_SIZES[0], _SIZES[random.integers(1, len(_SIZES))]):
        predictor(random.random((height, width, 3), np.float32))
    picture = random.random((1, 20, 24, 3), np.float32)
    OnnxRuntimeBackend(model.data).run(network_batch(model.card, picture))
    if random.random() < 0.1:
        tiles = TiledPredictor(model)
        source = ArraySource(random.random((144, 160, 3), np.float32))
        for _ in tiles.parts(source, tiles.plan(source, tile_height=136, tile_width=136)):
            pass


def _any(random, values):
    return values[random.integers(len(values))]


def _node(model, random):
    return _any(random, model.graph.node)


def _new_operator(model, random, _):
    _node(model, random).op_type = _any(random, (*OPERATORS, *OPERATORS, *_FOREIGN))


def _new_input(model, random, _):
    node = _node(model, random)
    names = [name for other in model.graph.node for name in (*other.input, *other.output)]
    if node.input and random.random() < 0.8:
        node.input[random.integers(len(node.input))] = _any(random, names)
    elif node.input and random.random() < 0.5:
        del node.input[random.integers(len(node.input))]
    else:
        node.input.append(_any(random, names))


def _same_kind_of_input(model, random, _):
    """Of another node of the operator, so that much of it may fit."""
    node = _node(model, random)
    others = [other for other in model.graph.node if other.op_type == node.op_type]
    place = random.integers(max(len(node.input), 1))
    other = _any(random, others)
    if place < min(len(node.input), len(other.input)):
        node.input[place] = other.input[place]


def _new_attribute(model, random, _):
    node = _any(random, [node for node in model.graph.node if node.attribute] or model.graph.node)
    if not node.attribute or random.random() < 0.1:
        node.attribute.append(helper.make_attribute("axis", int(_any(random, _NUMBERS))))
        return
    attribute = _any(random, node.attribute)
    if random.random() < 0.1:
        node.attribute.remove(attribute)
    elif attribute.type == onnx.AttributeProto.INT:
        attribute.i = _any(random, _EXTREMES)
    elif attribute.type == onnx.AttributeProto.FLOAT:
        attribute.f = _any(random, _FLOATS)
    elif attribute.type == onnx.AttributeProto.STRING:
        attribute.s = _any(random, _TEXTS).encode()
    elif attribute.type == onnx.AttributeProto.INTS:
        _change_row(attribute.ints, random, _EXTREMES)
    elif attribute.type == onnx.AttributeProto.FLOATS:
        _change_row(attribute.floats, random, _FLOATS)
    elif attribute.type == onnx.AttributeProto.TENSOR:
        _change_tensor(attribute.t, random)


def _change_row(row, random, values):
    if row and random.random() < 0.2:
        del row[random.integers(len(row))]
    elif random.random() < 0.2 or not row:
        row.append(_any(random, values))
    elif random.random() < 0.5:
        row[random.integers(len(row))] = _any(random, values)
    else:
        row[:] = [_any(random, values)] * len(row)


def _new_constant(model, random, _):
    """Short ones, which say where and how far, more often than weights."""
    short = [tensor for tensor in model.graph.initializer if np.prod(tensor.dims) <= 8]
    short += [
        attribute.t
        for node in model.graph.node
        for attribute in node.attribute
        if attribute.type == onnx.AttributeProto.TENSOR
    ]
    every = list(model.graph.initializer)
    _change_tensor(_any(random, short if short and random.random() < 0.7 else every), random)


def _change_tensor(tensor, random):
    array, name = numpy_helper.to_array(tensor).copy(), tensor.name
    kind = random.integers(5)
    if kind == 0 and array.size:
        values = _FLOATS if array.dtype.kind == "f" else _EXTREMES
        with np.errstate(over="ignore"):
            value = np.array(_any(random, values)).astype(
                np.int64 if array.dtype.kind != "f" else float
            )
            array.flat[random.integers(array.size)] = value.astype(array.dtype)
    elif kind == 1:
        shape = [*array.shape, 1] if random.random() < 0.3 else list(array.shape)
        random.shuffle(shape)
        array = np.resize(array, shape)
    elif kind == 2:
        shape = list(array.shape) or [1]
        shape[random.integers(len(shape))] = int(random.integers(0, 12))
        array = np.resize(array, shape) if array.size else np.zeros(shape, array.dtype)
    elif kind == 3:
        with np.errstate(all="ignore"):
            array = array.astype(_any(random, _TYPES))
    else:
        tensor.dims.append(int(_any(random, (0, 1, 2, 2**31, 2**40))))
        return
    tensor.CopyFrom(numpy_helper.from_array(array, name))


def _fewer_or_more_channels(model, random, _):
    """Of one weight, in step along its first two axes."""
    weights = [tensor for tensor in model.graph.initializer if len(tensor.dims) == 4]
    tensor = _any(random, weights)
    array = numpy_helper.to_array(tensor)
    shape = [int(random.integers(1, 7)) if i < 2 else n for i, n in enumerate(array.shape)]
    tensor.CopyFrom(numpy_helper.from_array(np.resize(array, shape), tensor.name))


def _fewer_or_more_nodes(model, random, other):
    nodes = list(model.graph.node)
    kind = random.integers(4)
    place = random.integers(len(nodes))
    if kind == 0:
        del nodes[place]
    elif kind == 1:
        nodes.insert(random.integers(len(nodes)), nodes.pop(place))
    elif kind == 2:
        copy = onnx.NodeProto()
        copy.CopyFrom(nodes[place])
        copy.name += ":copy"
        copy.output[:] = [f"{name}:copy" for name in copy.output]
        nodes.insert(place + 1, copy)
        if copy.output:
            for reader in nodes[place + 2 :][:8]:
                for i, name in enumerate(reader.input):
                    if name == nodes[place].output[0]:
                        reader.input[i] = copy.output[0]
    else:
        nodes.insert(place, _any(random, onnx.load_model_from_string(other).graph.node))
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def _again(model, random, _):
    """A node whose result goes through a copy of itself."""
    nodes = [n for n in model.graph.node if len(n.output) == 1 and n.input and n.input[0]]
    node = _any(random, nodes)
    place = list(model.graph.node).index(node)
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name += ":again"
    copy.input[0], copy.output[0] = node.output[0], f"{node.output[0]}:again"
    for reader in list(model.graph.node)[place + 1 :]:
        for i, name in enumerate(reader.input):
            if name == node.output[0]:
                reader.input[i] = copy.output[0]
    model.graph.node.insert(place + 1, copy)


def _new_end(model, random, _):
    value = _any(random, [model.graph.input[0], model.graph.output[0]])
    if random.random() < 0.5:
        value.name = _any(random, _any(random, model.graph.node).output or ["x"])
    else:
        value.type.tensor_type.elem_type = _any(random, (1, 2, 7, 10, 16))
        for length in value.type.tensor_type.shape.dim:
            if random.random() < 0.3:
                length.dim_value = _any(random, _EXTREMES)


def _new_card(model, random, other):
    cards = onnx.load_model_from_string(other).metadata_props
    if random.random() < 0.5 and cards:
        model.metadata_props[0].value = cards[0].value
        return
    card = json.loads(model.metadata_props[0].value)
    card["scale"] = int(_any(random, (1, 2, 4, 8)))
    if card["scale"] > 1:
        card["architecture"]["scale"] = card["scale"]
    model.metadata_props[0].value = json.dumps(card)


def _with_other_bytes(data, random):
    changed = bytearray(data)
    for _ in range(random.integers(1, 6)):
        place = random.integers(len(changed))
        kind = random.integers(4)
        if kind == 0:
            changed[place] = random.integers(256)
        elif kind == 1:
            changed[place] ^= 1 << random.integers(8)
        elif kind == 2:
            del changed[place : place + random.integers(1, 9)]
        else:
            changed[place:place] = random.bytes(random.integers(1, 9))
    return bytes(changed)


_CHANGES = (
    _new_operator,
    _new_input,
    _same_kind_of_input,
    _same_kind_of_input,
    _new_attribute,
    _new_attribute,
    _new_constant,
    _new_constant,
    _fewer_or_more_channels,
    _fewer_or_more_nodes,
    _again,
    _again,
    _new_end,
    _new_card,
)


def _main(folder, number):
    seeds = [path.read_bytes() for path in sorted(Path(folder).iterdir())]
    counts, complaints = Counter(), []
    for i in range(int(number)):
        random = np.random.default_rng([0, i])
        data = mutant(seeds[i % len(seeds)], random, seeds[random.integers(len(seeds))])
        print(i, file=sys.stderr, flush=True)  # noqa: T201  (the last one, if the process dies)
        outcome, detail = outcome_of(data, random)
        counts[outcome] += 1
        if outcome not in ("refused", "ran"):
            complaints.append(f"{i}: {outcome}: {detail}")
    print(json.dumps({"counts": counts, "complaints": complaints}))  # noqa: T201


if __name__ == "__main__":
    _main(*sys.argv[1:])
