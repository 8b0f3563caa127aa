"""Documented errors are the raised ones: `Raises:` sections against the code, and against calls."""

import ast
import builtins
import functools
import importlib
import inspect
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import impasto
from impasto import errors, tensors, web
from impasto.data.stream import StreamSettings
from impasto.evaluation import comparison
from impasto.images import colour, contact_sheet, degradation, picture, resize
from impasto.images.files import io as picture_io
from impasto.images.files import output
from impasto.images.formats import encoding
from impasto.losses import perceptual, style_objective
from impasto.losses import spectrum as spectrum_losses
from impasto.metrics import fidelity
from impasto.metrics import spectrum as spectrum_metrics
from impasto.optimization.picture_optimizer import OptimizationSettings
from impasto.runtime import compute
from impasto.runtime.batching import Batching
from impasto.runtime.stylizer import Stylizer
from impasto.runtime.upscaler import Upscaler
from impasto.training.recipe_file import parse_recipe
from impasto.zoo import hub, model_file, registry

SOURCE = Path(impasto.__file__).parent
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
CONSTRUCTORS = ("__init__", "__post_init__", "__new__")


@functools.cache
def parsed(module):
    """The syntax tree of a module, named by its path below the package."""
    return ast.parse((SOURCE / module).read_text(encoding="utf-8"))


def documented_names(docstring):
    """The class names that the `Raises:` section of a docstring begins its entries with."""
    _, heading, section = inspect.cleandoc(docstring or "").partition("\nRaises:\n")
    names = []
    for line in section.splitlines() if heading else ():
        if line and not line.startswith(" "):
            break
        if entry := re.match(r" {4}(\w[\w., ]*):", line):
            names += re.split(r", | or ", entry[1])
    return names


def class_named(name, module):
    """The exception that a docstring names: ours, a built-in one, or one that its module has."""
    owner, _, last = name.rpartition(".")
    if owner:
        return getattr(importlib.import_module(owner), last)
    for namespace in (errors, builtins):
        if hasattr(namespace, last):
            return getattr(namespace, last)
    dotted = ".".join(("impasto", *Path(module).with_suffix("").parts))
    return getattr(importlib.import_module(dotted), last)


def impasto_error(name):
    """The class of `impasto.errors` with this name, or None."""
    error = getattr(errors, name or "", None)
    is_ours = inspect.isclass(error) and issubclass(error, errors.ImpastoError)
    return error if is_ours else None


def called_name(node):
    """`f` of `f(…)`, `self.f(…)` and `cls.f(…)`; else None."""
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name)):
            return name
    return None


def caught_by(handlers):
    """The classes of ours that handlers of a `try` catch and do not raise again."""
    caught = set()
    for handler in handlers:
        if handler.type is None or any(
            isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler)
        ):
            continue
        names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
        caught |= {impasto_error(n) or getattr(builtins, n, None) for n in names} - {None}
    return tuple(caught)


class RaisedErrors:
    """Which errors of ours each function of a module raises, itself or by its private functions."""

    def __init__(self, tree):
        self.functions = {}
        for node in ast.walk(tree):
            if isinstance(node, FUNCTIONS):
                self.functions.setdefault(node.name, node)
        self._of_function = functools.cache(self._of_function)
        self._under_way = set()

    def of(self, nodes):
        """The classes that statements raise, or private functions called in them."""
        return {error for node in nodes for error in self._of_node(node)}

    def _of_node(self, node):
        if isinstance(node, ast.Try):
            caught = caught_by(node.handlers)
            inside = {error for error in self.of(node.body) if not issubclass(error, caught)}
            return inside | self.of([*node.handlers, *node.orelse, *node.finalbody])
        raised = self.of(ast.iter_child_nodes(node))
        if isinstance(node, ast.Raise) and (name := self._name_of_raised(node.exc)):
            raised |= {error for error in [impasto_error(name)] if error}
        name = called_name(node)
        if name and is_private(name) and name in self.functions:
            raised |= self._of_function(name)
        return raised

    def _name_of_raised(self, expression):
        if isinstance(expression, ast.Name):
            return expression.id
        name = called_name(expression)
        return returned_error(self.functions.get(name)) or ERROR_BUILDERS.get(name, name)

    def _of_function(self, name):
        if name in self._under_way:
            return set()
        self._under_way.add(name)
        raised = self.of(self.functions[name].body)
        self._under_way.remove(name)
        return raised


def returned_error(function):
    """The name of the class of ours that a function is annotated to return, or None."""
    name = getattr(getattr(function, "returns", None), "id", None)
    return name if impasto_error(name) else None


def error_builders():
    """What `returned_error` says of each public function, by its name."""
    return {
        node.name: returned_error(node)
        for path in SOURCE.rglob("*.py")
        for node in parsed(path.relative_to(SOURCE)).body
        if isinstance(node, FUNCTIONS) and not is_private(node.name) and returned_error(node)
    }


def is_command(function):
    """Whether a function is one of the command line, whose docstring is its help."""
    marked = [function.args, *function.decorator_list]
    names = {node.id for mark in marked for node in ast.walk(mark) if isinstance(node, ast.Name)}
    return bool(names & {"typer", "one_line_errors", "with_option_records"})


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def public_callables(tree):
    """Name, function and docstring of every public function, method and constructor."""
    for node in tree.body:
        if isinstance(node, FUNCTIONS) and not is_private(node.name):
            if is_command(node):
                continue
            yield node.name, node, ast.get_docstring(node) or ""
        elif isinstance(node, ast.ClassDef) and not is_private(node.name):
            for method in node.body:
                if isinstance(method, FUNCTIONS) and not is_private(method.name):
                    docstrings = [ast.get_docstring(method) or ""]
                    if method.name in CONSTRUCTORS:
                        docstrings.append(ast.get_docstring(node) or "")
                    for docstring in docstrings:
                        if documented_names(docstring):
                            break
                    yield f"{node.name}.{method.name}", method, docstring


def undocumented(module):
    """Lines `function raises Error` for what no `Raises:` section names, nor a base of it."""
    tree = parsed(module)
    raised_errors = RaisedErrors(tree)
    for name, function, docstring in public_callables(tree):
        documented = tuple(class_named(entry, module) for entry in documented_names(docstring))
        for error in raised_errors.of(function.body):
            if not issubclass(error, documented):
                yield f"{name} raises {error.__name__}"


MODULES = sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py"))
ERROR_BUILDERS = error_builders()


@pytest.mark.parametrize("module", MODULES)
def test_what_public_functions_raise_is_in_their_docstrings(module):
    assert sorted(undocumented(module)) == []


@pytest.mark.parametrize("module", MODULES)
def test_docstrings_name_exceptions_that_exist(module):
    for node in ast.walk(parsed(module)):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            for name in documented_names(ast.get_docstring(node)):
                assert issubclass(class_named(name, module), BaseException)


def png_of(rgb):
    file = io.BytesIO()
    picture_io.save_picture(picture.Picture(rgb), file)
    return file.getvalue()


PICTURE = np.full((8, 8, 3), 0.5, np.float32)
LUMINANCE = np.full((8, 8), 128.0)
PICTURES = torch.full((1, 3, 8, 8), 0.5)
WITH_NAN = torch.full((1, 3, 8, 8), float("nan"))
BYTES = np.zeros((8, 8, 3), np.uint8)
FEATURES = torch.zeros(1, 2, 4, 4)

PNG = png_of(PICTURE)

BAD_CALLS = [
    (perceptual.feature_reconstruction_loss, (FEATURES, FEATURES[..., :2]), {}),
    (perceptual.gram_matrix, (FEATURES[0],), {}),
    (perceptual.style_reconstruction_loss, (torch.zeros(1, 2, 3), torch.zeros(1, 2, 3)), {}),
    (
        perceptual.style_reconstruction_loss,
        (torch.zeros(1, 2, 2), torch.zeros(1, 2, 2)),
        {"reduction": "median"},
    ),
    (perceptual.total_variation_loss, (PICTURES[0],), {}),
    (perceptual.total_variation_loss, (WITH_NAN,), {}),
    (perceptual.total_variation_loss, (PICTURES,), {"exponent": 0.0}),
    (perceptual.grid_loss, (PICTURES,), {"period": 1}),
    (perceptual.grid_loss, (PICTURES[..., :2],), {}),
    (perceptual.pixel_loss, (PICTURES, PICTURES[..., :4]), {}),
    (perceptual.TotalVariationLoss, (), {"exponent": -1.0}),
    (perceptual.GridLoss, (), {"period": 0}),
    (spectrum_losses.spectrum_loss, (PICTURES, PICTURES), {"window": 1}),
    (spectrum_losses.spectrum_loss, (PICTURES, PICTURES), {"window": 16}),
    (spectrum_losses.grid_spectrum_loss, (PICTURES, PICTURES), {"window": 8, "period": 3}),
    (spectrum_losses.SpectrumLoss, (), {"window": 1}),
    (style_objective.find_preset, ("cubist",), {}),
    (tensors.check_pictures, (PICTURES * 255,), {}),
    (tensors.check_features, (FEATURES[0],), {}),
    (tensors.check_finite, (WITH_NAN,), {"name": "pictures"}),
    (fidelity.to_levels, (BYTES,), {}),
    (fidelity.rgb_to_luminance, (BYTES,), {}),
    (fidelity.shave, (LUMINANCE, 4), {}),
    (fidelity.psnr, (LUMINANCE, LUMINANCE[:4]), {}),
    (fidelity.ssim, (LUMINANCE, LUMINANCE[:4]), {}),
    (fidelity.ssim, (LUMINANCE, LUMINANCE), {}),
    (spectrum_metrics.spectrum_energy, (LUMINANCE[:1],), {"period": 4}),
    (spectrum_metrics.spectrum_peak, (LUMINANCE[:1],), {"period": 4}),
    (resize.resize_lanczos, (PICTURE,), {"width": 0, "height": 1}),
    (resize.imresize, (PICTURE,), {"width": 1, "height": 0}),
    (resize.resize_matrix, (0, 4), {}),
    (resize.fit_longer_side, (8, 8, 0), {}),
    (picture.resize_longer_side, (picture.Picture(PICTURE), 0), {}),
    (picture.resize_picture, (picture.Picture(PICTURE),), {"width": 0, "height": 8}),
    (picture.Picture, (BYTES,), {}),
    (picture.Picture(PICTURE).with_rgb, (BYTES,), {}),
    (picture_io.load_picture, (b"no picture",), {}),
    (picture_io.load_picture, ("missing.png",), {}),
    (picture_io.load_picture, (PNG,), {"longer_side": 0}),
    (picture_io.load_picture_or_animation, (PNG,), {"longer_side": 0}),
    (picture_io.read_header, (b"",), {}),
    (picture_io.load_training_rgb, (b"no picture",), {}),
    (picture_io.save_picture, (picture.Picture(PICTURE), io.BytesIO()), {"quality": 0}),
    (picture_io.save_picture, (picture.Picture(PICTURE), "picture.doc"), {}),
    (picture_io.check_target, ("missing_folder/picture.png",), {}),
    (picture_io.list_pictures, (Path("missing_folder"),), {}),
    (output.format_named, ("doc",), {}),
    (output.format_of, (Path("picture.doc"),), {}),
    (encoding.check_encoding, (output.format_named("png"),), {"quality": 101}),
    (encoding.check_encoding, (output.format_named("jpeg"),), {"bits": 16}),
    (encoding.check_encoding, (output.format_named("jpeg"),), {"lossless": True}),
    (colour.rgb_to_ycbcr, (BYTES,), {}),
    (colour.blend, (PICTURE, PICTURE), {"strength": 2.0}),
    (colour.blend, (PICTURE, PICTURE[:4]), {"strength": 0.5}),
    (colour.keep_colors, (PICTURE, PICTURE[:4]), {}),
    (degradation.degrade, (PICTURE,), {"scale": 3}),
    (contact_sheet.contact_sheet, ([],), {"cell_size": 8}),
    (Stylizer, ("no_such_model",), {}),
    (Stylizer, ("starry_night",), {"precision": "f8"}),
    (Stylizer, ("starry_night",), {"backend": "abacus"}),
    (Stylizer, ("starry_night",), {"tile": "small"}),
    (Upscaler, ("sharp_x2",), {"num_threads": 0}),
    (Upscaler, ("starry_night",), {}),
    (Batching, (), {"batch_size": 0}),
    (compute.memory_bytes, ("a lot",), {}),
    (compute.memory_bytes, (1,), {}),
    (compute.Compute, (), {"tile": "small"}),
    (compute.Compute, (), {"memory": "a lot"}),
    (compute.Compute, (), {"num_threads": 0}),
    (comparison.Crop.parse, ("picture",), {}),
    (OptimizationSettings, (), {"num_iterations": 0}),
    (OptimizationSettings, (), {"method": "newton"}),
    (StreamSettings, (), {"seed": -1}),
    (parse_recipe, ({"task": "sculpture"},), {}),
    (registry.resolve_model, ("no_such_model",), {}),
    (registry.remove_model, ("no_such_model",), {}),
    (model_file.model_from_bytes, (b"no model",), {}),
    (hub.parse_hub_address, ("hf://no address",), {}),
    (model_file.read_model_file, (Path("missing.onnx"),), {}),
    (web.check_address, ("ftp://example.com",), {}),
]


def documented_classes(called):
    """The exceptions that the docstrings of a function, method or class name."""
    docstrings = [called.__doc__]
    if inspect.isclass(called):
        docstrings += [
            getattr(called, name).__doc__ for name in CONSTRUCTORS[:2] if hasattr(called, name)
        ]
    names = [name for docstring in docstrings for name in documented_names(docstring)]
    return [getattr(errors, name) for name in names if impasto_error(name)]


@pytest.mark.parametrize(
    ("called", "arguments", "settings"),
    BAD_CALLS,
    ids=[f"{called.__qualname__}-{k}" for k, (called, *_) in enumerate(BAD_CALLS)],
)
def test_a_bad_call_raises_an_error_that_its_docstring_names(called, arguments, settings):
    with pytest.raises(errors.ImpastoError) as caught:
        called(*arguments, **settings)
    assert caught.type in documented_classes(called)
