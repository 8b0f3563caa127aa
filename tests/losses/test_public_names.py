"""The public door of the losses: `from impasto.losses import …`."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import impasto
import impasto.losses

MODULES = [
    importlib.import_module(f"impasto.losses.{module.name}")
    for module in pkgutil.iter_modules(impasto.losses.__path__)
]


def test_every_public_function_and_class_of_the_losses_is_re_exported():
    public = {
        name
        for module in MODULES
        for name, value in inspect.getmembers(module)
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }
    assert public <= set(impasto.losses.__all__)


def test_every_name_of_the_door_is_there_once():
    names = impasto.losses.__all__
    assert len(names) == len(set(names))
    assert all(hasattr(impasto.losses, name) for name in names)


def test_no_re_exported_name_hides_a_module():
    modules = {module.__name__.rpartition(".")[2] for module in MODULES}
    assert modules.isdisjoint(impasto.losses.__all__)


def test_no_other_room_re_exports():
    # The package itself has only names that it loads on first use.
    root = Path(impasto.__file__).parent
    rooms = [path for path in root.rglob("__init__.py") if path != root / "__init__.py"]
    importing = [path.parent.name for path in rooms if imports_anything(path)]
    assert importing == ["losses"]


def imports_anything(path):
    statements = ast.parse(path.read_text()).body
    return any(isinstance(statement, ast.ImportFrom | ast.Import) for statement in statements)
