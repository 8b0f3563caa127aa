"""Figures 6 and 7: optimised and stylized pictures side by side, and larger pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from impasto.evaluation.photographs import Pixels, at_8_bits, square
from impasto.images.contact_sheet import contact_sheet
from impasto.images.files.io import Picture, load_picture, save_picture
from impasto.reproduction.baseline import optimization_key, optimized
from impasto.reproduction.claim import Effort, Result, Settings, first, with_note
from impasto.reproduction.journal import Journal
from impasto.reproduction.trained_style import (
    TrainedStyle,
    load_styles,
    released_styles,
    terms_of,
)

STATEMENT = (
    "Figures 6 and 7: networks trained at 256² make pictures much like the optimised ones, and "
    "are of use on larger pictures without further training."
)
CELL_SIZE = 256


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is compared.

    Attributes:
        size: at which pictures are optimised.
        num_iterations: of L-BFGS.
        num_photographs: for each style.
        larger_sizes: at which networks are applied too.
        styles: where none are given; None takes all that ship.
    """

    size: int
    num_iterations: int
    num_photographs: int
    larger_sizes: tuple[int, ...]
    styles: tuple[str, ...] | None = None


AMOUNTS: Mapping[Effort, Amount] = {
    "tiny": Amount(32, 2, 1, (48,), ("starry_night",)),
    "quick": Amount(256, 100, 1, (512, 1024), ("starry_night", "great_wave")),
    "full": Amount(256, 500, 3, (512, 1024)),
}


def run(settings: Settings, journal: Journal) -> Result:
    """Optimise and stylize the same photographs."""
    amount = AMOUNTS[settings.effort]
    names = settings.styles or amount.styles or released_styles()
    photos = first(settings.shown, amount.num_photographs)
    cells, sheet, larger, content = [], [], [], []
    for style in load_styles(names, settings.paintings):
        for photo in photos:
            photograph = square(photo, amount.size)
            optimization = _gatys(
                style, photo, photograph, amount=amount, settings=settings, journal=journal
            )
            if optimization is None:  # no time was left; the others still make a result
                continue
            terms, picture = optimization
            ours = style.stylized(photograph)
            objective = style.objective_for(photograph)
            row = {
                "photograph": terms_of(objective, photograph),
                "gatys": terms,
                "network": terms_of(objective, ours),
            }
            content.append(
                {"style": style.name, "model": style.model.sha256, "photo": photo.name, **row}
            )
            cells += [
                [style.name, photo.name, name, *(f"{value:.3f}" for value in row_terms.values())]
                for name, row_terms in row.items()
            ]
            painting = load_picture(style.painting).rgb
            sheet.append([photograph, painting, picture, ours])
            larger.append([ours, *(style.stylized(square(photo, s)) for s in amount.larger_sizes)])
    pictures = _pictures(sheet, larger, amount) if sheet else {}
    return Result(_text(cells, amount), {"rows": content}, pictures)


def _gatys(
    style: TrainedStyle,
    photo: Path,
    photograph: Pixels,
    *,
    amount: Amount,
    settings: Settings,
    journal: Journal,
) -> tuple[dict[str, float], Pixels] | None:
    key = optimization_key(style, photo, size=amount.size, num_iterations=amount.num_iterations)
    path = journal.path(key, ".png")

    def compute() -> dict[str, float]:
        optimization = optimized(
            style,
            photograph,
            num_iterations=amount.num_iterations,
            device=settings.device,
            journal=journal,
            key=key,
        )
        save_picture(Picture(rgb=at_8_bits(optimization.picture)), path, overwrite=True)
        # Of the picture before it is rounded, as its curve is; the file is only shown.
        return terms_of(style.objective_for(photograph), optimization.picture)

    terms = journal.unit(key, compute)
    return None if terms is None else (terms, load_picture(path).rgb)


def _text(cells: list[list[str]], amount: Amount) -> str:
    columns = ["style", "photograph", "picture", "objective", "content", "style", "variation"]
    sizes = ", ".join(f"{size}²" for size in amount.larger_sizes)
    note = (
        f"At {amount.size}²; *gatys*: {amount.num_iterations} iterations of L-BFGS from white "
        "noise; *network*: the 8-bit picture of the runtime. Each term as the style was trained "
        f"by it. The pictures: photograph, painting, optimised, ours; and ours at {amount.size}², "
        f"{sizes}, shown at one size."
    )
    return with_note(columns, cells, note)


def _pictures(
    sheet: list[list[Pixels]], larger: list[list[Pixels]], amount: Amount
) -> dict[str, Pixels]:
    cell = min(CELL_SIZE, 8 * amount.size)
    labels = ["photograph", "painting", f"optimised, {amount.num_iterations}", "ours"]
    sizes = [f"ours at {size} px" for size in (amount.size, *amount.larger_sizes)]
    return {
        "": contact_sheet(sheet, cell_size=cell, column_labels=labels),
        "-larger": contact_sheet(larger, cell_size=2 * cell, column_labels=sizes),
    }
