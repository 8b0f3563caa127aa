"""Programs that take any painting, compared on pairs of a painting and a photograph.

Fewer measures than `style_measures` has for a style, since there are hundreds of pairs. Tables and
speed are the benchmark's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from statistics import median

from torch import Tensor

from impasto.errors import DataError
from impasto.evaluation.photographs import Pixels, square
from impasto.evaluation.style_measures import (
    PhotographReference,
    StyleScorer,
    content_loss,
    distance,
    relative_peaks,
    total_variation,
)
from impasto.evaluation.styles import Contender
from impasto.metrics.artefacts import style_luminance
from impasto.tensors import to_tensor

PALETTE_SIDE = 128
"""Rows and columns of a picture from which the palette distance takes its colours, at least."""

_TINY = 1e-8


@dataclass(frozen=True, slots=True)
class PairScores:
    """The measures of one photograph in the style of one painting.

    Attributes:
        photograph: its name.
        painting: its name.
        content: feature reconstruction loss against the photograph, unweighted.
        style: style reconstruction loss against the painting, unweighted.
        untouched_style: the same loss of the photograph as it is.
        total_variation: of the picture, pixels from 0 to 255.
        nearest: the painting with the lowest style loss.
        palette_distance: sliced Wasserstein distance to the painting in RGB, of a sample of pixels.
        peak_2: spectral peak at 2 pixels, over the photograph's own.
        peak_4: spectral peak at 4 pixels, over the photograph's own.
    """

    photograph: str
    painting: str
    content: float
    style: float
    untouched_style: float
    total_variation: float
    nearest: str
    palette_distance: float
    peak_2: float
    peak_4: float

    @property
    def style_fall(self) -> float:
        """How many times lower than the photograph's the style loss is."""
        return self.untouched_style / max(self.style, _TINY)

    def as_dict(self) -> dict[str, float | str]:
        """All measures by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True)
class PairEvaluation:
    """What was measured, and some of the pictures.

    Attributes:
        scores: by program, one for each pair, in the same order.
        pictures: of the first photographs, by program, painting and photograph.
    """

    scores: dict[str, list[PairScores]]
    pictures: dict[tuple[str, str, str], Pixels] = field(repr=False)


def evaluate_pairs(
    programs: Mapping[str, Sequence[Contender]],
    photos: Sequence[Path],
    scorer: StyleScorer,
    *,
    size: int,
    num_shown: int = 0,
    on_progress: Callable[[str], None] = lambda _: None,
) -> PairEvaluation:
    """Measure every photograph in the style of every painting, by every program.

    Args:
        programs: by name, a contender for each painting.
        photos: files.
        scorer: with the painting of every contender; its others are candidates for the nearest.
        size: side of the photographs' central squares, in pixels.
        num_shown: how many photographs' pictures are kept.
        on_progress: called with the name of each photograph before it is measured.

    Raises:
        DataError: no photographs.
        PictureFileError: a photograph cannot be read.
    """
    if not photos:
        raise DataError("no photographs were given; expected a folder of pictures")
    scores: dict[str, list[PairScores]] = {program: [] for program in programs}
    pictures: dict[tuple[str, str, str], Pixels] = {}
    # Photograph by photograph: its features are hundreds of megabytes, and computed once.
    for number, photo in enumerate(photos):
        on_progress(photo.name)
        photograph = square(photo, size)
        reference = scorer.reference(photograph)
        for program, contenders in programs.items():
            for contender in contenders:
                picture = contender.stylize(photo, photograph)
                pair = score_pair(
                    scorer, picture, reference, photograph=photo.name, painting=contender.painting
                )
                scores[program].append(pair)
                if number < num_shown:
                    pictures[program, contender.painting, photo.name] = picture
    return PairEvaluation(scores, pictures)


def score_pair(
    scorer: StyleScorer,
    stylized: Pixels,
    reference: PhotographReference,
    *,
    photograph: str,
    painting: str,
) -> PairScores:
    """Measure one picture.

    Args:
        scorer: with the painting.
        stylized: H×W×3 in [0, 1], rounded to the 8 bits of a file; as large as the photograph.
        reference: of the photograph.
        photograph: its name.
        painting: the name of the style's own.

    Raises:
        PictureError: it is no picture or too small, or the sizes differ.
    """
    picture = to_tensor(stylized)
    features = scorer.features(picture)
    losses = scorer.style_losses(features)
    peak_2, peak_4 = relative_peaks(style_luminance(stylized), reference)
    return PairScores(
        photograph=photograph,
        painting=painting,
        content=content_loss(features, reference),
        style=losses[painting],
        untouched_style=reference.style_losses[painting],
        total_variation=total_variation(picture),
        nearest=min(losses, key=losses.__getitem__),
        palette_distance=distance(sampled(picture), sampled(scorer.painting(painting))),
        peak_2=peak_2,
        peak_4=peak_4,
    )


def sampled(picture: Tensor) -> Tensor:
    """Every k-th row and column of a picture, N×C×H×W, so that `PALETTE_SIDE` or more are left.

    A distance of colours sorts all pixels along 64 directions: of 512² it takes as long as the
    loss network, and the colours of one pixel in 16 are the same.
    """
    step = max(min(picture.shape[2:]) // PALETTE_SIDE, 1)
    return picture[:, :, ::step, ::step]


def medians(scores: Sequence[PairScores]) -> dict[str, float]:
    """The median over pairs of every measure that is a number, and the share of right paintings."""
    numbers = [name for name, kind in PairScores.__annotations__.items() if kind is float]
    of_measures = {name: median(getattr(each, name) for each in scores) for name in numbers}
    return {
        **of_measures,
        "style_fall": median(each.style_fall for each in scores),
        "right_share": sum(each.nearest == each.painting for each in scores) / len(scores),
    }


def compared(ours: Sequence[PairScores], theirs: Sequence[PairScores]) -> dict[str, float]:
    """The medians of ratios, pair by pair.

    Args:
        ours: of a program.
        theirs: of another, for the same pairs in the same order.

    Returns:
        `style_fall`: how many times as far the style loss falls with us; `content`: our content
        loss over theirs; `palette_distance` likewise.

    Raises:
        DataError: the pairs differ.
    """
    pairs = list(zip(ours, theirs, strict=False))
    if len(ours) != len(theirs) or any(
        (a.photograph, a.painting) != (b.photograph, b.painting) for a, b in pairs
    ):
        raise DataError("two programs were measured on other pairs; expected the same ones")
    return {
        "style_fall": median(a.style_fall / b.style_fall for a, b in pairs),
        "content": median(a.content / max(b.content, _TINY) for a, b in pairs),
        "palette_distance": median(
            a.palette_distance / max(b.palette_distance, _TINY) for a, b in pairs
        ),
    }
