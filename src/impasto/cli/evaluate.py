"""`impasto evaluate`: how near super-resolution comes to the truth, as a table."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from impasto.cli.display.console import print_error, print_json, print_result, usage_error
from impasto.cli.files.transform import Json, Overwrite
from impasto.files import exists_already

if TYPE_CHECKING:
    from impasto.evaluation.benchmark import Evaluation
    from impasto.evaluation.comparison import ComparisonSheet
    from impasto.evaluation.measures import Measure
    from impasto.evaluation.picture_sets import PictureSet
    from impasto.evaluation.upscaling_methods import UpscalingMethod
    from impasto.metrics.fidelity import Protocol

USUAL_SCALE = 4


def evaluate(
    *,
    data: Annotated[
        list[Path],
        typer.Option("--data", metavar="DIR", help="A folder of high-resolution test pictures."),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="MODEL", help="A model's name or file; repeatable."),
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=2, max=16, help="The first model's own, or else 4."),
    ] = None,
    degradation: Annotated[
        Literal["bicubic", "blur-bicubic"],
        typer.Option(metavar="bicubic|blur-bicubic", help="How low resolutions are made."),
    ] = "bicubic",
    low_resolution: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Low resolutions to use instead; one for each --data."),
    ] = None,
    match_histogram: Annotated[
        bool, typer.Option("--match-histogram", help="Also measure each model with it.")
    ] = False,
    features: Annotated[
        bool, typer.Option("--features", help="Also distances in VGG-16's features.")
    ] = False,
    spectrum: Annotated[
        bool, typer.Option("--spectrum", help="Also the spectrum at periods of 2 and 4 pixels.")
    ] = False,
    lpips_weights: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Also LPIPS, by these weights; repeatable."),
    ] = None,
    per_image: Annotated[
        bool, typer.Option("--per-image", help="Also a row for each picture.")
    ] = False,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw crops side by side.")
    ] = None,
    crop: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME:x,y,w,h", help="What to show; else where detail is lost."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT", help="Also write it here.")
    ] = None,
    into_card: Annotated[
        bool, typer.Option("--into-card", help="Also write the means into the models' cards.")
    ] = False,
    precision: Annotated[
        Literal["auto", "f32", "bf16"],
        typer.Option(metavar="auto|f32|bf16", help="Of the models' arithmetic."),
    ] = "f32",
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Measure super-resolution models against the truth, bicubic enlargement first.

    Prints a table of PSNR and SSIM in Markdown, with the protocol of every number.
    """
    from impasto.evaluation.picture_sets import find_pictures
    from impasto.evaluation.upscaling_methods import open_methods
    from impasto.metrics.fidelity import Protocol

    _check_places(output, sheet, crop, overwrite=overwrite)
    files = _files_to_score(model or []) if into_card else []
    lows = _paired_folders(data, low_resolution)
    scale = scale or _own_scale(model or [])
    sets = [
        find_pictures(folder, scale=scale, low_resolution=low)
        for folder, low in zip(data, lows, strict=True)
    ]
    drawing = _comparison(sheet, crop, sets)
    methods = open_methods(
        model or [], scale=scale, precision=precision, matches_histogram=match_histogram
    )
    protocol = Protocol(scale, "files" if low_resolution else degradation)
    measures = _measures(protocol, spectrum, features, lpips_weights)
    evaluation = _run(sets, methods, measures, protocol, drawing)
    _tell(evaluation, output, overwrite=overwrite, json=json, per_image=per_image)
    for file in files:
        _score(file, evaluation)
    if drawing is not None and sheet is not None:
        _draw(drawing, sheet, overwrite=overwrite)


def _files_to_score(models: list[str]) -> list[Path]:
    files = [Path(model) for model in models]
    if not files or not all(file.suffix == ".onnx" and file.is_file() for file in files):
        raise usage_error(
            "--into-card changes model files; give each --model as a file that is there"
        )
    if len({file.stem for file in files}) < len(files):
        raise usage_error(
            "--into-card knows models by the names of their files; give no name twice"
        )
    return files


def _score(file: Path, evaluation: "Evaluation") -> None:
    from impasto.evaluation.report import card_scores
    from impasto.export.model_export import write_scores

    write_scores(file, card_scores(evaluation, file.stem))


def _check_places(
    output: Path | None, sheet: Path | None, crop: list[str] | None, *, overwrite: bool
) -> None:
    from impasto.images.files.output import check_target

    if crop and sheet is None:
        raise usage_error("--crop is for a comparison sheet; add --sheet FILE")
    if sheet is not None:
        check_target(sheet, overwrite=overwrite)
    if output is not None and output.suffix.lower() not in (".md", ".json"):
        raise usage_error(f"-o was given {output}; expected a name that ends in .md or .json")
    if output is not None and not output.parent.is_dir():
        raise usage_error(f"{output} cannot be written: the folder {output.parent} does not exist")
    if output is not None and output.exists() and not overwrite:
        raise exists_already(output)


def _paired_folders(data: list[Path], low: list[Path] | None) -> list[Path | None]:
    if low and len(low) != len(data):
        raise usage_error(
            f"--low-resolution was given {len(low)} times and --data {len(data)} times; expected "
            "one for each, in the same order"
        )
    return list(low) if low else [None] * len(data)


def _own_scale(models: list[str]) -> int:
    from impasto.evaluation.upscaling_methods import BICUBIC
    from impasto.runtime.upscaler import resolve_upscaling_model

    own = (resolve_upscaling_model(model).card.scale for model in models if model != BICUBIC)
    return next(own, USUAL_SCALE)


def _comparison(
    sheet: Path | None, crop: list[str] | None, sets: list["PictureSet"]
) -> "ComparisonSheet | None":
    from impasto.evaluation.comparison import ComparisonSheet, Crop

    if sheet is None:
        return None
    drawing = ComparisonSheet([Crop.parse(text) for text in crop or ()])
    drawing.check(sets)
    return drawing


def _measures(
    protocol: "Protocol", with_spectrum: bool, with_features: bool, lpips: list[Path] | None
) -> list["Measure"]:
    from impasto.evaluation.measures import fidelity, spectrum

    measures = [fidelity(protocol)]
    if lpips:
        from impasto.evaluation.lpips import lpips_measure, read_lpips

        measures.append(lpips_measure(protocol, read_lpips(lpips)))
    if with_features:
        from impasto.evaluation.features import feature_measure

        measures.append(feature_measure(protocol))
    if with_spectrum:
        measures.append(spectrum(protocol))
    return measures


def _run(
    sets: list["PictureSet"],
    methods: list["UpscalingMethod"],
    measures: list["Measure"],
    protocol: "Protocol",
    drawing: "ComparisonSheet | None",
) -> "Evaluation":
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from impasto.cli.display.progress import PictureProgress
    from impasto.evaluation.benchmark import evaluate, mismatch_warnings
    from impasto.evaluation.picture_sets import TestPicture

    for warning in mismatch_warnings(methods, protocol):
        print_error(warning)
    with PictureProgress(sum(len(tested.pictures) for tested in sets)) as progress:

        def on_picture(
            name: str, picture: TestPicture, upscaled: Mapping[str, NDArray[np.float32]]
        ) -> None:
            if drawing is not None:
                drawing.add(name, picture, upscaled)
            progress.advance()

        return evaluate(sets, methods, measures, protocol=protocol, on_picture=on_picture)


def _tell(
    evaluation: "Evaluation",
    output: Path | None,
    *,
    overwrite: bool,
    json: bool,
    per_image: bool,
) -> None:
    import json as json_module

    from impasto.evaluation.report import to_json, to_markdown
    from impasto.files import write_whole

    content, text = to_json(evaluation), to_markdown(evaluation, per_picture=per_image)
    if output is not None:
        is_json = output.suffix.lower() == ".json"
        written = json_module.dumps(content, indent=2) + "\n" if is_json else text
        write_whole(output, written.encode(), replace=overwrite)
    if json:
        print_json(content)
    else:
        print_result(text.rstrip("\n"))


def _draw(drawing: "ComparisonSheet", sheet: Path, *, overwrite: bool) -> None:
    from impasto.images.files.io import Picture, save_picture
    from impasto.images.files.output import save_or_keep

    drawn = Picture(rgb=drawing.draw())
    save_or_keep(lambda place: save_picture(drawn, place, overwrite=overwrite), sheet)
