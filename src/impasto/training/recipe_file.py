"""Recipes from TOML files, tables and the command line's settings, with errors in words.

Paths in a recipe file are relative to that file.
"""

import contextlib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from impasto.errors import RecipeError
from impasto.system.input_files import read_given_file
from impasto.training.any_painting_recipe import AnyPaintingRecipe
from impasto.training.recipe import StyleRecipe
from impasto.training.sections import is_model_name
from impasto.training.super_resolution_recipe import SuperResolutionRecipe

MAX_RECIPE_BYTES = 2**20

Recipe = StyleRecipe | AnyPaintingRecipe | SuperResolutionRecipe

RECIPES: Mapping[str, type[StyleRecipe] | type[AnyPaintingRecipe] | type[SuperResolutionRecipe]] = {
    "style-transfer": StyleRecipe,
    "any-painting": AnyPaintingRecipe,
    "super-resolution": SuperResolutionRecipe,
}
"""The recipe's class by its task; a recipe without a task, or of an unknown one, is of a style."""


STYLE_NETWORK_KINDS = ("default", "paper", "any-painting")


def load_recipe(
    file: Path | None,
    settings: Sequence[str] = (),
    *,
    task: str | None = None,
    **options: Any,
) -> Recipe:
    """Return the recipe of a file with settings laid over it.

    Args:
        file: a TOML recipe, or None for the defaults.
        settings: `key=value` with dotted keys, as `--set` takes them; the value is TOML, or text.
        task: the task that the recipe must have; a file without one takes it.
        options: dotted keys with `__` for the dot; None leaves the recipe as it is.

    Raises:
        RecipeError: when the file is unreadable, a key unknown, or a value out of range.
    """
    table = {} if file is None else _read_toml(file)
    if task is not None and table.setdefault("task", task) != task:
        raise RecipeError(f"the recipe {file} is for {table['task']}; expected one for {task}")
    for name, value in options.items():
        if value is not None:
            _put(table, name.split("__"), value)
    for setting in settings:
        key, separator, text = setting.partition("=")
        keys = [part.strip() for part in key.split(".")]
        if not separator or not all(keys):
            raise RecipeError(f"--set was given {setting!r}; expected key=value, such as seed=1")
        value = text.strip()
        with contextlib.suppress(tomllib.TOMLDecodeError):  # a text may come without its quotes
            value = tomllib.loads(f"value = {value}")["value"]
        _put(table, keys, value)
    return parse_recipe(table)


def parse_recipe(table: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a table.

    Raises:
        RecipeError: naming the first key that is wrong.
    """
    try:
        return _class_for(table).model_validate(table)
    except ValidationError as error:
        more = f"; and {error.error_count() - 1} more" if error.error_count() > 1 else ""
        problem = _in_words(error.errors()[0], table)
        raise RecipeError(f"recipe: {problem}{more}") from error


def _class_for(table: Mapping[str, Any]) -> type[Recipe]:
    return RECIPES.get(str(table.get("task")), StyleRecipe)


def _in_words(problem: ErrorDetails, table: Mapping[str, Any]) -> str:
    # The kind of a style's network is no key, but pydantic puts it into the path.
    path = tuple(part for part in problem["loc"] if part not in STYLE_NETWORK_KINDS)
    key = ".".join(str(part) for part in path)
    if problem["type"] == "extra_forbidden":
        known = _default_at(table, path[:-1])
        expected = f"; expected one of {', '.join(known)}" if isinstance(known, dict) else ""
        return f"{key} is unknown{expected}"
    message = problem["msg"].removeprefix("Value error, ")
    if not path:
        return message
    message = message[0].lower() + message[1:]
    if problem["type"] == "missing":
        return f"{key}: {message}"
    value = repr(problem["input"])
    return f"{key}: {message} (given: {value if len(value) <= 80 else value[:80] + '…'})"


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        data = read_given_file(file, max_bytes=MAX_RECIPE_BYTES)
        table = tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecipeError(f"the recipe {file} is not TOML: {error}") from error
    for *sections, key in _class_for(table).PATH_KEYS:
        section = table.get(sections[0]) if sections else table
        if isinstance(section, dict) and isinstance(section.get(key), str):
            path = Path(section[key])
            is_name = key == "initialise_from" and is_model_name(path)
            section[key] = path if is_name else file.parent / path
    return table


def _put(table: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    """Set a value by its path of keys; a number is an index into a list or a default list."""
    whole, node = table, table  # type: dict[str, Any], Any
    for depth, key in enumerate(keys, start=1):
        if not isinstance(node, (dict, list)):
            raise RecipeError(f"--set {'.'.join(keys)}: {key!r} is below a value, not a section")
        index: Any = _index(node, key, keys) if isinstance(node, list) else key
        if depth == len(keys):
            node[index] = value
            return
        if isinstance(node, dict) and index not in node:
            default = _default_at(whole, keys[:depth])
            node[index] = default if isinstance(default, list) else {}
        node = node[index]


def _index(node: list[Any], key: str, keys: Sequence[str]) -> int:
    if not (key.isascii() and key.isdigit()) or int(key) >= len(node):
        raise RecipeError(
            f"--set {'.'.join(keys)}: {key!r} is no place in a list of {len(node)}; "
            "expected a number from 0"
        )
    return int(key)


def _default_at(table: Mapping[str, Any], keys: Sequence[str | int]) -> Any:
    """Return a fresh copy of the default of a section, list or value; None where there is none."""
    recipe = _class_for(table)
    node: Any = recipe.model_validate(recipe.REQUIRED).model_dump(mode="json")
    for key in keys:
        if isinstance(node, list):
            node = node[int(key)] if str(key).isdecimal() and int(key) < len(node) else None
        else:
            node = node.get(key) if isinstance(node, dict) else None
    return node
