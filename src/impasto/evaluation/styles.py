"""Styles measured on a folder of photographs: our models, and pictures that other programs made.

Every contender stylizes the same photographs, or brings a folder of its own pictures of them.
Results are plain data; `style_report` makes tables of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from impasto.errors import DataError
from impasto.evaluation.photographs import Pixels, square, stylized
from impasto.evaluation.style_measures import StyleScorer, StyleScores
from impasto.images.files.io import list_pictures
from impasto.runtime.compute import Precision
from impasto.runtime.predictor import Predictor
from impasto.zoo.model_file import ModelFile

Stylize = Callable[[Path, Pixels], Pixels]
"""From a photograph's path and its pixels to the stylized picture of the same size, at 8 bits."""


@dataclass(frozen=True)
class Contender:
    """What is measured: a style, by whichever program.

    Attributes:
        name: of its row.
        painting: the name of its own painting.
        stylize: gives its picture of a photograph.
    """

    name: str
    painting: str
    stylize: Stylize


@dataclass
class StyleRow:
    """What was measured of one contender, picture by picture.

    Attributes:
        name: of the contender.
        painting: the name of its own painting.
        scores: one for each photograph, in order.
    """

    name: str
    painting: str
    scores: list[StyleScores] = field(default_factory=list)


@dataclass(frozen=True)
class StyleEvaluation:
    """The result of an evaluation of styles.

    Attributes:
        size: side of the square photographs, in pixels.
        photographs: their names, in order.
        paintings: the names of all paintings that were compared with.
        rows: one for each contender.
        shown: the photographs and pictures to draw, by contender; the first photographs only.
    """

    size: int
    photographs: list[str]
    paintings: list[str]
    rows: list[StyleRow]
    shown: dict[str, list[Pixels]]


def model_contender(
    name: str, model: ModelFile, *, painting: str, precision: Precision = "f32"
) -> Contender:
    """A contender that stylizes with a model.

    Raises:
        ModelFileError: the model cannot be run in this precision.
    """
    predictor = Predictor(model, precision=precision)
    return Contender(name, painting, lambda _, photograph: stylized(predictor, photograph))


def folder_contender(name: str, folder: Path, *, painting: str) -> Contender:
    """A contender whose pictures lie in a folder, each called as its photograph is, up to suffix.

    A picture of another size is cut to a square and scaled as the photograph was.

    Raises:
        PictureFileError: the folder cannot be listed.
        DataError: when it is used: there is no picture of a photograph.
    """
    files = {path.stem: path for path in list_pictures(folder)}

    def stylize(photo: Path, photograph: Pixels) -> Pixels:
        if photo.stem not in files:
            raise DataError(
                f"{folder} has no picture called {photo.stem}; expected one for each photograph"
            )
        return square(files[photo.stem], photograph.shape[0])

    return Contender(name, painting, stylize)


def evaluate_styles(
    contenders: Sequence[Contender],
    photos: Sequence[Path],
    scorer: StyleScorer,
    *,
    size: int,
    num_shown: int = 4,
    on_progress: Callable[[str], None] = lambda _: None,
) -> StyleEvaluation:
    """Measure every contender on the central square of every photograph.

    Args:
        contenders: with names of their own.
        photos: files.
        scorer: with the painting of every contender.
        size: side of the squares, in pixels.
        num_shown: how many photographs are kept for a sheet.
        on_progress: called with the name of each photograph before it is measured.

    Raises:
        DataError: no photographs, or a contender without a picture of one.
        PictureFileError: a photograph or picture cannot be read.
    """
    if not photos:
        raise DataError("no photographs were given; expected a folder of pictures")
    rows = [StyleRow(contender.name, contender.painting) for contender in contenders]
    shown: dict[str, list[Pixels]] = {"": [], **{row.name: [] for row in rows}}
    # Photograph by photograph, so that each is read once and only the shown ones stay in memory.
    for number, photo in enumerate(photos):
        on_progress(photo.name)
        photograph = square(photo, size)
        reference = scorer.reference(photograph)  # once for all contenders
        if number < num_shown:
            shown[""].append(photograph)
        for contender, row in zip(contenders, rows, strict=True):
            picture = contender.stylize(photo, photograph)
            row.scores.append(scorer.score(picture, reference, painting=row.painting))
            if number < num_shown:
                shown[row.name].append(picture)
    names = [photo.name for photo in photos]
    return StyleEvaluation(size, names, scorer.names, rows, shown)
