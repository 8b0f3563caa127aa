"""What may import what, what an import loads, and the exceptions as they are drawn."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from impasto import errors

REPOSITORY = Path(__file__).resolve().parents[1]
HEAVY = (
    *("torch", "lightning", "onnx", "onnxscript", "safetensors", "tensorboard"),
    *("openvino", "numpy", "PIL", "pyvips", "matplotlib", "ray", "pyarrow"),
)
TRAINING_STACK = HEAVY[:6]


def run_python(code):
    """Run code in a fresh interpreter; return what it printed."""
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONWARNINGS": "error", "NO_COLOR": "1", "COLUMNS": "200"},
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def packages_loaded_by(statement):
    """The top-level packages that are there after a statement in a fresh interpreter."""
    printed = run_python(f"{statement}\nimport sys\nprint('loaded:', *sys.modules)")
    _, _, names = printed.rpartition("loaded:")
    return {name.partition(".")[0] for name in names.split()}


def test_imports_keep_to_the_contracts():
    printed = run_python(
        "from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports\n"
        "raise SystemExit(lint_imports(no_cache=True) != EXIT_STATUS_SUCCESS)"
    )
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", printed)


@pytest.mark.parametrize("module", ["impasto", "impasto.errors", "impasto.cli.main"])
def test_the_package_and_its_command_line_load_nothing_heavy(module):
    assert packages_loaded_by(f"import {module}").isdisjoint(HEAVY)


@pytest.mark.parametrize(
    "module",
    [
        "impasto.runtime.stylizer",
        "impasto.runtime.predictor",
        "impasto.runtime.backends.openvino_backend",
        "impasto.zoo.registry",
        "impasto.zoo.card",
        "impasto.zoo.download",
        "impasto.images.files.io",
        "impasto.images.contact_sheet",
        "impasto.networks.architecture",
        "impasto.evaluation.benchmark",
        "impasto.evaluation.comparison",
    ],
)
def test_inference_loads_nothing_of_the_training_stack(module):
    assert packages_loaded_by(f"import {module}").isdisjoint(TRAINING_STACK)


def test_the_stylizer_is_loaded_on_first_use():
    before = packages_loaded_by("import impasto")
    after = packages_loaded_by("from impasto import Stylizer")
    assert "numpy" in after - before
    assert after.isdisjoint(TRAINING_STACK)


def test_the_public_names_are_listed_before_their_first_use():
    printed = run_python("import impasto; print(*dir(impasto))").split()
    assert {"Stylizer", "Upscaler", "save_model", "__version__", "__doc__"} <= set(printed)
    assert packages_loaded_by("import impasto; dir(impasto)").isdisjoint(HEAVY)


def test_every_public_name_is_loaded():
    printed = run_python(
        "import impasto\nprint(*(name for name in impasto.__all__ if hasattr(impasto, name)))"
    )
    assert printed.split() == ["Stylizer", "Upscaler", "__version__", "save_model"]


def test_saving_a_model_without_torch_says_what_to_install():
    printed = run_python(
        "import sys; sys.modules['torch'] = None\n"
        "from impasto.errors import MissingExtraError\n"
        "try: from impasto import save_model\nexcept MissingExtraError as error: print(error)"
    )
    assert "pip install '.[train]'" in printed


def test_a_name_the_package_does_not_have_is_an_attribute_error():
    printed = run_python(
        "import impasto\ntry: impasto.Stylist\nexcept AttributeError as error: print(error)"
    )
    assert printed.strip() == "module 'impasto' has no attribute 'Stylist'"


def drawn_tree():
    """(name, parent, built-in) of each exception in the drawing at the top of the module."""
    line = re.compile(r"^(?P<indent>[│ ]*)[├└]── (?P<name>\w+) (\((?P<builtin>\w+)\))?")
    parents, drawn = {0: "ImpastoError"}, []
    for match in filter(None, map(line.match, errors.__doc__.splitlines())):
        depth = len(match["indent"]) // 4 + 1
        parents[depth] = match["name"]
        drawn.append((match["name"], parents[depth - 1], match["builtin"]))
    return drawn


def test_the_exceptions_are_these():
    assert [name for name, _, _ in drawn_tree()] == [
        "PictureError",
        "NotFiniteError",
        "SettingError",
        "PictureFileError",
        "VideoFileError",
        "VideoInterrupted",
        "CameraError",
        "OutputExistsError",
        "OutputAppearedError",
        "ModelFileError",
        "ForkError",
        "UnknownModelError",
        "DownloadError",
        "WeightsError",
        "RecipeError",
        "DataError",
        "CheckpointError",
        "TrainingError",
        "TrainingInterrupted",
        "BatchError",
        "ExportError",
        "MissingExtraError",
    ]


def test_the_drawn_tree_is_the_tree_of_classes():
    classes = {
        (name, value.__bases__[0].__name__, next((b.__name__ for b in value.__bases__[1:]), None))
        for name, value in inspect.getmembers(errors, inspect.isclass)
        if value.__module__ == "impasto.errors" and value is not errors.ImpastoError
    }
    assert classes == set(drawn_tree())
    assert errors.ImpastoError.__bases__ == (Exception,)


def test_every_exception_is_one_of_ours_and_a_built_in():
    for name, _, builtin in drawn_tree():
        error = getattr(errors, name)
        assert issubclass(error, errors.ImpastoError)
        if builtin:
            assert issubclass(error, getattr(__import__("builtins"), builtin))


def test_a_missing_extra_says_what_to_install():
    message = str(errors.MissingExtraError("torch", extra="train"))
    assert "'torch'" in message
    assert "pip install '.[train]'" in message
