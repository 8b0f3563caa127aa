"""Mixtures of styles as text: `starry_night:0.7,great_wave:0.3`.

Styles are divided by commas. A number behind the last colon of a style is its weight, so the colon
behind the letter of a drive is none. Weights are divided by their sum; without weights all are
equal. A text that is the path of a file is one style, whatever is in its name.
"""

import math
import os
from collections.abc import Iterable

from impasto.errors import SettingError

MAX_STYLES = 64
"""The most styles of one mixture."""


def parse_mixture(text: str) -> dict[str, float] | None:
    """The share of each style in a mixture, with the sum 1; None where the text is one style.

    Raises:
        SettingError: a style without a name, weights for some styles only, or weights that
            `normalised` refuses.
    """
    if os.path.isfile(text):  # noqa: PTH113  (false, not an error, for unfit names)
        return None
    parts = [_name_and_weight(part.strip()) for part in text.split(",")]
    if len(parts) == 1:
        name, weight = parts[0]
        if weight is None:
            return None
        raise SettingError(
            f"{text!r} gives a weight to one style; a mixture has two or more, such as "
            f"{name}:0.7,OTHER:0.3, and the strength makes a style weaker"
        )
    if not all(name for name, _ in parts):
        raise SettingError(
            f"{text[:80]!r} has a style without a name; expected styles divided by commas, with or "
            "without weights: STYLE:0.7,OTHER:0.3"
        )
    weighted = [weight for _, weight in parts if weight is not None]
    if weighted and len(weighted) < len(parts):
        raise SettingError(
            f"{text[:80]!r} gives some styles a weight and some none; give one to each, or to none"
        )
    return normalised((name, 1.0 if weight is None else weight) for name, weight in parts)


def normalised(weights: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Weights divided by their sum; those of a style that is there twice are added.

    Raises:
        SettingError: a weight that is negative or no number, no weight above 0, or more than
            `MAX_STYLES` styles.
    """
    shares: dict[str, float] = {}
    for name, weight in weights:
        if not (math.isfinite(weight) and weight >= 0):
            raise SettingError(f"the weight of {name} is {weight:g}, expected 0 or more")
        shares[name] = shares.get(name, 0.0) + weight
    total = sum(shares.values())
    if not 0 < total < math.inf:
        raise SettingError("the weights of the mixture are all 0; expected one above 0")
    if len(shares) > MAX_STYLES:
        raise SettingError(f"a mixture of {len(shares)} styles, expected at most {MAX_STYLES}")
    return {name: weight / total for name, weight in shares.items()}


def _name_and_weight(part: str) -> tuple[str, float | None]:
    name, colon, number = part.rpartition(":")
    if colon:
        try:
            return name.strip(), float(number)
        except ValueError:
            pass
    return part, None
