"""What `impasto train style` starts from by default, and what of it a training tunes."""

import contextlib
import copy
from pathlib import Path
from typing import Any

from impasto.zoo.names import ANY_PAINTING

DEFAULT_START = "composition_vii"
"""The shipped style that takes its place elsewhere: after two minutes it is nearer to another
painting than a training from nothing is after five to ten (measured)."""


def start_flags(
    start: str | None,
    output: Path,
    *,
    minutes: float | None,
    has_recipe: bool,
    chooses_network: bool,
) -> dict[str, Any]:
    """What a style's training starts from, and what it tunes, by the recipe's dotted keys.

    Args:
        start: the model that `--init` names, or none; None without it.
        output: whose suffix says whether it is an add-on.
        minutes: of `--minutes`.
        has_recipe: whether there is one, which has stages of its own.
        chooses_network: whether a recipe or `--set` says what the training starts from.
    """
    from impasto.zoo.style_file import is_style_file

    # Not over a recipe or --set: these say what they start from, if only by their silence.
    if start is None and not chooses_network:
        if is_style_file(output):
            start = ANY_PAINTING
        elif minutes is not None:
            start = _default_start()
    flags: dict[str, Any] = {"initialise_from": start}
    if not is_style_file(output) or start == "none":
        return flags
    # A model file takes all weights: tuning them ends better in as many steps (measured).
    from impasto.training.recipe import REFINEMENT

    # A copy: `--set` changes what is in it.
    return flags | ({"tune": "constants"} if has_recipe else copy.deepcopy(dict(REFINEMENT)))


def _default_start() -> str:
    from impasto.errors import UnknownModelError
    from impasto.zoo.registry import resolve_model
    from impasto.zoo.style_table import is_style_network

    with contextlib.suppress(UnknownModelError):
        if is_style_network(resolve_model(ANY_PAINTING)):
            return ANY_PAINTING
    return DEFAULT_START
