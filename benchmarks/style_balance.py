"""Is the automatic balance of style and content right for every painting, untouched?

    python benchmarks/style_balance.py PAINTING... --photos DIR --test-photos DIR

Trains a short style for each painting with the defaults, then measures how much nearer to the
painting it brings photographs it has not seen, and draws some of them stylized.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from measure import RESULTS, publish
from style_terms import StyleTerms

from impasto.evaluation.photographs import square, stylized
from impasto.images.contact_sheet import contact_sheet
from impasto.images.files.io import Picture, list_pictures, load_picture, save_picture
from impasto.runtime.predictor import Predictor
from impasto.tensors import to_tensor
from impasto.training.recipe_file import parse_recipe
from impasto.training.run import train_model

EXAMPLES = Path(__file__).parents[1] / "examples" / "photos"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paintings", type=Path, nargs="+")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--test-photos", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--crop-size", type=int, default=96)
    arguments = parser.parse_args()
    examples = [square(path, 256) for path in list_pictures(EXAMPLES)]
    tests = list_pictures(arguments.test_photos)[::4]
    rows, sheet = [], []
    for painting in arguments.paintings:
        predictor, record = _train(painting, arguments)
        factors, contents = _strength(predictor, painting, tests)
        rows.append(
            {
                "painting": painting.stem,
                "style_scale": record.scales["style"],
                "style_factor": float(np.median(factors)),
                "content": float(np.median(contents)),
            }
        )
        print(rows[-1], flush=True)
        sheet.append([load_picture(painting).rgb, *(predictor(photo) for photo in examples)])
        _save_sheet(sheet, arguments.paintings)
    lines = [
        "| painting | probe's style scale | style before / after, 256² | content |",
        "|---|---|---|---|",
    ]
    lines += [
        "| {painting} | {style_scale:,.0f} | {style_factor:.1f} | {content:,.0f} |".format(**row)
        for row in rows
    ]
    lines += ["", f"{arguments.steps} steps at {arguments.crop_size}², {len(tests)} photographs."]
    publish(
        "style_balance",
        command="python benchmarks/style_balance.py PAINTING... --photos DIR --test-photos DIR "
        f"--steps {arguments.steps} --crop-size {arguments.crop_size}",
        table="\n".join(lines),
        content={"rows": rows},
    )


def _strength(
    predictor: Predictor, painting: Path, photos: list[Path]
) -> tuple[list[float], list[float]]:
    """Each photograph's style loss before over after, and its content loss, at 256²."""
    terms = StyleTerms({painting.stem: painting})
    factors, contents = [], []
    for photo in photos:
        photograph = square(photo, 256)
        before = terms.features(to_tensor(photograph))
        after = terms.features(to_tensor(stylized(predictor, photograph)))
        factors.append(float(terms.styles(before)[0] / terms.styles(after)[0]))
        contents.append(terms.content(after, before))
    return factors, contents


def _train(painting: Path, arguments: argparse.Namespace):  # type: ignore[no-untyped-def]
    recipe = parse_recipe(
        {
            "painting": {"file": painting},
            "photos": {"path": arguments.photos},
            "stages": [{"steps": arguments.steps, "crop_size": arguments.crop_size}],
            "loop": {"contact_sheet_minutes": 60},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        outcome = train_model(recipe, Path(folder) / f"{painting.stem}.onnx")
    assert outcome.model is not None
    return Predictor(outcome.model), outcome.model.card.training


def _save_sheet(sheet, paintings) -> None:  # type: ignore[no-untyped-def]
    RESULTS.mkdir(exist_ok=True)
    picture = contact_sheet(
        sheet, cell_size=192, row_labels=[p.stem for p in paintings[: len(sheet)]]
    )
    save_picture(Picture(rgb=picture), RESULTS / "style_balance.jpg", overwrite=True, quality=85)


if __name__ == "__main__":
    main()
