"""What every target of `impasto reproduce` is given, and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from impasto.errors import DataError
from impasto.evaluation.photographs import Pixels
from impasto.reproduction.journal import Journal

Effort = Literal["tiny", "quick", "full"]
"""`tiny` shows within seconds that it works, `quick` takes minutes on two cores."""

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a target is given.

    Attributes:
        effort: how much to measure.
        photos: what is measured on, in order.
        shown: photographs that may be seen in published pictures, in order.
        training: a folder of photographs to train on.
        paintings: a folder with the paintings of the styles.
        styles: names or files of models; None leaves them to the target.
        data: a folder of test sets for super-resolution.
        models: of super-resolution, names or files.
        boxes: a JSON file of boxes around people and animals; None takes the one in the package.
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
    """What a target found.

    Attributes:
        text: Markdown: a table, and what it means.
        content: the same and more, for JSON.
        pictures: H×W×3 in [0, 1], by what is put behind the target's name: "" or "-large".
    """

    text: str
    content: Mapping[str, Any]
    pictures: Mapping[str, Pixels] = field(default_factory=dict)


class Target(Protocol):
    """A module that measures one claim."""

    CLAIM: str
    """What paper or report say, in a sentence."""

    def run(self, settings: Settings, journal: Journal) -> Result:
        """Measure it; what the journal has is not measured again.

        Raises:
            ImpastoError: photographs, paintings or models that are missing or unusable.
        """
        ...


def first(photos: tuple[Path, ...], num: int) -> tuple[Path, ...]:
    """Return so many photographs, spread evenly over what there is; all where there are fewer.

    Raises:
        DataError: there is none.
    """
    if not photos:
        raise DataError(
            "no photographs were given and there is no folder examples/photos here; "
            "give --photos DIR"
        )
    num = min(num, len(photos))
    return tuple(photos[index * len(photos) // num] for index in range(num))
