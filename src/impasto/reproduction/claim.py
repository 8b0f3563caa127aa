"""A claim of the paper or the report: how it is measured, with which settings, to which result.

Each claim is a module; `catalogue` lists them. The command line calls a claim TARGET.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from impasto.errors import DataError
from impasto.evaluation.photographs import Pixels
from impasto.evaluation.report import table
from impasto.reproduction.journal import Journal

Effort = Literal["tiny", "quick", "full"]
"""`tiny` shows within seconds that it works, `quick` takes minutes on two cores."""

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What to measure a claim with.

    Attributes:
        effort: how much to measure.
        photos: photographs to measure on, in order.
        shown: photographs that may be published in pictures, in order.
        training: folder of photographs to train on.
        paintings: folder with the paintings of the styles.
        styles: names or files of models; None leaves them to the claim.
        data: folder of test sets for super-resolution.
        models: super-resolution models, names or files.
        boxes: JSON file of boxes around people and animals; None takes the one in the package.
        device: to optimise and train on.
    """

    effort: Effort
    photos: tuple[Path, ...]
    shown: tuple[Path, ...]
    training: Path
    paintings: Path
    styles: tuple[str, ...] | None = None
    data: Path | None = None
    models: tuple[str, ...] = ()
    boxes: Path | None = None
    device: Device = "auto"


@dataclass(frozen=True, slots=True)
class Result:
    """A measured claim.

    Attributes:
        text: Markdown: a table, and what it means.
        content: the same and more, for JSON.
        pictures: H×W×3 in [0, 1], by the suffix of the claim's name: "" or "-larger".
    """

    text: str
    content: Mapping[str, Any]
    pictures: Mapping[str, Pixels] = field(default_factory=dict)


class Claim(Protocol):
    """A module that measures one claim."""

    STATEMENT: str
    """The claim of paper or report, in a sentence."""

    def run(self, settings: Settings, journal: Journal) -> Result:
        """Measure the claim; what the journal holds is not measured again.

        Raises:
            ImpastoError: photographs, paintings or models that are missing or unusable.
        """
        ...


def first(photos: tuple[Path, ...], num: int) -> tuple[Path, ...]:
    """Return `num` of the photographs, evenly spaced, or all where there are fewer.

    Raises:
        DataError: there is none.
    """
    if not photos:
        raise DataError(
            "no photographs were given and there is no folder examples/photos here; "
            "give --photos DIR"
        )
    num = min(num, len(photos))
    # Neighbours in a sorted folder are often of one scene.
    return tuple(photos[index * len(photos) // num] for index in range(num))


def with_note(columns: list[str], cells: list[list[str]], note: str) -> str:
    """Return a table in Markdown and a paragraph that explains it."""
    return table(columns, cells) + "\n\n" + note
